/** What a server must do with the SIP application behind it; each check throws when it does not. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CallOut, CallOutRequest, WitnessEvent } from '#kernel'
import type { SipApplication } from '#sip'
import { header, type InviteOptions, openPhone, type Phone, type PhoneCall, statusOf } from '../../gateways/sip/testing/phone.ts'
import { answeringWith, CalledPhone, phoneSdp, polite } from '../../kamailio/testing/called-phone.ts'
import { type Message, reply } from '../../kamailio/testing/harness.ts'

export interface Rig {
  readonly sip: { readonly host: string; readonly port: number }
  /** Address of this machine at which the server reaches phones. */
  readonly here: string
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

/** Calls a phone out through the server, which sends to it as its next hop. */
async function callOut(
  { application, here }: Rig,
  use: (phone: CalledPhone, call: () => CallOut) => Promise<void>,
  more: Partial<CallOutRequest> = {}
): Promise<void> {
  const phone = await CalledPhone.open(here)
  phone.answer = answeringWith()
  application.routeCallsOut(`sip:${phone.host};transport=udp`)
  const id = 'expert-safety'
  const place = () =>
    application.callsOut.place(
      {
        callee: {
          id,
          uri: `sip:${id}@external.advisor`,
          contact: `sip:${id}@${phone.host}`,
          specialisations: ['safety'],
          contrarian: false
        },
        hazard: 'safety',
        conference: 'council',
        role: 'expert',
        parentTraceId: 'conformance',
        ringTimeoutMs: 10_000,
        earlyMedia: 'ignored',
        offer: 'early',
        claim: () => true,
        ...more
      },
      () => undefined
    )
  try {
    await use(phone, place)
  } finally {
    phone.close()
  }
}

/** Waits until the phone has got as many requests of a method. */
async function got(phone: CalledPhone, method: string, times = 1): Promise<Message> {
  for (let turn = 0; turn < 250; turn++) {
    const found = phone.got.filter(({ startLine }) => startLine.startsWith(`${method} `))
    if (found.length >= times) return found.at(-1)!
    await sleep(20)
  }
  throw new Error(`the phone got ${phone.count(method)} ${method}, and should have got ${times}`)
}

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
  'a call out: answered, held and resumed by re-INVITE, ended by us': (rig) =>
    callOut(rig, async (phone, call) => {
      const out = call()
      assert.equal((await out.answered).ok, true)
      await got(phone, 'ACK')
      assert.equal((await out.hold(true)).ok, true)
      const held = await got(phone, 'INVITE', 2)
      assert.match(held.body, /^a=inactive\r$/m)
      assert.equal(held.get('To')?.includes(';tag='), true)
      assert.equal((await out.hold(false)).ok, true)
      assert.match((await got(phone, 'INVITE', 3)).body, /^a=sendrecv\r$/m)
      out.stop('escalation-ended')
      await got(phone, 'BYE')
      await out.ended
    }),
  'a call out that the phone ends': (rig) =>
    callOut(rig, async (phone, call) => {
      const out = call()
      assert.equal((await out.answered).ok, true)
      const invite = await got(phone, 'INVITE')
      await got(phone, 'ACK')
      phone.send(
        [
          `BYE ${/<([^>]+)>/.exec(invite.get('Contact')!)![1]} SIP/2.0`,
          `Via: SIP/2.0/UDP ${phone.host};rport;branch=z9hG4bKconformance`,
          'Max-Forwards: 70',
          `From: ${invite.get('To')};tag=app`,
          `To: ${invite.get('From')}`,
          `Call-ID: ${invite.get('Call-ID')}`,
          'CSeq: 1 BYE',
          'Content-Length: 0\r\n\r\n'
        ].join('\r\n')
      )
      assert.equal((await out.ended).by, 'callee')
      assert.ok(phone.got.some(({ startLine, text }) => startLine.startsWith('SIP/2.0 200') && /^CSeq: 1 BYE/im.test(text)))
    }),
  'a call out that is busy: 486 with its reason': (rig) =>
    callOut(rig, async (phone, call) => {
      phone.answer = (request) => {
        if (request.startLine.startsWith('INVITE')) phone.send(reply(request, 486, 'Busy Here'))
      }
      const answer = await call().answered
      assert.ok(!answer.ok && answer.status === 486 && answer.by === 'callee', JSON.stringify(answer))
      await got(phone, 'ACK')
    }),
  'a call out that rings is cancelled: CANCEL, 487, ACK': (rig) =>
    callOut(rig, async (phone, call) => {
      let ringing: Message | null = null
      phone.answer = (request) => {
        if (request.startLine.startsWith('INVITE')) {
          ringing ??= request
          phone.send(reply(request, 180, 'Ringing', [phone.contact]))
        } else polite(request, phone)
        if (request.startLine.startsWith('CANCEL')) phone.send(reply(ringing!, 487, 'Request Terminated'))
      }
      const out = call()
      await recorded(rig, out.callId, 'sip_180_ringing')
      out.stop('cancelled')
      await got(phone, 'CANCEL')
      await got(phone, 'ACK')
      assert.equal((await out.answered).ok, false)
    }),
  'a 200 that crosses our CANCEL: ACK and BYE': (rig) =>
    callOut(rig, async (phone, call) => {
      let ringing: Message | null = null
      phone.answer = (request) => {
        if (request.startLine.startsWith('INVITE')) {
          ringing ??= request
          phone.send(reply(request, 180, 'Ringing', [phone.contact]))
        } else if (request.startLine.startsWith('CANCEL')) {
          phone.send(reply(ringing!, 200, 'OK', [phone.contact, 'Content-Type: application/sdp'], phoneSdp))
          phone.send(reply(request, 200, 'OK'))
        } else polite(request, phone)
      }
      const out = call()
      await recorded(rig, out.callId, 'sip_180_ringing')
      out.stop('cancelled')
      await got(phone, 'ACK')
      await got(phone, 'BYE')
    }),
  'a call out without an offer: the ACK answers that of the 200': (rig) =>
    callOut(
      rig,
      async (phone, call) => {
        const out = call()
        assert.equal((await out.answered).ok, true)
        assert.equal((await got(phone, 'INVITE')).body, '')
        assert.match((await got(phone, 'ACK')).body, /^m=audio /m)
        out.stop('escalation-ended')
        await got(phone, 'BYE')
      },
      { offer: 'late' }
    ),
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
