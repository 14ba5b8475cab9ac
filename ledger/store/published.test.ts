import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { readSigner, signCheckpoint } from '../log/note.ts'
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
