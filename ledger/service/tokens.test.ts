import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { addToken, openTokenBook, revokeToken } from './tokens.ts'

test('a token is good as soon as it is made, and no longer good half a second after it was revoked', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tokens-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const path = join(folder, 'tokens.json')
  let nowMs = 0
  const book = openTokenBook(path, () => nowMs, t.fail)
  t.is(book.callerOf('ifw_none'), null)
  const { token, id } = addToken(path, 'agent-1', 'escalator', 0)
  t.deepEqual(book.callerOf(token), { id, name: 'agent-1', role: 'escalator' })
  revokeToken(path, id)
  nowMs = 500
  t.is(book.callerOf(token), null)
  t.false(book.isGood(id))
})
