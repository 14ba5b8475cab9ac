/**
 * A small assembler for WebAssembly: as much of it as the mixer's kernel needs. Modules are written as TypeScript, so that what runs can be read.
 *
 * @see WebAssembly core specification 2.0, chapter 5 (binary format)
 */

/** Opcodes without immediate operands; those above 0xff are SIMD, less 0x100. */
const plain = {
  end: 0x0b,
  'i32.ge_u': 0x4f,
  'i32.eqz': 0x45,
  'i32.add': 0x6a,
  'i64.add': 0x7c,
  'i32.shl': 0x74,
  'f64.convert_i64_u': 0xba,
  'i32x4.splat': 0x111,
  'f64x2.splat': 0x114,
  'i32x4.lt_s': 0x139,
  'i32x4.gt_s': 0x13b,
  'v128.and': 0x14e,
  'v128.or': 0x150,
  'v128.xor': 0x151,
  'v128.bitselect': 0x152,
  'v128.any_true': 0x153,
  'i16x8.narrow_i32x4_s': 0x185,
  'i16x8.add_sat_s': 0x18f,
  'i32x4.abs': 0x1a0,
  'i32x4.extend_low_i16x8_s': 0x1a7,
  'i32x4.extend_high_i16x8_s': 0x1a8,
  'i32x4.shl': 0x1ab,
  'i32x4.shr_s': 0x1ac,
  'i32x4.add': 0x1ae,
  'i32x4.sub': 0x1b1,
  'i32x4.mul': 0x1b5,
  'i32x4.max_s': 0x1b8,
  'i32x4.dot_i16x8_s': 0x1ba,
  'i64x2.extend_low_i32x4_u': 0x1c9,
  'i64x2.extend_high_i32x4_u': 0x1ca,
  'i64x2.add': 0x1ce,
  'f64x2.add': 0x1f0,
  'f64x2.mul': 0x1f2,
  'f64x2.div': 0x1f3,
  'i32x4.trunc_sat_f64x2_s_zero': 0x1fc,
  'f64x2.convert_low_i32x4_s': 0x1fe
} as const

export type PlainInstruction = keyof typeof plain

const valueTypes = { i32: 0x7f, f64: 0x7c, v128: 0x7b } as const
export type ValueType = keyof typeof valueTypes

const simdPrefix = 0xfd
const emptyBlock = 0x40

function unsigned(value: number): number[] {
  const out: number[] = []
  let left = value >>> 0
  do {
    out.push((left & 0x7f) | (left > 0x7f ? 0x80 : 0))
    left >>>= 7
  } while (left !== 0)
  return out
}

function signed(value: number): number[] {
  const out: number[] = []
  for (let left = value | 0; ; left >>= 7) {
    const octet = left & 0x7f
    const last = left >> 7 === (octet & 0x40 ? -1 : 0)
    out.push(last ? octet : octet | 0x80)
    if (last) return out
  }
}

/** The body of one function, instruction by instruction. Locals are numbered by name, parameters first. */
export class Body {
  readonly code: number[] = []
  readonly #locals: readonly string[]

  constructor(locals: readonly string[]) {
    this.#locals = locals
  }

  #local(opcode: number, name: string): this {
    const index = this.#locals.indexOf(name)
    if (index < 0) throw new RangeError(`no local ${name}`)
    this.code.push(opcode, ...unsigned(index))
    return this
  }

  get = (name: string) => this.#local(0x20, name)
  set = (name: string) => this.#local(0x21, name)
  tee = (name: string) => this.#local(0x22, name)

  op(...names: readonly PlainInstruction[]): this {
    for (const name of names) {
      const opcode = plain[name]
      if (opcode > 0xff) this.code.push(simdPrefix, ...unsigned(opcode - 0x100))
      else this.code.push(opcode)
    }
    return this
  }

  const(value: number): this {
    this.code.push(0x41, ...signed(value))
    return this
  }

  /** Four times the same 32-bit number. */
  const4(value: number): this {
    return this.const(value).op('i32x4.splat')
  }

  /** Four lanes of 32 bits. */
  vector(lanes: readonly [number, number, number, number]): this {
    this.code.push(simdPrefix, 12, ...new Uint8Array(Int32Array.from(lanes).buffer))
    return this
  }

  /** Twice the same double. */
  double2(value: number): this {
    this.code.push(0x44, ...new Uint8Array(Float64Array.of(value).buffer))
    return this.op('f64x2.splat')
  }

  /** 16 octets from the address on the stack. */
  load(offset = 0): this {
    this.code.push(simdPrefix, 0, 1, ...unsigned(offset))
    return this
  }

  store(offset = 0): this {
    this.code.push(simdPrefix, 11, 1, ...unsigned(offset))
    return this
  }

  /** Octets of two vectors by number, 0–31. */
  shuffle(octets: readonly number[]): this {
    this.code.push(simdPrefix, 13, ...octets)
    return this
  }

  extract32(lane: 0 | 1 | 2 | 3): this {
    this.code.push(simdPrefix, 27, lane)
    return this
  }

  extract64(lane: 0 | 1): this {
    this.code.push(simdPrefix, 29, lane)
    return this
  }

  /** Runs `body` while `pointer` is below `end`, a step further each time. Never runs it without a first look. */
  each(pointer: string, end: string, body: () => void): this {
    this.code.push(0x02, emptyBlock, 0x03, emptyBlock)
    this.get(pointer).get(end).op('i32.ge_u')
    this.code.push(0x0d, 1)
    body()
    this.code.push(0x0c, 0)
    return this.op('end', 'end')
  }

  /** Runs `body` when the number on the stack is not 0. */
  when(body: () => void): this {
    this.code.push(0x04, emptyBlock)
    body()
    return this.op('end')
  }
}

export interface FunctionSource {
  readonly name: string
  readonly parameters: readonly string[]
  readonly locals: Readonly<Record<string, ValueType>>
  readonly result: ValueType | null
  readonly body: (body: Body) => void
}

const text = (value: string) => [...unsigned(value.length), ...Buffer.from(value, 'ascii')]
const list = (items: readonly (readonly number[])[]) => [...unsigned(items.length), ...items.flat()]
const section = (id: number, content: readonly number[]) => [id, ...unsigned(content.length), ...content]

/** Puts functions together to a module that imports its memory as `env.memory`. Parameters are 32-bit numbers. */
export function assemble(functions: readonly FunctionSource[], memoryPages: number): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ parameters, result }) => [
    0x60,
    ...list(parameters.map(() => [valueTypes.i32])),
    ...list(result === null ? [] : [[valueTypes[result]]])
  ])
  const bodies = functions.map(({ parameters, locals, body: write }) => {
    const body = new Body([...parameters, ...Object.keys(locals)])
    write(body)
    const declared = Object.values(locals).map((type) => [1, valueTypes[type]])
    const content = [...list(declared), ...body.code, plain.end]
    return [...unsigned(content.length), ...content]
  })
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, list(types)),
    ...section(2, list([[...text('env'), ...text('memory'), 2, 1, ...unsigned(memoryPages), ...unsigned(memoryPages)]])),
    ...section(3, list(functions.map((_, n) => unsigned(n)))),
    ...section(7, list(functions.map(({ name }, n) => [...text(name), 0, ...unsigned(n)]))),
    ...section(10, list(bodies))
  ])
}
