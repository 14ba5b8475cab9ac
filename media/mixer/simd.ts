/**
 * The mixer's arithmetic in WebAssembly SIMD: eight samples at a time, the same bits as {@link plainKernel}.
 */
import { InfraFabricError } from '#kernel'
import { assemble, type Body, type FunctionSource } from './assembler.ts'
import { fullScale, gainStep, knee, type MixKernel, unityGain } from './kernel.ts'

/** As much of the WebAssembly API as is used: the types of the runtime leave it out. */
interface WebAssemblyApi {
  readonly validate: (code: Uint8Array<ArrayBuffer>) => boolean
  readonly Memory: new (pages: { readonly initial: number; readonly maximum: number }) => { readonly buffer: ArrayBuffer }
  readonly Module: new (code: Uint8Array<ArrayBuffer>) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown }
}

const wasm = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly

const pageOctets = 65_536
const rampBits = 8
const gainBits = 11
/** Octets of eight samples. */
const step = 16

const advance = (body: Body, pointer: string, octets: number) => body.get(pointer).const(octets).op('i32.add').set(pointer)

/** Sets `end` to `octets` behind a pointer. */
const bound = (body: Body, pointer: string, octets: string) => body.get(pointer).get(octets).op('i32.add').set('end')

/** Sum of the squares, as a double. */
const power: FunctionSource = {
  name: 'power',
  parameters: ['frame', 'octets'],
  locals: { end: 'i32', sum: 'v128', pairs: 'v128' },
  result: 'f64',
  body: (body) => {
    bound(body, 'frame', 'octets').each('frame', 'end', () => {
      body.get('frame').load().get('frame').load().op('i32x4.dot_i16x8_s').set('pairs')
      // Two samples of −32768 fill the sign bit: pairs count without sign.
      body.get('sum').get('pairs').op('i64x2.extend_low_i32x4_u', 'i64x2.add')
      body.get('pairs').op('i64x2.extend_high_i32x4_u', 'i64x2.add').set('sum')
      advance(body, 'frame', step)
    })
    body.get('sum').extract64(0).get('sum').extract64(1).op('i64.add', 'f64.convert_i64_u')
  }
}

/** Four lanes of a gain that moves: at `gain`, a step further in each lane. */
function startRamp(body: Body): void {
  body.vector([1, 2, 3, 4]).get('by').op('i32x4.splat', 'i32x4.mul')
  body.get('gain').op('i32x4.splat', 'i32x4.add').set('gains')
  body.get('by').const(2).op('i32.shl', 'i32x4.splat').set('steps')
}

const moveRamp = (body: Body) => body.get('gains').get('steps').op('i32x4.add').set('gains')
const gainNow = (body: Body) => body.get('gains').const(rampBits).op('i32x4.shr_s')
const descale = (body: Body) =>
  body
    .const4(unityGain / 2)
    .op('i32x4.add')
    .const(gainBits)
    .op('i32x4.shr_s')

const scale: FunctionSource = {
  name: 'scale',
  parameters: ['frame', 'octets', 'gain', 'by'],
  locals: { end: 'i32', gains: 'v128', steps: 'v128', samples: 'v128' },
  result: null,
  body: (body) => {
    startRamp(body)
    bound(body, 'frame', 'octets').each('frame', 'end', () => {
      body.get('frame').get('frame').load().tee('samples').op('i32x4.extend_low_i16x8_s')
      gainNow(body).op('i32x4.mul')
      descale(body)
      moveRamp(body).get('samples').op('i32x4.extend_high_i16x8_s')
      gainNow(body).op('i32x4.mul')
      descale(body).op('i16x8.narrow_i32x4_s').store()
      moveRamp(body)
      advance(body, 'frame', step)
    })
  }
}

const crossfade: FunctionSource = {
  name: 'crossfade',
  parameters: ['before', 'out', 'octets', 'by'],
  locals: { end: 'i32', gain: 'i32', gains: 'v128', steps: 'v128', old: 'v128', fresh: 'v128' },
  result: null,
  body: (body) => {
    const half = (extend: 'i32x4.extend_low_i16x8_s' | 'i32x4.extend_high_i16x8_s') => {
      gainNow(body.get('fresh').op(extend)).op('i32x4.mul')
      gainNow(body.get('old').op(extend).const4(unityGain)).op('i32x4.sub', 'i32x4.mul', 'i32x4.add')
      descale(body)
      moveRamp(body)
    }
    startRamp(body)
    bound(body, 'out', 'octets').each('out', 'end', () => {
      body.get('before').load().set('old').get('out').load().set('fresh').get('out')
      half('i32x4.extend_low_i16x8_s')
      half('i32x4.extend_high_i16x8_s')
      body.op('i16x8.narrow_i32x4_s').store()
      advance(body, 'before', step)
      advance(body, 'out', step)
    })
  }
}

const add: FunctionSource = {
  name: 'add',
  parameters: ['sum', 'frame', 'octets'],
  locals: { end: 'i32', samples: 'v128' },
  result: null,
  body: (body) => {
    bound(body, 'frame', 'octets').each('frame', 'end', () => {
      body.get('frame').load().set('samples')
      body.get('sum').get('sum').load().get('samples').op('i32x4.extend_low_i16x8_s', 'i32x4.add').store()
      body.get('sum').get('sum').load(step).get('samples').op('i32x4.extend_high_i16x8_s', 'i32x4.add').store(step)
      advance(body, 'frame', step)
      advance(body, 'sum', 2 * step)
    })
  }
}

const oddToEven = [4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11]

const peak: FunctionSource = {
  name: 'peak',
  parameters: ['sum', 'octets'],
  locals: { end: 'i32', most: 'v128' },
  result: 'i32',
  body: (body) => {
    bound(body, 'sum', 'octets').each('sum', 'end', () => {
      body.get('most').get('sum').load().op('i32x4.abs', 'i32x4.max_s').set('most')
      advance(body, 'sum', step)
    })
    for (const order of [highToLow, oddToEven])
      body.get('most').get('most').get('most').shuffle(order).op('i32x4.max_s').set('most')
    body.get('most').extract32(0)
  }
}

const lowHalves = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]
const highToLow = [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15]

/** Bends four sums in `name` as {@link limit} does: in doubles, two at a time; lanes below the knee stay as they are. */
function bend(body: Body, name: string): void {
  const room = fullScale - knee
  const half = (shift: boolean) => {
    body.get('over').get('over')
    body
      .shuffle(shift ? highToLow : lowHalves)
      .op('f64x2.convert_low_i32x4_s')
      .set('double')
    body.double2(knee).double2(room).get('double').op('f64x2.mul')
    body.get('double').double2(room).op('f64x2.add', 'f64x2.div', 'f64x2.add', 'i32x4.trunc_sat_f64x2_s_zero')
  }
  body.get(name).op('i32x4.abs').const4(knee).op('i32x4.sub').set('over')
  half(false)
  half(true)
  body.shuffle(lowHalves)
  // The sign comes back: (x ^ s) − s with s all ones for negative sums.
  body.get(name).const(31).op('i32x4.shr_s').tee('sign').op('v128.xor').get('sign').op('i32x4.sub')
  body.get(name).get('over').const4(0).op('i32x4.gt_s', 'v128.bitselect').set(name)
}

/** @param subtract whether there is an own part */
const without = (name: string, subtract: boolean): FunctionSource => ({
  name,
  parameters: subtract ? ['sum', 'own', 'out', 'octets'] : ['sum', 'out', 'octets'],
  locals: { end: 'i32', low: 'v128', high: 'v128', samples: 'v128', over: 'v128', double: 'v128', sign: 'v128' },
  result: null,
  body: (body) => {
    bound(body, 'out', 'octets').each('out', 'end', () => {
      body.get('sum').load()
      if (subtract) body.get('own').load().tee('samples').op('i32x4.extend_low_i16x8_s', 'i32x4.sub')
      body.set('low').get('sum').load(step)
      if (subtract) body.get('samples').op('i32x4.extend_high_i16x8_s', 'i32x4.sub')
      body.set('high')
      body.get('low').op('i32x4.abs').const4(knee).op('i32x4.gt_s')
      body
        .get('high')
        .op('i32x4.abs')
        .const4(knee)
        .op('i32x4.gt_s', 'v128.or', 'v128.any_true')
        .when(() => {
          bend(body, 'low')
          bend(body, 'high')
        })
      body.get('out').get('low').get('high').op('i16x8.narrow_i32x4_s').store()
      advance(body, 'sum', 2 * step)
      advance(body, 'out', step)
      if (subtract) advance(body, 'own', step)
    })
  }
})

const blend: FunctionSource = {
  name: 'blend',
  parameters: ['into', 'frame', 'octets'],
  locals: { end: 'i32' },
  result: null,
  body: (body) => {
    bound(body, 'into', 'octets').each('into', 'end', () => {
      body.get('into').get('into').load().get('frame').load().op('i16x8.add_sat_s').store()
      advance(body, 'into', step)
      advance(body, 'frame', step)
    })
  }
}

const functions = [power, scale, crossfade, add, peak, without('withoutOwn', true), without('whole', false), blend]

interface Exports {
  readonly power: (frame: number, octets: number) => number
  readonly scale: (frame: number, octets: number, gain: number, by: number) => void
  readonly crossfade: (before: number, out: number, octets: number, by: number) => void
  readonly add: (sum: number, frame: number, octets: number) => void
  readonly peak: (sum: number, octets: number) => number
  readonly withoutOwn: (sum: number, own: number, out: number, octets: number) => void
  readonly whole: (sum: number, out: number, octets: number) => void
  readonly blend: (into: number, frame: number, octets: number) => void
}

/**
 * The kernel in WebAssembly.
 *
 * @param octets memory for frames and sums, taken at once but used page by page; it does not grow, so that frames stay where they are
 * @returns null where the runtime has no SIMD, or not so much memory
 */
export function simdKernel(octets: number): MixKernel | null {
  const pages = Math.ceil(octets / pageOctets)
  const code = assemble(functions, pages)
  if (!wasm.validate(code)) return null
  let memory: { readonly buffer: ArrayBuffer }
  try {
    memory = new wasm.Memory({ initial: pages, maximum: pages })
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return null
  }
  const kernel = new wasm.Instance(new wasm.Module(code), { env: { memory } }).exports as Exports
  const { buffer } = memory
  /** Places given back, by their length in octets. */
  const freed = new Map<number, number[]>()
  let next = 0

  function take(length: number): number {
    if (length % step !== 0) throw new RangeError(`a frame has a multiple of ${step} octets, not ${length}`)
    const again = freed.get(length)?.pop()
    if (again !== undefined) {
      new Uint8Array(buffer, again, length).fill(0)
      return again
    }
    if (next + length > buffer.byteLength) throw new InfraFabricError('media.mixer.full', 'no memory is left for frames')
    next += length
    return next - length
  }

  return {
    name: 'simd',
    frame: (samples) => (samples === 0 ? new Int16Array(0) : new Int16Array(buffer, take(2 * samples), samples)),
    sum: (samples) => new Int32Array(buffer, take(4 * samples), samples),
    free: (frame) => {
      if (frame.buffer !== buffer) return
      const places = freed.get(frame.byteLength)
      if (places === undefined) freed.set(frame.byteLength, [frame.byteOffset])
      else places.push(frame.byteOffset)
    },
    power: (frame) => (frame.length === 0 ? 0 : kernel.power(frame.byteOffset, frame.byteLength) / frame.length),
    scale: (frame, fromGain, toGain) =>
      kernel.scale(frame.byteOffset, frame.byteLength, fromGain << rampBits, gainStep(frame.length, fromGain, toGain)),
    add: (sum, frame) => kernel.add(sum.byteOffset, frame.byteOffset, frame.byteLength),
    peak: (sum) => kernel.peak(sum.byteOffset, sum.byteLength),
    without: (sum, own, out) => {
      if (own === null) kernel.whole(sum.byteOffset, out.byteOffset, out.byteLength)
      else kernel.withoutOwn(sum.byteOffset, own.byteOffset, out.byteOffset, out.byteLength)
    },
    blend: (into, frame) => kernel.blend(into.byteOffset, frame.byteOffset, into.byteLength),
    crossfade: (before, out) =>
      kernel.crossfade(before.byteOffset, out.byteOffset, out.byteLength, gainStep(out.length, 0, unityGain))
  }
}
