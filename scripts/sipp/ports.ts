/** Ports for a SIPp process. SIPp takes 5060, 6000 and 8888 when it is not told otherwise, which are other people's. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { InfraFabricError } from '#kernel'

/** Ports handed out in the last minute, whose new owner may not have bound them yet. */
const given = new Set<number>()

/** Processes that run at the same time mostly do not ask for the same ports: what one was given and has not bound yet, another would be given too. */
const stripes = 4

/**
 * An even port that is free for TCP on `host`, and with its three followers for UDP on every address: SIPp binds its control port to no address of its own.
 *
 * @remarks Taken from below the ephemeral range, so that an outgoing connection of another process does not take it in between.
 * @throws {InfraFabricError} `sipp.no-port` after 100 tries.
 */
export async function freePort(host: string): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = 12_000 + 4 * (stripes * Math.floor(Math.random() * (5000 / stripes)) + (process.pid % stripes))
    if (given.has(port)) continue
    given.add(port)
    setTimeout(() => given.delete(port), 60_000).unref()
    const free = await Promise.all([freeTcp(host, port), ...[0, 1, 2, 3].map((offset) => freeUdp(host, port + offset))])
    if (!free.includes(false)) return port
  }
  throw new InfraFabricError('sipp.no-port', `no free port on ${host}`)
}

/** Whether nobody has this UDP port, on any address of the family of `host`. */
export async function freeUdp(host: string, port: number): Promise<boolean> {
  const six = host.includes(':')
  const socket = createSocket(six ? 'udp6' : 'udp4')
  try {
    socket.bind(port, six ? '::' : '0.0.0.0')
    await once(socket, 'listening')
    return true
  } catch {
    return false
  } finally {
    socket.close()
  }
}

async function freeTcp(host: string, port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, host)
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}
