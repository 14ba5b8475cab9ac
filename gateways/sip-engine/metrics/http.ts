/** Serves the text exposition over HTTP: `GET /metrics`, and nothing else. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { InfraFabricError, type Log } from '#kernel'
import type { EngineMetrics } from './metrics.ts'

export interface MetricsConfig {
  /** There is no login: an address that strangers do not reach. Default 127.0.0.1. */
  readonly address?: string
  /** 0: any free port. */
  readonly port: number
}

export interface MetricsServer {
  readonly port: number
  readonly close: () => Promise<void>
}

/** @throws {InfraFabricError} `sip-engine.listen` */
export async function serveMetrics(config: MetricsConfig, metrics: EngineMetrics, log: Log): Promise<MetricsServer> {
  const server = createServer(
    {
      maxHeaderSize: 8192,
      requestTimeout: 5000,
      headersTimeout: 5000,
      keepAliveTimeout: 30_000,
      connectionsCheckingInterval: 1000
    },
    (request, response) => {
      const path = (request.url ?? '').split('?', 1)[0]
      request.resume()
      const refuse = (status: number, headers: Record<string, string> = {}): void => {
        response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', ...headers }).end()
      }
      if (path !== '/metrics') return refuse(404)
      if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(405, { Allow: 'GET, HEAD' })
      metrics.text().then(
        (text) => {
          response.writeHead(200, { 'Content-Type': metrics.contentType, 'Content-Length': Buffer.byteLength(text) })
          response.end(request.method === 'HEAD' ? undefined : text)
        },
        (error: unknown) => {
          log.error({ err: error }, 'metrics could not be collected')
          refuse(500)
        }
      )
    }
  )
  server.maxConnections = 64
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(config.port, config.address ?? '127.0.0.1', () => {
      server.off('error', reject)
      resolve()
    })
  }).catch((error: Error) => {
    throw new InfraFabricError('sip-engine.listen', `metrics: ${error.message}`, { cause: error })
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}
