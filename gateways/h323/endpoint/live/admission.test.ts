import test from 'ava'
import { silentLog } from '#kernel'
import { causes } from '../../call/causes.ts'
import type { CallIdentity } from '../../call/messages.ts'
import { transportAddressOf } from '../../gatekeeper/addresses.ts'
import type { Admission } from '../registrar.ts'
import { type AdmissionQuestion, CallAdmission } from './admission.ts'
import type { CallWorld } from './world.ts'

type Disengaged = Parameters<CallWorld['disengage']>[0]

const listen = { ip: '127.0.0.1', port: 1720 }
const routed = { ip: '127.0.0.2', port: 1721 }
const context = { traceId: 'a'.repeat(32), log: silentLog, signal: new AbortController().signal, now: () => 0 }
const identityOf = (callReference: number): CallIdentity => ({
  callReference,
  callReferenceFlag: false,
  callIdentifier: Buffer.alloc(16, callReference),
  conferenceId: Buffer.alloc(16, 9)
})
const questionOf = (identity: CallIdentity): AdmissionQuestion => ({
  identity,
  from: 'alice',
  to: 'bob',
  destination: [],
  source: [],
  address: null,
  connectedTo: null
})
const confirmed = (bandWidth: number): Admission => ({
  ok: true,
  confirm: {
    requestSeqNum: 1,
    bandWidth,
    callModel: { type: 'direct' },
    destCallSignalAddress: transportAddressOf(routed)
  } as Extract<Admission, { ok: true }>['confirm']
})

function admissionWith(admit: CallWorld['admit'], judge: CallWorld['judge'] = null) {
  const disengaged: Disengaged[] = []
  const own = { aliases: [], endpointType: { mc: false, undefinedNode: false }, display: null }
  const disengage = async (call: Disengaged): Promise<void> => void disengaged.push(call)
  return { admission: new CallAdmission({ admit, judge, disengage, own, listen }, context, false, 1280), disengaged }
}

test('the gatekeeper says where the call goes, and may grant less than was asked for, never more', async (t) => {
  const { admission } = admissionWith(async () => confirmed(640))
  t.deepEqual(await admission.ask(questionOf(identityOf(1))), { ok: true, address: routed, destination: null })
  t.is(admission.bandwidth, 640)
  const generous = admissionWith(async () => confirmed(9999)).admission
  await generous.ask(questionOf(identityOf(1)))
  t.is(generous.bandwidth, 1280)
})

test('DRQ names the attempt that was admitted, and goes once', async (t) => {
  const { admission, disengaged } = admissionWith(async () => confirmed(1280))
  await admission.ask(questionOf(identityOf(1)))
  admission.disengage(false)
  admission.disengage(false)
  await admission.ask(questionOf(identityOf(2)))
  admission.close(true)
  admission.close(true)
  t.deepEqual(
    disengaged.map(({ callReference, callIdentifier, answered }) => [callReference, callIdentifier[0], answered]),
    [
      [1, 1, false],
      [2, 2, true]
    ]
  )
})

test('admitted when the call is over already: DRQ at once', async (t) => {
  const answer = Promise.withResolvers<Admission>()
  const { admission, disengaged } = admissionWith(() => answer.promise)
  const asked = admission.ask(questionOf(identityOf(1)))
  admission.close(false)
  t.is(disengaged.length, 0)
  answer.resolve(confirmed(1280))
  await asked
  t.deepEqual(
    disengaged.map(({ callReference }) => callReference),
    [1]
  )
})

test('refused by the gatekeeper, refused here, and judged by nobody', async (t) => {
  const refused = admissionWith(async () => ({ ok: false, reason: 'calledPartyNotRegistered' }))
  t.deepEqual(await refused.admission.ask(questionOf(identityOf(1))), { ok: false, cause: causes.subscriberAbsent })
  refused.admission.close(false)
  t.is(refused.disengaged.length, 0)
  const judged = admissionWith(null, async () => false).admission
  t.deepEqual(await judged.ask(questionOf(identityOf(1))), { ok: false, cause: causes.rejected })
  const free = admissionWith(null).admission
  t.deepEqual(await free.ask(questionOf(identityOf(1))), { ok: true, address: null, destination: null })
})
