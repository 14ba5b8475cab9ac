/**
 * A log in Redis, read and nothing else.
 *
 *     {if-ledger:<24 hex digits of SHA-256(origin)>}:head       hash: size, lastHash, checkpoint
 *     …:segments                                                stream: id `<first leaf + 1>-0`; count, data, keys
 *     …:tiles                                                   hash: `<level>/<position>` to hashes
 *     …:erasable                                                hash: leaf number to `<salt> <payload>`
 */
import { hash } from 'node:crypto'
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { type BesidePayload, type EntrySource, isCount, largestRun, type OwnHead, type Run, SourceDamaged } from './sources.ts'

const answerWithinMs = 10_000
const segmentsAtOnce = 16
const payloadsAtOnce = 500

/** What the client is told of a `redis…` URL; user and password are percent-encoded. */
function clientOf(url: string): Redis | Cluster {
  const match = /^(rediss?)(?:\+(unix|sentinel|cluster))?:\/\/(?:([^:@/]*):([^@/]*)@)?([^/?#]*)(\/[^?#]*)?$/.exec(url)
  if (match === null) throw new Error('not the address of a Redis server')
  const [, scheme, form = 'server', user = '', password = '', hosts = '', rest = ''] = match
  const options: RedisOptions = {
    ...(user === '' ? {} : { username: decodeURIComponent(user) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    ...(scheme === 'rediss' ? { tls: {} } : {}),
    connectionName: 'if-verify',
    disableClientInfo: true,
    protocol: 2,
    commandTimeout: answerWithinMs,
    connectTimeout: answerWithinMs,
    maxRetriesPerRequest: 2,
    retryStrategy: (times) => (times > 3 ? null : 200)
  }
  const nodes = hosts.split(',').map((node) => {
    const [, host = '127.0.0.1', port = form === 'sentinel' ? '26379' : '6379'] =
      /^\[?([^\]]*?)\]?(?::(\d{1,5}))?$/.exec(node) ?? []
    return { host, port: Number(port) }
  })
  if (form === 'unix') return new Redis({ ...options, path: rest })
  if (form === 'cluster')
    return new Cluster(nodes, { redisOptions: options, clusterRetryStrategy: (times) => (times > 3 ? null : 200) })
  if (form === 'sentinel') return new Redis({ ...options, sentinels: nodes, name: rest.slice(1) })
  return new Redis({ ...options, ...nodes[0], db: Number(rest.slice(1)) })
}

type StreamEntry = readonly [id: Buffer, fields: readonly Buffer[]]

function runOf([id, fields]: StreamEntry): Run {
  const first = Number(/^(\d{1,16})-0$/.exec(id.toString('latin1'))?.[1]) - 1
  const named = new Map<string, Buffer>()
  for (let at = 0; at + 1 < fields.length; at += 2) named.set(fields[at]!.toString('latin1'), fields[at + 1]!)
  const [data, count] = [named.get('data'), Number(named.get('count')?.toString('latin1'))]
  if (!isCount(first) || !isCount(count) || data === undefined || data.length > largestRun)
    throw new SourceDamaged(`what stands in the stream as ${id.toString('latin1').slice(0, 40)} is no segment`)
  return { first, count, data }
}

/** @throws {SourceDamaged} @throws {Error} when it cannot be read */
export async function openRedis(url: string, origin: string): Promise<EntrySource> {
  const client = clientOf(url)
  // each command tells of its own failure
  client.on('error', () => undefined)
  try {
    return await sourceOf(client, origin)
  } catch (error) {
    client.disconnect()
    throw wordsFor(error)
  }
}

/** A key that holds something else is damage; that a server is away is none. */
function wordsFor(error: unknown): unknown {
  if (error instanceof SourceDamaged) return error
  const message = error instanceof Error ? error.message : String(error)
  return message.startsWith('WRONGTYPE') ? new SourceDamaged(`a key of the log holds something else: ${message}`) : error
}

async function sourceOf(client: Redis | Cluster, origin: string): Promise<EntrySource> {
  const tag = `{if-ledger:${hash('sha256', origin).slice(0, 24)}}`
  const segments = `${tag}:segments`
  const told = async <T>(answer: Promise<T>): Promise<T> => {
    try {
      return await answer
    } catch (error) {
      throw wordsFor(error)
    }
  }
  const before = async (id: string): Promise<Run | null> => {
    const [found] = (await told(client.xrevrangeBuffer(segments, id, '-', 'COUNT', 1))) as StreamEntry[]
    return found === undefined ? null : runOf(found)
  }
  const idOf = (leaf: number): string => (leaf >= Number.MAX_SAFE_INTEGER ? '+' : `${leaf + 1}-0`)
  const readOwnHead = () => readHead(client, `${tag}:head`)
  const head = await readOwnHead()
  const last = await endOf(before)
  // a commit that came between the two is read as if it had not; where none came, entries stand beyond the head
  const grew = head !== null && last > head.size! && ((await readOwnHead())?.size ?? 0) >= last
  const end = grew ? head.size! : last

  return {
    head: () => head,
    end: () => end,
    seam: async (index) => (await before(idOf(index)))?.first ?? 0,
    runs: async function* (from, to) {
      for (let next = (await before(idOf(from)))?.first ?? from; next < to; ) {
        const found = (await told(
          client.xrangeBuffer(segments, idOf(next), idOf(to - 1), 'COUNT', segmentsAtOnce)
        )) as StreamEntry[]
        for (const entry of found) {
          const run = runOf(entry)
          next = run.first + 1
          yield run
        }
        if (found.length < segmentsAtOnce) return
      }
    },
    beside: {
      hasTiles: true,
      tile: (level, position) => told(client.hgetBuffer(`${tag}:tiles`, `${level}/${position}`)),
      erasable: async (indexes) => {
        const found = new Map<number, BesidePayload>()
        for (let at = 0; at < indexes.length; at += payloadsAtOnce) {
          const some = indexes.slice(at, at + payloadsAtOnce)
          const texts = await told(client.hmget(`${tag}:erasable`, ...some.map(String)))
          for (const [number, text] of texts.entries()) {
            if (text === null) continue
            const gap = text.indexOf(' ')
            found.set(some[number]!, { salt: text.slice(0, Math.max(0, gap)), payload: text.slice(gap + 1) })
          }
        }
        return found
      },
      erasables: () => told(client.hlen(`${tag}:erasable`))
    },
    close: () => client.disconnect()
  }
}

async function endOf(before: (id: string) => Promise<Run | null>): Promise<number> {
  const last = await before('+')
  return last === null ? 0 : last.first + last.count!
}

async function readHead(client: Redis | Cluster, key: string): Promise<OwnHead | null> {
  const [size, lastHash, checkpoint] = await client.hmget(key, 'size', 'lastHash', 'checkpoint')
  if (size === null && lastHash === null && checkpoint === null) return null
  if (!/^\d{1,16}$/.test(size ?? '') || !isCount(Number(size)) || typeof lastHash !== 'string' || typeof checkpoint !== 'string')
    throw new SourceDamaged('the log has not one head')
  return { size: Number(size), lastHash, checkpoint }
}
