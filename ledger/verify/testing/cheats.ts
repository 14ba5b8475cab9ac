/** What somebody may put in place of a true log, and who sees it. `README.md` of the ledger has the same table in words. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { type JsonObject, silentLog, type WitnessEvent } from '#kernel'
import { appendItem, type Ledger, ledgerFiles, openLedger } from '#ledger'
import { cosign, readCosigner } from '../../log/cosignature.ts'
import { leafHash } from '../../log/merkle.ts'
import {
  formatVerifierKey,
  generateSigningKey,
  type NoteSigner,
  parseCheckpoint,
  readSigner,
  signCheckpoint
} from '../../log/note.ts'
import { rootOfHashes } from '../../log/tree.ts'
import { origin, scratch } from '../../testing/fixtures.ts'
import { openTestSeat, policyOf, type TestSeat, watch } from '../../testing/seats.ts'
import { hashesOf, type ToldLog, toldBy } from './told-log.ts'

/** A log of 560 entries under a quorum of two seats, and what is known of it besides. */
export interface Honest {
  readonly log: ToldLog
  /** The same log of 400 entries, as an auditor saw it once. */
  readonly early: ToldLog
  readonly vkey: string
  readonly first: NoteSigner
  /** Signs since entry 300. */
  readonly second: NoteSigner
  readonly seats: readonly TestSeat[]
  /** What the edge wrote down of its calls, a JSON object a line. */
  readonly accounting: string
}

/** Times rise, as those of a true log do, the ledger's own entry 300 among them. */
const startMs = (Math.floor(Date.now() / 1000) - 3600) * 1000
const timeOf = (n: number): number => startMs + n * 1000 + (n > 300 ? 7_200_000 : 0)
const calls = 20
const entriesOfCall = 4
/** Entries from here to 539 are of calls. */
const callsFrom = 460
/** Entries that commit to a payload beside the log. */
export const committed = [130, 131, 450] as const
const eventsOfCall = ['INVITE', 'policy_decision', 'CONNECTED', 'TERMINATED'] as const

function eventAt(n: number): WitnessEvent {
  const call = Math.floor((n - callsFrom) / entriesOfCall)
  if (call < 0 || call >= calls) {
    const erasable = committed.some((index) => index === n) ? { erasable: { name: `person ${n}` } } : {}
    return { event: 'test_event', component: 'IF.test', traceId: `trace-${n}`, payload: { n }, ...erasable }
  }
  const seq = (n - callsFrom) % entriesOfCall
  const more: JsonObject = seq === 0 ? { fromTag: `tag-${call}` } : seq === entriesOfCall - 1 ? { entries: entriesOfCall } : {}
  return {
    event: eventsOfCall[seq]!,
    component: 'IF.proxy',
    traceId: `call-${call}`,
    payload: { callId: `${call}@phone`, seq, ...more }
  }
}

export async function honestLog(t: ExecutionContext): Promise<Honest> {
  const dir = join(scratch(t), 'ledger')
  mkdirSync(dir)
  const files = ledgerFiles(dir)
  const seats = [await openTestSeat(t, 'guardian-1'), await openTestSeat(t, 'guardian-2')]
  writeFileSync(files.policy, policyOf(seats, 2))
  const ledger: Ledger = await openLedger({ dir, origin, log: silentLog, publishIntervalMs: 1 })
  t.teardown(() => ledger.close())
  watch(seats, ledger.vkey)
  const append = async (from: number, to: number) => {
    const items = Array.from({ length: to - from }, (_, at) => appendItem(eventAt(from + at), timeOf(from + at), `k${from + at}`))
    await ledger.append(items, 0)
    const deadline = performance.now() + 20_000
    while (ledger.witnessing().publishedSize < to) {
      if (performance.now() > deadline) throw new Error(`no quorum under the head of ${to} entries within 20 s`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  for (const to of [100, 200, 300]) await append(to - 100, to)
  const first = readSigner(origin, readFileSync(files.key, 'utf8'))
  const { vkey } = await ledger.rotateKey()
  watch(seats, vkey)
  const second = readSigner(origin, readFileSync(join(files.keys, `${vkey.split('+')[1]}.pem`), 'utf8'))
  const vkeys = [ledger.vkey, vkey]
  await append(301, 400)
  const early = toldBy(dir, vkeys)
  for (const [from, to] of [
    [400, 450],
    [450, 500],
    [500, 540],
    [540, 560]
  ] as const)
    await append(from, to)
  await ledger.close()
  const accounting = Array.from({ length: calls }, (_, call) =>
    JSON.stringify({ time: startMs / 1000, callId: `${call}@phone`, fromTag: `tag-${call}`, outcome: 'relayed' })
  )
  return { log: toldBy(dir, vkeys), early, vkey: ledger.vkey, first, second, seats, accounting: `${accounting.join('\n')}\n` }
}

type Entries = readonly string[]

/** Entries numbered and chained anew, as somebody would who makes them fit. */
function rebuilt(entries: Entries): string[] {
  let prev = '0'.repeat(64)
  return entries.map((text, index) => {
    const fits = text.replace(/"index":\d+/, `"index":${index}`).replace(/"prev":"[0-9a-f]{64}"/, `"prev":"${prev}"`)
    prev = leafHash(Buffer.from(fits)).toString('hex')
    return fits
  })
}

const put = (entries: Entries, index: number, change: (text: string) => string): string[] =>
  entries.map((text, at) => (at === index ? change(text) : text))
const swapped = (entries: Entries, a: number, b: number): string[] =>
  entries.map((text, at) => (at === a ? entries[b]! : at === b ? entries[a]! : text))
const without = (entries: Entries, from: number, to = from + 1): string[] => [...entries.slice(0, from), ...entries.slice(to)]
const another = (text: string): string => text.replace('"n":', '"n":9')

export const noteOver = (entries: Entries, ...signers: readonly NoteSigner[]): string =>
  signCheckpoint({ origin, size: entries.length, root: rootOfHashes(hashesOf(entries)) }, ...signers)

const headOver = (entries: Entries, checkpoint: string): ToldLog['head'] => ({
  size: entries.length,
  lastHash: leafHash(Buffer.from(entries.at(-1)!)).toString('hex'),
  checkpoint
})
/** Other entries, with what the store keeps of their end, under the head that was there. */
const under = (log: ToldLog, entries: Entries): ToldLog => ({ ...log, entries, head: headOver(entries, log.head.checkpoint) })
/** Other entries under a head that these keys signed. */
const signed = (log: ToldLog, entries: Entries, ...signers: readonly NoteSigner[]): ToldLog => ({
  ...log,
  entries,
  head: headOver(entries, noteOver(entries, ...signers))
})
const shownAs = (log: ToldLog, checkpoint: string): ToldLog => ({ ...log, head: { ...log.head, checkpoint } })
const sizeOf = (note: string): number => parseCheckpoint(note).checkpoint.size
const upTo = ({ published }: ToldLog, size: number): string[] => published.filter((note) => sizeOf(note) <= size)
const unsigned = (note: string): string => note.slice(0, note.indexOf('\n\n') + 2)
const linesOf = (note: string): string[] => note.slice(unsigned(note).length).trimEnd().split('\n')
const withLines = (note: string, change: (line: string, at: number) => string | null): string =>
  `${unsigned(note)}${linesOf(note)
    .map(change)
    .filter((line) => line !== null)
    .map((line) => `${line}\n`)
    .join('')}`
const bodyOf = (note: string): string => note.slice(0, note.indexOf('\n\n') + 1)
/** The first entries, and what belongs to them. */
function cutAt(log: ToldLog, size: number): ToldLog {
  const [entries, published] = [log.entries.slice(0, size), upTo(log, size)]
  const payloads = new Map([...log.payloads].filter(([index]) => index < size))
  return { ...log, entries, head: headOver(entries, published.at(-1)!), published, payloads }
}
/** The newest head, shown and published, replaced. */
const newest = (log: ToldLog, note: string): ToldLog => ({
  ...shownAs(log, note),
  published: [...log.published.slice(0, -1), note]
})
const ownEntry = (entries: Entries, event: string, payload: object, component = 'IF.witness.ledger'): string =>
  entries
    .at(-1)!
    .replace(/"component":"[^"]*"/, `"component":"${component}"`)
    .replace(/"event":"[^"]*"/, `"event":"${event}"`)
    .replace(/"payload":\{[^}]*\}/, `"payload":${JSON.stringify(payload)}`)
const withPayload = (log: ToldLog, change: (payloads: Map<number, { salt: string; payload: string }>) => void): ToldLog => {
  const payloads = new Map([...log.payloads].map(([index, told]) => [index, { ...told }]))
  change(payloads)
  return { ...log, payloads }
}

/** A log that was told so from the start: every head signed when it was its turn, and cosigned by witnesses, who see hashes alone. */
function recorded({ log, first, second, seats }: Honest, entries: Entries): ToldLog {
  const takenOver = entries.findIndex((text) => text.includes('"event":"key_rotated"')) + 1
  const noteOf = (size: number): string => {
    const some = entries.slice(0, size)
    const signers = size < takenOver ? [first] : size === takenOver ? [first, second] : [second]
    const note = noteOver(some, ...signers)
    return note + seats.map(({ cosigner }) => cosign(bodyOf(note), cosigner, startMs / 1000)).join('')
  }
  const sizes = new Set([...log.published.map(sizeOf).filter((size) => size < takenOver), takenOver, 400, entries.length])
  const published = [...sizes].map(noteOf)
  return { ...log, entries, head: headOver(entries, published.at(-1)!), published }
}

/** Who looks. */
export const verifiers = ['sqlite', 'redis', 'bundle', 'mirror', 'held', 'since'] as const
export const pages = ['page', 'again', 'offline'] as const
export type Reader = (typeof verifiers)[number] | (typeof pages)[number]
export type Told = 'valid' | 'truncated' | 'altered' | 'forked' | 'unwitnessed' | 'incomplete'

export interface Cheat {
  /** What was done. */
  readonly name: string
  /** Who can: who has the files alone, or the log's key too, or those of a quorum of witnesses too; who tells the log (`start`). */
  readonly by: 'files' | 'key' | 'quorum' | 'start'
  readonly change: (honest: Honest) => ToldLog
  /** What each reader says; those not named say `all`. Null where a reader has nothing to see it by. */
  readonly told: { readonly all: Told } & { readonly [R in Reader]?: Told | null }
  /** Leaf number that `sqlite` names. */
  readonly index?: number
  /** What `sqlite` explains, or notes. */
  readonly says?: RegExp
}

/** What a witness tells behind an entry whose key was taken. */
const tellingOfKey = (entry: string): string =>
  entry
    .replace(/"component":"[^"]*"/, '"component":"IF.witness.keys"')
    .replace(/"event":"[^"]*"/, '"event":"witness_key_taken"')
    .replace(/"payload":\{[^}]*\}/, '"payload":{"key":"p:466","toldAs":"retold:0","why":"entry 0 stands there"}')

/** Of what was told from the start there is no earlier head to hold it against. */
const noEarlier = { held: null, since: null, again: null } as const
/** Readers that do not look at payloads. */
const noPayloads = { mirror: 'valid', held: 'valid', since: 'valid', page: 'valid', again: 'valid' } as const

const stranger = readSigner(origin, generateSigningKey())
const otherLog = readSigner('other.example/log', generateSigningKey())

export const cheats: readonly Cheat[] = [
  { name: 'nothing', by: 'files', change: ({ log }) => log, told: { all: 'valid' } },
  {
    name: 'the octets of an entry',
    by: 'files',
    change: ({ log }) => under(log, put(log.entries, 450, another)),
    told: { all: 'altered' },
    index: 451
  },
  {
    name: 'an entry, all behind it and the tiles made to fit',
    by: 'files',
    change: ({ log }) => under(log, rebuilt(put(log.entries, 450, another))),
    told: { all: 'altered' }
  },
  {
    name: 'the same with the key, published heads kept',
    by: 'key',
    change: ({ log, second }) => signed(log, rebuilt(put(log.entries, 455, another)), second),
    told: { all: 'forked' }
  },
  {
    name: 'the same with the key, no other head left',
    by: 'key',
    change: ({ log, first, second }) => {
      const entries = rebuilt(put(log.entries, 455, another))
      return { ...signed(log, entries, second), published: [noteOver(entries.slice(0, 301), first, second)] }
    },
    told: { all: 'unwitnessed', held: 'forked', again: 'forked' }
  },
  {
    name: 'an entry removed from the middle, the rest numbered anew',
    by: 'files',
    change: ({ log }) => under(log, rebuilt(without(log.entries, 455))),
    told: { all: 'altered' }
  },
  {
    name: 'the same as that with the key, published heads kept',
    by: 'key',
    change: ({ log, second }) => signed(log, rebuilt(without(log.entries, 455)), second),
    told: { all: 'forked' }
  },
  {
    name: 'two entries swapped',
    by: 'files',
    change: ({ log }) => under(log, swapped(log.entries, 455, 458)),
    told: { all: 'altered' },
    index: 455
  },
  {
    name: 'two entries swapped, all made to fit',
    by: 'files',
    change: ({ log }) => under(log, rebuilt(swapped(log.entries, 455, 458))),
    told: { all: 'altered' }
  },
  {
    name: 'an entry added in the past, with the key',
    by: 'key',
    change: ({ log, second }) =>
      signed(log, rebuilt([...log.entries.slice(0, 455), another(log.entries[455]!), ...log.entries.slice(455)]), second),
    told: { all: 'forked' }
  },
  {
    name: 'an entry of what an earlier verification covered',
    by: 'files',
    change: ({ log }) => under(log, put(log.entries, 210, another)),
    told: { all: 'altered', since: 'valid' },
    index: 211
  },
  {
    name: 'the end cut off, heads cut alike',
    by: 'files',
    change: ({ log }) => cutAt(log, 540),
    told: { all: 'valid', held: 'truncated', again: 'truncated' }
  },
  {
    name: 'the same, with calls that the edge accounted for, and with what an earlier verification saw',
    by: 'files',
    change: ({ log }) => cutAt(log, 300),
    told: { all: 'incomplete', held: 'truncated', since: 'truncated', page: 'valid', again: 'truncated', offline: 'valid' },
    says: /20 calls that the edge passed on are not in the log/
  },
  {
    name: 'the end cut off, heads kept',
    by: 'files',
    change: ({ log }) => ({ ...log, entries: log.entries.slice(0, 500) }),
    told: { all: 'truncated' },
    index: 500
  },
  {
    name: 'the end cut off, the newest head with it, published heads kept',
    by: 'files',
    change: ({ log }) => {
      const entries = log.entries.slice(0, 500)
      return { ...log, entries, head: headOver(entries, upTo(log, 500).at(-1)!) }
    },
    told: { all: 'truncated' },
    index: 500
  },
  {
    name: 'the newest head set back, entries and published heads kept',
    by: 'files',
    change: ({ log }) => ({ ...log, head: headOver(log.entries.slice(0, 500), upTo(log, 500).at(-1)!) }),
    told: { all: 'altered', mirror: 'truncated', page: 'truncated', again: 'truncated', offline: 'truncated' },
    index: 500
  },
  {
    name: 'the newest head signed by an unknown key',
    by: 'files',
    change: ({ log }) => newest(log, noteOver(log.entries, stranger)),
    told: { all: 'unwitnessed' }
  },
  {
    name: 'the newest head of another log',
    by: 'files',
    change: ({ log }) => newest(log, noteOver(log.entries, stranger).replaceAll(origin, otherLog.name)),
    told: { all: 'unwitnessed' }
  },
  {
    name: 'the newest head with the signature of another',
    by: 'files',
    change: ({ log }) => newest(log, `${unsigned(log.head.checkpoint)}${linesOf(upTo(log, 500).at(-1)!).join('\n')}\n`),
    told: { all: 'unwitnessed' }
  },
  {
    name: 'a head with the key over entries that are not these',
    by: 'key',
    change: ({ log, second }) =>
      newest(log, signCheckpoint({ origin, size: log.entries.length, root: Buffer.alloc(32, 7) }, second)),
    told: { all: 'altered' }
  },
  {
    name: 'a second head of one size, with the key',
    by: 'key',
    change: ({ log, second }) => ({
      ...log,
      published: [...log.published, signCheckpoint({ origin, size: 500, root: Buffer.alloc(32, 7) }, second)]
    }),
    told: { all: 'forked' }
  },
  {
    name: 'heads removed from the middle of the published ones',
    by: 'files',
    change: ({ log }) => ({ ...log, published: log.published.filter((note) => ![200, 450].includes(sizeOf(note))) }),
    told: { all: 'valid' }
  },
  {
    name: 'a line of the published heads spoiled',
    by: 'files',
    change: ({ log }) => ({ ...log, published: log.published.map((note, at) => (at === 1 ? note.replace('\n', ' ') : note)) }),
    told: { all: 'altered' }
  },
  {
    name: 'the head under which the key changed removed',
    by: 'files',
    change: ({ log }) => ({ ...log, published: log.published.filter((note) => sizeOf(note) !== 301) }),
    told: { all: 'unwitnessed', since: 'valid' },
    index: 300
  },
  {
    name: 'the entry that tells of the change of key removed',
    by: 'files',
    change: ({ log }) => under(log, rebuilt(without(log.entries, 300))),
    told: { all: 'altered' }
  },
  {
    name: 'a change of key that the key did not sign',
    by: 'files',
    change: ({ log }) => {
      const entries = rebuilt([...log.entries, ownEntry(log.entries, 'key_rotated', { vkey: formatVerifierKey(stranger) })])
      const note = noteOver(entries, stranger)
      return { ...log, entries, head: headOver(entries, note), published: [...log.published, note] }
    },
    told: { all: 'unwitnessed' },
    index: 560
  },
  {
    name: 'a change of key that the key signed and goes on without',
    by: 'key',
    change: ({ log, second }) => {
      const entries = rebuilt([...log.entries, ownEntry(log.entries, 'key_rotated', { vkey: formatVerifierKey(stranger) })])
      return {
        ...log,
        entries,
        head: headOver(entries, noteOver(entries, second)),
        published: [...log.published, noteOver(entries, second)]
      }
    },
    told: { all: 'altered' },
    index: 560
  },
  {
    name: 'something under the ledger’s own name that it never tells',
    by: 'key',
    change: ({ log, second }) => {
      const entries = rebuilt([...log.entries, ownEntry(log.entries, 'all_is_well', { n: 1 })])
      return signed(log, entries, second)
    },
    told: { all: 'altered' },
    index: 560
  },
  {
    name: 'the ledger’s own name with a letter that only looks like it',
    by: 'key',
    change: ({ log, second }) => {
      const entries = rebuilt([...log.entries, ownEntry(log.entries, 'payload_erased', { n: 1 }, 'IF.w\u0456tness.ledger')])
      return signed(log, entries, second)
    },
    told: { all: 'altered' },
    index: 560
  },
  {
    name: 'cosignatures removed',
    by: 'files',
    change: ({ log }) =>
      newest(
        log,
        withLines(log.head.checkpoint, (line, at) => (at === 0 ? line : null))
      ),
    told: { all: 'unwitnessed', held: 'valid' }
  },
  {
    name: 'a cosignature short of the quorum',
    by: 'files',
    change: ({ log }) =>
      newest(
        log,
        withLines(log.head.checkpoint, (line, at) => (at < 2 ? line : null))
      ),
    told: { all: 'unwitnessed', held: 'valid' }
  },
  {
    name: 'a cosignature by another key under the witness’s name',
    by: 'files',
    change: ({ log, seats }) => {
      const false_ = readCosigner(seats[1]!.cosigner.name, generateSigningKey())
      return newest(
        log,
        withLines(log.head.checkpoint, (line, at) =>
          at < 2 ? line : cosign(bodyOf(log.head.checkpoint), false_, 1_767_225_600).trimEnd()
        )
      )
    },
    told: { all: 'unwitnessed', held: 'valid' }
  },
  {
    name: 'cosignatures of an earlier head',
    by: 'files',
    change: ({ log }) => {
      const earlier = linesOf(upTo(log, 500).at(-1)!)
      return newest(
        log,
        withLines(log.head.checkpoint, (line, at) => (at === 0 ? line : earlier[at]!))
      )
    },
    told: { all: 'unwitnessed', held: 'valid' }
  },
  {
    name: 'the time of a cosignature',
    by: 'files',
    change: ({ log }) =>
      newest(
        log,
        withLines(log.head.checkpoint, (line, at) => {
          if (at === 0) return line
          const [dash, name, base64] = line.split(' ')
          const octets = Buffer.from(base64!, 'base64')
          octets.writeBigUInt64BE(octets.readBigUInt64BE(4) + 86_400n, 4)
          return `${dash} ${name} ${octets.toString('base64')}`
        })
      ),
    told: { all: 'unwitnessed', held: 'valid' }
  },
  {
    name: 'tiles that disagree with the entries',
    by: 'files',
    change: ({ log }) => ({ ...log, leaves: new Map([[250, Buffer.alloc(32, 7)]]) }),
    told: { all: 'altered', held: 'valid', since: 'valid', offline: 'valid' },
    index: 255
  },
  {
    name: 'a payload changed',
    by: 'files',
    change: ({ log }) =>
      withPayload(log, (payloads) => void payloads.set(130, { ...payloads.get(130)!, payload: '{"name":"nobody"}' })),
    told: { all: 'altered', ...noPayloads },
    index: 130
  },
  {
    name: 'two payloads swapped',
    by: 'files',
    change: ({ log }) =>
      withPayload(log, (payloads) => {
        const [a, b] = [payloads.get(130)!, payloads.get(131)!]
        payloads.set(130, b).set(131, a)
      }),
    told: { all: 'altered', ...noPayloads },
    index: 130
  },
  {
    name: 'a payload erased without a word',
    by: 'files',
    change: ({ log }) => withPayload(log, (payloads) => void payloads.delete(131)),
    told: { all: 'incomplete', ...noPayloads },
    index: 131
  },
  {
    name: 'the number of entries that the store keeps beside the head',
    by: 'files',
    change: ({ log }) => ({ ...log, head: { ...log.head, size: 1000 } }),
    told: { all: 'altered', bundle: 'valid', mirror: 'valid', page: 'valid', again: 'valid', offline: 'valid' }
  },
  {
    name: 'README, page, policy, keys and prices of a bundle',
    by: 'files',
    change: ({ log }) => ({
      ...log,
      files: {
        'README.md': () => Buffer.from('# All is well\n'),
        'index.html': () => Buffer.from('<h1>Valid</h1>'),
        policy: () => Buffer.from('quorum none\n'),
        vkeys: () => Buffer.from(`${formatVerifierKey(stranger)}\n`),
        'rates.yaml': () => Buffer.from('rates: [{ model: gpt-5, in: 0, out: 0 }]\n')
      }
    }),
    told: { all: 'valid' }
  },
  {
    name: 'what a bundle says of its size',
    by: 'files',
    change: ({ log }) => ({
      ...log,
      files: { 'bundle.json': (octets) => Buffer.from(octets.toString().replace('"entries":560', '"entries":561')) }
    }),
    told: { all: 'valid', bundle: 'altered' }
  },
  {
    name: 'all told anew from entry 455 on, with the key and those of a quorum, every head too',
    by: 'quorum',
    change: (honest) => recorded(honest, rebuilt(put(honest.log.entries, 455, another))),
    told: { all: 'valid', held: 'forked', again: 'forked' }
  },
  {
    name: 'a call lacks an entry',
    by: 'start',
    change: (honest) => recorded(honest, rebuilt(without(honest.log.entries, 466))),
    told: { all: 'incomplete', ...noEarlier },
    says: /1 call lacks entries/
  },
  {
    name: 'a call lacks its last entry',
    by: 'start',
    change: (honest) => recorded(honest, rebuilt(without(honest.log.entries, 467))),
    told: { all: 'valid', ...noEarlier },
    says: /1 of 20 calls has no last entry/
  },
  {
    name: 'a call lacks an entry, and numbers its others as if it had not been',
    by: 'start',
    change: (honest) => {
      const after = without(honest.log.entries, 466)
      return recorded(
        honest,
        rebuilt(put(after, 466, (text) => text.replace('"entries":4', '"entries":3').replace('"seq":3', '"seq":2')))
      )
    },
    told: { all: 'valid', ...noEarlier }
  },
  {
    name: 'a call is missing that the edge accounted for',
    by: 'start',
    change: (honest) => recorded(honest, rebuilt(without(honest.log.entries, 464, 468))),
    told: { all: 'incomplete', ...noEarlier, page: 'valid', offline: 'valid' },
    says: /1 call that the edge passed on is not in the log/
  },
  {
    name: 'an entry of a call told twice, under another idempotency key',
    by: 'start',
    change: (honest) => recorded(honest, rebuilt([...honest.log.entries.slice(0, 467), ...honest.log.entries.slice(466)])),
    told: { all: 'valid', ...noEarlier },
    says: /1 call has two entries of one number: 1@phone \(2\)/
  },
  {
    name: 'a key planted in the store before its entry came: that was told under another, and what was found behind it',
    by: 'start',
    change: (honest) =>
      recorded(
        honest,
        rebuilt([...honest.log.entries.slice(0, 467), tellingOfKey(honest.log.entries[466]!), ...honest.log.entries.slice(467)])
      ),
    told: { all: 'valid', ...noEarlier }
  },
  {
    name: 'a time before that of the entry before it',
    by: 'start',
    change: (honest) =>
      recorded(
        honest,
        rebuilt(put(honest.log.entries, 456, (text) => text.replace(/"time":"[^"]*"/, '"time":"2020-01-01T00:00:00.000Z"')))
      ),
    told: { all: 'valid', ...noEarlier },
    says: /1 entry has a time before that of the entry before it/
  },
  {
    name: 'text that looks like other text, or turns about what is shown',
    by: 'start',
    change: (honest) =>
      recorded(
        honest,
        rebuilt(put(honest.log.entries, 456, (text) => text.replace('"n":456', '"n":"\u2028\u202e\u0430pproved"')))
      ),
    told: { all: 'valid', ...noEarlier }
  }
]
