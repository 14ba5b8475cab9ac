/** Keys and certificates of a TLS listener: one for each name a client may ask for, replaced while connections live on. */
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import { InfraFabricError } from '#kernel'

export interface TlsCredentials {
  readonly key: SecureContextOptions['key']
  readonly cert: SecureContextOptions['cert']
}

export interface TlsConfig extends TlsCredentials {
  /** Other certificates, for clients that ask for these names (RFC 6066 §3). `*.example.com` covers one label. */
  readonly names?: readonly (TlsCredentials & { readonly host: string })[]
  /** Authorities to check peers against; those of the system by default. */
  readonly ca?: SecureContextOptions['ca']
  /** Whether the certificate of a server we connect to must be valid for the name or address dialled. Default true. */
  readonly verifyServer?: boolean
  /**
   * Certificates of those who connect. `request`: asked for, and the flow tells whether it is authorised. `require`: no connection without an
   * authorised one. Default `none`.
   */
  readonly clientCertificate?: 'none' | 'request' | 'require'
}

/** PEM as values, or a function that reads them, called at the start and again by `reload`. */
export type TlsSource = TlsConfig | (() => TlsConfig)

export interface TlsContexts {
  readonly config: () => TlsConfig
  /** The one for a server name; that of the listener where there is none for the name. */
  readonly forName: (host: string | undefined) => SecureContext
  /**
   * Reads the source again.
   *
   * @returns what makes connections use it from then on.
   * @throws {InfraFabricError} `sip-engine.tls` when a key or certificate cannot be used.
   */
  readonly reload: () => () => void
}

interface Loaded {
  readonly config: TlsConfig
  readonly own: SecureContext
  readonly names: ReadonlyMap<string, SecureContext>
}

/** @throws {InfraFabricError} `sip-engine.tls` */
export function createTlsContexts(source: TlsSource): TlsContexts {
  let loaded = load(source)
  return {
    config: () => loaded.config,
    forName: (host) => {
      if (host === undefined) return loaded.own
      const name = host.toLowerCase()
      return loaded.names.get(name) ?? loaded.names.get(name.replace(/^[^.]+/, '*')) ?? loaded.own
    },
    reload: () => {
      const fresh = load(source)
      return () => {
        loaded = fresh
      }
    }
  }
}

function load(source: TlsSource): Loaded {
  try {
    const config = typeof source === 'function' ? source() : source
    const context = ({ key, cert }: TlsCredentials): SecureContext =>
      createSecureContext({ key, cert, ...(config.ca === undefined ? {} : { ca: config.ca }), minVersion: 'TLSv1.2' })
    const names = new Map((config.names ?? []).map((each) => [each.host.toLowerCase(), context(each)]))
    return { config, own: context(config), names }
  } catch (error) {
    throw new InfraFabricError('sip-engine.tls', `key or certificate cannot be used: ${(error as Error).message}`, {
      cause: error
    })
  }
}
