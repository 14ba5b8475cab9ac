import type { RedisPlace, RedisSettings, StoreNotice } from './redis-store.ts'
import { openSqliteReader, openSqliteStore } from './sqlite-store.ts'
import type { LogReader, LogStore } from './store.ts'

/** Where a log is kept, as one thread tells another. */
export type StoreSettings = SqliteSettings | ({ readonly kind: 'redis' } & RedisSettings)

export interface SqliteSettings {
  readonly kind: 'sqlite'
  readonly path: string
  readonly busyTimeoutMs: number
  /** Commits of so many entries or more are made by a thread of their own: for whoever stays and writes much. Left out: there is none. */
  readonly commitThreadFrom?: number
}

/** The same, for whoever only reads. */
export type LogPlace = { readonly kind: 'sqlite'; readonly path: string } | ({ readonly kind: 'redis' } & RedisPlace)

/** Opens the store chosen. The way to Redis takes a tenth of a second to load, and is loaded only when it is gone. @throws {InfraFabricError} as {@link LogStore.commit} */
export async function openStore(settings: StoreSettings, tell: (notice: StoreNotice) => void): Promise<LogStore> {
  if (settings.kind === 'sqlite') {
    const { path, busyTimeoutMs, commitThreadFrom } = settings
    if (commitThreadFrom === undefined) return openSqliteStore(path, busyTimeoutMs)
    const { openCommitThread } = await import('./committer.ts')
    return openCommitThread({ path, busyTimeoutMs }, commitThreadFrom)
  }
  const { openRedisStore } = await import('./redis-store.ts')
  return openRedisStore(settings, tell)
}

/** Opens the log for reading, beside whoever writes to it. @throws as the readers of the stores */
export async function openLogReader(place: LogPlace): Promise<LogReader> {
  if (place.kind === 'sqlite') return openSqliteReader(place.path)
  const { openRedisReader } = await import('./redis-store.ts')
  return openRedisReader(place)
}
