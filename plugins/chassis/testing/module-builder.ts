/** Builds WebAssembly modules octet by octet, for tests: those that compilers make, and those that no compiler would. */

const i32 = 0x7f
const i64 = 0x7e
type FunctionType = readonly [parameters: readonly number[], results: readonly number[]]

export interface ModuleParts {
  readonly imports?: readonly { readonly module: string; readonly name: string; readonly type: FunctionType }[]
  /** First pages, and most pages where there is a maximum. */
  readonly memory?: readonly [least: number, most?: number]
  readonly tables?: readonly (readonly [least: number, most?: number])[]
  /** Functions without parameters and results; the first one is `_start`. `code` ends without `end`. */
  readonly functions: readonly { readonly locals?: number; readonly code: readonly number[] }[]
  /** Number, among `functions`, of the one that runs when the module is instantiated. */
  readonly start?: number
  readonly data?: readonly { readonly at: number; readonly octets: Uint8Array | string }[]
}

function leb(value: number | bigint): number[] {
  let rest = BigInt(value)
  const octets: number[] = []
  for (;;) {
    const low = Number(rest & 0x7fn)
    rest >>= 7n
    const done = (rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0)
    octets.push(done ? low : low | 0x80)
    if (done) return octets
  }
}

function unsigned(value: number): number[] {
  const octets: number[] = []
  let rest = value
  do {
    const low = rest % 128
    rest = Math.floor(rest / 128)
    octets.push(rest > 0 ? low | 0x80 : low)
  } while (rest > 0)
  return octets
}

const text = (value: string): number[] => [...unsigned(Buffer.byteLength(value)), ...Buffer.from(value)]
const vector = (items: readonly (readonly number[])[]): number[] => [...unsigned(items.length), ...items.flat()]
const section = (id: number, body: readonly number[]): number[] => [id, ...unsigned(body.length), ...body]
const limitsOf = ([least, most]: readonly [number, number?]): number[] =>
  most === undefined ? [0, ...unsigned(least)] : [1, ...unsigned(least), ...unsigned(most)]

export function buildModule({ imports = [], memory = [1], tables = [], functions, start, data = [] }: ModuleParts): Buffer {
  const typeOf = ([parameters, results]: FunctionType): number[] => [
    0x60,
    ...vector(parameters.map((p) => [p])),
    ...vector(results.map((r) => [r]))
  ]
  const types = [typeOf([[], []]), ...imports.map(({ type }) => typeOf(type))]
  const bodies = functions.map(({ locals = 0, code }) => {
    const body = [...(locals === 0 ? [0] : [1, ...unsigned(locals), i32]), ...code, 0x0b]
    return [...unsigned(body.length), ...body]
  })
  const segments = data.map(({ at, octets }) => {
    const content = Buffer.from(octets)
    return [0, 0x41, ...leb(at), 0x0b, ...unsigned(content.length), ...content]
  })
  return Buffer.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector(types)),
    ...section(2, vector(imports.map(({ module, name }, index) => [...text(module), ...text(name), 0, ...unsigned(1 + index)]))),
    ...section(3, vector(functions.map(() => [0]))),
    ...(tables.length === 0 ? [] : section(4, vector(tables.map((table) => [0x70, ...limitsOf(table)])))),
    ...section(5, vector([limitsOf(memory)])),
    ...section(
      7,
      vector([
        [...text('_start'), 0, ...unsigned(imports.length)],
        [...text('memory'), 2, 0]
      ])
    ),
    ...(start === undefined ? [] : section(8, unsigned(imports.length + start))),
    ...section(10, vector(bodies)),
    ...section(11, vector(segments))
  ])
}

/** Instructions. */
export const op = {
  constant: (value: number): number[] => [0x41, ...leb(value | 0)],
  constant64: (value: number | bigint): number[] => [0x42, ...leb(value)],
  call: (index: number): number[] => [0x10, ...unsigned(index)],
  drop: [0x1a],
  unreachable: [0x00],
  /** Goes round for ever. */
  forever: (body: readonly number[]): number[] => [0x03, 0x40, ...body, 0x0c, 0, 0x0b],
  /** Ends the function's trap-free life when the value on the stack is not 0. */
  trapUnlessZero: [0x04, 0x40, 0x00, 0x0b],
  load: (at: number): number[] => [...op.constant(at), 0x28, 2, 0],
  grow: [0x40, 0]
}

const wasi = 'wasi_snapshot_preview1'
/** Imports that tests use, with their types. */
export const imports = {
  fdWrite: { module: wasi, name: 'fd_write', type: [[i32, i32, i32, i32], [i32]] },
  fdRead: { module: wasi, name: 'fd_read', type: [[i32, i32, i32, i32], [i32]] },
  exit: { module: wasi, name: 'proc_exit', type: [[i32], []] },
  environSizes: { module: wasi, name: 'environ_sizes_get', type: [[i32, i32], [i32]] },
  pathOpen: { module: wasi, name: 'path_open', type: [[i32, i32, i32, i32, i32, i64, i64, i32, i32], [i32]] },
  output: { module: 'infrafabric', name: 'output_write', type: [[i32, i32], [i32]] },
  raiseHazard: { module: 'infrafabric', name: 'raise_hazard', type: [[i32, i32, i32, i32], [i32]] },
  credentialOpen: { module: 'infrafabric', name: 'credential_open', type: [[i32, i32, i32], [i32]] },
  credentialUse: { module: 'infrafabric', name: 'credential_use', type: [[i32, i32, i32, i32, i32, i32], [i32]] }
} satisfies Record<string, NonNullable<ModuleParts['imports']>[number]>
