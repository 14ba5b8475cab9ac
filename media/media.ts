/**
 * The media plane: conferences that carry sound. This thread negotiates and keeps the roster; packets are the worker's (worker.ts).
 */
import { randomInt } from 'node:crypto'
import { isIPv4 } from 'node:net'
import { Worker } from 'node:worker_threads'
import {
  type ConferenceLeg,
  type ConferencePort,
  ConfigError,
  InfraFabricError,
  type JoinRequest,
  type LegEvent,
  type LegStats,
  type Log,
  type MediaRefusal,
  type ParticipantRole
} from '#kernel'
import type { FromWorker, ToWorker, WorkerMetrics, WorkerSettings } from './control.ts'
import { type AudioTerms, type Origin, type ReadOffer, readDescription, writeAnswer, writeOffer } from './sdp.ts'

export { type MediaDelay, measureMediaDelay } from './delay.ts'
export { RtpPhone, type RtpPhoneOptions } from './rtp-phone.ts'
export { signalLevel, sine, toneLevel } from './tone.ts'
export { decodeWav, encodeWav, type Wave } from './wav.ts'

export interface MediaConfig {
  /** IPv4 address on which RTP is received and which session descriptions name. */
  readonly address: string
  /** UDP ports for RTP and RTCP; each leg takes an even port and the next. */
  readonly portRange: readonly [min: number, max: number]
  /** Time from arrival to playing, at least, in milliseconds. Default 20. */
  readonly jitterTargetMs?: number
  /** Silence after which a leg is given up, in milliseconds. Default 30,000. */
  readonly mediaTimeoutMs?: number
  /** How long after an offer or answer another source than the signalled one may be believed, in milliseconds. Default 5000. */
  readonly latchWindowMs?: number
  /** Mean time between RTCP reports, in milliseconds. Default 5000 (RFC 3550 §6.2). */
  readonly reportIntervalMs?: number
  /** Participants of one conference at most. Default 100. */
  readonly maxParticipants?: number
  readonly log: Log
}

export interface RosterEntry {
  readonly participant: string
  readonly role: ParticipantRole
  readonly codec: string | null
  readonly held: boolean
}

export interface MediaPlane extends ConferencePort {
  readonly conferences: () => readonly string[]
  readonly roster: (conference: string) => readonly RosterEntry[]
  /** @throws {InfraFabricError} `media.worker.lost` */
  readonly metrics: () => Promise<WorkerMetrics>
  /** Ends every leg and the thread. Idempotent. */
  readonly close: () => Promise<void>
}

interface Member extends RosterEntry {
  readonly conference: string
}

const requestTimeoutMs = 5000
const emptyStats: LegStats = {
  codec: null,
  received: { packets: 0, bytes: 0, errors: 0, dropped: 0 },
  sent: { packets: 0, bytes: 0, errors: 0, dropped: 0 },
  jitterMs: 0,
  lost: 0,
  roundTripMs: null,
  encrypted: false
}

function checkConfig(config: MediaConfig): WorkerSettings {
  const problems: string[] = []
  const [min, max] = config.portRange
  const settings: WorkerSettings = {
    address: config.address,
    portRange: config.portRange,
    jitterTargetMs: config.jitterTargetMs ?? 20,
    mediaTimeoutMs: config.mediaTimeoutMs ?? 30_000,
    latchWindowMs: config.latchWindowMs ?? 5000,
    reportIntervalMs: config.reportIntervalMs ?? 5000
  }
  if (!isIPv4(config.address)) problems.push(`address: expected an IPv4 address, got ${JSON.stringify(config.address)}`)
  if (!Number.isInteger(min) || !Number.isInteger(max) || min < 1024 || max > 65_535 || max - min < 1) {
    problems.push(`portRange: expected two ports from 1024 to 65535, the first below the second, got ${min}–${max}`)
  }
  for (const name of ['jitterTargetMs', 'mediaTimeoutMs', 'latchWindowMs', 'reportIntervalMs'] as const) {
    if (!Number.isFinite(settings[name]) || settings[name] < 0)
      problems.push(`${name}: expected milliseconds, got ${settings[name]}`)
  }
  if (settings.jitterTargetMs > 500) problems.push(`jitterTargetMs: expected at most 500, got ${settings.jitterTargetMs}`)
  if (problems.length > 0) throw new ConfigError('media', problems)
  return settings
}

/** Starts the media plane. @throws {ConfigError} */
export async function createMediaPlane(config: MediaConfig): Promise<MediaPlane> {
  const settings = checkConfig(config)
  const maxParticipants = config.maxParticipants ?? 100
  const { log } = config
  let nextId = 0
  let closed = false
  let thread = await startThread()
  const members = new Map<number, Member>()
  const membersOf = (conference: string) => [...members.values()].filter((member) => member.conference === conference)

  /** A thread and all that waits for it: when it is lost, both go, and a new one serves new legs. */
  function startThread(): Promise<Thread> {
    return Thread.start(settings, (lost) => {
      if (closed) return
      log.error({ legs: lost.legs.size }, 'media thread lost')
      startThread().then(
        (started) => {
          thread = started
        },
        (error: unknown) => log.fatal({ error: String(error) }, 'media thread cannot be started')
      )
    })
  }

  const join = async (request: JoinRequest): Promise<Awaited<ReturnType<ConferencePort['join']>>> => {
    const { conference, participant, role, offer } = request
    const read = offer === null ? null : readDescription(offer)
    if (read !== null && !read.ok) return read
    const present = membersOf(conference)
    if (present.some((member) => member.participant === participant)) {
      return { ok: false, code: 'conference.full', reason: `${participant} is in ${conference} already` }
    }
    if (present.length >= maxParticipants)
      return { ok: false, code: 'conference.full', reason: `${conference} has ${maxParticipants} participants` }
    const id = nextId++
    const of = thread
    members.set(id, { conference, participant, role, codec: null, held: false })
    let port: number
    try {
      port = await of.open(id, conference, role !== 'observer')
    } catch (error) {
      members.delete(id)
      return { ok: false, code: 'conference.no-ports', reason: error instanceof Error ? error.message : String(error) }
    }
    const leg = new PlaneLeg(of, id, port, settings.address, (terms) => {
      const member = members.get(id)
      if (member === undefined) return
      if (terms === null) members.delete(id)
      else members.set(id, { ...member, codec: terms.codec, held: terms.held })
    })
    const sdp = read === null ? leg.offer() : leg.answer(read)
    return { ok: true, leg, sdp }
  }

  return {
    join: (_context, request) => join(request),
    conferences: () => [...new Set([...members.values()].map(({ conference }) => conference))],
    roster: (conference) =>
      membersOf(conference).map(({ participant, role, codec, held }) => ({ participant, role, codec, held })),
    metrics: async () =>
      (await thread.request<Extract<FromWorker, { type: 'metrics' }>>((request) => ({ type: 'metrics', request }))).metrics,
    close: async () => {
      if (closed) return
      closed = true
      await thread.shutdown()
    }
  }
}

/** One media worker and what is asked of it. */
class Thread {
  readonly legs = new Map<number, (event: LegEvent) => void>()
  readonly #worker: Worker
  readonly #opening = new Map<number, PromiseWithResolvers<number>>()
  readonly #requests = new Map<number, PromiseWithResolvers<FromWorker>>()
  #nextRequest = 0
  lost = false

  private constructor(worker: Worker) {
    this.#worker = worker
  }

  static start(settings: WorkerSettings, onLost: (thread: Thread) => void): Promise<Thread> {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: settings })
    const thread = new Thread(worker)
    const begun = Promise.withResolvers<Thread>()
    let ready = false
    worker.on('message', (message: FromWorker) => {
      if (message.type === 'ready') {
        ready = true
        begun.resolve(thread)
      } else thread.#receive(message)
    })
    worker.on('error', (error) =>
      begun.reject(new InfraFabricError('media.worker.lost', 'the media thread failed', { cause: error }))
    )
    worker.on('exit', () => {
      thread.#lose()
      begun.reject(new InfraFabricError('media.worker.lost', 'the media thread ended before it was ready'))
      if (ready) onLost(thread)
    })
    return begun.promise
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case 'opened':
        this.#opening.get(message.leg)?.resolve(message.port)
        this.#opening.delete(message.leg)
        return
      case 'notOpened':
        this.#opening.get(message.leg)?.reject(new InfraFabricError('conference.no-ports', message.reason))
        this.#opening.delete(message.leg)
        return
      case 'stats':
      case 'metrics':
        this.#requests.get(message.request)?.resolve(message)
        this.#requests.delete(message.request)
        return
      case 'dtmf':
        return this.legs.get(message.leg)?.({ type: 'dtmf', digit: message.digit, durationMs: message.durationMs })
      case 'mediaTimeout':
        return this.legs.get(message.leg)?.({ type: 'mediaTimeout', silentMs: message.silentMs })
      case 'strangers':
        return this.legs.get(message.leg)?.({ type: 'strangerRejected', packets: message.packets })
    }
  }

  #lose(): void {
    this.lost = true
    const error = new InfraFabricError('media.worker.lost', 'the media thread is gone')
    for (const waiting of [...this.#opening.values(), ...this.#requests.values()]) waiting.reject(error)
    this.#opening.clear()
    this.#requests.clear()
    for (const tell of this.legs.values()) tell({ type: 'failed', reason: 'the media thread is gone' })
    this.legs.clear()
  }

  post(message: ToWorker): void {
    this.#worker.postMessage(message)
  }

  open(leg: number, conference: string, speaks: boolean): Promise<number> {
    if (this.lost) return Promise.reject(new InfraFabricError('media.worker.lost', 'the media thread is gone'))
    const opening = Promise.withResolvers<number>()
    this.#opening.set(leg, opening)
    this.post({ type: 'open', leg, conference, speaks })
    return opening.promise
  }

  /** @throws {InfraFabricError} `media.worker.lost`, `media.worker.timeout` */
  request<A extends FromWorker>(message: (request: number) => ToWorker): Promise<A> {
    if (this.lost) return Promise.reject(new InfraFabricError('media.worker.lost', 'the media thread is gone'))
    const id = this.#nextRequest++
    const asked = Promise.withResolvers<FromWorker>()
    this.#requests.set(id, asked)
    const timer = setTimeout(() => {
      this.#requests.delete(id)
      asked.reject(new InfraFabricError('media.worker.timeout', `the media thread did not answer within ${requestTimeoutMs} ms`))
    }, requestTimeoutMs)
    this.post(message(id))
    return asked.promise.finally(() => clearTimeout(timer)) as Promise<A>
  }

  /** Asks the thread to end and waits for it; one that does not is ended. */
  async shutdown(): Promise<void> {
    if (this.lost) return
    const ended = new Promise((resolve) => this.#worker.once('exit', resolve))
    this.post({ type: 'shutdown' })
    const timer = setTimeout(() => void this.#worker.terminate(), requestTimeoutMs)
    await ended
    clearTimeout(timer)
  }
}

/** A leg as the gateways hold it. */
class PlaneLeg implements ConferenceLeg {
  readonly #thread: Thread
  readonly #id: number
  readonly #port: number
  readonly #origin: { -readonly [key in keyof Origin]: Origin[key] }
  readonly #changed: (terms: AudioTerms | null) => void
  #listeners: ((event: LegEvent) => void)[] = []
  #sdp = ''
  #terms: AudioTerms | null = null
  #left: Promise<LegStats> | null = null

  constructor(thread: Thread, id: number, port: number, address: string, changed: (terms: AudioTerms | null) => void) {
    this.#thread = thread
    this.#id = id
    this.#port = port
    this.#origin = { sessionId: String(randomInt(2 ** 47)), version: 1, address }
    this.#changed = changed
    thread.legs.set(id, (event) => {
      for (const listener of this.#listeners) listener(event)
    })
  }

  offer(): string {
    this.#sdp = writeOffer(this.#origin, this.#port)
    return this.#sdp
  }

  answer(read: ReadOffer): string {
    this.#agree(read.terms)
    const same = writeAnswer(read, this.#origin, this.#port)
    if (this.#sdp !== '' && same !== this.#sdp) this.#origin.version++
    this.#sdp = writeAnswer(read, this.#origin, this.#port)
    return this.#sdp
  }

  #agree(terms: AudioTerms): void {
    this.#terms = terms
    this.#thread.post({ type: 'agree', leg: this.#id, terms })
    this.#changed(terms)
  }

  readonly codec = () => this.#terms?.codec ?? null
  readonly localSdp = () => this.#sdp

  readonly offered = async (sdp: string): Promise<{ ok: true; sdp: string; held: boolean } | MediaRefusal> => {
    const read = readDescription(sdp)
    return read.ok ? { ok: true, sdp: this.answer(read), held: read.terms.held } : read
  }

  readonly answered = async (sdp: string): Promise<{ ok: true; held: boolean } | MediaRefusal> => {
    const read = readDescription(sdp)
    if (!read.ok) return read
    this.#agree(read.terms)
    return { ok: true, held: read.terms.held }
  }

  readonly stats = async (): Promise<LegStats> => {
    if (this.#left !== null) return this.#left
    return (await this.#ask('stats')).stats
  }

  readonly leave = (): Promise<LegStats> => {
    this.#left ??= this.#ask('close').then(
      ({ stats }) => stats,
      () => emptyStats
    )
    this.#thread.legs.delete(this.#id)
    this.#listeners = []
    this.#changed(null)
    return this.#left
  }

  readonly onEvent = (listener: (event: LegEvent) => void): void => {
    this.#listeners.push(listener)
  }

  #ask(type: 'stats' | 'close'): Promise<Extract<FromWorker, { type: 'stats' }>> {
    return this.#thread.request((request) => ({ type, leg: this.#id, request }))
  }
}
