/** What is used of the engine; the types of Node do not have it. @see WebAssembly JavaScript Interface §5 */
interface Engine {
  readonly Module: new (octets: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: Readonly<Record<string, unknown>> }
  readonly CompileError: new () => Error
  readonly LinkError: new () => Error
}

export interface Memory {
  readonly buffer: ArrayBuffer
}

export const engine: Engine = (globalThis as unknown as { readonly WebAssembly: Engine }).WebAssembly
