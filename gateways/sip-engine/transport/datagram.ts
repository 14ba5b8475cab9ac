/** One UDP listener. */
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { ListenConfig } from './listen-config.ts'
import type { Endpoint, Listener, SendFailed, TransportEvents } from './port.ts'
import { isStun, stunAnswer } from './stun.ts'

export interface DatagramListener {
  readonly listener: Listener
  readonly send: (bytes: Buffer, to: Endpoint, failed: SendFailed) => void
  /** Puts a mark behind everything that waits in the socket now; `reached` is called when that is read. One at a time: a new one takes the place of one that was lost. */
  readonly mark: (reached: () => void) => void
  readonly close: () => Promise<void>
}

const pong = Buffer.from('\r\n')
const pingOctets = 4
/** Octets of a mark: random ones, which nobody else can write, and its number. */
const markOctets = 20
const markNumberAt = 16
const defaultReceiveBuffer = 4_194_304
const sendBuffer = 1_048_576

/** @throws what the system says when the address or port cannot be taken. */
export async function openDatagram(config: ListenConfig, events: TransportEvents): Promise<DatagramListener> {
  const type = isIPv6(config.address) ? 'udp6' : 'udp4'
  const family = type === 'udp6' ? 6 : 4
  const socket = createSocket({
    type,
    ipv6Only: type === 'udp6',
    recvBufferSize: config.receiveBuffer ?? defaultReceiveBuffer,
    sendBufferSize: sendBuffer,
    // Everything sent to is an address already: there is nothing to look up.
    lookup: (address, _options, found) => found(null, address, family)
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(config.port, config.address, () => {
      socket.off('error', reject)
      resolve()
    })
  })
  const listener: Listener = { transport: 'udp', address: config.advertise ?? config.address, port: socket.address().port }
  const own = socket.address()
  const here = own.address === '0.0.0.0' ? '127.0.0.1' : own.address === '::' ? '::1' : own.address
  const mark = randomBytes(markOctets)
  let markReached = (): void => undefined
  const answer = (bytes: Buffer, to: Endpoint): void => socket.send(bytes, to.port, to.address, () => undefined)
  socket.on('error', () => events.dropped('socketError'))
  socket.on('message', (bytes, remote) => {
    if (bytes.length === markOctets && mark.compare(bytes, 0, markNumberAt, 0, markNumberAt) === 0) {
      if (mark.equals(bytes)) markReached()
      return
    }
    // Port 0 cannot be answered; whoever writes it is no SIP client.
    if (remote.port === 0) return
    if (isStun(bytes)) {
      const response = stunAnswer(bytes, remote)
      if (response !== undefined) answer(response, remote)
    } else if (isKeepAlive(bytes)) {
      if (bytes.length === pingOctets) answer(pong, remote)
    } else events.message(bytes, { listener, remote: { address: remote.address, port: remote.port }, connection: 0 })
  })
  return {
    listener,
    send: (bytes, to, failed) =>
      socket.send(bytes, to.port, to.address, (error) => {
        if (error) failed(error)
      }),
    mark: (reached) => {
      mark.writeUInt32BE((mark.readUInt32BE(markNumberAt) + 1) >>> 0, markNumberAt)
      markReached = reached
      socket.send(Buffer.from(mark), own.port, here, () => undefined)
    },
    close: () => new Promise((resolve) => socket.close(() => resolve()))
  }
}

/** Nothing, line ends or zero octets: what phones send to keep a NAT open. */
function isKeepAlive(bytes: Buffer): boolean {
  if (bytes.length > pingOctets) return false
  return bytes.every((octet) => octet === 13 || octet === 10 || octet === 0)
}
