import { readFile } from 'node:fs/promises'
import type { EdgeEndpoint } from '#kamailio'
import { InfraFabricError } from '#kernel'
import type { SipApplicationPorts } from '#sip'
import { createSipServer, type SipServerConfig } from '#sip-engine'
import { keepPort, keptUdpPort } from '../edge/free-ports.ts'
import type { SuiteConfig } from '../settings/settings.ts'

/** The SIP server that the application works through. */
export interface RunningSipServer {
  /** Where applications connect. */
  readonly admin: { readonly host: string; readonly port: number; readonly secret: string }
  /** How one of this process does, without a socket in between; null where the server runs elsewhere. */
  readonly join: SipApplicationPorts['join'] | null
  /** Where it takes SIP. */
  readonly app: EdgeEndpoint
  readonly appTcp: EdgeEndpoint
  readonly close: () => Promise<void>
}

const loopback = '127.0.0.1'

/**
 * The one of this project, in this process.
 *
 * @param portFile keeps its UDP port, where any free one will do
 */
export async function startEmbeddedServer(
  { address, udp, tcp }: SuiteConfig['sip'],
  portFile: string,
  secret: string,
  more: Pick<SipServerConfig, 'onWire' | 'log'>
): Promise<RunningSipServer> {
  const port = udp === 0 ? await keptUdpPort(portFile, address) : udp
  const server = await createSipServer({
    listen: [
      { transport: 'udp', address, port },
      { transport: 'tcp', address, port: tcp }
    ],
    admin: { address: loopback, port: 0, secret },
    // the application rings sooner: one message less for the edge to read
    timers: { tryingMs: 200 },
    ...more
  })
  const app = server.addresses[0]!
  if (udp === 0 && app.port !== port) await keepPort(portFile, app.port)
  return {
    admin: { host: loopback, port: server.adminPort, secret },
    join: server.connect,
    app,
    appTcp: server.addresses[1]!,
    close: server.close
  }
}

/**
 * A drachtio-server that runs elsewhere. Whether it is there is known when the application connects.
 *
 * @throws {InfraFabricError} `suite.sip-server.ports` when it is not said where it takes SIP; `suite.sip-server.secret` when the file holds none
 */
export async function useServer(
  { address, udp, tcp }: SuiteConfig['sip'],
  { host, port, secretFile }: NonNullable<SuiteConfig['sip']['server']>
): Promise<RunningSipServer> {
  if (udp === 0 || tcp === 0)
    throw new InfraFabricError(
      'suite.sip-server.ports',
      'sip.udp and sip.tcp: expected the ports on which the drachtio-server listens'
    )
  const secret = (await readFile(secretFile, 'utf8')).split('\n', 1)[0]!.trim()
  if (secret === '') throw new InfraFabricError('suite.sip-server.secret', `${secretFile}: expected a secret in its first line`)
  return {
    admin: { host, port, secret },
    join: null,
    app: { address, port: udp },
    appTcp: { address, port: tcp },
    close: async () => undefined
  }
}
