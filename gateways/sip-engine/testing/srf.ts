/** The parts of drachtio-srf that tests use, typed as it behaves; its own type declarations leave out most of them. */
import type { EventEmitter } from 'node:events'
import Srf from 'drachtio-srf'

export interface SrfMessage {
  readonly method: string
  readonly status: number
  readonly body: string
  readonly raw: string
  readonly source: string
  readonly source_address: string
  readonly source_port: number
  readonly protocol: string
  readonly receivedOn?: string
  readonly server: { readonly hostport: string }
  readonly get: (name: string) => string
  readonly has: (name: string) => boolean
}

export interface SrfRequest extends SrfMessage, Pick<EventEmitter, 'on' | 'once'> {
  readonly cancel: (callback?: (error: Error | null) => void) => void
}

export interface SrfResponse extends SrfMessage {
  readonly send: (
    status: number,
    options?: { headers?: Record<string, string>; body?: string },
    callback?: (error: Error | string | null, message: SrfMessage) => void,
    acknowledged?: (request: SrfMessage) => void
  ) => void
}

export interface SrfDialog extends Pick<EventEmitter, 'on' | 'once'> {
  readonly id: string
  readonly sip: { readonly callId: string; readonly localTag: string; readonly remoteTag: string }
  readonly local: { readonly sdp: string; readonly uri: string }
  readonly remote: { readonly sdp: string; readonly uri: string }
  readonly destroy: (options?: object) => Promise<SrfMessage>
  readonly modify: (sdp: string, options?: object) => Promise<string>
  readonly request: (options: { method: string; body?: string; headers?: Record<string, string> }) => Promise<SrfMessage>
}

export type SrfHandler = (request: SrfRequest, response: SrfResponse) => void

/** What became of a proxied request, by target. */
export interface ProxyResults {
  readonly connected: boolean
  readonly finalStatus: number
  readonly responses: readonly {
    readonly address: string
    readonly port: number
    readonly msgs: readonly { readonly status: number; readonly time: string }[]
  }[]
}

export interface TestSrf extends Pick<EventEmitter, 'on' | 'once'> {
  readonly invite: (handler: SrfHandler) => void
  readonly use: (method: string, handler: SrfHandler) => void
  readonly options: (handler: SrfHandler) => void
  readonly subscribe: (handler: SrfHandler) => void
  readonly register: (handler: SrfHandler) => void
  readonly createUAS: (
    request: SrfRequest,
    response: SrfResponse,
    options: { localSdp: string; headers?: Record<string, string> }
  ) => Promise<SrfDialog>
  readonly createUAC: (
    uri: string,
    options: {
      localSdp?: string
      headers?: Record<string, string>
      auth?: { username: string; password: string }
      method?: string
      proxy?: string
    },
    progress?: { cbRequest?: (error: Error | null, request: SrfRequest) => void; cbProvisional?: (response: SrfMessage) => void }
  ) => Promise<SrfDialog>
  readonly createB2BUA: (
    request: SrfRequest,
    response: SrfResponse,
    uri: string,
    options: object
  ) => Promise<{ uas: SrfDialog; uac: SrfDialog }>
  readonly request: (
    uri: string,
    options: { method: string; headers?: Record<string, string>; body?: string; auth?: { username: string; password: string } },
    callback: (error: Error | null, request: SrfRequest) => void
  ) => void
  readonly proxyRequest: (
    request: SrfRequest,
    destination: string | readonly string[],
    options?: {
      remainInDialog?: boolean
      followRedirects?: boolean
      forking?: 'sequential' | 'simultaneous'
      provisionalTimeout?: string
      finalTimeout?: string
      headers?: Record<string, string>
    }
  ) => Promise<ProxyResults>
  readonly disconnect: () => void
}

/** Connects an application; resolves when it is logged in, with the addresses the server told. */
export async function connectSrf(
  port: number,
  setup: (srf: TestSrf) => void = () => undefined,
  secret = 'cymru'
): Promise<{ srf: TestSrf; hostport: string }> {
  const srf = new Srf() as unknown as TestSrf & { connect: (options: object) => void }
  setup(srf)
  const hostport = await new Promise<string>((resolve, reject) => {
    srf.on('connect', (error: Error | null, address: string) => (error ? reject(error) : resolve(address)))
    srf.on('error', () => undefined)
    srf.connect({ host: '127.0.0.1', port, secret, reconnect: { maxAttempts: 1 } })
  })
  return { srf, hostport }
}
