/**
 * The way to a Redis server: its connection, its errors as codes of ours, and whether it keeps what it is told.
 *
 * @see redis.io/docs: Persistence, Sentinel, Cluster
 */
import { createHash } from 'node:crypto'
import { type ChainableCommander, Cluster, Redis, type RedisOptions } from 'ioredis'
import { errorCode, InfraFabricError, messageOf } from '#kernel'
import type { RedisAddress } from './redis-address.ts'

export type Client = Redis | Cluster

/**
 * Connects; reconnects by itself from then on. A command is not sent twice: when the connection ends before its answer, it fails, and what became of it
 * is not known.
 *
 * @param answerWithinMs how long a command may take, waiting for a connection included
 * @param onReady called at each connection that is ready, the first included
 */
export function connect(address: RedisAddress, answerWithinMs: number, onReady: () => void): Client {
  const credentials = {
    ...(address.username === null ? {} : { username: address.username }),
    ...(address.password === null ? {} : { password: address.password }),
    ...(address.tls ? { tls: {} } : {})
  }
  const options: RedisOptions = {
    ...credentials,
    protocol: 2,
    disableClientInfo: true,
    connectionName: 'if-ledger',
    autoResendUnfulfilledCommands: false,
    // a command fails with its connection, or with the next attempt to make one
    maxRetriesPerRequest: 0,
    commandTimeout: answerWithinMs,
    connectTimeout: answerWithinMs,
    maxLoadingRetryTime: 500,
    retryStrategy: (times) => Math.min(50 * times, 1000),
    // after a failover the connection may lead to a server that only follows
    reconnectOnError: (error) => error.message.startsWith('READONLY')
  }
  const client = makeClient(address, options, answerWithinMs)
  client.on('ready', onReady)
  // each command tells of its own failure
  client.on('error', () => undefined)
  return client
}

function makeClient(address: RedisAddress, options: RedisOptions, answerWithinMs: number): Client {
  const { form, nodes, path, master, db } = address
  switch (form) {
    case 'socket':
      return new Redis({ ...options, path })
    case 'server':
      return new Redis({ ...options, host: nodes[0]!.host, port: nodes[0]!.port, db })
    case 'sentinel':
      return new Redis({
        ...options,
        sentinels: [...nodes],
        name: master,
        sentinelRetryStrategy: (times) => Math.min(50 * times, 1000),
        ...(address.tls ? { enableTLSForSentinelMode: true, sentinelTLS: {} } : {})
      })
    case 'cluster':
      return new Cluster([...nodes], {
        redisOptions: options,
        clusterRetryStrategy: (times) => Math.min(50 * times, 1000),
        slotsRefreshTimeout: answerWithinMs,
        retryDelayOnFailover: 100
      })
  }
}

/** Beginnings of the server's errors. @see redis/src/server.c, createSharedObjects */
const codes: Readonly<Record<string, readonly [code: string, words: string]>> = {
  OOM: ['ledger.store.full', 'the Redis server is at its memory limit'],
  MISCONF: ['ledger.store.io', 'the Redis server cannot write to its disk'],
  LOADING: ['ledger.store.loading', 'the Redis server is still reading its data'],
  MASTERDOWN: ['ledger.store.unreachable', 'the Redis server has lost its master'],
  CLUSTERDOWN: ['ledger.store.unreachable', 'the Redis cluster is down'],
  TRYAGAIN: ['ledger.store.busy', 'the Redis cluster is moving the log'],
  BUSY: ['ledger.store.busy', 'the Redis server is busy with a script'],
  READONLY: ['ledger.store.read-only', 'the Redis server is a replica'],
  NOREPLICAS: ['ledger.store.unreplicated', 'the Redis server has too few replicas: nothing was written'],
  WRONGTYPE: ['ledger.store.damaged', 'a key of the log holds something else'],
  NOAUTH: ['ledger.store.denied', 'the Redis server wants a password'],
  WRONGPASS: ['ledger.store.denied', 'the Redis server does not know this user and password'],
  NOPERM: ['ledger.store.denied', 'the Redis server does not allow this user what the ledger needs']
}

/** Redis's word for it as a code of ours. */
export function redisError(error: unknown, place: string): InfraFabricError {
  if (error instanceof InfraFabricError) return error
  const message = messageOf(error)
  const known = codes[/^([A-Z]+)\b/.exec(message)?.[1] ?? '']
  if (known !== undefined) return new InfraFabricError(known[0], `${known[1]} (${place}): ${message}`, { cause: error })
  if (message === 'Command timed out')
    return new InfraFabricError('ledger.store.unanswered', `the Redis server does not answer (${place})`, { cause: error })
  if (error instanceof Error && error.name === 'ReplyError')
    return new InfraFabricError('ledger.store.io', `the Redis server failed (${place}): ${message}`, { cause: error })
  // what the client says of its attempts is advice to programmers
  const isGivenUp = error instanceof Error && error.name === 'MaxRetriesPerRequestError'
  const told = isGivenUp ? `${place}): nobody answers there` : `${place}, ${errorCode(error)}): ${message}`
  return new InfraFabricError('ledger.store.unreachable', `no connection to the Redis server (${told}`, { cause: error })
}

/** Questions to one server, each with its time. All of them fail as {@link redisError} tells. */
export interface Asking {
  readonly place: string
  readonly ask: <T>(answer: Promise<T>) => Promise<T>
  /** Results of commands sent together, over one connection, to the server that holds their keys. */
  readonly together: (commands: ChainableCommander) => Promise<unknown[]>
}

/** @param answerWithinMs also bounds the search for the server of a cluster, which a command's own time does not */
export function asking(place: string, answerWithinMs: number): Asking {
  const ask = <T>(answer: Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(redisError(new Error('Command timed out'), place)), answerWithinMs)
      answer.then(
        (value) => {
          clearTimeout(timer)
          resolve(value)
        },
        (error: unknown) => {
          clearTimeout(timer)
          reject(redisError(error, place))
        }
      )
    })
  return {
    place,
    ask,
    together: async (commands) =>
      ((await ask(commands.exec())) ?? []).map(([error, result]) => {
        if (error !== null) throw redisError(error, place)
        return result
      })
  }
}

/** Key names of a log: the part in braces makes a cluster keep all of them in one place. */
export function keysOf(logName: string) {
  const tag = `{if-ledger:${createHash('sha256').update(logName).digest('hex').slice(0, 24)}}`
  return {
    head: `${tag}:head`,
    segments: `${tag}:segments`,
    tiles: `${tag}:tiles`,
    producers: `${tag}:producers`,
    singleKeys: `${tag}:keys`,
    erasable: `${tag}:erasable`,
    lease: `${tag}:lease`,
    fence: `${tag}:fence`,
    barrier: `${tag}:barrier`
  }
}

export type LogKeys = ReturnType<typeof keysOf>

/** What of the server's settings does not keep the store's promise. */
export interface DurabilityFault {
  readonly setting: string
  /** Null when the server does not tell. */
  readonly value: string | null
  readonly wanted: string
}

const wanted = { appendonly: 'yes', appendfsync: 'always', 'maxmemory-policy': 'noeviction' } as const
const leastVersion = [6, 2] as const

/** Holds the server's settings against what a durable log needs. @throws {InfraFabricError} `ledger.store.version`, and as {@link redisError} */
export async function checkServer(client: Client, { head }: LogKeys, asked: Asking): Promise<DurabilityFault[]> {
  // commands without a key go to the server of the key beside them
  const [, info] = await asked.together(client.pipeline().type(head).info('server'))
  const version = /^redis_version:(\S+)/m.exec(String(info))?.[1] ?? 'unknown'
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (!(major > leastVersion[0] || (major === leastVersion[0] && minor >= leastVersion[1])))
    throw new InfraFabricError(
      'ledger.store.version',
      `Redis ${leastVersion.join('.')} or later is needed, ${asked.place} has ${version}`
    )
  const faults: DurabilityFault[] = []
  for (const [setting, value] of Object.entries(wanted)) {
    const found = await settingOf(client, head, setting, asked)
    if (found !== value) faults.push({ setting, value: found, wanted: value })
  }
  return faults
}

/** Null where the server keeps its settings to itself, as hosted ones do. */
async function settingOf(client: Client, head: string, setting: string, { together }: Asking): Promise<string | null> {
  try {
    const [, answer] = await together(client.pipeline().type(head).config('GET', setting))
    return (answer as readonly string[])[1] ?? null
  } catch (error) {
    if (['ledger.store.denied', 'ledger.store.io'].includes(errorCode(error))) return null
    throw error
  }
}

export const faultText = ({ setting, value, wanted: want }: DurabilityFault): string =>
  `${setting} is ${value ?? 'not told'}, not ${want}`
