import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { errorCode, InfraFabricError } from '#kernel'
import type { EdgeConfig } from './config.ts'

/**
 * Kamailio shares its UDP ports (SO_REUSEADDR): two edges on one port start both, and the later one gets what the phones of the other send. TCP ports it does
 * not share.
 *
 * @throws {InfraFabricError} `edge.port.taken`, which names the first UDP port that another program has
 */
export async function expectFreePorts({ listen, inside }: Pick<EdgeConfig, 'listen' | 'inside'>): Promise<void> {
  const udp = listen.udp ?? null
  const phones = udp === null ? [] : [udp.address, ...(listen.address6 == null ? [] : [listen.address6])]
  const wanted = [...phones.map((address) => ({ address, port: udp!.port })), inside]
  for (const { address, port } of wanted) {
    const error = await bindOnce(address, port)
    if (errorCode(error) === 'EADDRINUSE')
      throw new InfraFabricError('edge.port.taken', `UDP port ${port} of ${address} is taken by another program`, {
        cause: error
      })
  }
}

/** Takes a port, not to be shared, and gives it back. @returns why it is not to be had; null where it is */
const bindOnce = (address: string, port: number): Promise<unknown> =>
  new Promise((resolve) => {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
    socket.once('error', resolve)
    socket.bind(port, address, () => socket.close(() => resolve(null)))
  })
