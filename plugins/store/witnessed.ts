import { randomUUID } from 'node:crypto'
import { InfraFabricError, type Json, messageOf, type WitnessEvent } from '#kernel'
import type { StateStore } from './state-store.ts'
import { type Transaction, transact } from './transact.ts'

/** Puts events into the ledger, each exactly once under its key, in the order given; resolves when they are durable there. */
export type RecordEvents = (events: readonly { readonly event: WitnessEvent; readonly key: string }[]) => Promise<void>

/** A transaction that also says what the ledger is to hold of it. */
export interface WitnessedTransaction extends Transaction {
  readonly witness: (event: WitnessEvent) => void
}

export interface WitnessedStore {
  readonly store: StateStore
  /**
   * Runs `work` as {@link transact} does. What it witnesses is written with its commit, in an outbox, and resolves when the ledger has it too; should the
   * process end between, whoever opens the store later delivers it.
   *
   * @throws {InfraFabricError} as transact; `store.unwitnessed` when the commit took effect and the ledger cannot be reached: its events stay in the outbox
   */
  readonly transact: <T>(work: (transaction: WitnessedTransaction) => Promise<T>, first?: readonly string[]) => Promise<T>
  /** Delivers what processes that ended left in the outbox. @returns how many events */
  readonly deliverLeft: () => Promise<number>
  /** Events in the outbox, those under way included. */
  readonly waiting: () => Promise<number>
  /** Tidies the outbox and closes the store. */
  readonly close: () => Promise<void>
}

/** Longer than any process needs between its commit and the ledger: what is older was left behind. */
const leftAfterMs = 10_000
const pageOfLeft = 200
const takenOutTogether = 100
const prefix = 'outbox/'

/** @param record null where nothing is witnessed, as in a benchmark of the store alone */
export function witnessedStore(store: StateStore, record: RecordEvents | null): WitnessedStore {
  const keyOf = (at: number, id: string) => `${prefix}${String(at).padStart(15, '0')}-${id}`
  /** Delivered, and still in the outbox: taken out by a later commit, so that not each one waits twice for the disk. */
  const delivered = new Set<string>()

  const deliver = async (sent: readonly { key: string; event: WitnessEvent }[]): Promise<void> => {
    if (record === null || sent.length === 0) return
    try {
      await record(sent)
    } catch (cause) {
      const message = messageOf(cause)
      throw new InfraFabricError('store.unwitnessed', `done, and not yet in the ledger: ${message}`, { cause })
    }
    for (const { key } of sent) delivered.add(key)
  }

  const takeOut = async (): Promise<void> => {
    while (delivered.size > 0) {
      const remove = [...delivered].slice(0, takenOutTogether)
      await store.commit({ expect: [], put: [], remove, tell: [] })
      for (const key of remove) delivered.delete(key)
    }
  }

  return {
    store,
    transact: async (work, first) => {
      const old = [...delivered].slice(0, takenOutTogether)
      const { result, sent } = await transact(
        store,
        async (transaction) => {
          const id = randomUUID()
          const sent: { key: string; event: WitnessEvent }[] = []
          const result = await work({
            ...transaction,
            mark: () => {
              const [undo, length] = [transaction.mark(), sent.length]
              return () => {
                undo()
                sent.length = length
              }
            },
            witness: (event) => {
              if (record === null) return
              const key = keyOf(transaction.at, `${id}-${String(sent.length).padStart(3, '0')}`)
              sent.push({ key, event })
              transaction.put(key, event as unknown as Json)
            }
          })
          if (sent.length > 0) for (const key of old) transaction.remove(key)
          return { result, sent }
        },
        first
      )
      if (sent.length > 0) for (const key of old) delivered.delete(key)
      await deliver(sent)
      return result
    },
    deliverLeft: async () => {
      if (record === null) return 0
      let count = 0
      for (;;) {
        const { at, records } = await store.list(prefix, { limit: pageOfLeft })
        const left = records.filter(({ key }) => Number(key.slice(prefix.length, prefix.length + 15)) < at - leftAfterMs)
        if (left.length === 0) break
        await deliver(left.map(({ key, value }) => ({ key, event: value as unknown as WitnessEvent })))
        await takeOut()
        count += left.length
      }
      return count
    },
    waiting: () => store.count(prefix),
    close: async () => {
      await takeOut()
      await store.close()
    }
  }
}
