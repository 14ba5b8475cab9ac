/** What a server must do with the SIP application behind it; each check throws when it does not. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { WitnessEvent } from '#kernel'
import type { SipApplication } from '#sip'
import { header, type InviteOptions, openPhone, type Phone, type PhoneCall, statusOf } from '../../gateways/sip/testing/phone.ts'

export interface Rig {
  readonly sip: { readonly host: string; readonly port: number }
  /** Everything recorded so far. */
  readonly entries: readonly WitnessEvent[]
  readonly application: SipApplication
}

export type Check = (rig: Rig) => Promise<void>

const sdp = (direction = 'sendrecv') =>
  `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8\r\na=${direction}\r\n`

const edgeFacts = (user: string) => () => ({
  'X-IF-Edge-Source': '127.0.0.1',
  'X-IF-Edge-Transport': 'tls',
  'X-IF-Edge-TLS-Version': 'TLSv1.3',
  'X-IF-Edge-User': user,
  'X-IF-Edge-Digest': 'SHA-256',
  'X-IF-Edge-Layers': 'pike,allowlist,tls,digest,rate'
})

/** A phone for the time of a check. */
async function withPhone({ sip }: Rig, use: (phone: Phone) => Promise<void>, user = 'expert-safety'): Promise<void> {
  const phone = await openPhone({ ...sip, uri: `sip:${user}@external.advisor` })
  try {
    await use(phone)
  } finally {
    phone.close()
  }
}

const invite = (phone: Phone, more: InviteOptions = {}, user = 'expert-safety'): Promise<PhoneCall> =>
  phone.invite({ sdp: sdp(), headers: edgeFacts(user), ...more })

/** Waits until a call's record has an entry. */
async function recorded({ entries }: Rig, callId: string, event: string): Promise<WitnessEvent> {
  for (let turn = 0; turn < 250; turn++) {
    const entry = entries.find((one) => one.event === event && one.payload.callId === callId)
    if (entry !== undefined) return entry
    await sleep(20)
  }
  throw new Error(`no ${event} in the record`)
}

async function whole(rig: Rig, phone: Phone): Promise<void> {
  const call = await invite(phone)
  assert.equal(call.status, 200)
  assert.match(call.response.body, /^v=0/)
  assert.equal(statusOf(await call.bye()), 200)
  assert.equal((await recorded(rig, call.callId, 'TERMINATED')).payload.hungUpBy, 'caller')
}

export const checks: Readonly<Record<string, Check>> = {
  'a call is answered, recorded, and ended by the caller': (rig) => withPhone(rig, (phone) => whole(rig, phone)),
  'ten calls at once': (rig) =>
    withPhone(rig, async (phone) => void (await Promise.all(Array.from({ length: 10 }, () => whole(rig, phone))))),
  'late offer: the 200 brings the offer, the ACK the answer': (rig) =>
    withPhone(rig, async (phone) => {
      const call = await invite(phone, { sdp: '', answer: () => sdp() })
      assert.equal(call.status, 200)
      await recorded(rig, call.callId, 'CONNECTED')
      assert.equal(statusOf(await call.bye()), 200)
    }),
  'hold by re-INVITE, resume by UPDATE': (rig) =>
    withPhone(rig, async (phone) => {
      const call = await invite(phone)
      assert.equal(statusOf(await call.request('INVITE', { body: sdp('sendonly') })), 200)
      assert.equal(statusOf(await call.request('UPDATE', { body: sdp() })), 200)
      assert.equal(statusOf(await call.bye()), 200)
    }),
  'CANCEL: 487, or a call whose answer crossed it': (rig) =>
    withPhone(rig, async (phone) => {
      const call = await invite(phone, { onSent: (cancel) => void setTimeout(cancel, 1) })
      assert.ok(call.status === 487 || call.status === 200, `got ${call.status}`)
      if (call.status !== 200) return
      // a server may take a CANCEL behind its 200 for the end of the call: then its BYE and ours cross
      const ended = statusOf(await call.bye())
      assert.ok(ended === 200 || ended === 481, `got ${ended} for the BYE`)
    }),
  'an expert outside the specialisation is refused by IF.guard': (rig) =>
    withPhone(
      rig,
      async (phone) => {
        const call = await invite(phone, {}, 'expert-ethics')
        assert.equal(call.status, 403)
        assert.equal((await recorded(rig, call.callId, 'REJECTED')).payload.code, 'guard.specialisation.mismatch')
      },
      'expert-ethics'
    ),
  'a header name that another reader would unescape is refused': (rig) =>
    withPhone(rig, async (phone) => {
      const headers = () => ({ ...edgeFacts('expert-safety')(), '%58-IF-Edge-Certificate': 'sip:ceo@x' })
      const call = await invite(phone, { headers })
      assert.ok(call.status >= 400 && call.status < 500, `got ${call.status}`)
    }),
  'a session interval that is too small: 422 with Min-SE': (rig) =>
    withPhone(rig, async (phone) => {
      const headers = () => ({ ...edgeFacts('expert-safety')(), Supported: 'timer', 'Session-Expires': '10;refresher=uac' })
      const call = await invite(phone, { headers })
      assert.equal(call.status, 422)
      assert.equal(header(call.response, 'min-se'), '90')
    }),
  'REGISTER: 405': (rig) =>
    withPhone(rig, async (phone) => {
      const contact = { Contact: '<sip:expert-safety@127.0.0.1>' }
      assert.equal(statusOf(await phone.request('REGISTER', contact)), 405)
    }),
  'a BYE for a dialog that nobody knows: 481': (rig) =>
    withPhone(rig, async (phone) => {
      assert.equal(statusOf(await phone.request('BYE', { To: '<sip:council@127.0.0.1>;tag=none' })), 481)
    }),
  'the application ends its calls with BYE and a Reason': (rig) =>
    withPhone(rig, async (phone) => {
      const call = await invite(phone)
      assert.equal(call.status, 200)
      const ended = call.ended(5000)
      await rig.application.drain()
      assert.match(header(await ended, 'reason') ?? '', /^SIP;cause=503/)
      assert.equal((await recorded(rig, call.callId, 'TERMINATED')).payload.hungUpBy, 'application')
    })
}
