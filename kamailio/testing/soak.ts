/**
 * Callers who break off, at every point of a handshake and of a call, beside callers who mean it: `npm run soak:edge [seconds]`.
 *
 * Exit codes: 0 the edge lived and every honest call was answered, 1 it died or an honest call failed. Without openssl-fork.c, Kamailio 5.6 dies about once
 * in 40 s of this.
 */

import { connect as connectTcp } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import type { ExecutionContext } from 'ava'
import { startEdge } from '#kamailio'
import { createLog, systemClock } from '#kernel'
import { Application, answering, authorityOf, authorize, edgeConfig, Phone } from './harness.ts'

const seconds = Number(process.argv[2] ?? 30)
if (!(seconds > 0 && seconds <= 3600)) throw new RangeError('seconds: expected 1 to 3600')

const undo: (() => unknown)[] = []
const context = { teardown: (step: () => unknown) => undo.push(step) } as unknown as ExecutionContext
const app = await Application.open(context)
app.answer = answering(app)
const config = await edgeConfig(context, await authorityOf(), [app.port])
const counts = { handshakesBroken: 0, callsBroken: 0, callsAnswered: 0, callsFailed: 0, deaths: 0 }
const edge = await startEdge(
  { ...config, children: 4, sharedMemoryMb: 256, limits: { pikeRequests: 1_000_000, callsPerMinute: 1_000_000 } },
  {
    log: createLog({ name: 'soak', level: 'error' }),
    clock: systemClock,
    onState: (state) => {
      if (state === 'lost') counts.deaths++
    }
  }
)
const { port } = config.listen.tls
const until = Date.now() + seconds * 1000
/** From one address, a minute's connections would use up its ports. */
let callers = 0
const from = () => ({ rejectUnauthorized: false, localAddress: `127.0.0.${2 + (callers++ % 200)}` })

const hello = Buffer.concat([Buffer.from('1603010200010001fc0303', 'hex'), Buffer.alloc(501, 7)])
const notTls = ['GET / HTTP/1.0\r\n\r\n', Buffer.from('160301000501000001', 'hex'), hello]

const closed = (socket: ReturnType<typeof connectTcp>) =>
  new Promise<void>((resolve) => {
    socket.on('error', () => undefined).on('close', () => resolve())
    socket.setTimeout(1000, () => socket.destroy())
    socket.resume()
  })

async function breakHandshakes(index: number): Promise<void> {
  for (let turn = index; Date.now() < until; turn++) {
    counts.handshakesBroken++
    const octets = notTls[turn % 4]
    if (octets !== undefined) {
      const socket = connectTcp({ port, host: '127.0.0.1', localAddress: from().localAddress }, () => socket.end(octets))
      await closed(socket)
    } else {
      const socket = connect({ port, host: '127.0.0.1', ...from() }, () => {
        socket.write('OPTIONS sip:half')
        socket.destroy()
      })
      await closed(socket)
    }
    await sleep(1)
  }
}

async function breakCalls(index: number): Promise<void> {
  for (let turn = 0; Date.now() < until; turn++) {
    const phone = await Phone.open(context, port, from())
    const callId = `broken-${index}-${turn}`
    const challenge = await phone.ask({ callId })
    phone.send(phone.request({ callId, cseq: 2, headers: [authorize(challenge)] }))
    await sleep(Math.random() * 6)
    phone.socket.destroy()
    counts.callsBroken++
  }
}

async function callHonestly(): Promise<void> {
  while (Date.now() < until) {
    const phone = await Phone.open(context, port, from())
    for (let call = 0; call < 5; call++) {
      if ((await phone.call()).startLine === 'SIP/2.0 200 OK') counts.callsAnswered++
      else counts.callsFailed++
    }
    phone.socket.destroy()
  }
}

const failed = (error: Error): void => {
  if (counts.callsFailed++ < 5) console.error(error.message)
}
const again = async (run: () => Promise<void>): Promise<void> => {
  while (Date.now() < until) await run().catch(failed)
}
await Promise.all([
  ...[0, 1, 2].map((index) => again(() => breakHandshakes(index))),
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((index) => again(() => breakCalls(index))),
  ...[0, 1, 2, 3].map(() => again(callHonestly))
])
await edge.stop()
for (const step of undo.reverse()) await step()
console.log(JSON.stringify(counts))
process.exit(counts.deaths === 0 && counts.callsFailed === 0 && counts.callsAnswered > 0 ? 0 : 1)
