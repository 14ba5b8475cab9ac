import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'

export interface Answer {
  readonly status: number
  readonly mediaType: string | undefined
  readonly text: string
}

export interface PostTerms {
  readonly headers: Readonly<Record<string, string>>
  readonly timeoutMs: number
  /** Octets. */
  readonly longestAnswer: number
}

/** Posts over HTTP and HTTPS. */
export interface Poster {
  /** @throws {Error} with the reason when there is no whole answer in time */
  readonly post: (target: URL, body: Buffer, terms: PostTerms) => Promise<Answer>
  /** Ends connections; what is under way fails. Idempotent. */
  readonly close: () => void
}

/** Connections are made when they are needed, and kept. @param ca PEM of the authority of the certificates; default: those the system trusts */
export function createPoster(ca?: string): Poster {
  let agents: { readonly http: HttpAgent; readonly https: HttpsAgent } | null = null
  return {
    post: (target, body, { headers, timeoutMs, longestAnswer }) =>
      new Promise((resolve, reject) => {
        agents ??= {
          http: new HttpAgent({ keepAlive: true }),
          https: new HttpsAgent({ keepAlive: true, ...(ca === undefined ? {} : { ca }) })
        }
        const secure = target.protocol === 'https:'
        const signal = AbortSignal.timeout(timeoutMs)
        const asked = (secure ? httpsRequest : httpRequest)(
          target,
          {
            method: 'POST',
            agent: secure ? agents.https : agents.http,
            signal,
            headers: { ...headers, 'content-length': body.length }
          },
          (response) => {
            const parts: Buffer[] = []
            let octets = 0
            response.on('data', (part: Buffer) => {
              octets += part.length
              if (octets > longestAnswer) asked.destroy(new Error(`an answer of more than ${longestAnswer} octets`))
              else parts.push(part)
            })
            response.on('error', reject)
            response.on('end', () =>
              resolve({
                status: response.statusCode ?? 0,
                mediaType: response.headers['content-type'],
                text: Buffer.concat(parts).toString('utf8')
              })
            )
          }
        )
        asked.on('error', (error) =>
          reject(signal.aborted ? new Error(`no answer within ${timeoutMs} ms`, { cause: error }) : error)
        )
        asked.end(body)
      }),
    close: () => {
      agents?.http.destroy()
      agents?.https.destroy()
    }
  }
}
