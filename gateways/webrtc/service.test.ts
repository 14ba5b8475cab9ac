import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { WebSocket } from 'ws'
import {
  InfraFabricError,
  type LegEvent,
  type LegStats,
  type MediaRefusal,
  manualClock,
  silentLog,
  type WitnessEvent
} from '#kernel'
import type { CallsInContext } from './context.ts'
import type { SeatTerms } from './invitations.ts'
import type { BrowserLeg, CouncilRooms, CouncilSip } from './ports.ts'
import { type CouncilConfig, startCouncilService } from './service.ts'
import { readPageSignal, type ServiceSignal } from './signals.ts'

const stats: LegStats = {
  codec: 'opus',
  received: { packets: 1, bytes: 1, errors: 0, dropped: 0 },
  sent: { packets: 1, bytes: 1, errors: 0, dropped: 0 },
  jitterMs: 0,
  lost: 0,
  roundTripMs: null,
  encrypted: true,
  ice: null,
  quality: null
}

/** Rooms that answer with what was offered. */
function memoryRooms() {
  const members = new Map<string, { fail: (event: LegEvent) => void; offers: string[]; muted: boolean; keys: string }>()
  let refusal: MediaRefusal | null = null
  let changed: (conference: string) => void = () => {}
  const rooms: CouncilRooms = {
    join: async (_, { participant, conference, offer }) => {
      if (refusal !== null) return refusal
      let tell: (event: LegEvent) => void = () => {}
      const member = { fail: (event: LegEvent) => tell(event), offers: [offer], muted: false, keys: '' }
      members.set(participant, member)
      const leg: BrowserLeg = {
        codec: () => 'opus',
        localSdp: () => `answer to ${member.offers.at(-1)}`,
        offered: async (sdp) => {
          member.offers.push(sdp)
          return { ok: true, sdp: `answer to ${sdp}`, held: false }
        },
        answered: async () => ({ ok: true, held: false }),
        stats: async () => stats,
        leave: async () => {
          members.delete(participant)
          changed(conference)
          return stats
        },
        onEvent: (listener) => {
          tell = listener
        },
        onConnection: () => {}
      }
      changed(conference)
      return { ok: true, leg, sdp: leg.localSdp() }
    },
    roster: () =>
      [...members].map(([participant, { muted }]) => ({
        participant,
        role: 'guardian',
        muted,
        mutedBySelf: muted,
        handRaised: false,
        speaking: false,
        dominant: false
      })),
    mute: (_, participant, muted) => {
      const member = members.get(participant)
      if (member === undefined) throw new InfraFabricError('media.participant.unknown', 'gone')
      member.muted = muted
    },
    raiseHand: () => {},
    press: (_, participant, digit) => {
      members.get(participant)!.keys += digit
    },
    onChange: (listener) => {
      changed = listener
    }
  }
  return { rooms, members, refuse: (next: MediaRefusal) => (refusal = next) }
}

/** Calls of a conference, as a test sets them. */
function memoryCalls() {
  let told: CallsInContext = { policy: { engine: 'guard-rules/1', hash: 'a'.repeat(64) }, calls: [], escalations: [] }
  let changed: (conference: string) => void = () => {}
  return {
    of: () => told,
    onChange: (listener: (conference: string) => void) => {
      changed = listener
    },
    set: (next: Partial<CallsInContext>) => {
      told = { ...told, ...next }
      changed('council')
    }
  }
}

async function setUp(t: ExecutionContext, more: Partial<CouncilConfig> = {}, takesSip = true) {
  const clock = manualClock()
  /** Every time that was to be waited. */
  const waits: number[] = []
  const after = (delayMs: number, expired: () => void) => {
    waits.push(delayMs)
    return clock.after(delayMs, expired)
  }
  const memory = memoryRooms()
  const entries: WitnessEvent[] = []
  const ledger = { down: false }
  const registry = new Set(['guardian-1', 'guardian-2'])
  const guard = { refuses: null as string | null }
  const calls = memoryCalls()
  const revoked: string[] = []
  let voice: (seat: string, participant: string, isHere: boolean) => void = () => {}
  const sip: CouncilSip = {
    url: () => 'wss://edge.test:8443/sip',
    terms: (seat, conference, hazard) => ({
      url: 'wss://edge.test:8443/sip',
      uri: 'sip:guardian-1@council.test',
      user: `guardian-1~${seat}`,
      target: `sip:${conference}${hazard === null ? '' : `-${hazard}`}@council.test`
    }),
    onVoice: (listener) => {
      voice = listener
    }
  }
  const service = await startCouncilService(
    { address: '127.0.0.1', port: 0, tls: null, url: null, seatMs: 3_600_000, ...more },
    {
      rooms: memory.rooms,
      ...(takesSip ? { sip } : {}),
      calls,
      admit: async () => guard.refuses,
      revoked: async (seat) => void revoked.push(seat),
      roleOf: (id) => (registry.has(id) ? 'guardian' : undefined),
      witness: {
        record: async (event) => {
          if (ledger.down) throw new InfraFabricError('witness.unrecorded', 'no')
          entries.push(event)
          return { state: 'spooled' }
        }
      },
      clock: { ...clock, after },
      log: silentLog
    }
  )
  t.teardown(() => service.close())
  const token = (id = 'guardian-1', more: Partial<SeatTerms> = {}) => {
    const terms: SeatTerms = { id, conference: 'council', kind: 'person', mayVote: false, hazard: null, ...more }
    return new URL(service.invite(terms)!.url).hash.slice(1)
  }
  /** A page: what it was told, and the code with which its connection ended. */
  const page = async (origin = service.url) => {
    const socket = new WebSocket(`${service.url.replace('http', 'ws')}/signals`, 'council.1', { origin })
    const told: ServiceSignal[] = []
    socket.on('message', (data) => told.push(JSON.parse(data.toString())))
    const closed = new Promise<number>((resolve) => socket.once('close', resolve))
    t.teardown(() => socket.terminate())
    await new Promise((resolve, reject) => {
      socket.once('open', resolve)
      socket.once('error', reject)
    })
    return { socket, told, closed, say: (signal: object) => socket.send(JSON.stringify(signal)) }
  }
  return {
    service,
    clock,
    waits,
    ...memory,
    entries,
    ledger,
    registry,
    guard,
    calls,
    revoked,
    token,
    page,
    voice: (...given: Parameters<typeof voice>) => voice(...given)
  }
}

async function until(what: () => boolean, why: string): Promise<void> {
  for (const deadline = Date.now() + 20_000; !what(); await new Promise((resolve) => setTimeout(resolve, 5)))
    if (Date.now() > deadline) throw new Error(why)
}

test('a seat is taken, muted, kept for a page that is gone, and free again after 30 s', async (t) => {
  const { service, clock, waits, members, entries, token, page } = await setUp(t)
  const seat = token()
  const first = await page()
  first.say({ type: 'join', token: seat, offer: 'offer 1' })
  await until(() => first.told.some(({ type }) => type === 'roster'), 'answer and roster')
  const [answer] = first.told
  t.like(answer, { type: 'answer', sdp: 'answer to offer 1', conference: 'council' })
  const [participant] = service.seated()
  t.regex(participant!, /^guardian-1-[0-9a-f]{8}$/)
  first.say({ type: 'mute', muted: true })
  for (const digit of ['*', '5', '#']) first.say({ type: 'key', digit })
  first.say({ type: 'accepted', candidates: { host: 2 }, gatheringMs: 4 })
  await until(() => entries.some(({ event }) => event === 'ice_candidates_gathered'), 'gathered')
  t.like(members.get(participant!)!, { muted: true, keys: '*5#' })

  clock.advance(100)
  first.socket.terminate()
  await until(() => waits.at(-1) === 30_000, 'the service waits')
  clock.advance(29_000)
  const second = await page()
  second.say({ type: 'resume', token: seat, offer: 'offer 2' })
  await until(() => second.told.length > 0, 'answered again')
  t.like(second.told[0], { type: 'answer', sdp: 'answer to offer 2', participant })
  t.deepEqual(members.get(participant!)!.offers, ['offer 1', 'offer 2'])

  second.socket.terminate()
  await until(() => waits.at(-1) === 30_000, 'the service waits again')
  clock.advance(30_000)
  await until(() => entries.at(-1)?.event === 'webrtc_connection_closed', 'the seat is free')
  t.deepEqual(service.seated(), [])
  t.is(members.size, 0)
  t.like(entries.at(-1), { event: 'webrtc_connection_closed', payload: { reason: 'lost', party: 'guardian-1' } })
  const third = await page()
  third.say({ type: 'resume', token: seat, offer: 'offer 3' })
  t.is(await third.closed, 1008)
  t.like(third.told[0], { type: 'refused', code: 'seat.gone' })
})

test('a link is good for one page at a time; the next takes the seat over', async (t) => {
  const { service, token, page, members } = await setUp(t)
  const seat = token()
  const [one, two] = [await page(), await page()]
  one.say({ type: 'join', token: seat, offer: 'one' })
  await until(() => one.told.length > 0, 'the first sits')
  two.say({ type: 'join', token: seat, offer: 'two' })
  await one.closed
  t.like(one.told.at(-1), { type: 'refused', code: 'seat.taken-over' })
  await until(() => two.told.length > 0, 'the second sits')
  await until(() => members.size === 1, 'the first is gone from the conference')
  t.is(service.seated().length, 1)
})

test('nobody sits without a good link, without a record, or against the conference', async (t) => {
  const { service, clock, token, page, registry, ledger, refuse, entries, members } = await setUp(t)
  t.is(service.invite({ id: 'stranger', conference: 'council', kind: 'person', mayVote: false, hazard: null }), null)
  const seat = token()
  const refused = async (signal: object) => {
    const each = await page()
    each.say(signal)
    t.is(await each.closed, 1008)
    const last = each.told.at(-1)!
    return last.type === 'refused' ? last.code : last.type
  }
  t.is(await refused({ type: 'join', token: 'A'.repeat(43), offer: 'x' }), 'seat.unknown')
  for (const bad of [
    { type: 'mute', muted: true },
    { type: 'key', digit: '1' }
  ])
    t.is(await refused(bad), 'signal.invalid')
  registry.delete('guardian-1')
  t.is(await refused({ type: 'join', token: seat, offer: 'x' }), 'seat.unknown')
  registry.add('guardian-1')
  ledger.down = true
  t.is(await refused({ type: 'join', token: seat, offer: 'x' }), 'conference.refused')
  t.is(members.size, 0)
  ledger.down = false
  refuse({ ok: false, code: 'conference.locked', reason: 'locked' })
  t.is(await refused({ type: 'join', token: seat, offer: 'x' }), 'conference.refused')
  t.true(entries.some(({ event, payload }) => event === 'webrtc_error' && payload.code === 'conference.locked'))
  clock.advance(3_600_000)
  t.is(await refused({ type: 'join', token: seat, offer: 'x' }), 'seat.unknown')
})

test('a leg that fails is told to the page and to the ledger', async (t) => {
  const { token, page, members, entries, service } = await setUp(t)
  const each = await page()
  each.say({ type: 'join', token: token(), offer: 'x' })
  await until(() => each.told.length > 0, 'it sits')
  members.get(service.seated()[0]!)!.fail({ type: 'failed', reason: 'the browser is out of reach' })
  await each.closed
  t.like(each.told.at(-1), { type: 'refused', code: 'connection.failed', reason: 'the browser is out of reach' })
  await until(() => entries.at(-1)?.event === 'webrtc_connection_closed', 'recorded')
})

test('hostile connections: other origins, silence, floods, too much', async (t) => {
  const { service, clock, page, token } = await setUp(t)
  await t.throwsAsync(page('http://elsewhere.example'), { message: /403/ })
  const silent = await page()
  clock.advance(10_000)
  t.is(await silent.closed, 1006)
  const large = await page()
  large.socket.send('x'.repeat(65_537))
  t.is(await large.closed, 1009)
  for (const data of ['{', '[]', '{"type":"join"}', 'null', JSON.stringify({ type: 'join', token: token(), offer: 7 })]) {
    const each = await page()
    each.socket.send(data)
    t.is(await each.closed, 1008, data)
  }
  const binary = await page()
  binary.socket.send(Buffer.from(JSON.stringify({ type: 'join', token: token(), offer: 'x' })))
  t.is(await binary.closed, 1008)
  const flood = await page()
  flood.say({ type: 'join', token: token(), offer: 'x' })
  for (let n = 0; n < 60; n++) flood.say({ type: 'hand', raised: n % 2 === 0 })
  t.is(await flood.closed, 1006)
  await service.close()
  await t.throwsAsync(page(), { message: /ECONNREFUSED/ })
})

test('the page: no inline script, nothing but its own parts', async (t) => {
  const { service } = await setUp(t)
  const get = (path: string, method = 'GET') =>
    new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; text: string }>((resolve, reject) => {
      const asked = request(`${service.url}${path}`, { method }, (response) => {
        let text = ''
        response.on('data', (part) => (text += part))
        response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, text }))
      })
      asked.on('error', reject)
      asked.end()
    })
  const { status, headers, text } = await get('/')
  t.is(status, 200)
  t.regex(String(headers['content-security-policy']), /default-src 'none'; script-src 'self'/)
  t.notRegex(text, /<script(?! src=)|<style|style="| on\w+="/)
  for (const [, path] of text.matchAll(/(?:src|href)="(\/[^"]+)"/g)) t.is((await get(path!)).status, 200, path)
  t.is((await get('/signals')).status, 404)
  t.is((await get('/../package.json')).status, 404)
  t.is((await get('/', 'POST')).status, 405)
})

test('over TLS: page and messages, and a certificate that is none', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'council-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const [certificate, key] = [join(folder, 'page.pem'), join(folder, 'page.key')]
  const made =
    '-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1'
  execFileSync('openssl', ['req', ...made.split(' '), '-out', certificate, '-keyout', key], { stdio: 'ignore' })
  const { service, token } = await setUp(t, { tls: { certificate, key } })
  t.regex(service.url, /^https:/)
  const socket = new WebSocket(`${service.url.replace('https', 'wss')}/signals`, 'council.1', {
    origin: service.url,
    ca: readFileSync(certificate)
  })
  t.teardown(() => socket.terminate())
  const answer = new Promise<string>((resolve) => socket.once('message', (data) => resolve(data.toString())))
  socket.once('open', () => socket.send(JSON.stringify({ type: 'join', token: token(), offer: 'x' })))
  t.like(JSON.parse(await answer), { type: 'answer', sdp: 'answer to x' })
  await t.throwsAsync(setUp(t, { tls: { certificate: key, key: certificate } }), { code: 'config.invalid' })
  await t.throwsAsync(setUp(t, { tls: { certificate: '/none', key } }), { code: 'config.invalid' })
  await t.throwsAsync(setUp(t, { port: Number(new URL(service.url).port) }), { code: 'webrtc.listen' })
})

test('IF.guard is asked with what is known of the page; who is refused does not sit', async (t) => {
  const { guard, token, page, members, entries, service } = await setUp(t)
  guard.refuses = 'guard.registered.certificate-missing'
  const refused = await page()
  refused.say({ type: 'join', token: token(), offer: 'x' })
  t.is(await refused.closed, 1008)
  t.deepEqual(refused.told, [{ type: 'refused', code: 'guard.refused', reason: 'IF.guard does not let this seat in' }])
  guard.refuses = 'guard.rate.exceeded'
  const often = await page()
  often.say({ type: 'join', token: token(), offer: 'x' })
  await often.closed
  t.like(often.told[0], { code: 'guard.refused', reason: 'too many attempts: try again in a minute' })
  t.is(members.size, 0)
  t.deepEqual(service.seated(), [])
  const errors = entries.filter(({ event }) => event === 'webrtc_error').map(({ payload }) => payload.code)
  t.deepEqual(errors, ['guard.registered.certificate-missing', 'guard.rate.exceeded'])
})

test('seats are listed, and taken back one by one, by party, or with the registry', async (t) => {
  const { service, token, page, registry, revoked, entries, members } = await setUp(t)
  const [first] = [token(), token(), token('guardian-2')]
  const sitting = await page()
  sitting.say({ type: 'join', token: first, offer: 'x' })
  await until(() => sitting.told.some(({ type }) => type === 'roster'), 'it sits')
  const seats = service.seats()
  t.deepEqual(
    seats.map(({ id, participant }) => [id, participant?.slice(0, 10) ?? null]),
    [
      ['guardian-1', 'guardian-1'],
      ['guardian-1', null],
      ['guardian-2', null]
    ]
  )
  t.false(JSON.stringify(seats).includes(first))
  t.deepEqual(await service.revoke(({ seat }) => seat === seats[1]!.seat), [seats[1]!.seat])
  t.deepEqual(await service.revoke(({ id }) => id === 'guardian-1'), [seats[0]!.seat])
  t.is(await sitting.closed, 1008)
  t.like(sitting.told.at(-1), { type: 'refused', code: 'seat.revoked' })
  t.is(members.size, 0)
  registry.delete('guardian-2')
  await service.registryChanged()
  t.deepEqual(service.seats(), [])
  t.deepEqual(revoked, [seats[1]!.seat, seats[0]!.seat, seats[2]!.seat])
  t.is(entries.filter(({ event }) => event === 'seat_revoked').length, 3)
  t.like(entries.find(({ event }) => event === 'webrtc_connection_closed')!.payload, { reason: 'revoked' })
})

test('only agents sit without sound; they are on the roster and get what is for them', async (t) => {
  const { token, page, calls, service } = await setUp(t)
  const person = await page()
  person.say({ type: 'join', token: token(), offer: null })
  await person.closed
  t.like(person.told.at(-1), { type: 'refused', code: 'signal.invalid' })
  const sit = async (id: string, more: Partial<SeatTerms> = {}) => {
    const each = await page()
    each.say({ type: 'join', token: token(id, { kind: 'agent', ...more }), offer: null })
    await until(() => each.told.some(({ type }) => type === 'context_update'), 'it sits')
    return each
  }
  const one = await sit('guardian-1')
  const two = await sit('guardian-2')
  const elsewhere = await sit('guardian-2', { conference: 'elsewhere' })
  t.like(one.told[0], { type: 'answer', sdp: null, party: 'guardian-1', votes: false })
  two.say({ type: 'data', to: null, body: 'hello' })
  two.say({ type: 'data', to: 'nobody', body: 'hello' })
  await until(() => one.told.some(({ type }) => type === 'data'), 'the message')
  await until(() => two.told.some(({ type }) => type === 'notice'), 'the notice')
  t.deepEqual(
    one.told.filter(({ type }) => type === 'data'),
    [{ type: 'data', from: service.seated()[1]!, to: null, body: 'hello' }]
  )
  t.false(elsewhere.told.some(({ type }) => type === 'data'))
  const before = one.told.filter(({ type }) => type === 'context_update').length
  calls.set({
    calls: [
      { traceId: 'a'.repeat(32), direction: 'inbound', expert: 'e', hazard: 'bias', state: 'connected', decision: null, since: 0 }
    ]
  })
  one.say({ type: 'motion', title: 'x', seconds: 60 })
  await until(() => one.told.some(({ type }) => type === 'notice'), 'an agent has no vote')
  t.like(
    one.told.find(({ type }) => type === 'notice'),
    { of: 'motion', code: 'vote.none' }
  )
  t.is(one.told.filter(({ type }) => type === 'context_update').length, before, 'changes are told together, a little later')
})

test('a page whose sound comes by SIP is told where to call, and is one participant with its call', async (t) => {
  const { token, page, rooms, members, voice, service, clock, entries } = await setUp(t)
  const seat = token()
  const one = await page()
  one.say({ type: 'join', token: seat, offer: null, bySip: true })
  await until(() => one.told.some(({ type }) => type === 'roster'), 'it sits')
  const [name] = service.seats().map((each) => each.seat)
  const [participant] = service.seated()
  t.like(one.told[0], {
    type: 'answer',
    sdp: null,
    participant,
    sip: { url: 'wss://edge.test:8443/sip', user: `guardian-1~${name}`, target: 'sip:council@council.test' }
  })
  const roster = async () => {
    clock.advance(100)
    await new Promise((resolve) => setImmediate(resolve))
    return one.told.flatMap((signal) => (signal.type === 'roster' ? [signal.members] : [])).at(-1)!
  }
  t.like(await roster(), [{ participant, muted: true }], 'without sound, as yet')
  one.say({ type: 'mute', muted: false })
  const call = 'guardian-1-cafe0001'
  await rooms.join(
    { traceId: 'a'.repeat(32), log: silentLog, signal: new AbortController().signal, now: Date.now },
    { conference: 'council', participant: call, role: 'guardian', kind: 'person', offer: 'of the call' }
  )
  voice('another seat', 'somebody', true)
  voice(name!, call, true)
  await until(() => members.size === 1, 'the call')
  let heard = await roster()
  for (const deadline = Date.now() + 20_000; heard[0]!.muted && Date.now() < deadline; ) heard = await roster()
  t.deepEqual(
    heard.map(({ participant, muted }) => [participant, muted]),
    [[participant, false]],
    'one of them, by the name of the seat'
  )
  one.say({ type: 'mute', muted: true })
  await until(() => members.get(call)!.muted, 'the call is muted')
  voice(name!, 'an older call', false)
  one.say({ type: 'mute', muted: false })
  await until(() => !members.get(call)!.muted, 'and heard again: another call that ends is not its own')
  t.like(
    entries.find(({ event }) => event === 'webrtc_connection_started'),
    { payload: { sound: false } }
  )
  const here = await fetch(service.url)
  t.regex(here.headers.get('content-security-policy')!, /connect-src 'self' wss:\/\/edge\.test:8443;/)
})

test('no page signals by SIP where no edge takes it', async (t) => {
  const { token, page, service } = await setUp(t, {}, false)
  const one = await page()
  one.say({ type: 'join', token: token(), offer: null, bySip: true })
  await one.closed
  t.like(one.told.at(-1), { type: 'refused', code: 'signal.invalid' })
  t.regex((await fetch(service.url)).headers.get('content-security-policy')!, /connect-src 'self';/)
})

const hostile: readonly (readonly [string, object])[] = [
  ['a title of two lines', { type: 'motion', title: 'a\nb', seconds: 60 }],
  ['a title that turns the direction of text', { type: 'motion', title: 'yes \u202eon', seconds: 60 }],
  ['a title of blanks', { type: 'motion', title: '  ', seconds: 60 }],
  ['a vote for ever', { type: 'motion', title: 'x', seconds: 1e9 }],
  ['no choice', { type: 'vote', motion: 'a'.repeat(32), choice: 'maybe', sequence: 1, signature: 'A'.repeat(86) }],
  ['no signature', { type: 'vote', motion: 'a'.repeat(32), choice: 'yes', sequence: 1, signature: 'A' }],
  ['a sequence of 0', { type: 'vote', motion: 'a'.repeat(32), choice: 'yes', sequence: 0, signature: 'A'.repeat(86) }],
  ['no id of a motion', { type: 'close', motion: '../x' }],
  ['a key that is none', { type: 'key', digit: 'x' }],
  ['two keys', { type: 'key', digit: '12' }],
  ['a message that is no text', { type: 'data', body: 7 }],
  ['a message that is too long', { type: 'data', body: 'x'.repeat(16_385) }]
]
for (const [what, signal] of hostile)
  test(`refused: ${what}`, (t) => {
    t.throws(() => readPageSignal(JSON.stringify(signal)), { code: 'webrtc.signal.invalid' })
  })

test('a key to vote by has to be one', (t) => {
  const join = { type: 'join', token: 'A'.repeat(43), offer: 'x' }
  t.is((readPageSignal(JSON.stringify(join)) as { voteKey: unknown }).voteKey, null)
  t.throws(() => readPageSignal(JSON.stringify({ ...join, voteKey: 'A'.repeat(87) })), { code: 'webrtc.signal.invalid' })
})
