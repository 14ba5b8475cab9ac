import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { errorCode, InfraFabricError, type Log } from '#kernel'
import { longestRequest } from '../log/add-checkpoint.ts'
import { answerAddCheckpoint, type SeatConfig } from './seat.ts'

export interface SeatServer {
  readonly port: number
  /** Submission prefix, for a policy. */
  readonly url: string
  readonly close: () => Promise<void>
}

const mostConnections = 64

/** The octets of a request as text; null when there are too many. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const parts: Buffer[] = []
  let octets = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    octets += part.length
    if (octets > longestRequest) return null
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

/**
 * Serves a witness over HTTP. Requests are answered one after another.
 *
 * @throws {InfraFabricError} `ledger.seat.listen`
 */
export async function serveSeat(config: SeatConfig & { readonly log: Log }, address: string, port: number): Promise<SeatServer> {
  const { log } = config
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5000, keepAliveTimeout: 30_000, maxHeaderSize: 8192 })
  server.maxConnections = mostConnections
  server.on('request', async (request, response) => {
    const answer = (status: number, mediaType: string, body: string) => {
      response.writeHead(status, {
        'content-type': mediaType,
        'content-length': Buffer.byteLength(body),
        'x-content-type-options': 'nosniff',
        ...(request.complete ? {} : { connection: 'close' })
      })
      response.end(body)
    }
    try {
      if (request.url !== '/add-checkpoint') return answer(404, 'text/plain', 'not found\n')
      if (request.method !== 'POST') {
        response.setHeader('allow', 'POST')
        return answer(405, 'text/plain', 'expected POST\n')
      }
      const body = await readBody(request)
      if (body === null) return answer(413, 'text/plain', `more than ${longestRequest} octets\n`)
      const { status, mediaType, body: said } = answerAddCheckpoint(config, body)
      log.info({ status, reason: status === 200 ? undefined : said.trim() }, 'asked for a cosignature')
      answer(status, mediaType, said)
    } catch (error) {
      log.debug({ code: errorCode(error) }, 'a request broke off')
      response.destroy()
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new InfraFabricError('ledger.seat.listen', `cannot listen on ${address}:${port} (${errorCode(error)})`, { cause: error })
      )
    )
    server.listen(port, address, resolve)
  })
  const bound = (server.address() as AddressInfo).port
  return {
    port: bound,
    url: `http://${address.includes(':') ? `[${address}]` : address}:${bound}`,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    }
  }
}
