/** The H.323 gatekeeper. */
export { type Address, keyOfText, nameOfKey } from './addresses.ts'
export type { GatekeeperConfig } from './config.ts'
export { openRedisStore, type RedisStoreOptions } from './redis-store.ts'
export type { Registration } from './registrations.ts'
export * from './service.ts'
export { openSqliteStore } from './sqlite-store.ts'
export type { Claim, RegistrationStore, StoreChange } from './store.ts'
