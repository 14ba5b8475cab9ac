import type { RedisPlace, RedisSettings, StoreNotice } from './redis-store.ts'
import { openSqliteReader, openSqliteStore } from './sqlite-store.ts'
import type { LogReader, LogStore } from './store.ts'

/** Where a log is kept, as one thread tells another. */
export type StoreSettings =
  | { readonly kind: 'sqlite'; readonly path: string; readonly busyTimeoutMs: number; readonly journalThread?: boolean }
  | ({ readonly kind: 'redis' } & RedisSettings)

/** The same, for whoever only reads. */
export type LogPlace = { readonly kind: 'sqlite'; readonly path: string } | ({ readonly kind: 'redis' } & RedisPlace)

/** Opens the store chosen. The way to Redis takes a tenth of a second to load, and is loaded only when it is gone. @throws {InfraFabricError} as {@link LogStore.commit} */
export async function openStore(settings: StoreSettings, tell: (notice: StoreNotice) => void): Promise<LogStore> {
  if (settings.kind === 'sqlite') return openSqliteStore(settings.path, settings.busyTimeoutMs, settings.journalThread)
  const { openRedisStore } = await import('./redis-store.ts')
  return openRedisStore(settings, tell)
}

/** Opens the log for reading, beside whoever writes to it. @throws as the readers of the stores */
export async function openLogReader(place: LogPlace): Promise<LogReader> {
  if (place.kind === 'sqlite') return openSqliteReader(place.path)
  const { openRedisReader } = await import('./redis-store.ts')
  return openRedisReader(place)
}
