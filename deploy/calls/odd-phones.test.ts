/** Calls out by the whole suite to phones that do what no phone should: scripts over UDP behind the real edge. */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import test, { type ExecutionContext } from 'ava'
import type { EscalationView } from '#escalate'
import { type Message, parse, reply } from '../../kamailio/testing/harness.ts'
import { folderWithExpert, runSuite, until } from '../testing/harness.ts'

/** An expert's phone over UDP that keeps what it gets, and answers as the test says. */
class OddPhone {
  readonly got: Message[] = []
  readonly #socket: Socket
  #from = 0
  answer: (request: Message, phone: OddPhone) => void = () => undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('message', (data, from) => {
      const message = parse(data.toString('latin1'))
      this.#from = from.port
      this.got.push(message)
      this.answer(message, this)
    })
  }

  static async open(t: ExecutionContext): Promise<OddPhone> {
    const socket = createSocket('udp4').bind(0, '127.0.0.1')
    await once(socket, 'listening')
    t.teardown(() => socket.close())
    return new OddPhone(socket)
  }

  get port(): number {
    return this.#socket.address().port
  }

  send(text: string): void {
    this.#socket.send(Buffer.from(text, 'latin1'), this.#from, '127.0.0.1')
  }

  count(method: string): number {
    return this.got.filter(({ startLine }) => startLine.startsWith(method)).length
  }
}

async function start(t: ExecutionContext) {
  const phone = await OddPhone.open(t)
  const running = await runSuite(t, { data: await folderWithExpert(t, `sip:expert-safety@127.0.0.1:${phone.port}`) })
  const { escalator } = running.suite
  const escalate = async (): Promise<EscalationView> =>
    (
      await escalator.escalate(
        { performative: 'escalate', sender: 'if://agent/monitor', payload: { hazard: 'safety', expert: 'expert-safety' } },
        { by: 'test' }
      )
    ).escalation
  return { ...running, phone, escalator, escalate }
}

const sdp =
  'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n'
const contact = (phone: OddPhone) => `Contact: <sip:expert-safety@127.0.0.1:${phone.port}>`

/** Answers everything but an INVITE with 200. */
const polite = (request: Message, phone: OddPhone): void => {
  if (!/^(?:INVITE|ACK|SIP)/.test(request.startLine)) phone.send(reply(request, 200, 'OK'))
}

/** Answers the INVITE with a 200 that has these header fields. */
const answering =
  (headers: (phone: OddPhone) => readonly string[], body: string = sdp) =>
  (request: Message, phone: OddPhone): void => {
    if (request.startLine.startsWith('INVITE'))
      phone.send(reply(request, 200, 'OK', ['Content-Type: application/sdp', ...headers(phone)], body))
    else polite(request, phone)
  }

test.serial('answers of which nothing can be made are acknowledged, hung up on and named; the next one is a call', async (t) => {
  const { phone, escalate, escalator, entriesOf } = await start(t)
  const failed = async () => (await escalator.result((await escalate()).id)).legs[0]!.branches[0]!
  const hungUpOn = () => phone.count('ACK') > 0 && phone.count('BYE') > 0

  phone.answer = answering((each) => [contact(each), `X-Long: ${'x'.repeat(20_000)}`])
  t.like(await failed(), { state: 'failed', code: 'sip.513', reason: 'Message Too Large' })
  await until(hungUpOn)

  phone.got.splice(0)
  phone.answer = answering(() => [])
  t.like(await failed(), { state: 'failed', code: 'sip.answer.malformed', reason: 'the 200 has no Contact' })
  await until(hungUpOn)
  await until(() => entriesOf('REJECTED').length === 2)
  t.deepEqual(
    entriesOf('REJECTED').map(({ payload }) => payload.code),
    ['sip.513', 'sip.answer.malformed']
  )

  const lines = Array.from({ length: 100 }, (_, line) => `a=x-line-${line}:${'x'.repeat(86)}\r\n`)
  phone.answer = answering(
    (each) => [contact(each), ...Array.from({ length: 20 }, () => `X-Note: ${'y'.repeat(990)}`)],
    sdp + lines.join('')
  )
  const { id } = await escalate()
  t.like(await escalator.result(id), { result: { status: 'connected' } }, 'an answer of 30 kB comes whole')
  escalator.cancel(id, 'test')
  await escalator.ended(id)
})

test.serial(
  'a phone that does not answer the CANCEL: the expert can be called again at once, and a late answer is hung up on',
  async (t) => {
    const { suite, phone, escalate, escalator, entriesOf } = await start(t)
    let first: Message | null = null
    phone.answer = (request, each) => {
      if (request.startLine.startsWith('CANCEL')) return
      if (!request.startLine.startsWith('INVITE')) return polite(request, each)
      if (first !== null) return answering((one) => [contact(one)])(request, each)
      first = request
      each.send(reply(request, 180, 'Ringing', [contact(each)]))
    }
    const ringing = await escalate()
    await until(() => entriesOf('sip_180_ringing').length === 1)
    const cancelledMs = performance.now()
    escalator.cancel(ringing.id, 'test')
    t.like(await escalator.ended(ringing.id), { result: { code: 'escalate.cancelled' } })
    t.true(performance.now() - cancelledMs < 20_000, 'long before 64·T1')
    await until(() => phone.count('CANCEL') > 0)

    const again = await escalate()
    t.like(await escalator.result(again.id), { result: { status: 'connected' } })
    const byes = phone.count('BYE')
    phone.send(reply(first!, 200, 'OK', [contact(phone), 'Content-Type: application/sdp'], sdp))
    await until(() => phone.count('BYE') === byes + 1)
    t.is(suite.inside.media.roster('council').length, 1, 'the other call goes on')
    await until(() => entriesOf('TERMINATED').length === 1)
    escalator.cancel(again.id, 'test')
    await escalator.ended(again.id)
  }
)
