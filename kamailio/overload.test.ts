/** More calls than the application answers: refused at once, and taken again as soon as it answers. */
import { rmSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { authorityOf, authorize, type Message, type Phone, type Rig, reply, rig } from './testing/harness.ts'

const certificates = await authorityOf()
test.after.always(() => rmSync(certificates.authority.dir, { recursive: true, force: true }))

const openCalls = 4
const isInvite = ({ startLine }: Message) => startLine.startsWith('INVITE')

/** Sends an INVITE with credentials. @returns its Call-ID */
async function begin(phone: Phone): Promise<string> {
  const challenge = await phone.ask()
  const callId = challenge.get('Call-ID')!
  phone.send(phone.request({ callId, cseq: 2, headers: [authorize(challenge)] }))
  return callId
}

const overloaded = (t: ExecutionContext, more = {}) =>
  rig(t, certificates, () => ({ limits: { pikeRequests: 1000, callsPerMinute: 1000, openCalls }, ...more }))

const open = async ({ edge }: Rig) => {
  const found = /"name":"calls","value":(-?\d+)/.exec(JSON.stringify(await edge.rpc('htable.dump', ['open'])))
  return Number(found?.[1] ?? 0)
}

async function openIs(running: Rig, wanted: number): Promise<void> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await pause(20)) if ((await open(running)) === wanted) return
  throw new Error(`${await open(running)} calls open, expected ${wanted}`)
}

test('with half as many calls open as may be, newcomers get 503; with all, whoever was challenged does; both are over with the first answer', async (t) => {
  const running = await overloaded(t)
  const { app } = running
  const phone = await running.phone()
  const taken: Message[] = []
  const challenges = await Promise.all(Array.from({ length: openCalls + 1 }, () => phone.ask()))
  const credentials = challenges.map((challenge) => {
    const callId = challenge.get('Call-ID')!
    return { callId, text: phone.request({ callId, cseq: 2, headers: [authorize(challenge)] }) }
  })
  for (const { text } of credentials.slice(0, openCalls / 2)) {
    phone.send(text)
    taken.push(await app.inbox.next(isInvite))
  }
  await openIs(running, openCalls / 2)
  const refused = await phone.ask()
  t.is(refused.startLine, 'SIP/2.0 503 Service Unavailable')
  const later = Number(refused.get('Retry-After'))
  t.true(later >= 5 && later <= 15, `${later} s`)
  t.like(await app.report(), { layer: 'rate', code: 'edge.overload', status: 503 })
  t.is((await (await running.phone()).ask({ method: 'OPTIONS' })).startLine, 'SIP/2.0 200 OK', 'only calls are refused')

  for (const { text } of credentials.slice(openCalls / 2, openCalls)) {
    phone.send(text)
    taken.push(await app.inbox.next(isInvite))
  }
  await openIs(running, openCalls)
  const { callId, text } = credentials.at(-1)!
  phone.send(text)
  t.is((await phone.final(callId)).startLine, 'SIP/2.0 503 Service Unavailable')

  // one is answered, one refused, one rings, one says nothing
  const toEdge = (message: string) => app.send(message, running.config.inside.port)
  const contact = `Contact: <sip:127.0.0.1:${app.port}>`
  toEdge(reply(taken[0]!, 200, 'OK', [contact]))
  toEdge(reply(taken[0]!, 200, 'OK', [contact]))
  toEdge(reply(taken[1]!, 403, 'Forbidden'))
  toEdge(reply(taken[2]!, 180, 'Ringing'))
  await openIs(running, openCalls - 3)
  toEdge(reply(taken[2]!, 486, 'Busy Here'))
  await phone.final(taken[2]!.get('Call-ID'))
  t.is(await open(running), openCalls - 3, 'counted once')
  const again = await phone.ask()
  t.regex(again.startLine, /^SIP\/2\.0 407 /, 'newcomers are let in')
})

test('calls that are never answered, or given up, are not open for ever', async (t) => {
  const running = await overloaded(t, { answerTimeoutMs: 500 })
  const { app } = running
  const phone = await running.phone()
  const silent = await begin(phone)
  await app.inbox.next(isInvite)
  t.regex((await phone.final(silent)).startLine, /^SIP\/2\.0 503 /)
  await openIs(running, 0)

  const callId = await begin(phone)
  const invite = await app.inbox.next(isInvite)
  app.send(reply(invite, 180, 'Ringing'), running.config.inside.port)
  await phone.inbox.next(({ startLine }) => startLine.startsWith('SIP/2.0 180'))
  await openIs(running, 0)
  app.send(reply(invite, 487, 'Request Terminated'), running.config.inside.port)
  t.regex((await phone.final(callId)).startLine, /^SIP\/2\.0 487 /)
  await openIs(running, 0)
})
