import type { StateStore } from './state-store.ts'

/** Where the state of the plugins lies. */
export type StorePlace =
  | { readonly kind: 'sqlite'; readonly path: string }
  /** `name` keeps several stores on one server apart; `allowUnsafe` takes a server that may lose what it acknowledged. */
  | { readonly kind: 'redis'; readonly url: string; readonly name: string; readonly allowUnsafe?: boolean }

/** Opens the store there; made when absent. @throws {InfraFabricError} as StateStore */
export async function openStore(place: StorePlace): Promise<StateStore> {
  if (place.kind === 'sqlite') return (await import('./sqlite-store.ts')).openSqliteStore(place.path)
  const { openRedisStore } = await import('./redis-store.ts')
  return openRedisStore(place.url, place.name, place.allowUnsafe === undefined ? {} : { allowUnsafe: place.allowUnsafe })
}
