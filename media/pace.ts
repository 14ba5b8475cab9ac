/** How many of the frames that are due a media thread mixes: of what it cannot do in time it leaves out the oldest, so that what it does send is in time. */
import { frameMs } from './mixer/lane.ts'

/** Frames mixed at once after a pause of the thread; what is missed beyond that is left out. */
const largestCatchUp = 3
/** The same where the express lane has every conference: it makes up for more, and its legs need not leave it. */
const largestExpressCatchUp = 6
/** Turns of the thread that are remembered: the shortest of them tells what a frame takes, whatever held the others up. */
const remembered = 8

export class Pace {
  readonly #frameWorkMs = new Float64Array(remembered).fill(Number.POSITIVE_INFINITY)
  #turns = 0

  /**
   * Frames to be mixed now, the last ones of those that are due: no more than are done before the next one is.
   *
   * @param due frames, at least one
   * @param express whether the express lane has every conference
   */
  frames(due: number, express: boolean): number {
    const inTime = Math.floor(frameMs / Math.min(...this.#frameWorkMs))
    return Math.min(due, express ? largestExpressCatchUp : largestCatchUp, Math.max(1, inTime))
  }

  /** Tells how long so many frames have taken. */
  took(workMs: number, frames: number): void {
    this.#frameWorkMs[this.#turns++ % remembered] = workMs / frames
  }
}
