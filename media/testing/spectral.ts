/**
 * How alike two sounds are, band by band: the log-spectral distance, the difference in level, in dB, root mean square over 16 bands and then over the
 * frames in which there is sound. It is 0 for what is the same. It is a measure, no listening test.
 */

const frameMs = 20
const bands = 16
/** Levels this far below the loudest count as silence: what is softer is hardly heard beside it. */
const rangeDb = 45

/** Level of each of 16 bands in each frame of 20 ms, in dB. @param hopMs from one frame to the next */
function spectrum(sound: Int16Array, rateHz: number, hopMs = frameMs): Float64Array[] {
  const hop = (rateHz * hopMs) / 1000
  const size = 2 ** Math.ceil(Math.log2((rateHz * frameMs) / 1000))
  const edges = Array.from({ length: bands + 1 }, (_, n) => Math.round((mel(n / bands, rateHz) / rateHz) * size))
  const real = new Float64Array(size)
  const imaginary = new Float64Array(size)
  const frames: Float64Array[] = []
  for (let at = 0; at + size <= sound.length; at += hop) {
    for (let i = 0; i < size; i++) {
      real[i] = sound[at + i]! * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size))
      imaginary[i] = 0
    }
    transform(real, imaginary)
    frames.push(
      Float64Array.from({ length: bands }, (_, n) => {
        let power = 0
        for (let k = edges[n]!; k < Math.max(edges[n + 1]!, edges[n]! + 1); k++) power += real[k]! ** 2 + imaginary[k]! ** 2
        return 10 * Math.log10(power / size ** 2 + 1)
      })
    )
  }
  return frames
}

/** Frequency at a share of the way from 100 Hz to 0.45 of the rate, in equal steps of pitch as it is heard. */
function mel(share: number, rateHz: number): number {
  const [low, high] = [100, 0.45 * rateHz].map((hz) => Math.log(1 + hz / 700)) as [number, number]
  return 700 * (Math.exp(low + share * (high - low)) - 1)
}

/** Fourier transform in place, radix 2. */
function transform(real: Float64Array, imaginary: Float64Array): void {
  const size = real.length
  for (let i = 1, j = 0; i < size; i++) {
    let bit = size >> 1
    for (; j & bit; bit >>= 1) j ^= bit
    j ^= bit
    if (i < j) {
      ;[real[i], real[j]] = [real[j]!, real[i]!]
      ;[imaginary[i], imaginary[j]] = [imaginary[j]!, imaginary[i]!]
    }
  }
  for (let length = 2; length <= size; length *= 2) {
    for (let k = 0; k < length / 2; k++) {
      const [c, s] = [Math.cos((-2 * Math.PI * k) / length), Math.sin((-2 * Math.PI * k) / length)]
      for (let i = k; i < size; i += length) {
        const j = i + length / 2
        const [re, im] = [real[j]! * c - imaginary[j]! * s, real[j]! * s + imaginary[j]! * c]
        real[j] = real[i]! - re
        imaginary[j] = imaginary[i]! - im
        real[i] = real[i]! + re
        imaginary[i] = imaginary[i]! + im
      }
    }
  }
}

const hopMs = 5
const hopsPerFrame = frameMs / hopMs
/** Frames that are brought to one delay. */
const segmentFrames = 10
/** How far a segment may have moved against the one before: the jitter buffer changes its delay. */
const wanderHops = 20
/** Distance of a segment, in dB, from which on it is looked for at every delay. */
const poor = 6

/**
 * Distance of what was heard to what was said, each fifth of a second at the delay at which it is most alike, so that neither the path's delay nor its
 * changes count.
 *
 * @param longestDelayMs from the beginning of `heard` to that of `said` in it
 */
export function heardDistance(said: Int16Array, heard: Int16Array, rateHz: number, longestDelayMs: number): number {
  const meant = spectrum(said, rateHz)
  const came = spectrum(heard, rateHz, hopMs)
  const hop = (rateHz * hopMs) / 1000
  const frame = hop * hopsPerFrame
  const floor = Math.max(...meant.map((bands) => Math.max(...bands))) - rangeDb
  const above = (level: number) => Math.max(level, floor)
  const squares = (
    from: number,
    at: (n: number) => Float64Array | undefined
  ): { readonly sum: number; readonly count: number } => {
    let sum = 0
    let count = 0
    for (let n = 0; n < segmentFrames && from + n < meant.length; n++) {
      const a = meant[from + n]!
      const b = at(n)
      if (b === undefined || Math.max(...a) < floor) continue
      for (let band = 0; band < bands; band++) sum += (above(a[band]!) - above(b[band]!)) ** 2 / bands
      count++
    }
    return { sum, count }
  }
  let total = 0
  let frames = 0
  const longest = Math.ceil(longestDelayMs / hopMs)
  let at = 0
  let found = false
  for (let from = 0; from < meant.length; from += segmentFrames) {
    let best = { sum: Number.POSITIVE_INFINITY, count: 1 }
    const search = (first: number, last: number) => {
      for (let offset = Math.max(0, first); offset <= last; offset++) {
        const there = squares(from, (n) => came[offset + (from + n) * hopsPerFrame])
        if (there.count === 0 || there.sum / there.count >= best.sum / best.count) continue
        best = there
        at = offset
      }
    }
    if (found) search(at - wanderHops, at + wanderHops)
    if (best.sum / best.count > poor ** 2) search(0, longest)
    found ||= best.sum / best.count < poor ** 2
    if (best.sum === Number.POSITIVE_INFINITY) continue
    const exact = mostAlike(
      said,
      from * frame,
      heard,
      at * hop + from * frame,
      segmentFrames * frame,
      hop,
      Math.ceil(rateHz / 12_000)
    )
    const there = spectrum(heard.subarray(exact, exact + segmentFrames * frame + 2 * frame), rateHz)
    const aligned = squares(from, (n) => there[n])
    if (aligned.count === best.count && aligned.sum < best.sum) best = aligned
    total += best.sum
    frames += best.count
  }
  return Math.sqrt(total / Math.max(1, frames))
}

/** Where `length` samples of `said` are most like those of `heard`, at most `reach` samples from `guess`; every `step`-th is looked at. */
function mostAlike(
  said: Int16Array,
  from: number,
  heard: Int16Array,
  guess: number,
  length: number,
  reach: number,
  step: number
): number {
  let best = guess
  let most = Number.NEGATIVE_INFINITY
  for (let at = Math.max(0, guess - reach); at <= guess + reach; at += step) {
    let product = 0
    const count = Math.min(length, said.length - from, heard.length - at)
    for (let i = 0; i < count; i += step) product += said[from + i]! * heard[at + i]!
    if (product <= most) continue
    most = product
    best = at
  }
  return best
}
