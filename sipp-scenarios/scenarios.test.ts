import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { failureText, type SippOptions, startSipp } from '#sipp'
import { tone } from './make-tone.ts'

const folder = import.meta.dirname
const scenarios = readdirSync(folder)
  .filter((file) => file.endsWith('.xml'))
  .map((file) => file.slice(0, -4))

/** uac → the uas that it is run against, and what the pair needs beyond the common options. */
const pairs: Readonly<Record<string, readonly [uas: string, options?: Partial<SippOptions>]>> = {
  'uac-expert': ['uas-council', { calls: 3 }],
  'uac-expert-with-tone': ['uas-council', { pauseMs: 300 }],
  'uac-expert-cancel': ['uas-council-rings'],
  'uac-expert-hold-resume': ['uas-council'],
  'uac-expert-hung-up': ['uas-council-hangs-up'],
  'uac-expert-late-offer': ['uas-council'],
  'uac-expert-long': ['uas-council', { pauseMs: 20 }],
  'uac-expert-no-ack': ['uas-council-no-ack'],
  'uac-expert-bad-password': ['uas-council-refuses'],
  'uac-expert-replayed-digest': ['uas-edge-refuses', { csvFiles: [join(folder, 'replayed.csv')] }],
  'uac-expert-refused': ['uas-council-refuses'],
  'uac-expert-session-timer': ['uas-council'],
  'uac-expert-session-timer-too-small': ['uas-council-session-too-small'],
  'uac-expert-session-expires': ['uas-council-hangs-up'],
  'uac-expert-update': ['uas-council'],
  'uac-expert-signed': ['uas-council', { csvFiles: [join(folder, 'signed.csv')] }],
  'uac-expert-signature-refused': ['uas-council-refuses', { csvFiles: [join(folder, 'signed.csv')] }],
  'uac-header-smuggling': ['uas-council'],
  'uac-header-smuggling-unauthenticated': ['uas-edge-refuses'],
  'uac-unknown-caller': ['uas-council-refuses'],
  'uac-retransmit': ['uas-council-slow', { retransmits: false }],
  'uac-drop-one-200': ['uas-council'],
  'uac-bye-crossing': ['uas-council-bye-crossing'],
  'uac-options': ['uas-options'],
  'uac-malformed-uri': ['uas-edge-bad-request'],
  'uac-malformed-max-forwards': ['uas-edge-too-many-hops'],
  'uac-malformed-oversized': ['uas-edge-refuses'],
  'uac-council': ['uas-expert'],
  'uac-council-busy': ['uas-expert-busy'],
  'uac-council-declined': ['uas-expert-declines'],
  'uac-council-gives-up': ['uas-expert-no-answer'],
  'uac-council-hung-up': ['uas-expert-hangs-up']
}

/** A second caller for a uas that has one already. */
const furtherPairs = [
  ['uac-council', 'uas-drop-one-invite'],
  ['uac-council', 'uas-expert-early-media']
] as const

/** What they ask only an edge can answer: suite.test.ts runs them. */
const ofTheEdge = ['uac-invite-flood', 'uac-options-storm', 'uac-register', 'uac-register-expert', 'uac-torture']

/** They need more of a caller than any scenario here does: deploy/escalation/escalation.test.ts has the suite call them. */
const ofTheSuite = [
  'uas-expert-answers-cancelled',
  'uas-expert-forks',
  'uas-expert-glare',
  'uas-expert-holds',
  'uas-expert-late-offer',
  'uas-expert-session-interval',
  'uas-expert-stays',
  'uas-expert-transfer-fails',
  'uas-expert-transfer-refused',
  'uas-expert-transfers',
  'uas-expert-unavailable-once'
]

/** SIPp as the called side does not match or survive these; they are sent to a plain socket. */
const alone = ['uac-malformed-cseq', 'uac-malformed-content-length', 'uac-malformed-no-call-id']

const common = {
  service: 'council-safety',
  pauseMs: 100,
  timeoutMs: 60_000,
  receiveTimeoutMs: 30_000
}

async function runPair(t: ExecutionContext, uac: string, uas: string, options: Partial<SippOptions> = {}) {
  const keys = { domain: 'edge.test', hazard: 'safety' }
  const host = options.localAddress ?? '127.0.0.1'
  const { calls = 1 } = options
  const called = await startSipp({ ...common, scenario: uas, keys, calls, localAddress: host })
  await called.ready
  const calling = await startSipp({
    ...common,
    scenario: uac,
    keys,
    csvFiles: [join(folder, 'experts.csv')],
    ...options,
    target: { host, port: called.port }
  })
  const [result, answered] = await Promise.all([calling.result, called.result])
  t.is(result.outcome, 'passed', `${uac}: ${failureText(result)}`)
  t.is(answered.outcome, 'passed', `${uas}: ${failureText(answered)}`)
  t.is(answered.calls.successful, calls)
  t.true(result.retransmissions + answered.retransmissions < 10, `${uac} and ${uas} keep each other busy`)
}

for (const [uac, [uas, options]] of Object.entries(pairs)) test(`${uac} against ${uas}`, (t) => runPair(t, uac, uas, options))
test('over IPv6', (t) => runPair(t, 'uac-expert', 'uas-council', { localAddress: '::1' }))
for (const [uac, uas] of furtherPairs) test(`${uac} against ${uas}`, (t) => runPair(t, uac, uas))

for (const uac of alone) {
  test(`${uac} puts its request on the wire`, async (t) => {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    const calling = await startSipp({
      ...common,
      scenario: uac,
      keys: { domain: 'edge.test' },
      target: { host: '127.0.0.1', port: socket.address().port },
      receiveTimeoutMs: 300
    })
    const [datagram] = await once(socket, 'message')
    t.regex(datagram.toString(), /^INVITE sip:council-safety@edge\.test SIP\/2\.0\r\n/)
    t.is((await calling.result).outcome, uac === 'uac-malformed-no-call-id' ? 'passed' : 'failed')
    socket.close()
  })
}

test('every scenario is in a pair, stands alone or is called by the suite, and the README has a line for it', (t) => {
  const used = new Set([
    ...Object.entries(pairs).flatMap(([uac, [uas]]) => [uac, uas]),
    ...furtherPairs.flat(),
    ...alone,
    ...ofTheEdge,
    ...ofTheSuite
  ])
  t.deepEqual([...used].sort(), scenarios.sort())
  const readme = readFileSync(join(folder, 'README.md'), 'utf8')
  for (const name of scenarios) t.true(readme.includes(`| ${name} |`), name)
})

test('the tone file is what make-tone writes', (t) => {
  t.deepEqual(new Uint8Array(readFileSync(join(folder, 'tone-440.alaw'))), tone(440))
})
