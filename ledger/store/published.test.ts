import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { generateSigningKey, readSigner, signCheckpoint } from '../log/note.ts'
import { noPolicy } from '../log/policy.ts'
import { contractKey } from './contract.ts'
import { latestPublished, openPublished, publishedBackward, publishedOf, readPublished } from './published.ts'

const head = (size: number): string =>
  signCheckpoint({ origin: 'test.example/log', size, root: Buffer.alloc(32, size) }, readSigner('test.example/log', contractKey))

test('a head is found by its size, and pages end where others begin, in a file with spoiled lines', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'published-'))
  const path = join(dir, 'checkpoints.log')
  try {
    t.is(publishedOf(path, 1), null)
    const sizes = Array.from({ length: 200 }, (_, at) => 3 * at + (at % 2))
    const spoiled = (at: number) => (at % 17 === 0 ? 'no JSON\n' : at === 50 ? `${'x'.repeat(120_000)}\n` : '')
    writeFileSync(path, `${sizes.map((size, at) => `${spoiled(at)}${JSON.stringify(head(size))}\n`).join('')}"cut short`)
    for (let size = 0; size < 610; size++) t.is(publishedOf(path, size), sizes.includes(size) ? head(size) : null, String(size))
    const lines = [...publishedBackward(path)]
    t.deepEqual(
      lines.flatMap(({ note }) => (note === null ? [] : [note])),
      sizes.map(head).reverse()
    )
    for (const [number, { at }] of lines.entries()) {
      const [next] = publishedBackward(path, at)
      t.deepEqual(next, lines[number + 1])
    }
  } finally {
    rmSync(dir, { recursive: true })
  }
})

test('a file that has grown long is thinned out; who else writes to it goes on in the new one', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'published-'))
  const path = join(dir, 'checkpoints.log')
  const next = readSigner('test.example/log', generateSigningKey())
  const first = readSigner('test.example/log', contractKey)
  const takeOver = signCheckpoint({ origin: 'test.example/log', size: 101, root: Buffer.alloc(32) }, first, next)
  try {
    const lines = Array.from({ length: 400 }, (_, size) => JSON.stringify(size === 101 ? takeOver : head(size)))
    lines[202] = 'spoiled'
    writeFileSync(path, `${lines.join('\n')}\n`)
    const longest = statSync(path).size
    const [one, other] = [openPublished(path, longest), openPublished(path, longest)]
    one.publish(head(400))
    t.is(readPublished(path).length, 401, 'not yet too long')
    one.publish(head(401))
    const kept = readPublished(path)
    t.true(kept.length < 200 && statSync(path).size < longest / 2)
    t.deepEqual(
      kept.slice(-100),
      Array.from({ length: 100 }, (_, at) => head(302 + at)),
      'the newest are all there'
    )
    t.true(kept.includes(takeOver) && kept.includes(null), 'so are changes of key, and what is spoiled')
    t.is(publishedOf(path, 0), head(0))
    t.is(publishedOf(path, 101), takeOver)
    other.publish(head(402))
    one.publish(head(403))
    t.deepEqual(readPublished(path).slice(-3), [401, 402, 403].map(head))
    t.deepEqual(readdirSync(dir), ['checkpoints.log'])
    one.close()
    other.close()
  } finally {
    rmSync(dir, { recursive: true })
  }
})

test('the newest head is found from the end, whatever lies before and behind it', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'published-'))
  const path = join(dir, 'checkpoints.log')
  try {
    t.is(latestPublished(path, noPolicy), null)
    const line = (note: string) => `${JSON.stringify(note)}\n`
    const cases: readonly (readonly [string, string | null])[] = [
      ['', null],
      ['\n', null],
      ['"cut short', null],
      [line(head(1)), head(1)],
      [`${line(head(1))}${line(head(2))}"cut short`, head(2)],
      [`${line(head(1))}\n\nno JSON\n7\n`, head(1)],
      [`\n${line(head(3))}${'x'.repeat(40_000)}\n`, head(3)],
      [Array.from({ length: 300 }, (_, size) => line(head(size))).join(''), head(299)]
    ]
    for (const [text, newest] of cases) {
      writeFileSync(path, text)
      t.is(latestPublished(path, noPolicy), newest)
      const file = openPublished(path)
      file.publish(head(500))
      file.publish(head(500))
      file.close()
      t.is(readPublished(path).filter((note) => note === head(500)).length, 1)
      t.is(latestPublished(path, noPolicy, 500), head(500))
      t.is(latestPublished(path, noPolicy, 501), null)
    }
  } finally {
    rmSync(dir, { recursive: true })
  }
})
