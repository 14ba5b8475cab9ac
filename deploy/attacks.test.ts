/** Attacks on the running suite: seven that stop at one of the seven layers each, and those that try the edge as strangers do. */
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { createAuthority, issueCertificate } from '#kamailio'
import { type Layer, layers } from '#kernel'
import { ifctl } from '../cli/testing/run.ts'
import type { PhoneCall, PhoneOptions } from '../gateways/sip/testing/phone.ts'
import { Phone as EdgePhone } from '../kamailio/testing/harness.ts'
import { type RunningSuite, runSuite, until } from './testing/harness.ts'

const dayMs = 86_400_000
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
    make: async (running) => {
      const authority = await createAuthority(dirname(running.suite.data.ca))
      const expired = await issueCertificate(authority, {
        name: 'expired',
        commonName: 'expert-safety',
        usage: 'client',
        notBefore: new Date(Date.now() - 10 * dayMs),
        notAfter: new Date(Date.now() - dayMs)
      })
      return asExpert(running, {
        certificate: await readFile(expired.certificate, 'utf8'),
        key: await readFile(expired.key, 'utf8')
      })
    }
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
