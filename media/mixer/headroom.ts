import { ofConference } from '../express/record.ts'
import { knee, unityGain } from './kernel.ts'

/** −18 dB: more than eight voices at full scale take. */
const leastGain = unityGain / 8
/** Frames for which the gain stays where it is after a sum that was too loud: a second. */
const hold = 50
/** What it rises by in a frame then: 0.8 dB a second and more. */
const rise = 4

/**
 * Room for several voices at once: a gain for all of them that falls as soon as their sum comes above the knee of the limiter, and rises again slowly. A frame in which
 * it falls is bent by the limiter, those behind it are undistorted. The voices are scaled before they are summed, so that each still hears exactly the sum less
 * its own part.
 */
export class Headroom {
  /** Of the voices in the next frame, in 1/2048. */
  gain: number = unityGain
  /** The same at the beginning of the frame that is mixed: within it, it is faded. */
  #before: number = unityGain
  /** Frames since a sum was too loud. */
  #calm = 0

  /** @param peak largest magnitude in the sum of the frame that was mixed */
  update(peak: number): void {
    const loudest = Math.max(this.#before, this.gain)
    this.#before = this.gain
    if (peak > knee) {
      this.gain = Math.max(leastGain, Math.min(this.gain, Math.floor((loudest * knee) / peak)))
      this.#calm = 0
    } else if (this.gain < unityGain && ++this.#calm > hold) this.gain = Math.min(unityGain, this.gain + rise)
  }

  /** Lets the express lane go on with it. @param fields of the conference */
  lend(fields: Float64Array): void {
    fields[ofConference.headroom] = this.gain
    fields[ofConference.headroomBefore] = this.#before
    fields[ofConference.calmFrames] = this.#calm
  }

  /** The inverse of {@link lend}. */
  follow(fields: Float64Array): void {
    this.gain = fields[ofConference.headroom]!
    this.#before = fields[ofConference.headroomBefore]!
    this.#calm = fields[ofConference.calmFrames]!
  }
}
