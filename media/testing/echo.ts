/**
 * An echo by the socket layer of the media plane, that reads and sends as a media thread does: a process of its own.
 *
 *     node echo.ts <native|node> <first port> <sockets>
 *
 * Writes `ready` and, at the end of its standard input, the packets echoed since the first 40,000 and the microseconds of processor time they took.
 */
import { libc } from '../udp/libc.ts'
import { nativeUdp } from '../udp/native.ts'
import { nodeUdp } from '../udp/node.ts'
import type { UdpSocket } from '../udp/udp.ts'

const [kind, firstPort, sockets] = process.argv.slice(2)
const library = kind === 'native' ? libc() : null
const udp = library === null ? nodeUdp() : nativeUdp(library)
const opened: UdpSocket[] = []
let packets = 0
/** Packets before counting begins: by then the code is compiled. */
const warmUpPackets = 40_000
let before = process.cpuUsage()
for (let n = 0; n < Number(sockets); n++) {
  let socket: UdpSocket | null = null
  socket = await udp.open('127.0.0.1', Number(firstPort) + n, (packet, source) => {
    if (!socket?.send(packet, packet.length, source) || ++packets !== warmUpPackets) return
    before = process.cpuUsage()
  })
  if (socket === null) throw new Error(`port ${Number(firstPort) + n} is taken`)
  opened.push(socket)
}
const timer = setInterval(() => {
  udp.poll(20)
  udp.turn(opened)
  udp.flush()
}, 5)
process.stdout.write('ready\n')
process.stdin.on('end', () => {
  clearInterval(timer)
  const { user, system } = process.cpuUsage(before)
  process.stdout.write(`${packets - warmUpPackets} ${user + system}\n`, () => process.exit())
})
process.stdin.resume()
