/** The H.323 gatekeeper. */
export { type Address, keyOfText, nameOfKey } from './addresses.ts'
export type { GatekeeperConfig } from './config.ts'
export * from './service.ts'
export { openRedisStore, type RedisStoreOptions } from './store/redis-store.ts'
export { openSqliteStore } from './store/sqlite-store.ts'
export type { Claim, RegistrationStore, StoreChange } from './store/store.ts'
export type { Registration } from './tables/registrations.ts'
