/**
 * The processes of mediasoup, supervised: one that dies is told, and another takes its place for what comes after.
 *
 * Each peer has a router of its own, so that packets carry the numbers of its own session description; peers meet in the mixer and in the switch, not here.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { createWorker, type types } from 'mediasoup'
import { errorCode, InfraFabricError, type Log } from '#kernel'

/** Pause before a lost process is replaced, so that one that cannot live does not eat the machine. */
const restartPauseMs = 200

export const roomsClosed = () => new InfraFabricError('media.closed', 'the rooms are closed')

interface Slot {
  worker: Promise<types.Worker>
  routers: number
}

/** What is open in mediasoup; all 0 when nobody is connected. */
export interface MediasoupCounts {
  workers: number
  routers: number
  transports: number
  producers: number
  consumers: number
}

export class MediasoupWorkers {
  readonly counts: MediasoupCounts = { workers: 0, routers: 0, transports: 0, producers: 0, consumers: 0 }
  readonly #slots: Slot[]
  readonly #log: Log
  #closing: Promise<void> | null = null

  private constructor(count: number, log: Log) {
    this.#log = log
    this.#slots = Array.from({ length: count }, () => ({ worker: this.#start(), routers: 0 }))
  }

  /** @throws {InfraFabricError} `media.mediasoup.start` when a process does not start */
  static async start(count: number, log: Log): Promise<MediasoupWorkers> {
    const workers = new MediasoupWorkers(count, log)
    const started = await Promise.allSettled(workers.#slots.map((slot) => slot.worker))
    const failed = started.find((outcome) => outcome.status === 'rejected')
    if (failed === undefined) return workers
    await workers.close()
    throw new InfraFabricError('media.mediasoup.start', 'the worker of mediasoup does not start (npm run setup builds it)', {
      cause: failed.reason
    })
  }

  async #start(): Promise<types.Worker> {
    const worker = await createWorker({ logLevel: 'error' })
    this.counts.workers++
    worker.once('subprocessclose', () => this.counts.workers--)
    worker.observer.on('newrouter', (router) => this.#count(router))
    return worker
  }

  #count(router: types.Router): void {
    const { counts } = this
    counts.routers++
    router.observer.once('close', () => counts.routers--)
    router.observer.on('newtransport', (transport) => {
      counts.transports++
      transport.observer.once('close', () => counts.transports--)
      transport.observer.on('newproducer', (producer) => {
        counts.producers++
        producer.observer.once('close', () => counts.producers--)
      })
      transport.observer.on('newconsumer', (consumer) => {
        counts.consumers++
        consumer.observer.once('close', () => counts.consumers--)
      })
    })
  }

  /**
   * A router in the process that has the fewest.
   *
   * @throws {InfraFabricError} `media.closed`, `media.mediasoup.lost`
   */
  async router(mediaCodecs: types.RouterRtpCodecCapability[]): Promise<types.Router> {
    if (this.#closing !== null) throw roomsClosed()
    const slot = this.#slots.reduce((best, other) => (other.routers < best.routers ? other : best))
    slot.routers++
    try {
      const worker = await this.#running(slot)
      const router = await worker.createRouter({ mediaCodecs })
      router.observer.once('close', () => slot.routers--)
      if (this.#closing !== null) {
        router.close()
        throw roomsClosed()
      }
      return router
    } catch (error) {
      if (this.#closing !== null) throw roomsClosed()
      slot.routers--
      throw new InfraFabricError('media.mediasoup.lost', 'the worker of mediasoup does not answer', { cause: error })
    }
  }

  async #running(slot: Slot): Promise<types.Worker> {
    const tried = slot.worker
    const worker = await tried.catch(() => null)
    if (worker !== null && !worker.closed) return worker
    if (tried === slot.worker) {
      slot.worker = sleep(restartPauseMs).then(() => this.#start())
      this.#log.warn({ before: worker === null ? 'did not start' : 'died' }, 'mediasoup worker started again')
      slot.worker.catch((error: unknown) => this.#log.error({ code: errorCode(error) }, 'mediasoup worker cannot be started'))
    }
    return slot.worker
  }

  /** Process ids of those that run. */
  async pids(): Promise<number[]> {
    const workers = await Promise.all(this.#slots.map((slot) => slot.worker.catch(() => null)))
    return workers.flatMap((worker) => (worker === null || worker.closed ? [] : [worker.pid]))
  }

  /** Ends the processes and waits until they are gone. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= Promise.all(
      this.#slots.map(async (slot) => {
        const worker = await slot.worker.catch(() => null)
        if (worker === null || worker.subprocessClosed) return
        const ended = once(worker, 'subprocessclose')
        worker.close()
        await ended
      })
    ).then(() => undefined)
    return this.#closing
  }
}
