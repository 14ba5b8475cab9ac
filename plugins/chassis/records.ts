import type { StateStore, StoredRecord } from '#store'

const page = 1000

/** Records under a prefix in the order of their keys, page by page. @param from what follows the prefix in the first key that counts */
export async function* eachRecord(store: StateStore, prefix: string, from?: string): AsyncGenerator<StoredRecord> {
  // keys are read behind a place: `-` comes before the digits and letters with which a rest goes on
  let after = from === undefined ? undefined : `${prefix}${from}`
  for (;;) {
    const { records } = await store.list(prefix, { limit: page, ...(after === undefined ? {} : { after }) })
    yield* records
    if (records.length < page) return
    after = records.at(-1)!.key
  }
}
