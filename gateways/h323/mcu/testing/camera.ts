/** A terminal's camera and screen, for tests: RTP of H.264 on a socket of 127.0.0.1. */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { Address } from '../../endpoint/endpoint.ts'

export interface Camera {
  readonly rtp: Address
  readonly rtcp: Address
  /** Sends key frames, ten a second, that carry a letter. */
  readonly film: (to: Address, payloadType: number, letter: string) => void
  /** Letters and payload types of the pictures seen since the last call. */
  readonly takeSeen: () => string
  readonly close: () => void
}

const sequenceParameters = 0x67
const headerOctets = 12

export async function openCamera(): Promise<Camera> {
  const [rtp, rtcp] = [createSocket('udp4'), createSocket('udp4')]
  const bound = async (socket: Socket): Promise<Address> => {
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return { ip: '127.0.0.1', port: socket.address().port }
  }
  const [at, control] = [await bound(rtp), await bound(rtcp)]
  const seen = new Set<string>()
  let timer: NodeJS.Timeout | null = null
  let sequence = 0
  rtp.on('message', (packet) => {
    if (packet.length === headerOctets + 2) seen.add(`${String.fromCharCode(packet[headerOctets + 1]!)}${packet[1]! & 0x7f}`)
  })
  return {
    rtp: at,
    rtcp: control,
    film: (to, payloadType, letter) => {
      const send = (): void => {
        const packet = Buffer.alloc(headerOctets + 2)
        packet[0] = 0x80
        packet[1] = 0x80 | payloadType
        packet.writeUInt16BE(++sequence & 0xffff, 2)
        packet.writeUInt32BE(sequence * 9000, 4)
        packet.writeUInt32BE(letter.charCodeAt(0), 8)
        packet[headerOctets] = sequenceParameters
        packet[headerOctets + 1] = letter.charCodeAt(0)
        rtp.send(packet, to.port, to.ip)
      }
      timer = setInterval(send, 100)
    },
    takeSeen: () => {
      const all = [...seen].sort().join(' ')
      seen.clear()
      return all
    },
    close: () => {
      if (timer !== null) clearInterval(timer)
      rtp.close()
      rtcp.close()
    }
  }
}
