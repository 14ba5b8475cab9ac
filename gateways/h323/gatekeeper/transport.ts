/** Datagrams in and out. */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { InfraFabricError } from '#kernel'
import { type Address, plainIp } from './addresses.ts'

/** H.225.0 §7.2: where gatekeepers are looked for. */
export const discovery = { group: '224.0.1.41', port: 1718 } as const

export interface Transport {
  /** As bound. */
  readonly address: Address
  readonly send: (octets: Uint8Array, to: Address) => void
  readonly close: () => Promise<void>
}

export type Receive = (octets: Buffer, from: Address, multicast: boolean) => void

const receiveBufferOctets = 1 << 20

/**
 * Binds the RAS socket and, on each interface of `multicast`, joins the discovery group.
 *
 * @param failed told of errors after the start; a datagram that could not be sent is lost like any other
 * @throws {InfraFabricError} `h323.ras.bind`
 */
export async function openTransport(
  bind: Address,
  multicast: readonly string[],
  receive: Receive,
  failed: (error: Error) => void
): Promise<Transport> {
  const sockets: Socket[] = []
  const open = async (at: Address, isShared: boolean, prepare: (socket: Socket) => void): Promise<Socket> => {
    const socket = createSocket({
      type: isIPv6(at.ip) ? 'udp6' : 'udp4',
      reuseAddr: isShared,
      recvBufferSize: receiveBufferOctets
    })
    sockets.push(socket)
    socket.on('message', (octets, { address, port }) => receive(octets, { ip: plainIp(address), port }, isShared))
    const listening = once(socket, 'listening')
    socket.bind(at.port, at.ip)
    await listening
    prepare(socket)
    socket.on('error', failed)
    return socket
  }
  const close = async (): Promise<void> => {
    await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))))
  }
  try {
    const ras = await open(bind, false, () => {})
    if (multicast.length > 0) {
      await open({ ip: discovery.group, port: discovery.port }, true, (socket) => {
        for (const ip of multicast) socket.addMembership(discovery.group, ip)
      })
    }
    const { address, port } = ras.address()
    return {
      address: { ip: plainIp(address), port },
      send: (octets, to) => ras.send(octets, to.port, to.ip, (error) => error === null || failed(error)),
      close
    }
  } catch (cause) {
    await close()
    throw new InfraFabricError('h323.ras.bind', `RAS cannot be listened to on ${bind.ip} port ${bind.port}`, { cause })
  }
}
