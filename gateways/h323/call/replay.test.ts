/** Real calls of Asterisk (ooh323c) and H323Plus: one side is played by our state machine, the other is what was recorded. */
import test from 'ava'
import { controlEvents } from './testing/pair.ts'
import { replay } from './testing/replay.ts'

const answeredCalls = [
  '01-h323plus-to-asterisk-faststart-tunnel',
  '02-h323plus-to-asterisk-nofs-tunnel',
  '03-h323plus-to-asterisk-nofs-h245tcp',
  '04-h323plus-to-asterisk-faststart-h245tcp',
  '10-h323plus-to-asterisk-ring3s-answer',
  '11-h323plus-to-asterisk-earlymedia',
  '12-h323plus-to-asterisk-callee-hangup',
  '13-h323plus-to-asterisk-ulaw',
  '16-asterisk-to-h323plus-faststart-tunnel',
  '17-asterisk-to-h323plus-nofs-h245tcp-dtmf-alphanumeric',
  '18-asterisk-to-h323plus-nofs-tunnel-dtmf-signal',
  '20-gk-direct-faststart',
  '21-gk-direct-nofs-tunnel',
  '22-gk-direct-nofs-h245tcp',
  '40-gk-direct-asterisk-and-h323plus'
] as const

/** What a side has to answer or to do, whatever its ways: not user input, nor who begins the determination, nor the end. */
const owed = [
  'terminalCapabilitySet',
  'terminalCapabilitySetAck',
  'masterSlaveDeterminationAck',
  'openLogicalChannel',
  'openLogicalChannelAck',
  'closeLogicalChannelAck',
  'roundTripDelayResponse'
]

const countOf = (names: readonly string[], wanted: string): number => names.filter((name) => name === wanted).length

for (const cap of answeredCalls) {
  const modes = { fastStart: !cap.includes('nofs'), tunnelling: !cap.includes('h245tcp') }
  for (const role of ['caller', 'called'] as const) {
    test(`${cap}, as the ${role}`, (t) => {
      const { session, told, sent, recorded, peerPorts, terms } = replay(cap, role, modes)
      t.is(session.fastConnect, modes.fastStart ? 'accepted' : 'none')
      t.true(told.some(({ type }) => type === 'connected'))
      const end = told.find((one) => one.type === 'released')
      t.is(end?.type === 'released' ? end.cause.cause : null, 16)
      for (const name of owed) t.true(countOf(sent, name) >= countOf(recorded, name), `${name}: ${sent.join(' ')}`)
      t.is(countOf(sent, 'terminalCapabilitySetAck'), countOf(recorded, 'terminalCapabilitySetAck'))
      t.is(countOf(sent, 'openLogicalChannelAck'), countOf(recorded, 'openLogicalChannelAck'))
      t.true(terms?.receives)
      t.true(peerPorts.has(terms?.remote?.rtp.port ?? 0), 'sound goes where the peer has said')
      const ignored = told.filter(({ type }) => type === 'ignored')
      t.deepEqual(ignored, [])
      // the call is ours to end in most of them; then the session is ended in the message that ends the call
      if (sent.includes('releaseComplete')) t.is(countOf(sent, 'endSessionCommand'), 1)
    })
  }
}

for (const [cap, cause] of [
  ['06-h323plus-to-asterisk-busy', 17],
  ['07-h323plus-to-asterisk-congestion', 42],
  ['08-h323plus-to-asterisk-unallocated', 1]
] as const) {
  test(`${cap}: the cause is told`, (t) => {
    const { told } = replay(cap, 'caller')
    t.like(told.at(-1), { type: 'released', by: 'remote', cause: { cause } })
  })
}

test('09-h323plus-to-asterisk-caller-cancel: early sound, and the caller gives up', (t) => {
  const { told, terms } = replay('09-h323plus-to-asterisk-caller-cancel', 'caller')
  t.true(terms?.receives)
  t.true(told.some((one) => one.type === 'progress' && one.inBand))
  t.like(told.at(-1), { type: 'released', by: 'local' })
})

test('digits of Asterisk, as text and as signals', (t) => {
  for (const [cap, tunnelling] of [
    ['17-asterisk-to-h323plus-nofs-h245tcp-dtmf-alphanumeric', false],
    ['18-asterisk-to-h323plus-nofs-tunnel-dtmf-signal', true]
  ] as const) {
    const { told } = replay(cap, 'called', { fastStart: false, tunnelling })
    const digits = controlEvents({ told: [...told] }).flatMap((event) => (event.type === 'digit' ? [event.digit] : []))
    t.is(digits.join(''), '1234#*')
  }
})

test('47-gk-routed-reroute-tcs0-clc: a pause is taken, channels close', (t) => {
  const { told, sent } = replay('47-gk-routed-reroute-tcs0-clc', 'caller', { fastStart: false })
  const events = controlEvents({ told: [...told] })
  t.true(events.some((event) => event.type === 'paused' && event.paused))
  t.is(countOf(sent, 'closeLogicalChannel'), 1)
  t.is(countOf(sent, 'terminalCapabilitySetAck'), 2)
})
