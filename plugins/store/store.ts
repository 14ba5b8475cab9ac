/** The state that plugins share. */
export { openStore, type StorePlace } from './open.ts'
export {
  type Change,
  type CommitResult,
  type Cursor,
  isCursor,
  type Snapshot,
  type StateStore,
  type StoredRecord,
  type StoreHealth,
  type ToldEvent,
  topicMatcher
} from './state-store.ts'
export { type Transaction, transact } from './transact.ts'
export { type RecordEvents, type WitnessedStore, type WitnessedTransaction, witnessedStore } from './witnessed.ts'
