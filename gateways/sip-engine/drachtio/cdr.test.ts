import test from 'ava'
import { silentLog } from '#kernel'
import { createSipServer } from '../sip-engine.ts'
import { createBench } from '../testing/bench.ts'
import { createFakeApplication, type FakeApplication } from '../testing/fake-application.ts'
import { headerOf, requestText, responseText, shape } from '../testing/sip-text.ts'
import { connectSrf, type SrfMessage } from '../testing/srf.ts'

const verbs = ['cdr:attempt', 'cdr:start', 'cdr:stop']
const sdp = 'v=0\r\n'

function scene(cdrs = true) {
  const bench = createBench({ options: { cdrs } })
  const peer = bench.network.peer('udp', '10.0.0.9', 5090)
  const far = bench.network.peer('udp', '10.0.0.2', 5060)
  const app = createFakeApplication(bench.engine, ['invite'])
  const witness = createFakeApplication(bench.engine, verbs)
  return {
    ...bench,
    peer,
    far,
    app,
    witness,
    say: (text: string) => {
      peer.send(text, bench.at)
      bench.clock.advance(5)
    },
    reply: (status: number, extra: Parameters<typeof responseText>[2] = {}) => {
      const asked = far.received.findLast(({ text }) => text.startsWith('INVITE'))!
      far.send(responseText(asked.text, status, extra), bench.at)
      bench.clock.advance(5)
    },
    answer: (status: number) => {
      const transaction = app.delivered().at(-1)!.fields[8]!
      app.send(`sip|${transaction}|`, `SIP/2.0 ${status} Said\nContent-Length: 0\n\n`)
      bench.clock.advance(5)
    }
  }
}

/** Kind, source, role or reason, and message of each record. */
const records = ({ payloads }: FakeApplication): string[] =>
  payloads
    .filter(({ fields }) => fields[1]!.startsWith('cdr:'))
    .map(({ fields, sip }) => [fields[1]!.slice(4), fields[2], ...fields.slice(4), shape(sip)].join(' '))

const invite = requestText({ method: 'INVITE', branch: 'i1', body: sdp })
const inDialog = (s: ReturnType<typeof scene>, method: string, cseq: number): string =>
  requestText({ method, branch: `${method}${cseq}`, cseq, to: headerOf(s.peer.received.at(-1)!.text, 'To')! })

test('a call we are called in: attempt, start as uas, stop by the BYE; times and message as they were', (t) => {
  const s = scene()
  s.say(invite)
  s.answer(180)
  s.answer(200)
  s.say(inDialog(s, 'ACK', 1))
  s.say(inDialog(s, 'BYE', 2))
  t.deepEqual(records(s.witness), [
    'attempt network INVITE',
    'start application uas 200 INVITE',
    'stop network normal-release BYE'
  ])
  const [attempt, start] = s.witness.payloads.filter(({ fields }) => fields[1]!.startsWith('cdr:'))
  t.is(attempt!.fields.length, 4)
  t.is(start!.fields.length, 5)
  t.regex(start!.fields[3]!, /^\d\d:\d\d:\d\d\.\d{6}$/)
  t.is(headerOf(attempt!.sip, 'Via'), 'SIP/2.0/UDP 10.0.0.9:5090;branch=z9hG4bKi1;rport=5090')
  t.deepEqual(records(s.app), [])
})

test('calls that are refused, cancelled, or not acknowledged', (t) => {
  const refused = scene()
  refused.say(invite)
  refused.answer(486)
  t.deepEqual(records(refused.witness), ['attempt network INVITE', 'stop application call-rejected 486 INVITE'])

  const cancelled = scene()
  cancelled.say(invite)
  cancelled.say(requestText({ method: 'CANCEL', branch: 'i1' }))
  t.deepEqual(records(cancelled.witness), ['attempt network INVITE', 'stop application call-canceled 487 INVITE'])

  const silent = scene()
  silent.say(invite)
  silent.answer(200)
  silent.clock.advance(33_000)
  t.deepEqual(records(silent.witness).at(-1), 'stop application system-initiated-termination BYE')
})

test('a call we make: attempt, start as uac, stop by our BYE; the failure of one, and the timeout of one', (t) => {
  const s = scene()
  const call = (callId: string) => {
    s.app.send('sip||', `INVITE sip:bob@10.0.0.2 SIP/2.0\nCall-ID: ${callId}\nContent-Type: application/sdp\n\nv=0\n`)
    s.clock.advance(5)
  }
  call('one')
  s.reply(200, { extra: ['Contact: <sip:bob@10.0.0.2>'] })
  const id = s.app.delivered().at(-1)!.fields[9]!
  s.app.send(`sip||${id}`, 'ACK sip:placeholder SIP/2.0\n\n')
  s.app.send(`sip||${id}`, 'BYE sip:placeholder SIP/2.0\n\n')
  t.deepEqual(records(s.witness), [
    'attempt application INVITE',
    'start network uac 200 INVITE',
    'stop application normal-release BYE'
  ])
  call('two')
  s.reply(404)
  t.is(records(s.witness).at(-1), 'stop network call-rejected 404 INVITE')
  call('three')
  s.clock.advance(33_000)
  t.is(records(s.witness).at(-1), 'stop application call-rejected 408 INVITE')
})

test('a session that is not refreshed expires', (t) => {
  const s = scene()
  s.say(
    requestText({ method: 'INVITE', branch: 'i1', body: sdp, extra: ['Supported: timer', 'Session-Expires: 90;refresher=uac'] })
  )
  s.answer(200)
  s.say(inDialog(s, 'ACK', 1))
  s.clock.advance(91_000)
  t.is(records(s.witness).at(-1), 'stop application session-expired BYE')
})

test('a proxied call: an attempt each way, a start for each side, the refusal', (t) => {
  const s = scene()
  s.say(invite)
  const proxy = () => {
    s.app.send(
      `proxy|${s.app.delivered().at(-1)!.fields[8]}|remainInDialog|fullResponse||serial|||sip:bob@10.0.0.2`,
      'INVITE x SIP/2.0\n\n'
    )
    s.clock.advance(5)
  }
  proxy()
  s.reply(200, { extra: ['Contact: <sip:bob@10.0.0.2>'] })
  t.deepEqual(records(s.witness), [
    'attempt network INVITE',
    'attempt application INVITE',
    'start network proxy-uac 200 INVITE',
    'start application proxy-uas 200 INVITE'
  ])
  s.say(requestText({ method: 'INVITE', branch: 'i2', callId: 'call-2', body: sdp }))
  proxy()
  s.reply(486)
  t.is(records(s.witness).at(-1), 'stop application call-rejected 486 INVITE')
})

test('records go in turn to those who route them, and nowhere where they are off', (t) => {
  const s = scene()
  const second = createFakeApplication(s.engine, ['cdr:attempt'])
  for (const callId of ['a', 'b', 'c']) s.say(requestText({ method: 'INVITE', branch: callId, callId, body: sdp }))
  t.is(records(s.witness).length, 2)
  t.is(records(second).length, 1)
  const off = scene(false)
  off.say(invite)
  t.deepEqual(records(off.witness), [])
})

test('drachtio-srf takes the records: source, time, role or reason, message', async (t) => {
  const start = async (cdrs: boolean) => {
    const engine = await createSipServer({
      listen: [{ transport: 'udp', address: '127.0.0.1', port: 0 }],
      admin: { address: '127.0.0.1', port: 0, secret: 'cymru' },
      options: { cdrs },
      log: silentLog
    })
    t.teardown(() => engine.close())
    return engine
  }
  const engine = await start(true)
  const told: string[] = []
  let stopped = (): void => undefined
  const done = new Promise<void>((resolve) => {
    stopped = resolve
  })
  const { srf: callee } = await connectSrf(engine.adminPort, (srf) => {
    srf.invite((request, response) => void srf.createUAS(request, response, { localSdp: sdp }))
    srf.on('cdr:attempt', (source: string, time: string, message: SrfMessage) =>
      told.push(`attempt ${source} ${/^[0-9:.]{15}$/.test(time)} ${message.method}`)
    )
    srf.on('cdr:start', (source: string, _time: string, role: string, message: SrfMessage) =>
      told.push(`start ${source} ${role} ${message.status}`)
    )
    srf.on('cdr:stop', (source: string, _time: string, reason: string, message: SrfMessage) => {
      told.push(`stop ${source} ${reason} ${message.method}`)
      stopped()
    })
  })
  t.teardown(() => callee.disconnect())
  const { srf: caller } = await connectSrf((await start(false)).adminPort)
  t.teardown(() => caller.disconnect())
  const dialog = await caller.createUAC(`sip:bob@127.0.0.1:${engine.addresses[0]!.port}`, { localSdp: sdp })
  await dialog.destroy()
  await done
  t.deepEqual(told, ['attempt network true INVITE', 'start application uas 200', 'stop network normal-release BYE'])
})
