import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import fc from 'fast-check'
import decodeQR from 'qr/decode.js'
import { draftEntry, ledgerFiles, openReader, readEntries, verifyLedger } from '#ledger'
import { parseRates } from '../audit/rates.ts'
import { eraseEntry } from '../client/erase.ts'
import { canonicalize } from '../log/canonical.ts'
import { cosign, readCosigner } from '../log/cosignature.ts'
import { leafHash } from '../log/merkle.ts'
import { formatVerifierKey, generateSigningKey, parseCheckpoint } from '../log/note.ts'
import type { LedgerReader } from '../read/reader.ts'
import { openTestLedger, scratch } from '../testing/fixtures.ts'
import { mostPageOctets } from './bundle.ts'
import { field } from './lines.ts'
import { codeOf, drawable, mostPdfEntries, mostPdfPages, writePdf } from './pdf.ts'
import { bundleOf, contentOf, exported, exportedText, fill, firstTime, nasty, octetsOf, sampleLog } from './testing/bundles.ts'
import { openExport } from './view.ts'

/** A reader of RFC 4180, apart from the writer. */
function readCsv(text: string): string[][] {
  const rows: string[][] = []
  let at = 0
  while (at < text.length) {
    const row: string[] = []
    for (;;) {
      const match = /^(?:"((?:[^"]|"")*)"|([^",\r\n]*))/.exec(text.slice(at))!
      row.push(match[1] === undefined ? match[2]! : match[1].replaceAll('""', '"'))
      at += match[0].length
      if (text[at] !== ',') break
      at++
    }
    if (text.slice(at, at + 2) !== '\r\n') throw new Error(`no line end at ${at}`)
    at += 2
    rows.push(row)
  }
  return rows
}

const sha256 = (octets: Uint8Array): string => createHash('sha256').update(octets).digest('hex')

test('json: the octets as they are stored, a line each; filters choose', async (t) => {
  const log = await sampleLog(t, 40)
  const stored = await log.reader.query({})
  const lines = (await exportedText(log, { format: 'json' })).split('\n')
  t.is(lines.pop(), '')
  t.deepEqual(
    lines,
    stored.map(({ bytes }) => Buffer.from(bytes).toString('utf8'))
  )
  t.deepEqual(
    lines.map((line) => leafHash(Buffer.from(line)).toString('hex')),
    stored.map(({ hash }) => hash)
  )
  const some = await exportedText(log, { format: 'json', filter: { trace: 't1', event: 'event_2', limit: 2 } })
  t.deepEqual(
    some.split('\n').slice(0, -1),
    stored
      .filter(({ entry }) => entry.trace_id === 't1' && entry.event === 'event_2')
      .slice(0, 2)
      .map(({ bytes }) => Buffer.from(bytes).toString('utf8'))
  )
})

test('payloads beside the log go along only when they are asked for; erased ones say so', async (t) => {
  const log = await sampleLog(t, 30)
  await eraseEntry({ reader: log.reader, erase: log.erase, dirs: [] }, 19, 'asked for')
  for (const format of ['json', 'csv'] as const) t.notRegex(await exportedText(log, { format }), /person/)
  const lines = (await exportedText(log, { format: 'json', withPayloads: true }))
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))
  t.is(lines[0].erasable, null)
  t.deepEqual(lines[9].erasable.payload, { name: 'person 9' })
  t.is(
    lines[9].entry.payload.commitment.hash,
    sha256(Buffer.concat([Buffer.from(lines[9].erasable.salt, 'base64'), Buffer.from('{"name":"person 9"}')]))
  )
  t.is(lines[19].erasable, 'erased')
  const [names, ...rows] = readCsv(await exportedText(log, { format: 'csv', withPayloads: true }))
  t.deepEqual(rows[29]!.slice(names!.indexOf('erasable')).slice(0, 1), ['{"name":"person 29"}'])
  t.is(rows[19]![names!.indexOf('erasable')], 'erased')
  const files = contentOf(await bundleOf(log, { withPayloads: true }))
  t.deepEqual(
    files
      .get('payloads.jsonl')!
      .toString()
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line).index),
    [9, 29]
  )
  t.false(contentOf(await bundleOf(log)).has('payloads.jsonl'))
})

test('csv: read back, each field is what the entry says, but for one apostrophe before what could be a formula', async (t) => {
  const log = await sampleLog(t, 12)
  const entries = readEntries(ledgerFiles(log.dir).database)
  const [names, ...rows] = readCsv(await exportedText(log, { format: 'csv' }))
  t.is(rows.length, 12)
  for (const [n, row] of rows.entries()) {
    const { payload, ...entry } = entries[n]!
    const told = Object.fromEntries(names!.map((name, at) => [name, row[at]]))
    t.is(told.payload, canonicalize(payload))
    for (const [name, value] of Object.entries(entry)) if (name !== 'v') t.is(told[name]!.replace(/^'/, ''), String(value))
  }
  t.is(rows[0]![names!.indexOf('model')], "'=cmd|x")
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('', '=', '+', '-', '@', '\t', '\r', '\n', "'", '＝', '＋'),
      (text, first) => {
        const given = first + text
        const [[read]] = readCsv(`${field(given)}\r\n`) as [[string]]
        t.is(read, /^[=+\-@\t\r\n'＝＋－＠]/.test(given) ? `'${given}` : given)
      }
    )
  )
})

test('a file is there whole or not at all, and none is replaced unasked', async (t) => {
  const log = await sampleLog(t, 5)
  const dir = scratch(t)
  const out = join(dir, 'a.json')
  await exported(log, { format: 'json', out })
  const before = readFileSync(out, 'utf8')
  await t.throwsAsync(exported(log, { format: 'csv', out }), { code: 'ledger.export.exists' })
  t.is(readFileSync(out, 'utf8'), before)
  await exported(log, { format: 'csv', out, replace: true })
  t.regex(readFileSync(out, 'utf8'), /^index,time/)
  await t.throwsAsync(exported(log, { format: 'json', out: join(dir, 'absent', 'a') }), { code: 'ledger.export.unwritable' })
  await t.throwsAsync(exported(log, { format: 'json', out: join(dir, 'b'), signal: AbortSignal.abort() }), {
    code: 'ledger.export.aborted'
  })
  t.deepEqual(readdirSync(dir), ['a.json'])
  const empty = await openTestLedger(t)
  await t.throwsAsync(exported(empty, { format: 'json', out: join(dir, 'c') }), { code: 'ledger.export.empty' })
})

/** Reads the same log in segments of other sizes, as another store would give them. */
function cutOtherwise(reader: LedgerReader, count: number): LedgerReader {
  return {
    ...reader,
    log: {
      ...reader.log,
      segments: async function* (from, to) {
        const entries = (await reader.query({ limit: 1e6 })).slice(from, to)
        for (let at = 0; at < entries.length; at += count) {
          const part = entries.slice(at, at + count)
          const data = Buffer.concat(part.flatMap(({ bytes }) => [Buffer.of(bytes.length >> 8, bytes.length & 255), bytes]))
          yield { first: from + at, count: part.length, data }
        }
      }
    }
  }
}

test('the same log gives the same file: exported twice, in other segments, in another zone and language', async (t) => {
  const written = await sampleLog(t, 600)
  await written.close()
  const log = { dir: written.dir, reader: await openReader(written.dir) }
  t.teardown(() => log.reader.close())
  for (const filter of [{}, { trace: 't1', since: Date.UTC(2026, 0, 1) + 100 }]) {
    const first = sha256(await octetsOf(await bundleOf(log, { filter, withPayloads: true })))
    t.is(
      sha256(await octetsOf(await bundleOf({ ...log, reader: cutOtherwise(log.reader, 7) }, { filter, withPayloads: true }))),
      first
    )
    const script = `
      import { exportLedger } from '${new URL('export.ts', import.meta.url)}'
      import { defaultRates, ledgerFiles, openReader } from '${new URL('../ledger.ts', import.meta.url)}'
      const [dir, format, out] = process.argv.slice(1)
      const reader = await openReader(dir)
      const rates = new Map([...defaultRates].reverse())
      await exportLedger({ reader, files: ledgerFiles(dir) }, { filter: ${JSON.stringify(filter)}, withPayloads: true, rates, format, out })
      await reader.close()`
    const elsewhere = (format: string): string => {
      const out = join(scratch(t), 'a')
      const env = { ...process.env, TZ: 'Pacific/Chatham', LC_ALL: 'tr_TR.UTF-8', LANG: 'tr_TR.UTF-8' }
      const args = ['--disable-warning=ExperimentalWarning', '--input-type=module-typescript', '-e', script, log.dir, format, out]
      execFileSync(process.execPath, args, { env })
      return sha256(readFileSync(out))
    }
    t.is(elsewhere('bundle'), first)
    const pdf = join(scratch(t), 'a.pdf')
    await exported(log, { format: 'pdf', out: pdf, filter, withPayloads: true })
    t.is(elsewhere('pdf'), sha256(readFileSync(pdf)))
  }
})

test('with a policy, an export ends at the newest head that the quorum cosigned', async (t) => {
  const log = await sampleLog(t, 10)
  const files = ledgerFiles(log.dir)
  const cosigner = readCosigner('seat.example/w', generateSigningKey())
  writeFileSync(files.policy, `witness seat ${formatVerifierKey(cosigner)}\nquorum seat\n`)
  const summary = (unwitnessed = false) => exported(log, { format: 'json', out: async () => undefined, unwitnessed })
  t.like(await summary(), { size: 10, entries: 10, leftOut: 0 }, 'no quorum ever: the newest head')
  const note = (await log.reader.checkpoint())!
  // the ledger publishes by itself, once a second
  while (!readFileSync(files.published, 'utf8').includes(JSON.stringify(note))) await sleep(20)
  const cosigned = note + cosign(parseCheckpoint(note).body, cosigner, 1_767_225_600)
  appendFileSync(files.published, `${JSON.stringify(cosigned)}\n`)
  await fill(log, 10, 5)
  t.like(await summary(), { size: 10, entries: 10, leftOut: 5 })
  t.like(await summary(true), { size: 15, entries: 15, leftOut: 0 })
  const content = contentOf(await bundleOf(log))
  t.is(content.get('checkpoint')!.toString(), cosigned)
  t.true(content.has('policy'))
  t.is(JSON.parse(content.get('checkpoints.log')!.toString().trim().split('\n').at(-1)!), cosigned)
  t.like(await exported(log, { format: 'json', out: async () => undefined, filter: { trace: 't0' } }), { entries: 4, size: 10 })
  const other = await openTestLedger(t)
  await fill(other, 100, 3)
  const forged = (await other.reader.checkpoint())!
  appendFileSync(files.published, `${JSON.stringify(forged + cosign(parseCheckpoint(forged).body, cosigner, 1))}\n`)
  await t.throwsAsync(summary(), { code: 'ledger.export.head-differs' })
})

test('the rates of a bundle can be read as rates', async (t) => {
  const log = await sampleLog(t, 3)
  const rates = await parseRates(
    'rates:\n  - { model: "a: b", in: 0.10, out: 2 }\n  - { model: "a: b", in: 3, out: 4, from: 2026-02-01 }\n'
  )
  const yaml = contentOf(await bundleOf(log, { rates }))
    .get('rates.yaml')!
    .toString()
  t.deepEqual([...(await parseRates(yaml))].sort(), [...rates].sort())
})

test('what the README says to do by hand shows the signature and the hashes', async (t) => {
  const log = await sampleLog(t, 21)
  await log.rotateKey()
  for (const filter of [{}, { trace: 't1' }]) {
    const dir = scratch(t)
    const files = contentOf(await bundleOf(log, { filter }))
    for (const [name, content] of files) {
      mkdirSync(dirname(join(dir, name)), { recursive: true })
      writeFileSync(join(dir, name), content)
    }
    const blocks = [
      ...files
        .get('README.md')!
        .toString()
        .matchAll(/```sh\n([^`]*)```/g)
    ].map(([, block]) => block!)
    const sh = (script: string) =>
      execFileSync('sh', ['-e', '-c', script], { cwd: dir, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    t.is(blocks.length, 2)
    t.regex(sh(blocks[0]!), /Verified Successfully/)
    const root = files.get('checkpoint')!.toString().split('\n')[2]!
    if (filter.trace === undefined) {
      const second = (await log.reader.query({ afterIndex: 0, limit: 1 }))[0]!
      t.is(sh(blocks[1]!).slice(0, 64), second.entry.prev)
    } else {
      const numbers = readdirSync(join(dir, 'entries')).map((name) => name.slice(0, 12))
      t.is(numbers.length, 7)
      for (const number of numbers) t.is(sh(blocks[1]!.replace('NUMBER', number)).trim(), root)
      appendFileSync(join(dir, 'entries', `${numbers[0]}.json`), ' ')
      t.not(sh(blocks[1]!.replace('NUMBER', numbers[0]!)).trim(), root)
      t.deepEqual(readdirSync(join(dir, 'rotations')).sort(), ['000000000021.json', '000000000021.tlog-proof'])
    }
    writeFileSync(join(dir, 'checkpoint'), files.get('checkpoint')!.toString().replace('\n22\n', '\n23\n'))
    t.throws(() => sh(blocks[0]!))
  }
})

test('pdf: every character of an entry is there, as itself or escaped; the code holds the checkpoint; rows have a limit', async (t) => {
  t.is(drawable('aé\u202e\u{1f600}\u0000—'), 'aé\\u202e\\ud83d\\ude00\\u0000—')
  const log = await sampleLog(t, 30)
  const out = join(scratch(t), 'a.pdf')
  t.like(await exported(log, { format: 'pdf', out }), { entries: 30 })
  const text = textOf(readFileSync(out, 'latin1'))
  const lines = text.map((line) => line.trim()).join('')
  for (const { entry, hash } of await log.reader.query({})) {
    t.true(lines.includes(`payload ${drawable(canonicalize(entry.payload))}hash ${hash}`), `entry ${entry.index}`)
  }
  const note = (await log.reader.checkpoint())!
  for (const line of note.split('\n')) t.true(lines.includes(line))
  t.true(
    text.some((line) => /^page 2 of \d$/.test(line.trim())),
    text.filter((line) => line.includes('page')).join()
  )
  const modules = codeOf(note)
  t.is(decodeQR(bitmapOf(modules)), note)
  t.notRegex(text.join('\n'), /[\u202e\u0000]/)
  t.true(nasty.includes('\u202e'))
  const view = await openExport({ reader: log.reader, files: ledgerFiles(log.dir) }, { filter: {} })
  const { bytes } = (await log.reader.query({ limit: 1 }))[0]!
  const long = Buffer.from(
    Buffer.from(bytes)
      .toString()
      .replace('"n":0', `"n":0,"x":"${'é'.repeat(30_000)}"`)
  )
  const written = async (entry: Uint8Array, count: number) => {
    const entries = async function* () {
      for (let index = 0; index < count; index++) yield { index, bytes: entry }
    }
    let octets = 0
    for await (const piece of writePdf({ ...view, entries })) octets += piece.length
    return octets
  }
  await t.throwsAsync(written(bytes, mostPdfEntries + 1), {
    code: 'ledger.export.too-many',
    message: new RegExp(`at most ${mostPdfEntries} entries: narrow the filter`)
  })
  await t.throwsAsync(written(long, 400), {
    code: 'ledger.export.too-many',
    message: new RegExp(`at most ${mostPdfPages} pages`)
  })
})

test('pdf: a cover with more cosignatures than one page holds goes on, with the code on it', async (t) => {
  const log = await sampleLog(t, 3)
  const files = ledgerFiles(log.dir)
  const seats = Array.from({ length: 60 }, (_, n) => readCosigner(`seat-${n}.example/w`, generateSigningKey()))
  writeFileSync(files.policy, `${seats.map((seat, n) => `witness s${n} ${formatVerifierKey(seat)}\n`).join('')}quorum s0\n`)
  const note = (await log.reader.checkpoint())!
  const { body } = parseCheckpoint(note)
  appendFileSync(files.published, `${JSON.stringify(note + seats.map((seat) => cosign(body, seat, 1_767_225_600)).join(''))}\n`)
  const out = join(scratch(t), 'a.pdf')
  await exported(log, { format: 'pdf', out })
  const text = textOf(readFileSync(out, 'latin1')).map((line) => line.trim())
  for (let n = 0; n < 60; n++) t.true(text.includes(`s${n} (seat-${n}.example/w) at 2026-01-01T00:00:00.000Z`))
  const pages = text.filter((line) => /^page \d+ of \d+$/.test(line))
  t.true(pages.length > 2)
  t.deepEqual(
    pages,
    pages.map((_, at) => `page ${at + 1} of ${pages.length}`)
  )
  t.true(text.some((line) => line.startsWith('The code holds the checkpoint with the signature of the log alone')))
})

test('a bundle that is too large for the page is written without it, and says so', async (t) => {
  const log = await openTestLedger(t)
  const payload = { text: 'x'.repeat(61_000) }
  const count = Math.ceil(mostPageOctets / 61_000) + 1
  const items = Array.from({ length: count }, (_, n) => ({
    draft: draftEntry({ event: 'large', component: 'IF.test', traceId: 't', payload }, firstTime + n),
    key: `k${n}`
  }))
  for (let at = 0; at < count; at += 50) await log.append(items.slice(at, at + 50), 1)
  const out = join(scratch(t), 'a.zip')
  t.like(await exported(log, { format: 'bundle', out }), { entries: count, page: false })
  const files = contentOf(out)
  t.false(files.has('index.html'))
  t.notRegex(files.get('README.md')!.toString(), /index\.html/)
  t.like(await verifyLedger(out, { vkey: log.vkey }), { verdict: 'valid', entries: count })
  t.like(await exported(log, { format: 'bundle', out: `${out}2`, filter: { limit: 10 } }), { page: true })
})

/** Texts that a PDF draws, one for each time it draws. */
function textOf(pdf: string): string[] {
  const winAnsi = (octets: Buffer) => octets.toString('latin1').replaceAll('\u0097', '—')
  return [...pdf.matchAll(/\[((?:<[0-9a-f]*> ?-?[\d.]* ?)+)\] TJ/g)].map(([, parts]) =>
    [...parts!.matchAll(/<([0-9a-f]*)>/g)].map(([, hex]) => winAnsi(Buffer.from(hex!, 'hex'))).join('')
  )
}

function bitmapOf(modules: readonly (readonly boolean[])[]): { width: number; height: number; data: Uint8Array } {
  const scale = 4
  const side = modules.length * scale
  const data = new Uint8Array(side * side * 4).fill(255)
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++)
      if (modules[Math.floor(y / scale)]![Math.floor(x / scale)]) data.fill(0, (y * side + x) * 4, (y * side + x) * 4 + 3)
  return { width: side, height: side, data }
}
