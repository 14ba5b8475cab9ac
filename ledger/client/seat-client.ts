import { InfraFabricError, messageOf } from '#kernel'
import { sizeMediaType } from '../log/add-checkpoint.ts'
import { longestNote } from '../log/note.ts'
import { createPoster } from './poster.ts'

/** What a witness answered: signature lines, the size it has signed, or a refusal. */
export type SeatReply =
  | { readonly type: 'cosigned'; readonly lines: string }
  | { readonly type: 'size'; readonly text: string }
  | { readonly type: 'refused'; readonly status: number }

/** Posts one add-checkpoint request to the witness with this submission prefix. @throws {InfraFabricError} `ledger.seat.unreachable` */
export type AskSeat = (url: string, body: string, timeoutMs: number) => Promise<SeatReply>

const headers = { 'content-type': 'text/plain; charset=utf-8' }

/** Asks over HTTP, connections kept. @see C2SP tlog-witness */
export function createSeatClient(): { readonly ask: AskSeat; readonly close: () => void } {
  const poster = createPoster()
  const ask: AskSeat = async (url, body, timeoutMs) => {
    const unreachable = (problem: string, cause?: unknown) =>
      new InfraFabricError('ledger.seat.unreachable', `witness at ${url}: ${problem}`, { cause })
    const target = URL.parse(`${url.replace(/\/$/, '')}/add-checkpoint`)
    if (target === null || !/^https?:$/.test(target.protocol)) throw unreachable('not an http or https URL')
    const { status, mediaType, text } = await poster
      .post(target, Buffer.from(body), { headers, timeoutMs, longestAnswer: longestNote })
      .catch((error: unknown) => {
        throw unreachable(messageOf(error), error)
      })
    if (status === 200) return { type: 'cosigned', lines: text }
    if (status === 409 && mediaType === sizeMediaType) return { type: 'size', text }
    return { type: 'refused', status }
  }
  return { ask, close: poster.close }
}
