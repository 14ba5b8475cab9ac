import { randomBytes } from 'node:crypto'
import test from 'ava'
import { manualClock } from '#kernel'
import { isSignedReceipt } from '../receipts.ts'
import { channelPair, type Message, memorySource, settle, testEnd } from '../testing/memory.ts'
import { readFrame } from './frames.ts'
import { chunkOctets, type EvidenceChunk } from './messages.ts'

const parsed = (message: Message) => (typeof message === 'string' ? JSON.parse(message) : null)
const isChunk = (message: Message, index: number) => typeof message !== 'string' && readFrame(message).index === index

for (const encoding of ['binary', 'base64'] as const) {
  test(`a file goes over, ${encoding}: every chunk, its hash, a signed receipt, its confirmation`, async (t) => {
    const clock = manualClock()
    const [council, page] = [testEnd(clock), testEnd(clock, { encoding })]
    const octets = randomBytes(3 * chunkOctets + 17)
    council.link.offer(memorySource(octets))
    const heard: Message[] = []
    const { a, b } = channelPair((message) => {
      heard.push(message)
      return message
    })
    council.link.attach(a)
    page.link.attach(b)
    await settle()
    const { id, sha256 } = memorySource(octets)
    t.deepEqual(page.shelf.files.get(id), { whole: sha256, chunks: 4 })
    t.deepEqual(council.states, ['CONNECTING', 'ACTIVE'])
    t.deepEqual(council.receipts, [id])
    t.is(council.progress.at(-1)!.state, 'handedOver')
    t.like(council.link.statistics(), { sentChunks: 4, sentBytes: octets.length, retries: 0, wrongChunks: 0 })
    t.is(
      heard.some((message) => typeof message !== 'string'),
      encoding === 'binary'
    )
    const receipt = heard.map(parsed).find((message) => message?.step === 'receipt') as EvidenceChunk & { step: 'receipt' }
    const key = page.link.theirs === null ? '' : council.link.theirs!.key!
    t.true(isSignedReceipt('call-1', 'guardian-1-0', receipt, key))
    t.false(isSignedReceipt('call-1', 'guardian-2-0', receipt, key))
    t.false(isSignedReceipt('call-1', 'guardian-1-0', { ...receipt, bytes: 1 }, key))
    t.false(isSignedReceipt('call-1', 'guardian-1-0', { ...receipt, signature: null }, key))
    t.is(clock.pending(), 0, 'no timer is left')
  })
}

test('files go both ways at once, and an empty one', async (t) => {
  const clock = manualClock()
  const [council, page] = [testEnd(clock), testEnd(clock)]
  const [one, two, none] = [randomBytes(200_000), randomBytes(300_000), new Uint8Array()]
  council.link.offer(memorySource(one))
  council.link.offer(memorySource(none))
  page.link.offer(memorySource(two))
  const { a, b } = channelPair()
  council.link.attach(a)
  page.link.attach(b)
  await settle()
  t.is(page.shelf.files.size, 2)
  t.is(council.shelf.files.size, 1)
  council.link.end('over')
  await settle()
  t.is(page.link.state, 'CLOSED')
  t.deepEqual(page.ends, ['over'])
  t.is(clock.pending(), 0)
})

test('a channel that is lost: the next one goes on with the chunk that is missing', async (t) => {
  const clock = manualClock()
  const [council, page] = [testEnd(clock), testEnd(clock)]
  const octets = randomBytes(40 * chunkOctets)
  council.link.offer(memorySource(octets))
  const first = channelPair((message) => (isChunk(message, 20) ? null : message))
  council.link.attach(first.a)
  page.link.attach(first.b)
  await settle(5)
  council.link.lost()
  page.link.lost()
  t.is(council.link.state, 'CONNECTING')
  const indices: number[] = []
  const second = channelPair((message) => {
    if (typeof message !== 'string') indices.push(readFrame(message).index)
    return message
  })
  council.link.attach(second.a)
  page.link.attach(second.b)
  await settle()
  t.is(page.shelf.files.size, 1)
  t.is(indices[0], 20, 'nothing that is there comes again')
  t.is(indices.length, 20)
  t.is(council.link.statistics().resumes, 1)
  t.is(page.link.statistics().resumes, 1)
})

test('a chunk that comes wrong is asked for again; one that stays wrong is refused', async (t) => {
  const clock = manualClock()
  const octets = randomBytes(4 * chunkOctets)
  const { id } = memorySource(octets)
  for (const times of [2, 100]) {
    const [council, page] = [testEnd(clock), testEnd(clock)]
    council.link.offer(memorySource(octets))
    let left = times
    const { a, b } = channelPair((message) => {
      if (!isChunk(message, 2) || left-- <= 0) return message
      const spoilt = (message as Uint8Array).slice()
      spoilt[100]! ^= 1
      return spoilt
    })
    council.link.attach(a)
    page.link.attach(b)
    await settle()
    t.is(page.shelf.files.size, times === 2 ? 1 : 0)
    t.is(page.link.statistics().wrongChunks, times === 2 ? 2 : 4)
    t.deepEqual(page.refusals, times === 2 ? [] : [`${id} evidence.chunk`])
    t.is(council.link.state, times === 2 ? 'ACTIVE' : 'DEGRADED')
  }
})

test('an operation takes 10 s, and is tried again after 1, 2 and 4 s; then the session is degraded and the next file goes', async (t) => {
  const clock = manualClock()
  const [council, page] = [testEnd(clock), testEnd(clock)]
  const [one, two] = [memorySource(randomBytes(10)), memorySource(randomBytes(11))]
  council.link.offer(one)
  council.link.offer(two)
  let offers = 0
  const { a, b } = channelPair((message) => {
    if (parsed(message)?.step !== 'offer' || parsed(message).id !== one.id) return message
    offers++
    return null
  })
  council.link.attach(a)
  page.link.attach(b)
  await settle()
  for (const [ms, expected] of [
    [9999, 1],
    [1, 1],
    [1000, 2],
    [10_000, 2],
    [2000, 3],
    [10_000, 3],
    [4000, 4],
    [9999, 4]
  ] as const) {
    clock.advance(ms)
    await settle(3)
    t.is(offers, expected)
  }
  t.is(council.link.state, 'ACTIVE')
  clock.advance(1)
  await settle()
  t.is(council.link.state, 'DEGRADED')
  t.is(council.link.statistics().retries, 3)
  t.deepEqual([...page.shelf.files.keys()], [two.id])
})

test('a handshake that is not answered is said four times; then the session has failed, and a new channel mends it', async (t) => {
  const clock = manualClock()
  const council = testEnd(clock)
  let said = 0
  const dead = channelPair(() => {
    said++
    return null
  })
  council.link.attach(dead.a)
  for (const ms of [10_000, 1000, 10_000, 2000, 10_000, 4000, 10_000]) {
    clock.advance(ms)
    await settle(2)
  }
  t.is(said, 4)
  t.deepEqual(council.states, ['CONNECTING', 'FAILED'])
  const page = testEnd(clock)
  const { a, b } = channelPair()
  council.link.attach(a)
  page.link.attach(b)
  await settle()
  t.is(council.link.state, 'ACTIVE')
  t.is(clock.pending(), 0)
})

test('hostile messages end the session', async (t) => {
  const frame = new Uint8Array(100)
  const hello = { performative: 'handshake', version: 1, call: 'call-1', encoding: 'binary', key: null }
  const offer = {
    performative: 'evidence_chunk',
    step: 'offer',
    id: 'a'.repeat(32),
    name: 'x',
    mediaType: 'a/b',
    bytes: 9,
    sha256: 'b'.repeat(64),
    by: ''
  }
  const cases: [string, (object | string | Uint8Array)[]][] = [
    ['no JSON', ['{']],
    ['no performative', [{}]],
    ['another member', [{ ...hello, more: 1 }]],
    ['too long', ['x'.repeat(98_305)]],
    ['another call', [{ ...hello, call: 'call-2' }]],
    ['two handshakes', [hello, { ...hello, encoding: 'base64' }]],
    [
      'context before the handshake',
      [{ performative: 'context_update', context: { conference: '', hazard: null, votes: [], policy: [] } }]
    ],
    ['offer before the handshake', [offer]],
    ['chunk before the handshake', [frame]],
    ['a frame of another version', [hello, frame]],
    ['a chunk that was not offered', [hello, Uint8Array.from({ length: 100 }, (_, at) => (at === 0 ? 1 : 0))]],
    ['a frame too short', [hello, new Uint8Array(56)]],
    ['a size that is none', [hello, { ...offer, bytes: -1 }]],
    ['have behind the end', [hello, { performative: 'evidence_chunk', step: 'have', id: 'c'.repeat(32), next: 1e9, again: null }]]
  ]
  for (const [what, messages] of cases) {
    const council = testEnd(manualClock())
    const source = memorySource(randomBytes(10), { id: 'c'.repeat(32) })
    council.link.offer(source)
    const { a, b } = channelPair()
    council.link.attach(a)
    for (const message of messages)
      await b.send(
        message instanceof Uint8Array ? message.slice() : typeof message === 'string' ? message : JSON.stringify(message)
      )
    await settle(5)
    t.is(council.link.state, 'CLOSED', what)
    t.is(council.ends.length, 1, what)
  }
})

test('a flood is cut off before it is looked at', async (t) => {
  const council = testEnd(manualClock())
  const { a, b } = channelPair()
  council.link.attach(a)
  const text = 'x'.repeat(90_000)
  for (let n = 0; n < 200; n++) void b.send(text)
  await settle(5)
  t.is(council.link.state, 'CLOSED')
})

test('replays: an id for another file, an id that was refused, the same receipt again', async (t) => {
  const clock = manualClock()
  const council = testEnd(clock)
  const { a, b } = channelPair()
  const told: ReturnType<typeof parsed>[] = []
  b.onMessage((message) => told.push(parsed(message)))
  council.link.attach(a)
  const say = async (message: object) => {
    await b.send(JSON.stringify(message))
    await settle(3)
    return told.at(-1)
  }
  await say({ performative: 'handshake', version: 1, call: 'call-1', encoding: 'binary', key: null })
  const offer = {
    performative: 'evidence_chunk',
    step: 'offer',
    id: 'a'.repeat(32),
    name: 'x',
    mediaType: 'a/b',
    bytes: 9,
    sha256: 'b'.repeat(64),
    by: ''
  }
  t.like(await say(offer), { step: 'have', next: 0 })
  t.like(await say({ ...offer, bytes: 10 }), { step: 'refused', code: 'evidence.replay' })
  t.like(await say({ ...offer, id: 'd'.repeat(32) }), { step: 'have' })
  t.like(
    await say({ performative: 'evidence_chunk', step: 'refused', id: 'd'.repeat(32), code: 'evidence.withdrawn', reason: '' }),
    { step: 'have' }
  )
  t.deepEqual(council.shelf.discarded, ['d'.repeat(32)])
  const octets = randomBytes(10)
  const source = memorySource(octets)
  council.link.offer(source)
  await settle(3)
  t.like(told.at(-1), { step: 'offer' })
  const receipt = {
    performative: 'evidence_chunk',
    step: 'receipt',
    id: source.id,
    sha256: source.sha256,
    bytes: 10,
    at: '2026-01-01T00:00:00.000Z',
    signature: null
  }
  t.like(await say(receipt), { step: 'confirmed' })
  t.like(await say(receipt), { step: 'confirmed' })
  t.deepEqual(council.receipts, [source.id], 'it is kept once')
  await say({ ...receipt, bytes: 11 })
  t.is(council.link.state, 'CLOSED', 'a receipt of another file')
})
