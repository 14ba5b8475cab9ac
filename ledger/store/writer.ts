/** What appends to a log needs, opened together: the store, the sequencer and the publisher of heads, and what the ledger itself has to tell. */
import { errorCode, messageOf, newTraceId, systemClock, type WitnessEvent } from '#kernel'
import { createSeatClient } from '../client/seat-client.ts'
import { quickest } from '../log/compiled.ts'
import { draftOwnEntry } from '../log/entry.ts'
import { formatVerifierKey } from '../log/note.ts'
import { noPolicy, parsePolicy } from '../log/policy.ts'
import { forgetNextKey, type KeyFiles, makeNextKey, openKeyring, publicKeys, retireKey, takeOverIn } from './keyring.ts'
import { openStore, type StoreSettings } from './open.ts'
import { latestSigned, openPublished, publishedOf } from './published.ts'
import { createPublisher, type Publisher, type Witnessing } from './publisher.ts'
import type { StoreNotice } from './redis-store.ts'
import { openSequencer, type Sequencer } from './sequencer.ts'
import type { LogStore, Place } from './store.ts'

export interface WriterSettings {
  readonly store: StoreSettings
  readonly publishedPath: string
  readonly origin: string
  readonly keys: KeyFiles
  readonly publishIntervalMs: number
  /** Octets of the policy, which says what witnesses are asked before a head is published; null for none. */
  readonly policy: Uint8Array | null
  readonly witnessWithinMs: number
  /** As LedgerConfig has it. */
  readonly sealAheadFrom?: number
}

/** What a writer tells beside its answers. */
export interface WriterEvents {
  readonly notice: (notice: StoreNotice) => void
  /** The file of published heads cannot be written. */
  readonly unpublished: (code: string) => void
  readonly witnessing: (now: Witnessing) => void
  /** The ledger has something to tell of itself: to be done between appends, one after another with them. */
  readonly task: (task: () => Promise<void>) => void
}

/** What the log tells of an erasure. */
export interface ErasureTold {
  /** Leaf number of the entry whose payload goes. */
  readonly entry: number
  /** Hash of the payload's commitment, 64 hex digits. */
  readonly commitment: string
  readonly reason: string
  /** Trace of the entry. */
  readonly traceId: string
}

/** `append` may be called while others are under way; nothing else that appends is. */
export interface Writer extends Pick<Sequencer, 'head'> {
  readonly append: Sequencer['appendLaid']
  /** Lets a new signing key take over. @throws {InfraFabricError} as Sequencer.append */
  readonly rotate: () => Promise<Place & { readonly vkey: string }>
  /** Erases a payload and says so. @throws {InfraFabricError} as Sequencer.append */
  readonly erase: (told: ErasureTold) => Promise<Place>
  readonly witnessing: () => Witnessing
  readonly figures: Publisher['figures']
  readonly bring: Publisher['bring']
  /** Tries once more to publish the head. */
  readonly publish: () => Promise<void>
  readonly close: () => Promise<void>
}

async function behind(store: LogStore, { keys, origin, publishedPath }: WriterSettings) {
  try {
    // read before the head is: another process may publish in between
    const before = latestSigned(publishedPath, publicKeys(keys))
    return {
      sequencer: await openSequencer(store, openKeyring(keys, origin), before, quickest()),
      published: openPublished(publishedPath)
    }
  } catch (error) {
    await store.close()
    throw error
  }
}

/**
 * @throws {InfraFabricError} as openStore and openSequencer; `ledger.policy.*`
 */
export async function openWriter(settings: WriterSettings, events: WriterEvents): Promise<Writer> {
  const { keys, origin, publishedPath } = settings
  const store = await openStore(settings.store, events.notice)
  const { sequencer, published } = await behind(store, settings)
  const seats = createSeatClient()
  const publisher: Publisher = createPublisher({
    log: store,
    head: sequencer.head,
    heads: published,
    policy: settings.policy === null ? noPolicy : parsePolicy(settings.policy),
    ask: seats.ask,
    clock: systemClock,
    intervalMs: settings.publishIntervalMs,
    answerWithinMs: settings.witnessWithinMs,
    onFailure: events.unpublished,
    onChange: (now, before) => {
      events.witnessing(now)
      if (now.state === before.state) return
      const payload = { publishedSize: now.publishedSize, missing: now.missing }
      events.task(async () => {
        try {
          await record({ event: `checkpoint_${now.state}`, payload }, `witnessing:${newTraceId()}`)
        } catch (error) {
          events.notice({ code: errorCode(error), message: messageOf(error) })
        }
      })
    }
  })

  /** Writes what the ledger itself has to tell. */
  const record = async (
    told: Omit<WitnessEvent, 'component' | 'traceId'>,
    key: string,
    more: { readonly erases?: number; readonly next?: ReturnType<typeof makeNextKey> } = {}
  ): Promise<Place> => {
    const { erases, next } = more
    const place = await sequencer.appendOwn(
      { draft: draftOwnEntry(told, Date.now()), key, ...(erases === undefined ? {} : { erases }) },
      next
    )
    publisher.changed()
    return place
  }

  /**
   * After a head that two keys signed: it is published, since what follows cannot be checked without it, and the old private key is removed. Done again
   * when the ledger is opened, should its process have been killed in between.
   */
  const completeTakeOver = (): void => {
    const { checkpoint } = sequencer.head()
    const ids = takeOverIn(checkpoint, origin)
    if (ids === null) return
    if (!publishedOf(publishedPath, sequencer.head().size)?.startsWith(checkpoint!)) publisher.publishAnyway(checkpoint!)
    retireKey(keys, origin, ids[0])
  }

  try {
    completeTakeOver()
  } catch (error) {
    events.unpublished(errorCode(error))
  }
  publisher.changed()
  return {
    head: sequencer.head,
    append: async (items, whenSealed) => {
      const places = await sequencer.appendLaid(items, whenSealed)
      publisher.changed()
      return places
    },
    rotate: async () => {
      const next = makeNextKey(keys, origin)
      const vkey = formatVerifierKey(next)
      const place = await record({ event: 'key_rotated', payload: { vkey } }, `rotate:${next.keyHash.toString('hex')}`, {
        next
      }).catch((error: unknown) => {
        // of all failures the one after which the head over this key is surely not in the log
        if (errorCode(error) === 'ledger.store.not-leader') forgetNextKey(keys, next)
        throw error
      })
      completeTakeOver()
      return { ...place, vkey }
    },
    erase: ({ entry, commitment, reason, traceId }) =>
      record(
        { event: 'payload_erased', parentTraceId: traceId, payload: { entry, commitment, reason } },
        `erase:${entry}:${newTraceId()}`,
        { erases: entry }
      ),
    witnessing: publisher.witnessing,
    figures: publisher.figures,
    bring: publisher.bring,
    publish: publisher.end,
    close: async () => {
      seats.close()
      published.close()
      await store.close()
    }
  }
}
