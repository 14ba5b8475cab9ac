/** What a log shows of itself, taken apart so that a cheat may change any of it, and put together again as every reader finds it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Redis } from 'ioredis'
import type { OfflineData } from '../../export/offline-data.ts'
import { createZip } from '../../export/zip.ts'
import { leafHash } from '../../log/merkle.ts'
import { rootOfHashes, tileHashes, tileWidth } from '../../log/tree.ts'
import { formatTilePath, parseTilePath } from '../../service/tile-path.ts'
import { keysOf } from '../../store/redis-connection.ts'
import { openSqliteStore } from '../../store/sqlite-store.ts'
import { origin } from '../../testing/fixtures.ts'

export interface BesidePayload {
  readonly salt: string
  readonly payload: string
}

export interface ToldLog {
  readonly entries: readonly string[]
  /** What the store keeps of the log's end; the checkpoint is what is shown as the newest one, with its cosignatures, too. */
  readonly head: { readonly size: number; readonly lastHash: string; readonly checkpoint: string }
  /** Heads published so far, oldest first. */
  readonly published: readonly string[]
  readonly payloads: ReadonlyMap<number, BesidePayload>
  /** Public keys that a bundle brings. */
  readonly vkeys: readonly string[]
  readonly policy: string
  /** Hashes that the tiles of leaves hold in place of those of the entries. */
  readonly leaves?: ReadonlyMap<number, Uint8Array>
  /** Files of a bundle that are not what the rest says. */
  readonly files?: Readonly<Record<string, (octets: Buffer) => Buffer>>
}

const behindLength = (text: string): Buffer => {
  const octets = Buffer.from(text, 'utf8')
  return Buffer.concat([Buffer.of(octets.length >> 8, octets.length & 255), octets])
}

export const hashesOf = (entries: readonly string[]): Buffer => Buffer.concat(entries.map((text) => leafHash(Buffer.from(text))))

/** Hashes of a tile. */
function tileOf(log: ToldLog, level: number, index: number, width: number): Buffer {
  const span = tileWidth ** level
  const hashes = hashesOf(log.entries.slice(index * tileWidth * span, (index * tileWidth + width) * span))
  if (level === 0) {
    for (const [leaf, hash] of log.leaves ?? [])
      if (leaf >= index * tileWidth && leaf < index * tileWidth + width) hashes.set(hash, (leaf - index * tileWidth) * 32)
    return hashes
  }
  return Buffer.concat(Array.from({ length: width }, (_, at) => rootOfHashes(hashes, at * span, span)))
}

/** Every tile of the entries there are, and the bundles of entries, by their paths. */
function tilesOf(log: ToldLog): Map<string, Buffer> {
  const tiles = new Map<string, Buffer>()
  for (let level = 0; tileHashes(log.entries.length, level) > 0; level++) {
    const count = tileHashes(log.entries.length, level)
    for (let index = 0; index * tileWidth < count; index++) {
      const width = Math.min(tileWidth, count - index * tileWidth)
      tiles.set(`tile/${formatTilePath({ level, index, width })}`, tileOf(log, level, index, width))
      if (level > 0) continue
      const entries = log.entries.slice(index * tileWidth, index * tileWidth + width)
      const path = `tile/${formatTilePath({ level: 'entries', index, width })}`
      tiles.set(path, Buffer.concat(entries.map(behindLength)))
    }
  }
  return tiles
}

const publishedText = ({ published }: ToldLog): string => published.map((note) => `${JSON.stringify(note)}\n`).join('')

/** Entries of a segment: as many as some commits have. */
const segmentWidth = 100

const segmentsOf = ({ entries }: ToldLog) =>
  Array.from({ length: Math.ceil(entries.length / segmentWidth) }, (_, at) => {
    const first = at * segmentWidth
    const some = entries.slice(first, first + segmentWidth)
    return { first, count: some.length, data: Buffer.concat(some.map(behindLength)) }
  })

/** Tiles as stores keep them: of leaves the full ones. */
const storedTiles = (log: ToldLog) =>
  [...tilesOf(log)].flatMap(([path, hashes]) => {
    const { level, index, width } = parseTilePath(path.slice('tile/'.length))!
    return level === 'entries' || (level === 0 && width < tileWidth) ? [] : [{ level, index, hashes }]
  })

/** The ledger's folder: its database, and the heads published beside it. */
export async function asFolder(log: ToldLog, dir: string): Promise<{ readonly database: string; readonly published: string }> {
  mkdirSync(dir, { recursive: true })
  const paths = { database: join(dir, 'ledger.db'), published: join(dir, 'checkpoints.log') }
  await openSqliteStore(paths.database).close()
  const database = new DatabaseSync(paths.database)
  database.exec('PRAGMA synchronous = OFF; BEGIN')
  const segment = database.prepare("INSERT INTO segment VALUES (?, ?, ?, '')")
  for (const { first, count, data } of segmentsOf(log)) segment.run(first, count, data)
  const tile = database.prepare('INSERT INTO tile VALUES (?, ?, ?)')
  for (const { level, index, hashes } of storedTiles(log)) tile.run(level, index, hashes)
  const erasable = database.prepare('INSERT INTO erasable VALUES (?, ?, ?)')
  for (const [index, { salt, payload }] of log.payloads) erasable.run(index, salt, payload)
  const { size, lastHash, checkpoint } = log.head
  database.prepare('INSERT INTO head VALUES (0, ?, ?, ?)').run(size, lastHash, checkpoint)
  database.exec('COMMIT')
  database.close()
  writeFileSync(paths.published, publishedText(log))
  return paths
}

/** A log in Redis, in place of whatever the server held. */
export async function intoRedis(log: ToldLog, client: Redis): Promise<void> {
  const keys = keysOf(origin)
  const commands = client.pipeline().flushall()
  for (const { first, count, data } of segmentsOf(log))
    commands.xadd(keys.segments, `${first + 1}-0`, 'count', count, 'data', data, 'keys', '')
  for (const { level, index, hashes } of storedTiles(log)) commands.hset(keys.tiles, `${level}/${index}`, hashes)
  for (const [index, { salt, payload }] of log.payloads) commands.hset(keys.erasable, String(index), `${salt} ${payload}`)
  const { size, lastHash, checkpoint } = log.head
  commands.hset(keys.head, { size, lastHash, checkpoint })
  for (const [error] of (await commands.exec())!) if (error !== null) throw error
}

/** What the page in a bundle holds. */
export const pageData = (log: ToldLog): OfflineData => ({
  origin,
  keys: log.vkeys,
  policy: log.policy,
  checkpoints: [...log.published.filter((note) => note !== log.head.checkpoint), log.head.checkpoint],
  whole: true,
  entries: log.entries.map((bytes, index) => ({ index, bytes })),
  proofs: [],
  rotations: [],
  payloads: [...log.payloads].map(([index, payload]) => ({ index, ...payload })),
  rates: []
})

/** An evidence bundle with right checksums. */
export async function asBundle(log: ToldLog, path: string): Promise<void> {
  const [, size, root] = log.head.checkpoint.split('\n')
  const facts = { v: 1, origin, size: Number(size), root, entries: log.entries.length, payloads: true, filter: null }
  const payloads = [...log.payloads].sort(([a], [b]) => a - b)
  const files = new Map<string, Buffer>([
    ['README.md', Buffer.from('# Evidence\n')],
    ['bundle.json', Buffer.from(JSON.stringify(facts))],
    ['checkpoint', Buffer.from(log.head.checkpoint)],
    ['checkpoints.log', Buffer.from(publishedText(log))],
    ['index.html', Buffer.from('<!doctype html>')],
    ['payloads.jsonl', Buffer.from(payloads.map(([index, told]) => `${JSON.stringify({ index, ...told })}\n`).join(''))],
    ['policy', Buffer.from(log.policy)],
    ['rates.yaml', Buffer.from('rates: []\n')],
    ['vkeys', Buffer.from(`${log.vkeys.join('\n')}\n`)],
    ...tilesOf(log)
  ])
  for (const [name, change] of Object.entries(log.files ?? {})) files.set(name, change(files.get(name) ?? Buffer.alloc(0)))
  const file = await open(path, 'w')
  try {
    const zip = createZip(file)
    for (const [name, octets] of files) await zip.add(name, octets)
    await zip.finish()
  } finally {
    await file.close()
  }
}

/** What a service answers to a GET that auditors send; null where it has nothing. */
export function answerOf(log: ToldLog, path: string): Buffer | null {
  if (path === '/checkpoint') return Buffer.from(log.head.checkpoint)
  if (path === '/v1/checkpoints') return Buffer.from(JSON.stringify({ checkpoints: log.published, previous: null }))
  if (path === '/v1/keys') return Buffer.from(JSON.stringify({ key: log.vkeys[0], policy: log.policy }))
  if (path === '/v1/rates') return Buffer.from(JSON.stringify({ rates: [] }))
  const place = path.startsWith('/tile/') ? parseTilePath(path.slice('/tile/'.length)) : null
  if (place === null) return null
  const { level, index, width } = place
  const first = index * tileWidth
  if (level !== 'entries') return first + width > tileHashes(log.entries.length, level) ? null : tileOf(log, level, index, width)
  const some = log.entries.slice(first, first + width)
  return some.length < width ? null : Buffer.concat(some.map(behindLength))
}

/**
 * Fetches what a service shows, as a mirror of anybody's does: the checkpoint, every tile and bundle of entries under it, the heads published.
 *
 * @see C2SP tlog-tiles
 */
export async function mirror(url: string, dir: string): Promise<void> {
  const get = async (path: string): Promise<Buffer | null> => {
    const answer = await fetch(`${url}/${path}`)
    return answer.ok ? Buffer.from(await answer.arrayBuffer()) : null
  }
  const put = (path: string, octets: Buffer | null) => {
    if (octets === null) return
    mkdirSync(dirname(join(dir, path)), { recursive: true })
    writeFileSync(join(dir, path), octets)
  }
  const checkpoint = (await get('checkpoint'))!
  put('checkpoint', checkpoint)
  const { checkpoints } = JSON.parse((await get('v1/checkpoints'))!.toString()) as { checkpoints: readonly string[] }
  put('checkpoints.log', Buffer.from(checkpoints.map((note) => `${JSON.stringify(note)}\n`).join('')))
  const size = Number(checkpoint.toString().split('\n')[1])
  for (let level = 0; tileHashes(size, level) > 0; level++) {
    const count = tileHashes(size, level)
    for (let index = 0; index * tileWidth < count; index++) {
      const width = Math.min(tileWidth, count - index * tileWidth)
      for (const kind of level === 0 ? (['entries', 0] as const) : [level]) {
        const path = `tile/${formatTilePath({ level: kind, index, width })}`
        put(path, await get(path))
      }
    }
  }
}

/** Takes a ledger's folder apart. */
export function toldBy(dir: string, vkeys: readonly string[]): ToldLog {
  const database = new DatabaseSync(join(dir, 'ledger.db'), { readOnly: true })
  try {
    const entries: string[] = []
    for (const { data } of database.prepare('SELECT data FROM segment ORDER BY first').all() as { data: Uint8Array }[])
      for (let at = 0; at < data.length; ) {
        const length = (data[at]! << 8) | data[at + 1]!
        entries.push(Buffer.from(data.subarray(at + 2, at + 2 + length)).toString('utf8'))
        at += 2 + length
      }
    const head = database.prepare('SELECT size, last_hash AS lastHash FROM head').get() as { size: number; lastHash: string }
    const published = readFileSync(join(dir, 'checkpoints.log'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as string)
    const rows = database.prepare('SELECT idx, salt, payload FROM erasable').all() as unknown as ({
      idx: number
    } & BesidePayload)[]
    return {
      entries,
      head: { ...head, checkpoint: published.at(-1)! },
      published,
      payloads: new Map(rows.map(({ idx, salt, payload }) => [idx, { salt, payload }])),
      vkeys,
      policy: readFileSync(join(dir, 'policy'), 'utf8')
    }
  } finally {
    database.close()
  }
}
