/** Attacks on the running suite: seven that stop at one of the seven layers each, and those that try the edge as strangers do. */
import { execFile } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { type Layer, layers } from '#kernel'
import { ifctl } from '../../cli/testing/run.ts'
import type { PhoneCall, PhoneOptions } from '../../gateways/sip/testing/phone.ts'
import { Phone as EdgePhone } from '../../kamailio/testing/harness.ts'
import { expiredCertificate } from '../testing/expired.ts'
import { type RunningSuite, runSuite, until } from '../testing/harness.ts'
import { freeUdpPort } from './free-ports.ts'

const sdp = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8\r\n'
const flooder = '127.0.0.77'
const stranger = '127.0.0.78'

interface Attack {
  readonly what: string
  readonly code: string
  /** What the caller is answered; 0 for silence. */
  readonly status: number
  /** @returns the Call-ID of the call that must have stopped there */
  readonly make: (
    running: RunningSuite,
    t: ExecutionContext,
    failing: { record: boolean }
  ) => Promise<{ callId: string; status: number }>
}

const from = (running: RunningSuite, t: ExecutionContext, localAddress: string) =>
  EdgePhone.open(t, running.suite.addresses.tls!.port, { localAddress, rejectUnauthorized: false })

const outcome = ({ callId, status }: PhoneCall) => ({ callId, status })

async function asExpert(running: RunningSuite, options: Partial<PhoneOptions> = {}, headers?: Record<string, string>) {
  const phone = await running.phone('expert-safety', options)
  return outcome(await phone.invite({ sdp, ...(headers === undefined ? {} : { headers: () => headers }) }))
}

const attacks: Readonly<Record<Layer, Attack>> = {
  pike: {
    what: 'an address sends more than thirty requests in ten seconds',
    code: 'edge.pike.flood',
    status: 0,
    make: async (running, t) => {
      const phone = await from(running, t, flooder)
      for (let n = 0; n < 120; n++) phone.send(phone.request({ callId: `flood-${n}` }))
      await until(() => refusalsOf(running, 'pike').length > 0)
      return { callId: String(refusalsOf(running, 'pike')[0]!.payload.callId), status: 0 }
    }
  },
  allowlist: {
    what: 'a caller from a network that is not listed',
    code: 'edge.allowlist.not-listed',
    status: 403,
    make: async (running, t) => {
      const answer = await (await from(running, t, stranger)).ask({ callId: 'stranger' })
      return { callId: 'stranger', status: Number(answer.startLine.split(' ')[1]) }
    }
  },
  tls: {
    what: 'a certificate that has expired, with the right password',
    code: 'edge.tls.certificate-expired',
    status: 403,
    make: async (running) => asExpert(running, await expiredCertificate(running.suite))
  },
  digest: {
    what: 'a guessed password',
    code: 'edge.digest.bad-credentials',
    status: 403,
    make: (running) => asExpert(running, { password: 'guessed' })
  },
  rate: {
    what: 'one call more than an expert may make in a minute',
    code: 'edge.rate.exceeded',
    status: 480,
    make: async (running) => {
      const phone = await running.phone('expert-ethics')
      for (let call = 0; call < 10; call++) await (await phone.invite({ to: 'council-ethics', sdp })).bye()
      return outcome(await phone.invite({ to: 'council-ethics', sdp }))
    }
  },
  policy: {
    what: 'an expert with a password of his own in the name of another',
    code: 'guard.registered.identity-mismatch',
    status: 403,
    make: async (running) =>
      outcome(await (await running.phone('expert-security', { uri: 'sip:expert-safety@external.advisor' })).invite({ sdp }))
  },
  witness: {
    what: 'a call of which nothing can be kept',
    code: 'witness.unrecorded',
    status: 503,
    make: async (running, _t, failing) => {
      failing.record = true
      try {
        return await asExpert(running)
      } finally {
        failing.record = false
      }
    }
  }
}

const refusalsOf = ({ entries }: RunningSuite, layer: Layer) =>
  entries().filter(({ event, payload }) => /REJECTED$/.test(event) && payload.layer === layer)

test.serial(
  'each of the seven layers stops an attack that gets past those before it, and ifctl guard explain shows where',
  async (t) => {
    const failing = { record: false }
    const running = await runSuite(
      t,
      {
        allowlist: [
          { network: '127.0.0.1/32', name: 'experts' },
          { network: `${flooder}/32`, name: 'experts' }
        ],
        limits: { requestsPer10s: 60, callsPerMinute: 10 }
      },
      {
        callPorts: (real) => ({
          ...real,
          witness: {
            ...real.witness,
            record: (entry) =>
              failing.record && entry.event === 'INVITE' ? Promise.reject(new Error('store is gone')) : real.witness.record(entry)
          }
        })
      }
    )
    for (const layer of layers) {
      const { what, code, status, make } = attacks[layer]
      // pike counts what the attacks before sent from the same address
      if (layer === 'policy') await new Promise((resolve) => setTimeout(resolve, 10_000))
      const made = await make(running, t, failing)
      t.is(made.status, status, `${layer}: ${what}`)
      const entriesOf = () => running.entries().filter(({ payload }) => payload.callId === made.callId)
      await until(() => entriesOf().some(({ event }) => /REJECTED$/.test(event)), 10_000, `${layer}: no record of ${what}`)
      const trace = entriesOf().find(({ event }) => /REJECTED$/.test(event))!.trace_id
      const { stdout } = await ifctl(['guard', 'explain', trace, '--data', running.suite.data.folder, '--json'])
      const shown = JSON.parse(stdout)
      t.like(Array.isArray(shown) ? shown[0] : shown, { decidedBy: layer, code }, what)
      const states = (Array.isArray(shown) ? shown[0] : shown).layers.map(({ state }: { state: string }) => state)
      const at = layers.indexOf(layer)
      t.deepEqual(
        states,
        layers.map((_, n) => (n < at ? 'passed' : n === at ? 'decided' : 'not reached')),
        `${layer}: ${what}`
      )
    }
    const honest = await asExpert(running)
    t.is(honest.status, 200, 'and an honest call gets through all seven')
    t.is((await running.verify()).verdict, 'valid')
  }
)

/** A tool of sipvicious, as a stranger would run it; null where it is not installed. */
async function sipvicious(tool: string, ...args: string[]): Promise<string | null> {
  try {
    const { stdout, stderr } = await promisify(execFile)(tool, args, { timeout: 6000 })
    return stdout + stderr
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    return stdout + stderr
  }
}

test.serial('scanners find no edge, no extension and no password, and are cut off with a record', async (t) => {
  const udp = await freeUdpPort('127.0.0.1')
  const running = await runSuite(t, { listen: { tls: 0, udp }, limits: { requestsPer10s: 30 } })
  const found = await sipvicious('svmap', '-p', String(udp), '--randomscan', '127.0.0.1')
  if (found === null) {
    t.pass('needs sipvicious')
    return
  }
  t.notRegex(found, /edge|Kamailio/i, 'svmap names itself, and is not answered')
  const guessed = await sipvicious('svwar', '-p', String(udp), '-e', '100-160', '-m', 'INVITE', '127.0.0.1')
  t.notRegex(guessed!, /\| *1\d\d *\|/, 'svwar learns of no extension')
  const cracked = await sipvicious('svcrack', '-p', String(udp), '-u', 'expert-safety', '-r', '1000-1060', '127.0.0.1')
  t.notRegex(cracked!, /\| *expert-safety *\|/)
  await until(() => refusalsOf(running, 'pike').length > 0, 5000, 'no record of the scanners')
  t.is(running.entriesOf('INVITE').length, 0)
})

test.serial(
  'toll fraud: numbers dialled one after another by a program that does not tell its name are challenged, then cut off',
  async (t) => {
    const udp = await freeUdpPort('127.0.0.1')
    const running = await runSuite(t, { listen: { tls: 0, udp }, limits: { requestsPer10s: 30 } })
    const fraud = createSocket('udp4').bind(0, '127.0.0.80')
    t.teardown(() => fraud.close())
    const answers: string[] = []
    fraud.on('message', (message) => answers.push(message.toString('latin1').slice(8, 11)))
    for (let n = 0; n < 100; n++) {
      const number = `0011${900_000 + n}`
      fraud.send(
        `INVITE sip:${number}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.80:9;rport;branch=z9hG4bKfraud${n}\r\nMax-Forwards: 70\r\nFrom: <sip:100@127.0.0.1>;tag=${n}\r\n` +
          `To: <sip:${number}@127.0.0.1>\r\nCall-ID: fraud-${n}\r\nCSeq: 1 INVITE\r\nContact: <sip:100@127.0.0.80>\r\nContent-Length: 0\r\n\r\n`,
        udp,
        '127.0.0.1'
      )
    }
    await until(() => refusalsOf(running, 'pike').some(({ payload }) => payload.source === '127.0.0.80'))
    t.true(answers.length < 60, `${answers.length} of 100 answered`)
    t.deepEqual([...new Set(answers)], ['407'])
    t.is(running.entriesOf('INVITE').length, 0)
  }
)

/** A status with its code in the record, or 0 for a connection that is closed. */
for (const [what, body, status] of [
  ['six hundred media lines', `${sdp}${'m=audio 9 RTP/AVP 0\r\n'.repeat(600)}`, 400],
  ['seven hundred attributes', `${sdp}${'a=rtpmap:96 x/8000\r\n'.repeat(700)}`, 400],
  ['one line of many octets', `${sdp}a=${'x'.repeat(14_000)}\r\n`, 400],
  ['more than a message may have', `${sdp}${'a=x\r\n'.repeat(2000)}${'x'.repeat(10_000)}`, 513],
  ['more than a connection takes', `${sdp}${'a=x\r\n'.repeat(20_000)}`, 0]
] as const) {
  test.serial(`a session description with ${what} ends in an answer at once, and others call as before`, async (t) => {
    const running = await runSuite(t)
    const caller = await running.phone('expert-safety')
    const beganMs = performance.now()
    const outcome = await Promise.race([
      caller.invite({ sdp: body }).then(
        ({ status }) => status,
        () => 0
      ),
      caller.closed.then(() => 0)
    ])
    t.true(performance.now() - beganMs < 3000, 'at once')
    t.is(outcome, status)
    if (status === 400) await until(() => running.entriesOf('REJECTED').some(({ payload }) => payload.code === 'sdp.malformed'))
    const next = await (await running.phone('expert-safety')).invite({ sdp })
    t.is(next.status, 200)
    await next.bye()
  })
}

test.serial('line ends, NULs and look-alikes in headers make no header of their own and no other caller', async (t) => {
  const running = await runSuite(t)
  for (const value of [
    'x\r\n X-IF-Edge-User: guardian-1',
    'x\rX-IF-Edge-User: guardian-1',
    'x\nX-IF-Edge-User: guardian-1',
    'x\u0000X-IF-Edge-User: guardian-1',
    'ｘ－ＩＦ－Ｅｄｇｅ－Ｕｓｅｒ: guardian-1',
    '\u202eguardian-1'
  ]) {
    const phone = await running.phone('expert-safety')
    const outcome = await Promise.race([
      phone.invite({ sdp, headers: () => ({ Subject: value }) }).then(
        (call) => call,
        () => null
      ),
      phone.closed.then(() => null),
      new Promise<null>((resolve) => setTimeout(resolve, 1500, null).unref())
    ])
    if (outcome?.status === 200) await outcome.bye()
    phone.close()
  }
  const users = running
    .entriesOf('INVITE')
    .map(({ payload }) => (payload.edge as { authenticatedUser: string }).authenticatedUser)
  t.deepEqual([...new Set(users)], ['expert-safety'])
  t.is((await running.verify()).verdict, 'valid')
})
