import { connect } from 'node:net'
import { Writable } from 'node:stream'
import test from 'ava'
import { createLog } from '#kernel'
import { items, openTestLedger } from '../testing/fixtures.ts'
import { openTestService } from '../testing/service.ts'
import { readTokens, revokeToken } from './tokens.ts'

/** Reads a stream until `enough` says so. */
async function readUntil(response: Response, enough: (text: string) => boolean): Promise<string> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(part, { stream: true })
    if (enough(text)) break
  }
  return text
}

const ids = (text: string) => [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id))

test('entries come as they are written; a client goes on behind the last it has', async (t) => {
  const ledger = await openTestLedger(t)
  const { ask } = await openTestService(t, ledger)
  await ledger.append(items(0, 3), 1)
  const first = await ask('/v1/entries/follow')
  t.is(first.headers.get('content-type'), 'text/event-stream')
  const reading = readUntil(first, (text) => ids(text).length >= 5)
  await ledger.append(items(3, 2), 1)
  t.deepEqual(ids(await reading), [0, 1, 2, 3, 4])
  const resumed = await ask('/v1/entries/follow?after=0', 'auditor', { headers: { 'last-event-id': '2' } })
  t.deepEqual(ids(await readUntil(resumed, (text) => ids(text).length >= 2)), [3, 4])
  t.is((await ask('/v1/entries/follow', 'auditor', { headers: { 'last-event-id': 'x' } })).status, 400)
})

test('a quiet stream has heartbeats, and ends when its token is revoked', async (t) => {
  const ledger = await openTestLedger(t)
  const { ask, tokensPath } = await openTestService(t, ledger, { heartbeatMs: 50 })
  const response = await ask('/v1/entries/follow')
  let beats = 0
  const revokeOnce = (text: string) => {
    if (beats === 0 && text.includes(': still here')) {
      beats++
      revokeToken(tokensPath, readTokens(tokensPath).find(({ name }) => name === 'auditor')!.id)
    }
    return false
  }
  await t.throwsAsync(readUntil(response, revokeOnce))
  t.is(beats, 1)
})

test('no more streams than there may be', async (t) => {
  const ledger = await openTestLedger(t)
  const { ask } = await openTestService(t, ledger, { mostFollowers: 1 })
  const first = await ask('/v1/entries/follow')
  t.is((await ask('/v1/entries/follow')).status, 503)
  await first.body!.cancel()
})

test('a client that does not read is dropped, and the log tells whose it was', async (t) => {
  const lines: string[] = []
  const log = createLog({
    name: 'test',
    destination: new Writable({
      write(chunk, _, done) {
        lines.push(String(chunk))
        done()
      }
    })
  })
  const ledger = await openTestLedger(t)
  const { port, tokens } = await openTestService(t, ledger, { log, slowClientMs: 100 })
  const large = items(0, 300).map(({ draft, key }) => ({
    key,
    draft: [draft[0], draft[1].replace('"n":', `"filler":"${'x'.repeat(60_000)}","n":`), draft[2]] as const
  }))
  for (let at = 0; at < large.length; at += 50) await ledger.append(large.slice(at, at + 50), 1)
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(`GET /v1/entries/follow HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${tokens.auditor}\r\n\r\n`)
  socket.pause()
  const closed = new Promise<void>((resolve) => {
    const look = setInterval(() => {
      if (!lines.some((line) => line.includes('too slowly'))) return
      clearInterval(look)
      resolve()
    }, 20)
  })
  await closed
  socket.destroy()
  const told = JSON.parse(lines.find((line) => line.includes('too slowly'))!) as { caller: string }
  t.is(told.caller, 'auditor')
  t.false(lines.join('').includes(tokens.auditor))
})
