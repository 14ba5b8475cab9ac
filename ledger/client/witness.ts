import { randomUUID } from 'node:crypto'
import { basename } from 'node:path'
import {
  type Clock,
  errorCode,
  InfraFabricError,
  type Log,
  newTraceId,
  type Witness,
  type WitnessEvent,
  type WitnessHaste,
  type WitnessReceipt
} from '#kernel'
import type { Ledger } from '../ledger.ts'
import { draftEntry } from '../log/entry.ts'
import type { NoteSigner } from '../log/note.ts'
import { keyTaken } from '../store/known.ts'
import type { AppendItem, Place } from '../store/store.ts'
import { appendItem } from './append-item.ts'
import { appendRetold } from './retell.ts'
import { abandonedSpools, keepSpoiled, ownSpoolPath, type SpoiledLine, SpoolFile } from './spool.ts'

export interface WitnessConfig {
  readonly ledger: Pick<Ledger, 'append'>
  /** Folder of the local spool: on another disk than the ledger where there is one. */
  readonly spoolDir: string
  readonly clock: Clock
  readonly log: Log
  /** First and longest pause between attempts to deliver what was spooled, in milliseconds. Default 100 and 5000. */
  readonly retryMs?: readonly [first: number, longest: number]
  /** How long an entry for whose receipt nobody waits may wait for others, in milliseconds. Default 10. */
  readonly gatherMs?: number
  /** How long the ledger may take to answer before entries go to the spool, in milliseconds. Default 5000. */
  readonly answerWithinMs?: number
  /** Key of this producer: signs each entry, so that not even the ledger's keeper can tell something in its name. Default: none. */
  readonly signer?: NoteSigner
}

/** The witness of one process: the ledger when it can be reached, the local spool when not. */
export interface LocalWitness extends Witness {
  /** Entries told and not yet in the ledger. */
  readonly pending: () => number
  readonly state: () => 'direct' | 'spooling'
  /** Resolves when everything told so far, and what earlier processes left, is in the ledger; rejects after `timeoutMs`. */
  readonly flush: (timeoutMs: number) => Promise<void>
  /** Waits for what is under way. What is still in the spool stays there for the next process. Idempotent. */
  readonly close: () => Promise<void>
}

interface Told {
  readonly item: AppendItem
  readonly traceId: string
  readonly receipt: PromiseWithResolvers<WitnessReceipt>
}

/** What neither the ledger nor the spool took, since the ledger was last reached. */
interface Unrecorded {
  entries: number
  /** Milliseconds since 1970. */
  readonly from: number
  until: number
  /** Of the last of them. */
  code: string
  readonly traces: Set<string>
}

/** Traces that the entry names which tells of those that were not recorded. */
const mostTraces = 100

/** Entries handed to the ledger in one append. */
const deliveryBatch = 256

/**
 * Makes a witness. Spool files that earlier processes left are delivered first.
 *
 * Order: while anything waits in the spool, everything new goes behind it. Exactly once: each entry has a key that it keeps in the spool, and the
 * ledger answers a key it knows with the place it has, where the entry there is the same. Where it is another, the entry goes to the spool like all that was not taken, and
 * from there into the log under another key, behind it `witness_key_taken`.
 */
export async function createWitness(config: WitnessConfig): Promise<LocalWitness> {
  const { ledger, clock, log } = config
  const [firstRetryMs, longestRetryMs] = config.retryMs ?? [100, 5000]
  const answerWithinMs = config.answerWithinMs ?? 5000
  const gatherMs = config.gatherMs ?? 10
  const instance = randomUUID()
  const abandoned = abandonedSpools(config.spoolDir)
  const ownPath = ownSpoolPath(config.spoolDir, clock.now())

  let own: SpoolFile | null = null
  let told = 0
  let epoch = 0
  let state: 'direct' | 'spooling' = 'direct'
  let closed = false
  /**
   * Handed to the ledger in one append each and not yet answered, in order. No Set: what it outgrew stays in old memory, and keeps from quick collections all
   * that it held.
   */
  let underWay: (readonly Told[])[] = []
  /** Told after those, and not handed to the ledger yet. */
  let gathered: Told[] = []
  let cancelGathering: (() => void) | null = null
  /** Told while spooling, not yet on disk. */
  let spooling = 0
  /** Told while the last of the spool is delivered: kept from the spool, which under steady load would never be empty. Null at other times. */
  let held: Told[] | null = null
  /** Whether the ledger has taken something since it was last out of reach. */
  let reached = false
  /** Delivered up to here. */
  let delivered = 0
  let spooledCount = 0
  let unrecorded: Unrecorded | null = null
  let wake: (() => void) | null = null
  let delivery: Promise<void> = Promise.resolve()
  const idle = new Set<() => void>()

  const settle = () => {
    if (isBusy()) return
    for (const resolve of idle) resolve()
    idle.clear()
  }
  const unanswered = () => [...underWay.flat(), ...gathered]
  const pending = () =>
    underWay.reduce((sum, entries) => sum + entries.length, gathered.length) + spooling + spooledCount + (held?.length ?? 0)
  const isBusy = () => state !== 'direct' || pending() > 0

  /** Asks the ledger, and does not wait for ever: what it does after all with items given up on, their keys will tell. */
  const ask = (items: readonly AppendItem[], ofEpoch: number): Promise<readonly Place[]> => {
    const answer = Promise.withResolvers<readonly Place[]>()
    const cancel = clock.after(answerWithinMs, () =>
      answer.reject(new InfraFabricError('ledger.unanswered', `the ledger did not answer within ${answerWithinMs} ms`))
    )
    ledger.append(items, ofEpoch).then(answer.resolve, answer.reject).finally(cancel)
    return answer.promise
  }

  /** Hands to the ledger what was gathered: one append, and one answer, for all of it. */
  const handOver = () => {
    cancelGathering?.()
    cancelGathering = null
    const entries = gathered
    if (entries.length === 0) return
    gathered = []
    underWay.push(entries)
    const ofEpoch = epoch
    ask(
      entries.map(({ item }) => item),
      ofEpoch
    ).then(
      (places) => {
        const at = underWay.indexOf(entries)
        if (at >= 0) underWay.splice(at, 1)
        for (const [number, { receipt }] of entries.entries()) {
          const { index, hash } = places[number]!
          receipt.resolve({ state: 'committed', index, hash })
        }
        settle()
      },
      (error: unknown) => {
        if (ofEpoch === epoch && state === 'direct') beginSpooling(error)
      }
    )
  }

  const append = (entry: Told, haste: WitnessHaste) => {
    gathered.push(entry)
    if (haste === 'now' || gathered.length === deliveryBatch) handOver()
    else cancelGathering ??= clock.after(gatherMs, handOver)
  }

  /** What is under way was not taken, or its key will tell that it was: all of it goes to the spool, in order, before anything new. */
  const beginSpooling = (cause: unknown) => {
    state = 'spooling'
    reached = false
    const stranded = unanswered()
    log.warn({ code: errorCode(cause), entries: stranded.length }, 'ledger out of reach; entries go to the spool')
    cancelGathering?.()
    cancelGathering = null
    gathered = []
    underWay = []
    spool(stranded)
    startDelivery()
  }

  const spool = (entries: readonly Told[]) => {
    spooling += entries.length
    ownSpool()
      .then((file) => file.append(entries.map(({ item }) => item)))
      .then(
        () => {
          spooling -= entries.length
          spooledCount += entries.length
          for (const { receipt } of entries) receipt.resolve({ state: 'spooled' })
        },
        (error: unknown) => {
          spooling -= entries.length
          log.error({ code: errorCode(error), entries: entries.length }, 'spool failed; entries not recorded')
          noteUnrecorded(entries, errorCode(error))
          for (const { receipt } of entries) {
            receipt.reject(
              new InfraFabricError('witness.unrecorded', 'neither the ledger nor the spool took the entry', { cause: error })
            )
          }
          settle()
        }
      )
  }

  const noteUnrecorded = (entries: readonly Told[], code: string) => {
    const now = clock.now()
    unrecorded ??= { entries: 0, from: now, until: now, code, traces: new Set() }
    unrecorded.entries += entries.length
    unrecorded.until = now
    unrecorded.code = code
    for (const { traceId } of entries) if (unrecorded.traces.size < mostTraces) unrecorded.traces.add(traceId)
  }

  /** The first entry after the ledger was reached again says what is missing before it. */
  const tellUnrecorded = () => {
    if (unrecorded === null) return
    const event = unrecordedEvent(unrecorded)
    const item: AppendItem = { draft: draftEntry(event, clock.now()), key: `unrecorded:${instance}:${epoch}` }
    unrecorded = null
    const receipt = Promise.withResolvers<WitnessReceipt>()
    // where it is not taken either, that is counted anew
    receipt.promise.catch(() => undefined)
    append({ item, traceId: event.traceId, receipt }, 'soon')
  }

  /** The ledger is out of reach again, or this process ends. */
  const spoolHeld = () => {
    const entries = held ?? []
    held = null
    if (entries.length > 0) spool(entries)
  }

  let opening: Promise<SpoolFile> | null = null
  const ownSpool = (): Promise<SpoolFile> => {
    opening ??= SpoolFile.open(ownPath).then(
      (file) => {
        own = file
        return file
      },
      (error: unknown) => {
        opening = null
        throw error
      }
    )
    return opening
  }

  const rest = (ms: number) =>
    new Promise<void>((resolve) => {
      const cancel = clock.after(ms, resolve)
      wake = () => {
        cancel()
        resolve()
      }
    })

  const tellTaken = (why: string) => log.error({ code: keyTaken }, why)

  /** Delivers with growing pauses until it has succeeded. False when the witness was closed first. */
  const persist = async (items: readonly AppendItem[]): Promise<boolean> => {
    for (let pauseMs = firstRetryMs; !closed; pauseMs = Math.min(2 * pauseMs, longestRetryMs)) {
      try {
        for (let at = 0; at < items.length; at += deliveryBatch)
          await appendRetold((some) => ask(some, ++epoch), items.slice(at, at + deliveryBatch), tellTaken, clock.now)
        reached = true
        return true
      } catch (error) {
        log.debug({ code: errorCode(error), pauseMs }, 'ledger still out of reach')
        reached = false
        spoolHeld()
        await rest(pauseMs)
      }
    }
    return false
  }

  /** Tells the ledger of lines that cannot be read. */
  const reportsOf = (spoiled: readonly SpoiledLine[]): AppendItem[] => {
    for (const line of spoiled)
      log.error({ ...line }, line.torn ? 'the spool ends in the middle of a line' : 'a line of the spool is spoiled')
    return spoiled.map((line) => ({
      draft: draftEntry(spoiledEvent(line), clock.now()),
      key: `spoiled:${line.sha256}:${line.offset}`
    }))
  }

  /** Delivers the lines of `file` from `at` on, as many as one read gives. Null when the witness was closed first. */
  const deliverFrom = async (file: SpoolFile, at: number) => {
    const { items, spoiled, end } = await file.read(at)
    return (await persist([...items, ...reportsOf(spoiled)])) ? { end, entries: items.length, spoiled: spoiled.length } : null
  }

  const deliverAbandoned = async (path: string): Promise<void> => {
    const file = await SpoolFile.open(path)
    let spoiled = 0
    let at = 0
    while (at < file.size) {
      const part = await deliverFrom(file, at)
      if (part === null) return file.close(false)
      spoiled += part.spoiled
      at = part.end
    }
    if (file.torn !== null) {
      spoiled++
      if (!(await persist(reportsOf([file.torn])))) return file.close(false)
    }
    await file.close(spoiled === 0)
    if (spoiled > 0) keepSpoiled(path)
  }

  const startDelivery = () => {
    const run = async (): Promise<void> => {
      try {
        await deliver()
      } catch (error) {
        log.error({ code: errorCode(error) }, 'the spool cannot be read; what is in it stays there')
        await rest(longestRetryMs)
        if (!closed) await run()
      }
    }
    delivery = run()
  }

  const deliver = async (): Promise<void> => {
    while (abandoned.length > 0 && !closed) await deliverAbandoned(abandoned.shift()!)
    while (!closed) {
      if (own !== null && delivered < own.size) {
        const part = await deliverFrom(own, delivered)
        if (part === null) return
        delivered = part.end
        spooledCount -= part.entries
      } else if (spooling > 0) {
        if (reached) held ??= []
        await rest(firstRetryMs / 10)
      } else if (own === null ? await persist([]) : await own.clear(delivered)) {
        delivered = 0
        if (spooling > 0) continue
        epoch++
        state = 'direct'
        const entries = held ?? []
        held = null
        tellUnrecorded()
        for (const entry of entries) append(entry, 'soon')
        handOver()
        log.info('ledger reached again; the spool is delivered')
        return settle()
      }
    }
  }

  if (abandoned.length > 0) {
    log.info({ files: abandoned.length }, 'spool files left by earlier processes')
    state = 'spooling'
    startDelivery()
  }

  return {
    record: (event, haste = 'now') => {
      const receipt = Promise.withResolvers<WitnessReceipt>()
      let item: AppendItem
      try {
        if (closed) throw new InfraFabricError('witness.unrecorded', 'the witness is closed')
        item = appendItem(event, clock.now(), `${instance}:${told}`, config.signer)
      } catch (error) {
        receipt.reject(error)
        return receipt.promise
      }
      told++
      const entry: Told = { item, traceId: event.traceId, receipt }
      if (state === 'direct') append(entry, haste)
      else if (held !== null) held.push(entry)
      else spool([entry])
      return receipt.promise
    },
    pending,
    state: () => state,
    flush: (timeoutMs) =>
      new Promise((resolve, reject) => {
        if (!isBusy()) return resolve()
        // while the ledger is out of reach nothing else may keep a process alive that does nothing but wait for this
        const alive = setInterval(() => undefined, 60_000)
        const cancel = clock.after(timeoutMs, () => {
          clearInterval(alive)
          idle.delete(done)
          reject(
            new InfraFabricError('witness.flush.timeout', `${pending()} entries are not in the ledger after ${timeoutMs} ms`)
          )
        })
        const done = () => {
          clearInterval(alive)
          cancel()
          resolve()
        }
        idle.add(done)
        handOver()
        wake?.()
      }),
    close: async () => {
      if (closed) return
      handOver()
      await Promise.allSettled(unanswered().map(({ receipt }) => receipt.promise))
      closed = true
      const entries = held ?? []
      spoolHeld()
      await Promise.allSettled(entries.map(({ receipt }) => receipt.promise))
      wake?.()
      await delivery
      const file = own as SpoolFile | null
      await file?.close(delivered >= file.size)
    }
  }
}

function unrecordedEvent({ entries, from, until, code, traces }: Unrecorded): WitnessEvent {
  const [since, last] = [from, until].map((ms) => new Date(ms).toISOString())
  return {
    event: 'witness_entries_unrecorded',
    component: 'IF.witness.spool',
    traceId: newTraceId(),
    payload: { entries, since: since!, until: last!, code, traces: [...traces] }
  }
}

function spoiledEvent(line: SpoiledLine): WitnessEvent {
  return {
    event: 'witness_spool_spoiled',
    component: 'IF.witness.spool',
    // told again after a crash it is the same entry
    traceId: line.sha256.slice(0, 32),
    payload: { file: basename(line.file), offset: line.offset, sha256: line.sha256, torn: line.torn }
  }
}
