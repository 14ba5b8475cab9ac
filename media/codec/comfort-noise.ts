/**
 * Comfort noise: in place of silence, a description of the sender's background, from which the receiver makes noise that is like
 * it.
 *
 *      0                   1                   2
 *     |0|   level     |      N1       |      N2       | …   Nm
 *
 * Level in −dBov (0 dBov: a square wave at full scale); Ni = 127 + 32768·ki/258, ki the reflection coefficients of an all-pole
 * model of the noise. The RFC leaves their sign open: here, as in libbcg729, k1 is positive for noise that is stronger in the low
 * frequencies.
 *
 * @see RFC 3389 §3
 */

/** Coefficients sent, and the most that are used of those that come. */
const order = 10
const mostCoefficients = 20
const quietestDbov = -127

/** A frame is speech when it is this much above the background, and not altogether soft. */
const speechAboveFloorDb = 6
const softestSpeechDbov = -60
/** The background is taken to be louder by this much each second of louder sound; when it gets softer, that counts at once. */
const floorRiseDbPerS = 2
/** No background is louder than this: music and tones go on for long, and are not to be taken for it. */
const loudestFloorDbov = -45
/** Speech goes on this long after its last loud frame, so that soft ends of words are sent. */
const hangoverMs = 200
/** A description is sent again when the background has changed this much, or after so long. */
const renewDb = 3
const renewMs = 1000

const levelDbov = (meanSquare: number) => Math.max(quietestDbov, 10 * Math.log10(Math.max(1e-13, meanSquare / (32_768 * 32_768))))

/** Tells speech from background, and describes the background. */
export class ComfortNoiseEncoder {
  readonly #samplesPerMs: number
  readonly #correlation = new Float64Array(order + 1)
  readonly #smoothed = new Float64Array(order + 1)
  readonly #reflection = new Float64Array(order)
  readonly #predictor = new Float64Array(order)
  readonly #turned = new Float64Array(order)
  #floorDb = 0
  #hangoverMs = hangoverMs
  #sentDb = 0
  #sinceSentMs = Number.POSITIVE_INFINITY

  constructor(sampleRateHz: number) {
    this.#samplesPerMs = sampleRateHz / 1000
  }

  /**
   * Judges one frame.
   *
   * @returns −1 for speech, to be coded; 0 when nothing need be sent; else the octets of a description written to `out` from `at`
   * on
   */
  encode(samples: Int16Array, out: Uint8Array, at: number): number {
    const frameMs = samples.length / this.#samplesPerMs
    let power = 0
    for (let i = 0; i < samples.length; i++) power += samples[i]! * samples[i]!
    const db = levelDbov(power / Math.max(1, samples.length))
    this.#floorDb = Math.min(db, loudestFloorDbov, this.#floorDb + (floorRiseDbPerS * frameMs) / 1000)
    if (db > softestSpeechDbov && db > this.#floorDb + speechAboveFloorDb) this.#hangoverMs = hangoverMs
    else this.#hangoverMs -= frameMs
    if (this.#hangoverMs > 0) {
      this.#sinceSentMs = Number.POSITIVE_INFINITY
      return -1
    }
    this.#correlate(samples)
    const smoothedDb = levelDbov(this.#smoothed[0]! / Math.max(1, samples.length))
    this.#sinceSentMs += frameMs
    if (this.#sinceSentMs < renewMs && Math.abs(smoothedDb - this.#sentDb) < renewDb) return 0
    if (out.length - at < order + 1) return 0
    this.#sentDb = smoothedDb
    this.#sinceSentMs = 0
    out[at] = Math.round(-smoothedDb)
    this.#reflect()
    for (let i = 0; i < order; i++) {
      out[at + 1 + i] = Math.max(0, Math.min(254, 127 + Math.round((this.#reflection[i]! * 32_768) / 258)))
    }
    return order + 1
  }

  /** Autocorrelation, averaged over the frames of a silence. */
  #correlate(samples: Int16Array): void {
    const first = this.#sinceSentMs === Number.POSITIVE_INFINITY
    for (let lag = 0; lag <= order; lag++) {
      let sum = 0
      for (let i = lag; i < samples.length; i++) sum += samples[i]! * samples[i - lag]!
      this.#correlation[lag] = sum
      this.#smoothed[lag] = first ? sum : 0.8 * this.#smoothed[lag]! + 0.2 * sum
    }
  }

  /** Reflection coefficients by the Levinson-Durbin recursion. */
  #reflect(): void {
    const r = this.#smoothed
    const a = this.#predictor
    const k = this.#reflection
    let error = r[0]! * 1.0001 + 1e-9
    for (let m = 0; m < order; m++) {
      let sum = r[m + 1]!
      for (let i = 0; i < m; i++) sum -= a[i]! * r[m - i]!
      const coefficient = Math.max(-0.99, Math.min(0.99, sum / error))
      k[m] = coefficient
      for (let i = 0; i < m; i++) this.#turned[i] = a[i]! - coefficient * a[m - 1 - i]!
      for (let i = 0; i < m; i++) a[i] = this.#turned[i]!
      a[m] = coefficient
      error *= 1 - coefficient * coefficient
    }
  }

  reset(): void {
    this.#floorDb = 0
    this.#hangoverMs = hangoverMs
    this.#sinceSentMs = Number.POSITIVE_INFINITY
  }
}

/** Level of the noise goes to a new value by this share each sample-frame of 20 ms or less, so that it does not jump. */
const approach = 0.3

/** Makes noise from a description. */
export class ComfortNoiseDecoder {
  readonly #coefficients = new Float64Array(mostCoefficients)
  readonly #delayed = new Float64Array(mostCoefficients + 1)
  #count = 0
  #target = 0
  #gain = 0
  #known = false
  #state = 1

  /** Takes a description; one without octets is none. */
  describe(packet: Uint8Array, start: number, end: number): void {
    if (end <= start) return
    const amplitude = 32_768 * 10 ** (-(packet[start]! & 0x7f) / 20)
    this.#count = Math.min(mostCoefficients, end - start - 1)
    let shrink = 1
    for (let i = 0; i < this.#count; i++) {
      const n = Math.min(254, packet[start + 1 + i]!)
      const k = (258 * (n - 127)) / 32_768
      this.#coefficients[i] = k
      shrink *= 1 - k * k
    }
    // Uniform excitation in [−1, 1) has a third of the power of its peak.
    this.#target = amplitude * Math.sqrt(3 * shrink)
    if (!this.#known) this.#gain = this.#target
    this.#known = true
  }

  /** @returns false when nothing was described, or what was is below what can be heard: `out` is silence */
  fill(out: Int16Array): boolean {
    if (!this.#known || (this.#target < 0.5 && this.#gain < 0.5)) {
      out.fill(0)
      return false
    }
    this.#gain += approach * (this.#target - this.#gain)
    const k = this.#coefficients
    const delayed = this.#delayed
    const count = this.#count
    for (let n = 0; n < out.length; n++) {
      this.#state ^= this.#state << 13
      this.#state ^= this.#state >>> 17
      this.#state ^= this.#state << 5
      // All-pole lattice.
      let forward = (this.#state / 2 ** 31) * this.#gain
      for (let i = count - 1; i >= 0; i--) {
        forward += k[i]! * delayed[i]!
        delayed[i + 1] = delayed[i]! - k[i]! * forward
      }
      delayed[0] = forward
      out[n] = forward > 32_767 ? 32_767 : forward < -32_768 ? -32_768 : Math.round(forward)
    }
    return true
  }

  get known(): boolean {
    return this.#known
  }

  reset(): void {
    this.#known = false
    this.#gain = 0
    this.#delayed.fill(0)
  }
}
