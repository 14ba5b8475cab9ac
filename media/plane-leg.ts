import { randomInt } from 'node:crypto'
import { type ConferenceLeg, InfraFabricError, type LegEvent, type LegStats, type MediaRefusal, type WayBeyond } from '#kernel'
import type { IceCredentials } from './ice/ice-attributes.ts'
import { type AudioTerms, type Origin, type ReadOffer, readAnswer, readDescription, writeAnswer, writeOffer } from './sdp.ts'
import type { Secrecy } from './srtp/secrecy.ts'
import { type OpenedPort, type Thread, type ThreadLegEvent, threadLost } from './thread.ts'
import { familyOf } from './udp/inet.ts'

const emptyStats: LegStats = {
  codec: null,
  received: { packets: 0, bytes: 0, errors: 0, dropped: 0 },
  sent: { packets: 0, bytes: 0, errors: 0, dropped: 0 },
  jitterMs: 0,
  lost: 0,
  roundTripMs: null,
  encrypted: false,
  ice: null,
  quality: null
}

/** Who is told of a leg. */
export interface LegWatch {
  /** New terms, and null when the leg has left. */
  readonly changed: (terms: AudioTerms | null) => void
  /** Everything the thread says of the leg. */
  readonly observe: (event: ThreadLegEvent) => void
  /** The leg has left; not told where its thread was lost. */
  readonly ended: (stats: LegStats) => void
}

/** What a participant's stream is told from others by. */
export interface Keys {
  readonly secrecy: Secrecy
  readonly ice: IceCredentials
}

/** A leg as the gateways hold it. */
export class PlaneLeg implements ConferenceLeg {
  readonly #thread: Thread
  readonly #id: number
  readonly #port: number
  readonly #secrecy: Secrecy
  readonly #ice: IceCredentials
  readonly #origin: { -readonly [key in keyof Origin]: Origin[key] }
  readonly #watch: LegWatch
  #listeners: ((event: LegEvent) => void)[] = []
  #failed: LegEvent | null = null
  #sdp = ''
  #terms: AudioTerms | null = null
  #left: Promise<LegStats> | null = null

  /** @param terms with which the thread has opened it */
  constructor(
    thread: Thread,
    id: number,
    { port, source }: OpenedPort,
    address: string,
    { secrecy, ice }: Keys,
    terms: AudioTerms | null,
    watch: LegWatch
  ) {
    this.#terms = terms
    this.#thread = thread
    this.#id = id
    this.#port = port
    this.#secrecy = secrecy
    this.#ice = ice
    this.#origin = { sessionId: String(randomInt(2 ** 47)), version: 1, address, source }
    this.#watch = watch
    thread.legs.set(id, (event) => {
      watch.observe(event)
      if (event.type === 'speaking' || event.type === 'dominant' || event.type === 'sending') return
      if (event.type === 'failed') this.#failed = event
      for (const listener of this.#listeners) listener(event)
    })
  }

  /** Its ports are of one family for as long as it is there. */
  get #families() {
    return [familyOf(this.#origin.address)]
  }

  offer(): string {
    this.#sdp = writeOffer(this.#origin, this.#port, this.#secrecy)
    return this.#sdp
  }

  readonly offerSecure = (): string | null => {
    if (this.#secrecy.policy !== 'preferred' || this.#terms !== null) return null
    this.#origin.version++
    this.#sdp = writeOffer(this.#origin, this.#port, this.#secrecy, true)
    return this.#sdp
  }

  answer(read: ReadOffer): string {
    this.#agree(read.terms)
    const same = writeAnswer(read, this.#origin, this.#port)
    if (this.#sdp !== '' && same !== this.#sdp) this.#origin.version++
    this.#sdp = writeAnswer(read, this.#origin, this.#port)
    return this.#sdp
  }

  /** @throws {InfraFabricError} `media.worker.lost`, `media.leg.left` */
  #check(): void {
    if (this.#left !== null) throw new InfraFabricError('media.leg.left', 'the participant has left the conference')
    if (this.#thread.lost) throw threadLost()
  }

  #agree(terms: AudioTerms): void {
    if (terms !== this.#terms) this.#thread.post({ type: 'agree', leg: this.#id, terms })
    this.#terms = terms
    this.#watch.changed(terms)
  }

  readonly codec = () => this.#terms?.codec ?? null
  readonly localSdp = () => this.#sdp

  readonly offered = async (sdp: string): Promise<{ ok: true; sdp: string; held: boolean } | MediaRefusal> => {
    this.#check()
    const read = readDescription(sdp, this.#secrecy, this.#ice, this.#families)
    return read.ok ? { ok: true, sdp: this.answer(read), held: read.terms.held } : read
  }

  readonly answered = async (sdp: string): Promise<{ ok: true; held: boolean } | MediaRefusal> => {
    this.#check()
    const read = readAnswer(sdp, this.#secrecy, this.#ice, this.#families)
    if (!read.ok) return read
    this.#agree(read.terms)
    return { ok: true, held: read.terms.held }
  }

  readonly stats = async (): Promise<LegStats> => {
    if (this.#left !== null) return this.#left
    return (await this.#ask('stats')).stats
  }

  readonly sendDigit = (digit: string, durationMs: number): void => {
    if (this.#left === null && !this.#thread.lost) this.#thread.post({ type: 'press', leg: this.#id, digit, durationMs })
  }

  readonly tellBeyond = (way: WayBeyond): void => {
    if (this.#left === null && !this.#thread.lost) this.#thread.post({ type: 'beyond', leg: this.#id, way })
  }

  readonly leave = (): Promise<LegStats> => {
    this.#left ??= this.#ask('close').then(
      ({ stats }) => {
        this.#watch.ended(stats)
        return stats
      },
      () => emptyStats
    )
    this.#thread.legs.delete(this.#id)
    this.#listeners = []
    this.#watch.changed(null)
    return this.#left
  }

  readonly onEvent = (listener: (event: LegEvent) => void): void => {
    this.#listeners.push(listener)
    const failed = this.#failed
    if (failed !== null && this.#left === null) queueMicrotask(() => listener(failed))
  }

  #ask(type: 'stats' | 'close') {
    return this.#thread.request('stats', (request) => ({ type, leg: this.#id, request }))
  }
}
