/** The clients of the TLS benchmark: one phone that stays, and many that only shake hands. */
import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import { requestText } from './sip-text.ts'
import type { TlsFlood } from './tls-bench.ts'

const { port, ca, seconds } = JSON.parse(process.argv[2]!) as { port: number; ca: string; seconds: number }
const parallel = 16
const askEveryMs = 50
const host = '127.0.0.1'

/** Without a session to resume, every handshake is a full one. */
const dial = (): TLSSocket => connect({ host, port, ca })

const phone = dial()
await once(phone, 'secureConnect')
const answersMs: number[] = []
let asked = 0
let askedMs = 0
phone.on('data', () => {
  if (askedMs > 0) answersMs.push(performance.now() - askedMs)
  askedMs = 0
})
const asking = setInterval(() => {
  if (askedMs > 0) return
  askedMs = performance.now()
  asked++
  phone.write(requestText({ method: 'OPTIONS', branch: `b${asked}`, callId: `c${asked}`, transport: 'TLS' }))
}, askEveryMs)

let handshakes = 0
let failed = 0
const startMs = performance.now()
const endMs = startMs + seconds * 1000

async function flood(): Promise<void> {
  while (performance.now() < endMs) {
    const socket = dial()
    try {
      await once(socket, 'secureConnect')
      handshakes++
    } catch {
      failed++
    }
    socket.destroy()
  }
}

await Promise.all(Array.from({ length: parallel }, flood))
clearInterval(asking)
const told: TlsFlood = { handshakes, failed, seconds: (performance.now() - startMs) / 1000, answersMs, asked }
process.send!(told, () => process.exit())
