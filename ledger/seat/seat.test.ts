import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { silentLog } from '#kernel'
import { createSeatClient } from '../client/seat-client.ts'
import { formatAddCheckpoint, longestRequest, parseAddCheckpoint } from '../log/add-checkpoint.ts'
import { cosignedAt, readCosigner } from '../log/cosignature.ts'
import { leafHash } from '../log/merkle.ts'
import { generateSigningKey, parseCheckpoint, readSigner, signCheckpoint } from '../log/note.ts'
import { rootOfHashes } from '../log/tree.ts'
import { consistencyProof } from '../testing/consistency.ts'
import { scratch } from '../testing/fixtures.ts'
import { answerAddCheckpoint, type SeatConfig } from './seat.ts'
import { openSeatState } from './seat-state.ts'
import { serveSeat } from './serve.ts'

const origin = 'log.example/a'
const signer = readSigner(origin, generateSigningKey())
const cosigner = readCosigner('seat.example/1', generateSigningKey())
const leaves = Array.from({ length: 20 }, (_, at) => leafHash(Buffer.of(at)))
const others = leaves.map((leaf, at) => (at === 4 ? leafHash(Buffer.of(99)) : leaf))
const noteOf = (of: readonly Buffer[], size: number, by = signer) =>
  signCheckpoint({ origin: by.name, size, root: rootOfHashes(Buffer.concat(of.slice(0, size))) }, by)
const ask = (oldSize: number, size: number, of = leaves, by = signer) =>
  formatAddCheckpoint({ oldSize, proof: consistencyProof(of.slice(0, size), oldSize), checkpoint: noteOf(of, size, by) })

function seat(t: ExecutionContext, path = join(scratch(t), 'seat.db'), more: Partial<SeatConfig> = {}) {
  const state = openSeatState(path, true)
  t.teardown(() => state.close())
  const config: SeatConfig = { state, cosigner, logs: () => [signer], now: () => 1_700_000_000_000, ...more }
  return { config, path, answer: (request: string) => answerAddCheckpoint(config, request) }
}

test('a witness signs one head after another, each with a proof from the last', (t) => {
  const { answer } = seat(t)
  for (const [from, to] of [
    [0, 3],
    [3, 4],
    [4, 17],
    [17, 17],
    [17, 20]
  ] as const) {
    const { status, body } = answer(ask(from, to))
    t.is(status, 200, `${from} to ${to}`)
    t.is(cosignedAt(parseCheckpoint(noteOf(leaves, to) + body), cosigner), 1_700_000_000)
  }
})

test('it answers with its own size when asked for another step, and remembers nothing of it', (t) => {
  const { answer } = seat(t)
  answer(ask(0, 10))
  for (const request of [ask(0, 12), ask(9, 12), ask(11, 12)]) {
    t.deepEqual(answer(request), { status: 409, mediaType: 'text/x.tlog.size', body: '10\n' })
  }
  t.is(answer(ask(10, 12)).status, 200)
})

test('it never signs two histories', (t) => {
  const { answer } = seat(t)
  answer(ask(0, 10))
  t.is(answer(ask(10, 12, others)).status, 422)
  t.is(answer(ask(10, 10, others)).status, 409, 'same size, another root')
  t.is(answer(formatAddCheckpoint({ oldSize: 10, proof: [], checkpoint: noteOf(leaves, 12) })).status, 422)
  t.is(answer(formatAddCheckpoint({ oldSize: 10, proof: [leaves[0]!], checkpoint: noteOf(leaves, 10) })).status, 422)
  t.is(answer(ask(0, 10, others)).status, 409)
  t.is(answer(ask(10, 20)).status, 200)
})

test('whatever it is asked in whatever order, all heads it signs are of one history and none is smaller than one before', (t) => {
  const requests = fc.array(
    fc.record({ known: fc.boolean(), other: fc.nat(8), grows: fc.nat(3), forked: fc.boolean(), proofOfOther: fc.boolean() }),
    {
      maxLength: 25
    }
  )
  fc.assert(
    fc.property(requests, (list) => {
      const state = openSeatState(':memory:', true)
      const config: SeatConfig = { state, cosigner, logs: () => [signer], now: () => 0 }
      let forked: boolean | null = null
      let signed = 0
      for (const { known, other: elsewhere, grows, forked: other, proofOfOther } of list) {
        const from = known ? signed : elsewhere
        const size = Math.min(from + grows, leaves.length)
        const history = (of: boolean) => (of ? others : leaves).slice(0, size)
        const proof = consistencyProof(history(other !== proofOfOther), from)
        const checkpoint = noteOf(other ? others : leaves, size)
        if (answerAddCheckpoint(config, formatAddCheckpoint({ oldSize: from, proof, checkpoint })).status !== 200) continue
        t.true(size >= signed)
        // the two histories part at the fifth leaf
        if (size > 4) {
          t.true(forked === null || forked === other)
          forked = other
        }
        signed = size
      }
      state.close()
    }),
    { seed: 5, numRuns: 200 }
  )
})

test('what it remembers survives it; a lost memory is not taken for an empty one', (t) => {
  const { answer, config, path } = seat(t)
  answer(ask(0, 10))
  config.state.close()
  t.is(seat(t, path).answer(ask(0, 10, others)).body, '10\n')
  t.throws(() => openSeatState(`${path}.gone`, false), { code: 'ledger.seat.state' })
})

test('a spoiled memory is refused, and one of the form before is kept', (t) => {
  const path = join(scratch(t), 'seat.db')
  const refused = (why: RegExp) => {
    const error = t.throws(() => openSeatState(path, true), { code: 'ledger.seat.state' })
    t.regex(String(error?.cause), why)
  }
  writeFileSync(path, '')
  refused(/holds no memory/)
  rmSync(path)
  const before = new DatabaseSync(path)
  before.exec(`CREATE TABLE signed (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root TEXT NOT NULL, time_s INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO signed VALUES ('a', 7, 'root', 1)`)
  before.close()
  const state = openSeatState(path, false)
  t.deepEqual(state.head('a'), { size: 7, root: 'root', timeS: 1 })
  state.close()
  const now = new DatabaseSync(path)
  now.exec('UPDATE signed SET size = 6')
  now.close()
  refused(/what it says of a is spoiled/)
})

test('two processes on one memory: the one that was overtaken signs nothing', (t) => {
  const { answer, config, path } = seat(t)
  answer(ask(0, 10))
  const second = openSeatState(path, false)
  t.teardown(() => second.close())
  let overtaken = false
  const slow = {
    ...config,
    state: {
      ...config.state,
      advance: (...args: Parameters<typeof second.advance>) => {
        if (!overtaken) second.advance(origin, second.head(origin), { size: 11, root: 'x', timeS: 1 })
        overtaken = true
        return config.state.advance(...args)
      }
    }
  }
  t.deepEqual(answerAddCheckpoint(slow, ask(10, 12)), { status: 409, mediaType: 'text/x.tlog.size', body: '11\n' })
})

test('foreign logs, foreign keys and ill-formed requests are told apart', (t) => {
  const { answer } = seat(t)
  const stranger = readSigner(origin, generateSigningKey())
  t.is(answer(ask(0, 3, leaves, stranger)).status, 403)
  t.is(answer(ask(0, 3, leaves, readSigner('log.example/b', generateSigningKey()))).status, 404)
  t.is(answer(ask(3, 3).replace('old 3', 'old 4')).status, 400)
  for (const request of [
    '',
    'old 0\n',
    ask(0, 3).replace('old 0', 'old 00'),
    ask(0, 3).replace('old 0', 'old -1'),
    `old 0\nAA\n\n${noteOf(leaves, 3)}`
  ]) {
    t.is(answer(request).status, 400, request)
  }
  const tooMany = formatAddCheckpoint({ oldSize: 0, proof: Array(64).fill(leaves[0]), checkpoint: noteOf(leaves, 3) })
  t.is(answer(tooMany).status, 400)
  t.is(parseAddCheckpoint(ask(3, 7)).proof.length, consistencyProof(leaves.slice(0, 7), 3).length)
})

test('a clock that was set back does not give a later head an earlier time', (t) => {
  let now = 1_700_000_000_000
  const { answer } = seat(t, undefined, { now: () => now })
  answer(ask(0, 3))
  now -= 60_000
  const { body } = answer(ask(3, 4))
  t.is(cosignedAt(parseCheckpoint(noteOf(leaves, 4) + body), cosigner), 1_700_000_000)
})

test('what the memory cannot keep is not signed', (t) => {
  const { answer, config } = seat(t)
  config.state.close()
  t.is(answer(ask(0, 3)).status, 500)
})

test('over HTTP: the protocol, its limits, and nothing else', async (t) => {
  const { config } = seat(t)
  const server = await serveSeat({ ...config, log: silentLog }, '127.0.0.1', 0)
  t.teardown(server.close)
  const client = createSeatClient()
  t.teardown(client.close)
  const reply = await client.ask(server.url, ask(0, 10), 20_000)
  t.is(reply.type, 'cosigned')
  t.deepEqual(await client.ask(`${server.url}/`, ask(0, 12), 20_000), { type: 'size', text: '10\n' })
  t.deepEqual(await client.ask(server.url, ask(10, 12, others), 20_000), { type: 'refused', status: 422 })
  t.deepEqual(await client.ask(server.url, 'x'.repeat(longestRequest + 1), 20_000), { type: 'refused', status: 413 })
  t.is((await fetch(`${server.url}/add-checkpoint`)).status, 405)
  t.is((await fetch(`${server.url}/other`, { method: 'POST' })).status, 404)
  const cut = connect(server.port, '127.0.0.1', () =>
    cut.end('POST /add-checkpoint HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nold')
  )
  cut.resume()
  await once(cut, 'close')
  t.is((await client.ask(server.url, ask(10, 12), 20_000)).type, 'cosigned')
  await t.throwsAsync(serveSeat({ ...config, log: silentLog }, '127.0.0.1', server.port), { code: 'ledger.seat.listen' })
})

test('a witness that does not answer, answers too much or is not there is told as out of reach', async (t) => {
  const { createServer } = await import('node:http')
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/flood')) response.end('x'.repeat(200_000))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const client = createSeatClient()
  t.teardown(client.close)
  const unreachable = { code: 'ledger.seat.unreachable' }
  await t.throwsAsync(client.ask(`http://127.0.0.1:${port}`, ask(0, 3), 100), {
    ...unreachable,
    message: /no answer within 100 ms/
  })
  await t.throwsAsync(client.ask(`http://127.0.0.1:${port}/flood`, ask(0, 3), 20_000), { ...unreachable, message: /more than/ })
  await t.throwsAsync(client.ask('http://127.0.0.1:1', ask(0, 3), 20_000), unreachable)
  await t.throwsAsync(client.ask('file:///etc/passwd', ask(0, 3), 20_000), unreachable)
})
