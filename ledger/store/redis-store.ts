/**
 * A log in Redis: each segment is an entry of a stream; head, tiles, producers and single keys are a hash each. All keys of a log are in one slot of a
 * cluster.
 */
import { randomUUID } from 'node:crypto'
import { type Clock, InfraFabricError, messageOf, systemClock } from '#kernel'
import type { Erasable } from '../log/commitment.ts'
import { noPrevious } from '../log/entry.ts'
import { type Producer, splitKeys } from './keys.ts'
import { type Holder, holdLease, type LeaseLink } from './lease.ts'
import { parseRedisUrl, placeOf } from './redis-address.ts'
import { type Asking, asking, type Client, checkServer, connect, faultText, keysOf, type LogKeys } from './redis-connection.ts'
import { acquireScript, commitScript, releaseScript, renewScript, type Script } from './redis-scripts.ts'
import type { Commit, Head, LogReader, LogStore, Place, Segment } from './store.ts'

export interface RedisPlace {
  /** As {@link parseRedisUrl} reads it. */
  readonly url: string
  /** Origin of the log: logs of several origins share a server. */
  readonly logName: string
  /** How long the server may take to answer, in milliseconds. Default 4000. */
  readonly answerWithinMs?: number
}

export interface RedisSettings extends RedisPlace {
  /** This writer, as others are told while it leads. */
  readonly holder: Holder
  /**
   * `required` (default): a server that does not write to disk before it answers, or may drop keys, is refused. `fast`: it is taken, and what may be
   * lost is told.
   */
  readonly durability?: 'required' | 'fast'
  /** Replicas that must have a commit before it is acknowledged. Default 0. */
  readonly waitReplicas?: number
  /** How long to wait for them, in milliseconds. Default 1000. */
  readonly replicasWithinMs?: number
  /** How long the lease of a writer that was killed keeps others waiting, in milliseconds. Default 3000. */
  readonly leaseMs?: number
}

/** Something about the store that its keeper should know, and that does not stop it. */
export interface StoreNotice {
  readonly code: string
  readonly message: string
}

/** Segments read in one go: bounds memory. */
const readAhead = 16

/** Stream ids grow, and none is 0-0. */
const idOf = (first: number): string => `${first + 1}-0`

type StreamEntry = readonly [id: Buffer, fields: readonly Buffer[]]

interface StoredSegment extends Segment {
  readonly keys: Buffer
}

function segmentOf([id, fields]: StreamEntry, place: string): StoredSegment {
  const [countName, count, dataName, data, keysName, keys] = fields
  const first = Number.parseInt(id.toString('latin1'), 10) - 1
  if (String(countName) !== 'count' || String(dataName) !== 'data' || String(keysName) !== 'keys' || !/^\d+$/.test(String(count)))
    throw new InfraFabricError('ledger.store.damaged', `${place}: entry ${id} of the stream is no segment`)
  return { first, count: Number(count), data: data!, keys: keys! }
}

function headOf(fields: readonly (string | null)[], place: string): Head {
  const [size, lastHash, checkpoint] = fields
  if (size === null && lastHash === null && checkpoint === null) return { size: 0, lastHash: noPrevious, checkpoint: null }
  const number = Number(size)
  if (!Number.isSafeInteger(number) || number < 1 || !/^[0-9a-f]{64}$/.test(lastHash ?? '') || !checkpoint)
    throw new InfraFabricError('ledger.store.damaged', `${place}: the head of the log is spoiled`)
  return { size: number, lastHash: lastHash!, checkpoint }
}

function readerOf(client: Client, keys: LogKeys, { ask, place }: Asking) {
  /** The segment with the greatest first leaf up to `index`. */
  const segmentAt = async (index: number): Promise<StoredSegment | null> => {
    const found = await ask(client.xrevrangeBuffer(keys.segments, idOf(index), '-', 'COUNT', 1))
    return found.length === 0 ? null : segmentOf(found[0]!, place)
  }
  const reader: LogReader = {
    head: async () => headOf(await ask(client.hmget(keys.head, 'size', 'lastHash', 'checkpoint')), place),
    segments: async function* (from, to) {
      if (from >= to) return
      const begin = await segmentAt(from)
      let at = begin?.first ?? from
      while (at < to) {
        const found = await ask(client.xrangeBuffer(keys.segments, idOf(at), idOf(to - 1), 'COUNT', readAhead))
        for (const entry of found) {
          const { first, count, data } = segmentOf(entry, place)
          at = first + count
          if (at > from) yield { first, count, data }
        }
        if (found.length < readAhead) return
      }
    },
    tile: async (level, index) => ask(client.hgetBuffer(keys.tiles, `${level}/${index}`)),
    erasable: (indexes) =>
      lookUp(
        indexes,
        (names) => ask(client.hmget(keys.erasable, ...names)),
        (text): Erasable => {
          const gap = text.indexOf(' ')
          return { salt: text.slice(0, gap), payload: text.slice(gap + 1) }
        }
      ),
    close: async () => client.disconnect()
  }
  return { reader, segmentAt }
}

/** Opens a log for reading, beside whoever writes to it. @throws {InfraFabricError} `ledger.store.address`, and as {@link LogStore.commit} */
export async function openRedisReader({ url, logName, answerWithinMs = 4000 }: RedisPlace): Promise<LogReader> {
  const address = parseRedisUrl(url)
  const client = connect(address, answerWithinMs, () => undefined)
  const { reader } = readerOf(client, keysOf(logName), asking(placeOf(address), answerWithinMs))
  try {
    await reader.head()
    return reader
  } catch (error) {
    await reader.close()
    throw error
  }
}

/**
 * Opens a log for writing.
 *
 * Durability: `appendfsync always` puts a commit on the server's disk before it is answered. With `waitReplicas`, that many replicas have it in memory too
 * (Redis acknowledges before a replica's disk has it); when they do not say so in time the commit fails with `ledger.store.unreplicated` though the entries
 * are in the log, and whoever appends them again is answered with their places once the replicas have them.
 *
 * A writer without the lease reads, and is refused with `ledger.store.not-leader`; it asks for the lease as long as it is open.
 *
 * @param tell called with what stands against the server's settings and does not stop the store
 * @throws {InfraFabricError} `ledger.store.address`, `ledger.store.version`, `ledger.store.not-durable`, and as {@link LogStore.commit}
 */
export async function openRedisStore(
  settings: RedisSettings,
  tell: (notice: StoreNotice) => void,
  clock: Clock = systemClock
): Promise<LogStore> {
  const { url, logName, holder, answerWithinMs = 4000, durability = 'required', waitReplicas = 0 } = settings
  const { leaseMs = 3000, replicasWithinMs = 1000 } = settings
  const address = parseRedisUrl(url)
  const place = placeOf(address)
  const keys = keysOf(logName)
  /** Settings are looked at anew on each connection: it may lead to another server. */
  let checked: Promise<void> | null = null
  /** Hashes of the scripts that the server has by now. The others go with their text: of two commits sent one behind the other, none overtakes the other by having to be sent again. */
  const loaded = new Set<string>()
  const client = connect(address, answerWithinMs, () => {
    checked = null
    loaded.clear()
  })
  const asked = asking(place, answerWithinMs)
  const { ask, together } = asked
  const { reader, segmentAt } = readerOf(client, keys, asked)

  const checkSettings = async (): Promise<void> => {
    const faults = (await checkServer(client, keys, asked)).map(faultText).join(', ')
    if (faults === '') return
    const message = `the Redis server ${place} may lose entries it has acknowledged: ${faults}`
    if (durability === 'required') throw new InfraFabricError('ledger.store.not-durable', message)
    tell({ code: 'ledger.store.not-durable', message })
  }
  const check = (): Promise<void> => {
    checked ??= checkSettings().catch((error: unknown) => {
      checked = null
      throw error
    })
    return checked
  }

  /** Runs a script, and waits for the replicas where `replicated` says so. */
  const run = async (
    { text, sha1 }: Script,
    names: readonly string[],
    values: readonly (string | Buffer)[],
    replicated = false
  ): Promise<unknown> => {
    const send = (by: 'eval' | 'evalsha') => {
      const commands = client.pipeline()
      commands[by](by === 'eval' ? text : sha1, names.length, ...names, ...values)
      if (replicated) commands.wait(waitReplicas, replicasWithinMs)
      return together(commands)
    }
    const [answer, replicas] = await send(loaded.has(sha1) ? 'evalsha' : 'eval').catch((error: unknown) => {
      if (error instanceof InfraFabricError && String(error.cause).includes('NOSCRIPT')) return send('eval')
      throw error
    })
    loaded.add(sha1)
    if (replicated) demandReplicas(Number(replicas))
    return answer
  }

  const demandReplicas = (replicas: number) => {
    if (replicas >= waitReplicas) return
    throw new InfraFabricError(
      'ledger.store.unreplicated',
      `${replicas} of ${waitReplicas} replicas have the entries after ${replicasWithinMs} ms; they are in the log of ${place}`
    )
  }

  /** What was erased still stands in the server's files until they are written anew. */
  let filesHoldErased = false
  const rewriteFiles = async (): Promise<void> => {
    try {
      await together(client.pipeline().type(keys.head).bgrewriteaof())
      filesHoldErased = false
    } catch (error) {
      tell({
        code: 'ledger.store.not-rewritten',
        message: `erased payloads still stand in the files of ${place}: ${messageOf(error)}`
      })
    }
  }

  const self = JSON.stringify({ name: holder.name, address: holder.address, writer: randomUUID() })
  const link: LeaseLink = {
    acquire: async () => {
      const [held, remainingMs] = (await run(acquireScript, [keys.lease, keys.fence], [self, String(leaseMs)])) as [
        string,
        number
      ]
      const gap = held.indexOf(' ')
      return held.slice(gap + 1) === self
        ? { type: 'acquired', token: held.slice(0, gap) }
        : { type: 'refused', holder: readHolder(held.slice(gap + 1)), remainingMs: Math.max(0, remainingMs) }
    },
    renew: async (token) => (await run(renewScript, [keys.lease], [`${token} ${self}`, String(leaseMs)])) === 1,
    release: async (token) => void (await run(releaseScript, [keys.lease], [`${token} ${self}`]))
  }

  try {
    await check()
  } catch (error) {
    client.disconnect()
    throw error
  }
  const lease = await holdLease(link, clock, { leaseMs })

  const tokenOf = (): string => {
    const standing = lease.standing()
    if (standing.leads) return standing.token
    throw notLeader(standing.holder, standing.code, place)
  }

  return {
    ...reader,
    head: async () => {
      // what is read here may be answered as being in the log: the server must keep it, and the replicas have it, whoever wrote it
      await check()
      if (waitReplicas > 0) {
        const [, replicas] = await together(client.pipeline().incr(keys.barrier).wait(waitReplicas, replicasWithinMs))
        demandReplicas(Number(replicas))
      }
      return reader.head()
    },
    commit: async (commit) => {
      const token = tokenOf()
      await check()
      const names = [keys.lease, keys.head, keys.segments, keys.tiles, keys.producers, keys.singleKeys, keys.erasable]
      const outcome = await run(commitScript, names, commitValues(`${token} ${self}`, commit), waitReplicas > 0)
      // a connection may have been made meanwhile, and have taken what waited for it
      await check()
      if (outcome === 'lost') {
        lease.lost()
        throw notLeader(null, null, place)
      }
      if (outcome !== 'taken') return false
      filesHoldErased ||= commit.erasableChanges.erased.length > 0
      if (filesHoldErased) await rewriteFiles()
      return true
    },
    producers: (ids) =>
      lookUp(
        ids,
        (some) => ask(client.hmget(keys.producers, ...some)),
        (text, id): Producer => {
          const [last, firstIndex, lastIndex] = text.split(' ').map(Number)
          return { id, last: last!, firstIndex: firstIndex!, lastIndex: lastIndex! }
        }
      ),
    singleKeys: (names) =>
      lookUp(
        names,
        (some) => ask(client.hmget(keys.singleKeys, ...some)),
        (text): Place => {
          const [index, hash] = text.split(' ')
          return { index: Number(index), hash: hash! }
        }
      ),
    keysBackward: async function* (from, to) {
      for (let before = to; before > from; ) {
        const segment = await segmentAt(before - 1)
        if (segment === null || segment.first + segment.count <= from) return
        yield { segment, keys: splitKeys(segment.keys.toString('latin1')) }
        before = segment.first
      }
    },
    close: async () => {
      await lease.close()
      client.disconnect()
    }
  }
}

function commitValues(
  lease: string,
  { after, segment, tiles, keys, keyChanges, erasableChanges, head }: Commit
): (string | Buffer)[] {
  const bytes = (data: Uint8Array) => Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  const parts: (string | Buffer)[][] = [
    tiles.flatMap(({ level, index, hashes }) => [`${level}/${index}`, bytes(hashes)]),
    keyChanges.producers.flatMap(({ id, last, firstIndex, lastIndex }) => [id, `${last} ${firstIndex} ${lastIndex}`]),
    keyChanges.single.flatMap(({ key, place }) => [key, `${place.index} ${place.hash}`]),
    erasableChanges.added.flatMap(({ index, erasable }) => [String(index), `${erasable.salt} ${erasable.payload}`]),
    erasableChanges.erased.map(String)
  ]
  return [
    lease,
    String(after.size),
    after.lastHash,
    idOf(segment.first),
    String(segment.count),
    bytes(segment.data),
    keys,
    String(head.size),
    head.lastHash,
    head.checkpoint,
    ...parts.map((part) => String(part.length)),
    ...parts.flat()
  ]
}

function readHolder(text: string): Holder {
  try {
    const { name, address } = JSON.parse(text) as Partial<Holder>
    return { name: String(name), address: String(address ?? '') }
  } catch {
    return { name: text, address: '' }
  }
}

function notLeader(holder: Holder | null, code: string | null, place: string): InfraFabricError {
  const who =
    holder === null
      ? `the lease of the log in ${place} is asked for${code === null ? '' : ` (${code})`}`
      : `${holder.name}${holder.address === '' ? '' : ` at ${holder.address}`} writes to the log in ${place}`
  return new InfraFabricError('ledger.store.not-leader', who)
}

/** Names asked for at a time. */
const namesAtOnce = 1000

async function lookUp<K extends string | number, T>(
  names: readonly K[],
  read: (names: string[]) => Promise<(string | null)[]>,
  made: (text: string, name: K) => T
): Promise<Map<K, T>> {
  const found = new Map<K, T>()
  for (let at = 0; at < names.length; at += namesAtOnce) {
    const some = names.slice(at, at + namesAtOnce)
    for (const [number, text] of (await read(some.map(String))).entries()) {
      if (text !== null) found.set(some[number]!, made(text, some[number]!))
    }
  }
  return found
}
