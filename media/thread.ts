import { Worker } from 'node:worker_threads'
import { InfraFabricError, type LegEvent } from '#kernel'
import type { FromWorker, ToWorker, WorkerSettings } from './control.ts'
import { reclaimPorts } from './ports.ts'
import type { StreamSource } from './sdp.ts'
import { libc } from './udp/libc.ts'

const requestTimeoutMs = 5000

export const threadLost = () => new InfraFabricError('media.worker.lost', 'the media thread is gone')

/** What a thread tells of a leg. */
export type ThreadLegEvent =
  | LegEvent
  | { readonly type: 'speaking'; readonly speaking: boolean }
  /** The leg leads the talk of its conference from now on. */
  | { readonly type: 'dominant' }
  | { readonly type: 'sending' }

export interface OpenedPort {
  readonly port: number
  /** Which pair of the range, from 0: where its levels stand. */
  readonly index: number
  readonly source: StreamSource
}

/** One media worker and what is asked of it. */
export class Thread {
  readonly legs = new Map<number, (event: ThreadLegEvent) => void>()
  readonly #worker: Worker
  readonly #settings: WorkerSettings
  readonly #opening = new Map<number, PromiseWithResolvers<OpenedPort>>()
  readonly #requests = new Map<number, PromiseWithResolvers<FromWorker>>()
  #nextRequest = 0
  #outgoing: ToWorker[] = []
  /** The thread's set of sockets, to be closed when it is lost. */
  #descriptor = -1
  /** The thread was asked to end: it closes its sockets itself. */
  #ended = false
  lost = false
  /** What ended it, when that was an error. */
  cause: unknown = null

  private constructor(worker: Worker, settings: WorkerSettings) {
    this.#worker = worker
    this.#settings = settings
  }

  /** @throws {InfraFabricError} `media.worker.lost` */
  static start(settings: WorkerSettings, onLost: (thread: Thread) => void): Promise<Thread> {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      name: 'media',
      workerData: settings,
      execArgv: ['--disable-warning=ExperimentalWarning']
    })
    const thread = new Thread(worker, settings)
    const begun = Promise.withResolvers<Thread>()
    let ready = false
    worker.on('message', (message: FromWorker) => {
      if (message.type === 'ready') {
        ready = true
        thread.#descriptor = message.descriptor
        begun.resolve(thread)
      } else thread.#receive(message)
    })
    worker.on('error', (error) => {
      thread.cause = error
      begun.reject(new InfraFabricError('media.worker.lost', 'the media thread failed', { cause: error }))
    })
    worker.on('exit', () => {
      begun.reject(new InfraFabricError('media.worker.lost', 'the media thread ended before it was ready'))
      thread.lost = true
      thread.#reclaim()
      if (ready) onLost(thread)
      thread.#lose()
    })
    return begun.promise
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case 'opened':
        this.#opening.get(message.leg)?.resolve({ port: message.port, index: message.index, source: message.source })
        this.#opening.delete(message.leg)
        return
      case 'notOpened':
        this.#opening.get(message.leg)?.reject(new InfraFabricError('conference.no-ports', message.reason))
        this.#opening.delete(message.leg)
        return
      case 'stats':
      case 'metrics':
      case 'played':
        this.#requests.get(message.request)?.resolve(message)
        this.#requests.delete(message.request)
        return
      case 'dtmf':
        this.#tell(message.leg, { type: 'dtmf', digit: message.digit, durationMs: message.durationMs })
        return
      case 'mediaTimeout':
        this.#tell(message.leg, { type: 'mediaTimeout', silentMs: message.silentMs })
        return
      case 'strangers':
        this.#tell(message.leg, { type: 'strangerRejected', packets: message.packets })
        return
      case 'speaking':
        this.#tell(message.leg, { type: 'speaking', speaking: message.speaking })
        return
      case 'dominant':
        this.#tell(message.leg, { type: 'dominant' })
        return
      case 'sending':
        this.#tell(message.leg, { type: 'sending' })
        return
      case 'failed':
        this.#tell(message.leg, { type: 'failed', reason: message.reason })
        return
    }
  }

  #tell(leg: number, event: ThreadLegEvent): void {
    this.legs.get(leg)?.(event)
  }

  /** A thread that ended by force has left its sockets open. One that ended by itself has none. */
  #reclaim(): void {
    const library = libc()
    const close = (descriptor: number) => void library?.close(descriptor)
    reclaimPorts(this.#settings.ports, this.#settings.owner, close)
    if (this.#descriptor >= 0 && !this.#ended) close(this.#descriptor)
  }

  #lose(): void {
    const error = threadLost()
    for (const waiting of [...this.#opening.values(), ...this.#requests.values()]) waiting.reject(error)
    this.#opening.clear()
    this.#requests.clear()
    for (const tell of this.legs.values()) tell({ type: 'failed', reason: 'the media thread is gone' })
    this.legs.clear()
  }

  /** What is posted in one go crosses together: each crossing wakes the thread. */
  post(message: ToWorker): void {
    if (this.#outgoing.push(message) > 1) return
    queueMicrotask(() => {
      const messages = this.#outgoing
      this.#outgoing = []
      this.#worker.postMessage(messages)
    })
  }

  /** @throws {InfraFabricError} `conference.no-ports`, `media.worker.lost` */
  open(wanted: Omit<Extract<ToWorker, { type: 'open' }>, 'type'>): Promise<OpenedPort> {
    if (this.lost) return Promise.reject(threadLost())
    const opening = Promise.withResolvers<OpenedPort>()
    this.#opening.set(wanted.leg, opening)
    this.post({ type: 'open', ...wanted })
    return opening.promise
  }

  /**
   * Asks the thread and waits for its answer.
   *
   * @param timeoutMs null when the answer may take as long as it likes
   * @throws {InfraFabricError} `media.worker.lost`, `media.worker.timeout`
   */
  request<T extends 'stats' | 'metrics' | 'played'>(
    _answer: T,
    message: (request: number) => ToWorker,
    timeoutMs: number | null = requestTimeoutMs
  ): Promise<Extract<FromWorker, { type: T }>> {
    if (this.lost) return Promise.reject(threadLost())
    const id = this.#nextRequest++
    const asked = Promise.withResolvers<FromWorker>()
    this.#requests.set(id, asked)
    const expired = () => {
      this.#requests.delete(id)
      asked.reject(new InfraFabricError('media.worker.timeout', `the media thread did not answer within ${timeoutMs} ms`))
    }
    const timer = timeoutMs === null ? undefined : setTimeout(expired, timeoutMs)
    this.post(message(id))
    return asked.promise.finally(() => clearTimeout(timer)) as Promise<Extract<FromWorker, { type: T }>>
  }

  /** Asks the thread to end and waits for it; one that does not is ended. */
  async shutdown(): Promise<void> {
    if (this.lost) return
    const ended = new Promise<void>((resolve) => this.#worker.once('exit', () => resolve()))
    this.#ended = true
    this.post({ type: 'shutdown' })
    const timer = setTimeout(() => {
      this.#ended = false
      void this.#worker.terminate()
    }, requestTimeoutMs)
    await ended
    clearTimeout(timer)
  }
}
