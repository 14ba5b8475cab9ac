import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { InfraFabricError } from '#kernel'
import { sizeMediaType } from '../log/add-checkpoint.ts'

/** What a witness answered: signature lines, the size it has signed, or a refusal. */
export type SeatReply =
  | { readonly type: 'cosigned'; readonly lines: string }
  | { readonly type: 'size'; readonly text: string }
  | { readonly type: 'refused'; readonly status: number }

/** Posts one add-checkpoint request to the witness with this submission prefix. @throws {InfraFabricError} `ledger.seat.unreachable` */
export type AskSeat = (url: string, body: string, timeoutMs: number) => Promise<SeatReply>

const longestAnswer = 16_384

/** Asks over HTTP, connections kept. @see C2SP tlog-witness */
export function createSeatClient(): { readonly ask: AskSeat; readonly close: () => void } {
  let agents: { readonly http: HttpAgent; readonly https: HttpsAgent } | null = null
  const ask: AskSeat = (url, body, timeoutMs) =>
    new Promise((resolve, reject) => {
      const fail = (problem: string, cause?: unknown) =>
        reject(new InfraFabricError('ledger.seat.unreachable', `witness at ${url}: ${problem}`, { cause }))
      const target = URL.parse(`${url.replace(/\/$/, '')}/add-checkpoint`)
      if (target === null || !/^https?:$/.test(target.protocol)) return fail('not an http or https URL')
      const secure = target.protocol === 'https:'
      agents ??= { http: new HttpAgent({ keepAlive: true }), https: new HttpsAgent({ keepAlive: true }) }
      const signal = AbortSignal.timeout(timeoutMs)
      const asked = (secure ? httpsRequest : httpRequest)(
        target,
        {
          method: 'POST',
          agent: secure ? agents.https : agents.http,
          signal,
          headers: { 'content-type': 'text/plain; charset=utf-8', 'content-length': Buffer.byteLength(body) }
        },
        (response) => {
          const parts: Buffer[] = []
          let octets = 0
          response.on('data', (part: Buffer) => {
            octets += part.length
            if (octets > longestAnswer) asked.destroy(new Error(`an answer of more than ${longestAnswer} octets`))
            else parts.push(part)
          })
          response.on('error', (error) => fail(error.message, error))
          response.on('end', () => {
            const text = Buffer.concat(parts).toString('utf8')
            const status = response.statusCode ?? 0
            if (status === 200) resolve({ type: 'cosigned', lines: text })
            else if (status === 409 && response.headers['content-type'] === sizeMediaType) resolve({ type: 'size', text })
            else resolve({ type: 'refused', status })
          })
        }
      )
      asked.on('error', (error) => fail(signal.aborted ? `no answer within ${timeoutMs} ms` : error.message, error))
      asked.end(body)
    })
  return {
    ask,
    close: () => {
      agents?.http.destroy()
      agents?.https.destroy()
    }
  }
}
