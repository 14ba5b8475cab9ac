import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { InfraFabricError } from '#kernel'
import { asking, type Client, checkServer, connect, faultText, keysOf, parseRedisUrl, placeOf, redisError } from '#ledger/redis'
import { checkKey, writeChange } from './change.ts'
import { commitScript, listScript, readScript, type Script } from './redis-scripts.ts'
import {
  type Cursor,
  eventsKept,
  parseCursor,
  type StateStore,
  type StoredRecord,
  type ToldEvent,
  topicMatcher
} from './state-store.ts'

const answerWithinMs = 10_000
const pageOfEvents = 500
/** How long a read of the feed waits on the server; then it is asked again, so that a connection that died is found. */
const blockMs = 5000
const againAfterMs = 200
/** What ends by itself: whoever watches goes on then. */
const passing = ['store.unreachable', 'store.unanswered', 'store.loading', 'store.busy']

export interface RedisStoreOptions {
  /** Takes a server that may lose what it acknowledged; {@link StateStore.health} tells of it. */
  readonly allowUnsafe?: boolean
}

/** As errors of the store: the connection's own are named for the ledger. */
function asStoreError(error: unknown): InfraFabricError {
  if (!(error instanceof InfraFabricError)) return new InfraFabricError('store.io', String(error), { cause: error })
  return new InfraFabricError(error.code.replace(/^ledger\./, ''), error.message, { cause: error })
}

/**
 * Opens the store `name` on a Redis server, master behind sentinels, or cluster. All its keys are in one slot.
 *
 * @param url as parseRedisUrl reads it
 * @throws {InfraFabricError} `store.unsafe` for a server whose settings do not keep what it acknowledges; as StateStore
 */
export async function openRedisStore(url: string, name: string, options: RedisStoreOptions = {}): Promise<StateStore> {
  const address = readAddress(url)
  const place = placeOf(address)
  const tag = `{if-store:${createHash('sha256').update(name).digest('hex').slice(0, 24)}}`
  const keys = {
    records: `${tag}:records`,
    keys: `${tag}:keys`,
    version: `${tag}:version`,
    feed: `${tag}:feed`,
    cut: `${tag}:cut`
  }
  const client = connect(address, answerWithinMs, () => undefined)
  const asker = asking(place, answerWithinMs)
  let closed = false
  const watching = new Set<Client>()

  const asked = async <T>(answer: () => Promise<T>): Promise<T> => {
    if (closed) throw new InfraFabricError('store.closed', 'the store is closed')
    try {
      return await asker.ask(answer())
    } catch (error) {
      throw asStoreError(error)
    }
  }

  const faultsOf = async (): Promise<string[]> => {
    try {
      return (await checkServer(client, { ...keysOf(name), head: keys.version }, asker)).map(faultText)
    } catch (error) {
      throw asStoreError(error)
    }
  }

  try {
    const faults = await faultsOf()
    if (faults.length > 0 && options.allowUnsafe !== true)
      throw new InfraFabricError(
        'store.unsafe',
        `the Redis server (${place}) may lose what it acknowledged: ${faults.join('; ')}`
      )
  } catch (error) {
    client.disconnect()
    throw error
  }

  const recordOf = (key: string, text: string | null): StoredRecord | null => {
    if (text === null) return null
    const colon = text.indexOf(':')
    return { key, version: Number(text.slice(0, colon)), value: JSON.parse(text.slice(colon + 1)) }
  }

  const run = ({ text, sha1 }: Script, names: readonly string[], values: readonly (string | number)[]): Promise<unknown> =>
    asked(async () => {
      try {
        return await client.evalsha(sha1, names.length, ...names, ...values)
      } catch (error) {
        // nothing was run: the server was started anew, or is another one
        if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
        return client.eval(text, names.length, ...names, ...values)
      }
    })

  const range = (prefix: string) => [`[${prefix}`, `[${prefix}\u{10ffff}`] as const

  async function* watchFeed(after: Cursor | 'newest', pattern: string, signal: AbortSignal): AsyncGenerator<ToldEvent> {
    const matches = topicMatcher(pattern)
    const version = Number((await asked(() => client.get(keys.version))) ?? 0)
    let cursor: Cursor = after === 'newest' ? `${version}-999999` : after
    const cut = Number((await asked(() => client.get(keys.cut))) ?? 0)
    if (cut > 0 && parseCursor(cursor)[0] <= cut)
      throw new InfraFabricError('store.feed.gone', `events behind ${after} are no longer kept: begin anew with what is there`)
    // a read that waits holds its connection up
    const own = connect(address, answerWithinMs + blockMs, () => undefined)
    const stop = () => own.disconnect()
    signal.addEventListener('abort', stop)
    watching.add(own)
    try {
      while (!signal.aborted && !closed) {
        let found: [string, [string, string[]][]][] | null
        try {
          found = await own.xread('COUNT', pageOfEvents, 'BLOCK', blockMs, 'STREAMS', keys.feed, cursor)
        } catch (cause) {
          if (signal.aborted || closed) return
          const error = asStoreError(redisError(cause, place))
          if (!passing.includes(error.code)) throw error
          await pause(againAfterMs)
          continue
        }
        for (const [id, fields] of found?.[0]?.[1] ?? []) {
          cursor = id as Cursor
          const [, at, , topic, , data] = fields as [string, string, string, string, string, string]
          if (matches(topic)) yield { cursor, at: Number(at), topic, data: JSON.parse(data) }
          if (signal.aborted) return
        }
      }
    } finally {
      signal.removeEventListener('abort', stop)
      watching.delete(own)
      own.disconnect()
    }
  }

  return {
    read: async (names) => {
      for (const key of names) checkKey(key)
      const [at, ...texts] = (await run(readScript, [keys.records], names)) as [string, ...(string | null)[]]
      return { at: Number(at), records: names.map((key, index) => recordOf(key, texts[index] ?? null)) }
    },
    list: async (prefix, { after, limit = 10_000 } = {}) => {
      const [least, greatest] = range(prefix)
      const from = after === undefined || after < prefix ? least : `(${after}`
      const [at, ...pairs] = (await run(listScript, [keys.records, keys.keys], [from, greatest, limit])) as string[]
      const records: StoredRecord[] = []
      for (let index = 0; index + 1 < pairs.length; index += 2) records.push(recordOf(pairs[index]!, pairs[index + 1]!)!)
      return { at: Number(at), records }
    },
    count: (prefix) => asked(() => client.zlexcount(keys.keys, ...range(prefix))),
    commit: async (change) => {
      const { expect, put, remove, tell } = writeChange(change)
      const args = [
        ...[expect.length, put.length, remove.length, tell.length, eventsKept],
        ...expect.flatMap(({ key, version }) => [key, version]),
        ...put.flatMap(({ key, text }) => [key, text]),
        ...remove,
        ...tell.flatMap(({ topic, text }) => [topic, text])
      ]
      const [ok, second, at] = (await run(commitScript, Object.values(keys), args)) as [number, string, string]
      return ok === 1 ? { ok: true, version: Number(second), at: Number(at) } : { ok: false, conflict: second }
    },
    watch: ({ after, pattern, signal }) => watchFeed(after, pattern, signal),
    health: async () => {
      const began = performance.now()
      await asked(() => client.incrby(keys.version, 0))
      const roundTripMs = performance.now() - began
      const [records, events, newest, faults] = await Promise.all([
        asked(() => client.zcard(keys.keys)),
        asked(() => client.xlen(keys.feed)),
        asked(() => client.xrevrange(keys.feed, '+', '-', 'COUNT', 1)),
        faultsOf()
      ])
      return { kind: 'redis', place, roundTripMs, records, events, newest: (newest[0]?.[0] ?? '0-0') as Cursor, faults }
    },
    close: async () => {
      if (closed) return
      closed = true
      for (const connection of watching) connection.disconnect()
      client.disconnect()
    }
  }
}

function readAddress(url: string) {
  try {
    return parseRedisUrl(url)
  } catch (error) {
    throw asStoreError(error)
  }
}
