/**
 * The witness ledger: an append-only log that anybody can check without trusting its keeper.
 */
import { existsSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { Worker } from 'node:worker_threads'
import { errorCode, InfraFabricError, type Log } from '#kernel'
import { noPolicy, type Policy, parsePolicy } from './log/policy.ts'
import { openIndexThread } from './read/index-thread.ts'
import { bundleOfFolder } from './read/open-reader.ts'
import { createLedgerReader, indexPathOf, type LedgerReader } from './read/reader.ts'
import type { Seat, SeatSettings } from './seat/open.ts'
import type { LedgerService, LedgerServiceConfig } from './service/service.ts'
import { expectProducers, memoryOf, OutgoingRequests } from './store/crossing.ts'
import { prepareKeys } from './store/keyring.ts'
import { isKey } from './store/keys.ts'
import { layOut } from './store/laid.ts'
import { type LogPlace, openLogReader, type StoreSettings } from './store/open.ts'
import { readPlaces } from './store/places.ts'
import type { Brought, Witnessing, WitnessingFigures } from './store/publisher.ts'
import { aheadFrom } from './store/sequencer.ts'
import type { AppendItem, Place } from './store/store.ts'
import { chooseStore, type LedgerStore } from './store/store-file.ts'
import { Waiting } from './store/waiting.ts'
import type { WorkerAnswer, WorkerRequest } from './store/worker.ts'
import { type ErasureTold, openWriter, type WriterSettings } from './store/writer.ts'

export {
  type AlertLevel,
  alertLevels,
  alertsOf,
  type BudgetState,
  budgetChanged,
  isLimit,
  knownAlerts,
  readBudgets,
  watchBudgets
} from './audit/budget.ts'
export { costJson, h323MonthlyCost, h323SessionCost, reportCost } from './audit/cost.ts'
export { type Decimal, decimalOf, formatDecimal, formatRounded, parseDecimal } from './audit/decimal.ts'
export { defaultRates, parseRates, type Rates } from './audit/rates.ts'
export { type Period, periods } from './audit/span.ts'
export { type CostGroup, type CostReport, type CostSum, type Grouping, groupings } from './audit/tally.ts'
export { appendItem } from './client/append-item.ts'
export { type BatchRecorder, type BatchRecorderConfig, createBatchRecorder } from './client/batch-recorder.ts'
export { type Erasure, type ErasureConfig, eraseEntry } from './client/erase.ts'
export { connectLog, type LogClient } from './client/log-client.ts'
export { connectLedger, type RemoteLedger, type RemoteLedgerConfig } from './client/remote.ts'
export { appendRetold } from './client/retell.ts'
export { createWitness, type LocalWitness, type WitnessConfig } from './client/witness.ts'
export { type Batch, batchIn, batchOf, checkFrame, type FrameProof, frameHash, proveFrame } from './log/batch.ts'
export { draftEntry, type LedgerEntry, maxPayloadOctets } from './log/entry.ts'
export {
  formatVerifierKey,
  generateSigningKey,
  type NoteSigner,
  type NoteVerifier,
  openCheckpoint,
  parseCheckpoint,
  parseVerifierKey,
  readSigner
} from './log/note.ts'
export { judgeCheckpoint, nameText, noPolicy, type Policy, parsePolicy } from './log/policy.ts'
export { checkConsistency, checkInclusion } from './log/proof.ts'
export { proveConsistency, proveInclusion } from './log/prover.ts'
export { checkTlogProof, formatTlogProof, parseTlogProof, type TlogProof, type TlogProofResult } from './log/tlog-proof.ts'
export type { LedgerFilter } from './read/entry-index.ts'
export { describeVerdict, entryLine } from './read/lines.ts'
export { bundleOfFolder, logOfFolder, openReader, parseServer } from './read/open-reader.ts'
export { indexPathOf, type LedgerReader, openLedgerReader } from './read/reader.ts'
export { tilesOf } from './read/tiles.ts'
export type { Seat, SeatSettings } from './seat/open.ts'
export { Problem } from './service/problem.ts'
export { type EventStream, jsonAnswer, type Route, route } from './service/route.ts'
export type { LedgerService, LedgerServiceConfig } from './service/service.ts'
export { type FrameStore, openFrameStore } from './store/frame-store.ts'
export { keyTaken } from './store/known.ts'
export { latestPublished } from './store/published.ts'
export type { Brought, Witnessing, WitnessingFigures } from './store/publisher.ts'
export { readEntries } from './store/sqlite-store.ts'
export type { AppendItem, Head, LogReader, LogStore, Place, Segment } from './store/store.ts'
export { type LedgerStore, readStoreFile } from './store/store-file.ts'
export { checkIndex } from './verify/index-check.ts'
export {
  claimedKey,
  type TrustedState,
  type Verdict,
  type Verification,
  type VerifyOptions,
  verifyLedger
} from './verify/verify.ts'

/** What lies where in the ledger's folder. Put together as text: what else `join` does takes a command that appends once longer than to sign. */
export const ledgerFiles = (dir: string) => ({
  database: `${dir}/ledger.db`,
  /** Where the log is, when it is not in the database. */
  store: `${dir}/store.json`,
  published: `${dir}/checkpoints.log`,
  key: `${dir}/signing-key.pem`,
  vkey: `${dir}/vkey`,
  /** Keys that took over from the first. */
  keys: `${dir}/keys`,
  /** Hashes of the frames of batches. */
  frames: `${dir}/frames.db`,
  /** Which witnesses have to cosign a head before it is published; without the file none has to. */
  policy: `${dir}/policy`,
  /** Who may use the service. */
  tokens: `${dir}/tokens.json`
})

export interface LedgerConfig {
  /** Folder of the ledger; made when it is not there. */
  readonly dir: string
  /** Name of the log, in its checkpoints and its key: a domain and a path, e.g. `council.example/witness`. */
  readonly origin: string
  readonly log: Log
  /** Where the log is kept. Default: where it was when `dir` was opened last, else SQLite, in `dir`. The key and the index are in `dir` either way. */
  readonly store?: LedgerStore
  /** How long to wait for another process that is writing, in milliseconds. Default 2000. */
  readonly busyTimeoutMs?: number
  /** Heads go to `checkpoints.log` at most this often, in milliseconds, and at the end. Default 1000. */
  readonly publishIntervalMs?: number
  /** How long a witness may take to cosign, in milliseconds. Default 2000. */
  readonly witnessWithinMs?: number
  /** How many entries must wait for the next group to be sequenced and signed while the last one is committed. Default 512: fewer would only wait for one commit more. */
  readonly sealAheadFrom?: number
}

export interface Ledger {
  /**
   * Appends all items, in order, or none. Resolves when they are durable and covered by a signed checkpoint. Appends made one after another are in the
   * log in that order.
   *
   * @param epoch after a failure every append of the same or an earlier epoch fails too, so that nothing overtakes what failed: go on with a higher one. Null for
   *   an append that stands by itself
   * @throws {InfraFabricError} as LogStore.commit; `ledger.entry.reserved` for what only the ledger itself tells; `ledger.append.key-taken` for a key under which
   *   another entry stands; `ledger.worker.exited`; `ledger.closed`; `ledger.store.after-failure`
   */
  readonly append: (items: readonly AppendItem[], epoch: number | null) => Promise<readonly Place[]>
  readonly reader: LedgerReader
  /** Entries in the log after the latest commit of this process. */
  readonly size: () => number
  /** The first public key, in the form others keep: later ones follow from it by what the log says. */
  readonly vkey: string
  /** How the publishing of heads stands, as of the last attempt. */
  readonly witnessing: () => Witnessing
  /** Counts for whoever watches over it: `queued` appends wait for their answer. */
  readonly figures: () => WitnessingFigures & { readonly queued: number }
  /**
   * Takes cosignatures that a witness of the policy brings for the head that waits.
   *
   * @param note the checkpoint with its lines, a signed note
   * @throws {InfraFabricError} `ledger.closed`
   */
  readonly bring: (note: string) => Promise<Brought>
  /**
   * Lets a new key take over: an entry `key_rotated` tells its public half, the head over it is signed by both keys, and the old private key is removed.
   *
   * @throws {InfraFabricError} as `append`
   */
  readonly rotateKey: () => Promise<Place & { readonly vkey: string }>
  /**
   * Removes what lies beside the log of an entry, salt and payload, and tells of it in an entry `payload_erased`, in one step.
   *
   * @throws {InfraFabricError} as `append`
   */
  readonly erase: (told: ErasureTold) => Promise<Place>
  /** Commits what was appended, publishes the head, ends the thread. Idempotent. */
  readonly close: () => Promise<void>
}

/** Opens a Guardian's witness. @throws {InfraFabricError} `ledger.key.*`, `ledger.seat.state` */
export async function openSeat(settings: SeatSettings): Promise<Seat> {
  // an HTTP server is not loaded by whoever only opens a ledger
  const { openSeat: open } = await import('./seat/open.ts')
  return open(settings)
}

const threadOptions = { execArgv: ['--disable-warning=ExperimentalWarning'] }

/** Asks a thread to end, and waits until it has. */
async function stop(thread: Worker): Promise<void> {
  if (thread.threadId === -1) return
  const ended = new Promise((resolve) => thread.once('exit', resolve))
  thread.postMessage({ type: 'close' } satisfies WorkerRequest)
  await ended
}

function storeSettings({ dir, origin, store: wanted, busyTimeoutMs = 2000 }: Omit<LedgerConfig, 'log'>): StoreSettings {
  const files = ledgerFiles(dir)
  const store = chooseStore(files.store, files.database, wanted)
  if (store.kind === 'sqlite') return { kind: 'sqlite', path: files.database, busyTimeoutMs }
  return { holder: { name: `${hostname()}:${process.pid}`, address: '' }, ...store, logName: origin }
}

function placeOf(store: StoreSettings): LogPlace {
  if (store.kind === 'sqlite') return { kind: 'sqlite', path: store.path }
  const { kind, url, logName, answerWithinMs } = store
  return { kind, url, logName, ...(answerWithinMs === undefined ? {} : { answerWithinMs }) }
}

/** Makes the first key where there is none. @throws {InfraFabricError} `ledger.key.*`; as parsePolicy */
function prepare(config: Omit<LedgerConfig, 'log'>): {
  readonly vkey: string
  readonly policy: Policy
  readonly settings: WriterSettings
} {
  const files = ledgerFiles(config.dir)
  if (bundleOfFolder(config.dir) !== null)
    throw new InfraFabricError('ledger.imported', `${config.dir} holds a bundle that was taken in: it is only read`)
  const vkey = prepareKeys(files, config.origin)
  const policyFile = existsSync(files.policy) ? readFileSync(files.policy) : null
  const settings: WriterSettings = {
    store: storeSettings(config),
    publishedPath: files.published,
    origin: config.origin,
    keys: { key: files.key, vkey: files.vkey, keys: files.keys },
    publishIntervalMs: config.publishIntervalMs ?? 1000,
    policy: policyFile,
    witnessWithinMs: config.witnessWithinMs ?? 2000,
    ...(config.sealAheadFrom === undefined ? {} : { sealAheadFrom: config.sealAheadFrom })
  }
  return { vkey, policy: policyFile === null ? noPolicy : parsePolicy(policyFile), settings }
}

function expectKey(key: string): void {
  if (!isKey(key))
    throw new InfraFabricError('ledger.key.invalid', 'idempotency key: expected 1 to 128 printable ASCII characters')
}

/**
 * Opens the ledger in `config.dir`, appends all items or none, publishes the head and closes it, in this thread: for a process that has nothing else to
 * do, and for which the two threads of `openLedger` would be most of the work.
 *
 * @returns places, once the items are durable and covered by a signed checkpoint, and the head has been published or its witnesses did not answer
 * @throws {InfraFabricError} as openLedger and Ledger.append
 */
export async function appendOnce(
  config: Omit<LedgerConfig, 'log'>,
  items: readonly AppendItem[],
  warn: (code: string, message: string) => void
): Promise<readonly Place[]> {
  for (const { key } of items) expectKey(key)
  const { settings } = prepare({ ...config, publishIntervalMs: Number.POSITIVE_INFINITY })
  const tasks: (() => Promise<void>)[] = []
  const writer = await openWriter(settings, {
    notice: ({ code, message }) => warn(code, message),
    unpublished: (code) => warn(code, 'checkpoint not published'),
    witnessing: () => undefined,
    task: (task) => void tasks.push(task)
  })
  try {
    const places = readPlaces(await writer.append(layOut(items)), 0, items.length)
    await writer.publish()
    for (const task of tasks) await task()
    return places
  } finally {
    await writer.close()
  }
}

/** Opens the ledger in `config.dir` for appending. @throws {InfraFabricError} `ledger.key.*`, `ledger.store.*` */
export async function openLedger(config: LedgerConfig): Promise<Ledger> {
  const files = ledgerFiles(config.dir)
  const { vkey, policy, settings } = prepare(config)
  const { store } = settings
  const threadSettings: WriterSettings =
    store.kind === 'sqlite' ? { ...settings, store: { ...store, commitThreadFrom: config.sealAheadFrom ?? aheadFrom } } : settings
  let closed = false
  const waiting = new Waiting<readonly Place[]>()
  const rotations = new Map<number, string>()
  let witnessing: Witnessing = {
    state: policy.quorum === null ? 'unasked' : 'witnessed',
    publishedSize: 0,
    missing: {},
    waiting: null
  }
  let figures: WitnessingFigures = { published: 0, witnessedAtMs: null, seats: {} }
  const brought = new Waiting<Brought>()
  let size = 0
  let worker: Worker | null = null

  const start = (): Promise<void> => {
    const begun = Promise.withResolvers<void>()
    const thread = new Worker(new URL('./store/worker.ts', import.meta.url), {
      workerData: threadSettings,
      ...threadOptions
    })
    worker = thread
    let failure: InfraFabricError | null = null
    thread.on('message', (answer: WorkerAnswer) => {
      if (answer.type === 'ready') {
        size = answer.size
        witnessing = answer.witnessing
        figures = answer.figures
        return begun.resolve()
      }
      if (answer.type === 'unpublished') return config.log.warn({ code: answer.code }, 'checkpoint not published')
      if (answer.type === 'notice') return config.log.warn({ code: answer.code }, answer.message)
      if (answer.type === 'failed') {
        failure = new InfraFabricError(answer.code, answer.message)
        return
      }
      if (answer.type === 'refused') return waiting.take(answer.id).reject(new InfraFabricError(answer.code, answer.message))
      if (answer.type === 'brought') {
        figures = answer.figures
        return brought.take(answer.id).resolve(answer.outcome)
      }
      size = answer.size
      if (answer.type === 'rotated') {
        rotations.set(answer.id, answer.vkey)
        return waiting.take(answer.id).resolve([answer.place])
      }
      if (answer.type === 'witnessing') {
        if (answer.witnessing.state === 'unwitnessed')
          config.log.warn({ ...answer.witnessing }, 'no quorum of witnesses: heads are not published')
        else if (witnessing.state === 'unwitnessed') config.log.info({ ...answer.witnessing }, 'witnesses cosign again')
        witnessing = answer.witnessing
        figures = answer.figures
        return
      }
      let from = 0
      for (const [number, id] of answer.ids.entries()) {
        const to = from + answer.counts[number]!
        waiting.take(id).resolve(readPlaces(answer.places, from, to))
        from = to
      }
    })
    thread.on('error', (error) => {
      failure = new InfraFabricError('ledger.worker.exited', 'the ledger thread failed', { cause: error })
    })
    thread.on('exit', () => {
      if (worker === thread) worker = null
      const error = failure ?? new InfraFabricError('ledger.worker.exited', 'the ledger thread ended')
      begun.reject(error)
      waiting.endAll(({ reject }) => reject(error))
      brought.endAll(({ resolve }) => resolve('late'))
    })
    return begun.promise
  }

  await start()
  const request = (message: WorkerRequest) => worker!.postMessage(message)
  /** What is appended in one go crosses in one message, as soon as the code that appends it is through: what else the turn has to do comes behind it. */
  const outgoing = new OutgoingRequests()
  const send = () => {
    if (outgoing.size === 0) return
    if (worker === null) {
      start().catch((error: unknown) => config.log.error({ code: errorCode(error) }, 'ledger thread not started'))
    }
    const requests = outgoing.take()
    worker!.postMessage({ type: 'append', requests } satisfies WorkerRequest, memoryOf(requests))
  }
  const log = placeOf(settings.store)
  const indexPath = indexPathOf(files.database)
  let reader: LedgerReader
  try {
    const opened = await openLogReader(log)
    reader = createLedgerReader(opened, openIndexThread({ log, indexPath }, opened, config.log))
  } catch (error) {
    request({ type: 'close' })
    throw new InfraFabricError('ledger.store.io', `the log in ${config.dir} cannot be read`, { cause: error })
  }
  /** Has the thread write what the ledger tells of itself. */
  const own = async (asked: (id: number) => WorkerRequest): Promise<{ readonly id: number; readonly place: Place }> => {
    if (closed || worker === null) throw new InfraFabricError('ledger.closed', 'the ledger is closed')
    const { id, promise } = waiting.add()
    request(asked(id))
    const [place] = await promise
    return { id, place: place! }
  }
  return {
    vkey,
    reader,
    size: () => size,
    append: async (items, epoch) => {
      if (closed) throw new InfraFabricError('ledger.closed', 'the ledger is closed')
      for (const { key } of items) expectKey(key)
      expectProducers(items)
      const { id, promise } = waiting.add()
      outgoing.add(id, epoch, items)
      if (outgoing.isFull) send()
      else if (outgoing.size === 1) queueMicrotask(send)
      return promise
    },
    witnessing: () => witnessing,
    figures: () => ({ ...figures, queued: waiting.size }),
    bring: async (note) => {
      if (closed || worker === null) throw new InfraFabricError('ledger.closed', 'the ledger is closed')
      const { id, promise } = brought.add()
      request({ type: 'bring', id, note })
      return promise
    },
    rotateKey: async () => {
      const { id, place } = await own((number) => ({ type: 'rotate', id: number }))
      const next = rotations.get(id)!
      rotations.delete(id)
      return { ...place, vkey: next }
    },
    erase: async (told) => (await own((id) => ({ type: 'erase', id, ...told }))).place,
    close: async () => {
      if (closed) return
      closed = true
      send()
      await reader.close()
      if (worker === null) return
      await stop(worker)
    }
  }
}

/** What a service over the ledger in `dir` is told beside where that is. */
export type ServeOptions = Omit<
  LedgerServiceConfig,
  'publishedPath' | 'policyPath' | 'vkeyPath' | 'tokensPath' | 'registerPage'
> & { readonly dir: string }

/**
 * Serves a ledger over HTTP. What that needs takes a tenth of a second to load, and is loaded only here.
 *
 * @throws {InfraFabricError} as `startLedgerService`
 */
export async function serveLedger({ dir, ...options }: ServeOptions): Promise<LedgerService> {
  const { published, policy, vkey, tokens } = ledgerFiles(dir)
  const [{ startLedgerService }, { registerPage }] = await Promise.all([
    import('./service/service.ts'),
    import('./page/serve.ts')
  ])
  return startLedgerService({
    ...options,
    publishedPath: published,
    policyPath: policy,
    vkeyPath: vkey,
    tokensPath: tokens,
    registerPage
  })
}

/** The tokens of the service: a file, its list and what is changed in it. */
export const serviceTokens = () => import('./service/tokens.ts')

/** Exports: lines, PDF, evidence bundles; taking bundles in. */
export const ledgerExports = () => import('./export/export.ts')
