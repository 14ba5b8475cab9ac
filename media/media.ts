/**
 * The media plane: conferences that carry sound. This thread negotiates and keeps the roster; packets are the worker's (worker.ts).
 */
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { isIPv4 } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import {
  type ConferenceLeg,
  type ConferencePort,
  ConfigError,
  errorCode,
  InfraFabricError,
  type JoinRequest,
  type LegEvent,
  type LegStats,
  type Log,
  type MediaRefusal,
  type ParticipantRole
} from '#kernel'
import type { FromWorker, ToWorker, WorkerMetrics, WorkerSettings } from './control.ts'
import {
  type AudioTerms,
  type Origin,
  offeredEvents,
  type ReadOffer,
  readAnswer,
  readDescription,
  writeAnswer,
  writeOffer
} from './sdp.ts'

export { pcma, pcmu } from './codec/g711.ts'
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

/** `join` throws {@link InfraFabricError} `media.closed`, `media.worker.lost` where no refusal fits; a leg whose thread is lost, or that has left, throws the latter. */
export interface MediaPlane extends ConferencePort {
  readonly conferences: () => readonly string[]
  readonly roster: (conference: string) => readonly RosterEntry[]
  /** @throws {InfraFabricError} `media.closed`, `media.worker.lost` */
  readonly metrics: () => Promise<WorkerMetrics>
  /** Ends every leg and the thread. Idempotent. */
  readonly close: () => Promise<void>
}

interface Member extends RosterEntry {
  readonly conference: string
}

const requestTimeoutMs = 5000
/** Pause before a lost thread is replaced, so that one that cannot live does not eat the machine. */
const restartPauseMs = 100
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
  if (!isIPv4(config.address) || /^(0|22[4-9]|2[345]\d)\./.test(config.address)) {
    problems.push(`address: expected an IPv4 address of this machine, got ${JSON.stringify(config.address)}`)
  }
  if (!Number.isInteger(min) || !Number.isInteger(max) || min < 1024 || max > 65_535 || max - min < 1) {
    problems.push(`portRange: expected two ports from 1024 to 65535, the first below the second, got ${min}–${max}`)
  }
  for (const name of ['jitterTargetMs', 'mediaTimeoutMs', 'latchWindowMs', 'reportIntervalMs'] as const) {
    if (!Number.isFinite(settings[name]) || settings[name] < 0)
      problems.push(`${name}: expected milliseconds, got ${settings[name]}`)
  }
  const { maxParticipants = 1 } = config
  if (!Number.isInteger(maxParticipants) || maxParticipants < 1) {
    problems.push(`maxParticipants: expected a whole number from 1 on, got ${maxParticipants}`)
  }
  if (settings.jitterTargetMs > 500) problems.push(`jitterTargetMs: expected at most 500, got ${settings.jitterTargetMs}`)
  if (problems.length > 0) throw new ConfigError('media', problems)
  return settings
}

/** Whether the address is one of this machine's. @throws {ConfigError} */
async function checkAddress(address: string): Promise<void> {
  const socket = createSocket('udp4')
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind({ address, port: 0 }, resolve)
    })
  } catch (error) {
    throw new ConfigError('media', [`address: ${address} cannot be used: ${errorCode(error)}`])
  } finally {
    socket.close()
  }
}

const planeClosed = () => new InfraFabricError('media.closed', 'the media plane is closed')
const threadLost = () => new InfraFabricError('media.worker.lost', 'the media thread is gone')

/** Starts the media plane. @throws {ConfigError} */
export async function createMediaPlane(config: MediaConfig): Promise<MediaPlane> {
  const settings = checkConfig(config)
  await checkAddress(config.address)
  const maxParticipants = config.maxParticipants ?? 100
  const { log } = config
  let nextId = 0
  let closing: Promise<void> | null = null
  const members = new Map<number, Member>()
  const membersOf = (conference: string) => [...members.values()].filter((member) => member.conference === conference)

  /** A thread and all that waits for it: when it is lost, both go, and a new one serves new legs. */
  const startThread = () => Thread.start(settings, replace)
  let thread: Promise<Thread> = startThread()
  await thread

  function replace(lost: Thread): void {
    for (const id of lost.legs.keys()) members.delete(id)
    if (closing !== null) return
    log.error({ legs: lost.legs.size, cause: String(lost.cause ?? 'it ended') }, 'media thread lost')
    thread = sleep(restartPauseMs).then(() => {
      if (closing !== null) throw planeClosed()
      return startThread()
    })
    thread.catch((error: unknown) => {
      if (closing === null) log.fatal({ code: errorCode(error) }, 'media thread cannot be started')
    })
  }

  /** The thread that serves new legs. One that could not be started is tried again. */
  async function running(): Promise<Thread> {
    if (closing !== null) throw planeClosed()
    const tried = thread
    try {
      return await tried
    } catch (error) {
      if (closing !== null) throw planeClosed()
      if (tried !== thread) return running()
      log.warn({ code: errorCode(error) }, 'media thread started again')
      thread = startThread()
      return thread
    }
  }

  const join = async (request: JoinRequest): Promise<Awaited<ReturnType<ConferencePort['join']>>> => {
    if (closing !== null) throw planeClosed()
    const { conference, participant, role, offer } = request
    const read = offer === null ? null : readDescription(offer)
    if (read !== null && !read.ok) return read
    const present = membersOf(conference)
    if (present.some((member) => member.participant === participant)) {
      return { ok: false, code: 'conference.full', reason: `${participant} is in ${conference} already` }
    }
    if (present.length >= maxParticipants) {
      return { ok: false, code: 'conference.full', reason: `${conference} has ${maxParticipants} participants` }
    }
    const id = nextId++
    members.set(id, { conference, participant, role, codec: null, held: false })
    let of: Thread
    let port: number
    try {
      of = await running()
      port = await of.open(id, conference, role !== 'observer')
    } catch (error) {
      members.delete(id)
      if (closing !== null) throw planeClosed()
      if (errorCode(error) !== 'conference.no-ports') throw error
      return { ok: false, code: 'conference.no-ports', reason: (error as InfraFabricError).message }
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
    metrics: async () => (await (await running()).request('metrics', (request) => ({ type: 'metrics', request }))).metrics,
    close: () => {
      closing ??= thread.then(
        (last) => last.shutdown(),
        () => undefined
      )
      return closing
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
  /** What ended it, when that was an error. */
  cause: unknown = null

  private constructor(worker: Worker) {
    this.#worker = worker
  }

  static start(settings: WorkerSettings, onLost: (thread: Thread) => void): Promise<Thread> {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      name: 'media',
      workerData: settings,
      execArgv: ['--disable-warning=ExperimentalWarning']
    })
    const thread = new Thread(worker)
    const begun = Promise.withResolvers<Thread>()
    let ready = false
    worker.on('message', (message: FromWorker) => {
      if (message.type === 'ready') {
        ready = true
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
      if (ready) onLost(thread)
      thread.#lose()
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
        this.legs.get(message.leg)?.({ type: 'dtmf', digit: message.digit, durationMs: message.durationMs })
        return
      case 'mediaTimeout':
        this.legs.get(message.leg)?.({ type: 'mediaTimeout', silentMs: message.silentMs })
        return
      case 'strangers':
        this.legs.get(message.leg)?.({ type: 'strangerRejected', packets: message.packets })
    }
  }

  #lose(): void {
    const error = threadLost()
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
    if (this.lost) return Promise.reject(threadLost())
    const opening = Promise.withResolvers<number>()
    this.#opening.set(leg, opening)
    this.post({ type: 'open', leg, conference, speaks })
    return opening.promise
  }

  /** @throws {InfraFabricError} `media.worker.lost`, `media.worker.timeout` */
  request<T extends 'stats' | 'metrics'>(
    _answer: T,
    message: (request: number) => ToWorker
  ): Promise<Extract<FromWorker, { type: T }>> {
    if (this.lost) return Promise.reject(threadLost())
    const id = this.#nextRequest++
    const asked = Promise.withResolvers<FromWorker>()
    this.#requests.set(id, asked)
    const timer = setTimeout(() => {
      this.#requests.delete(id)
      asked.reject(new InfraFabricError('media.worker.timeout', `the media thread did not answer within ${requestTimeoutMs} ms`))
    }, requestTimeoutMs)
    this.post(message(id))
    return asked.promise.finally(() => clearTimeout(timer)) as Promise<Extract<FromWorker, { type: T }>>
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
  #failed: LegEvent | null = null
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
      if (event.type === 'failed') this.#failed = event
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

  /** @throws {InfraFabricError} `media.worker.lost`, `media.leg.left` */
  #check(): void {
    if (this.#left !== null) throw new InfraFabricError('media.leg.left', 'the participant has left the conference')
    if (this.#thread.lost) throw threadLost()
  }

  #agree(terms: AudioTerms): void {
    this.#terms = terms
    this.#thread.post({ type: 'agree', leg: this.#id, terms })
    this.#changed(terms)
  }

  readonly codec = () => this.#terms?.codec ?? null
  readonly localSdp = () => this.#sdp

  readonly offered = async (sdp: string): Promise<{ ok: true; sdp: string; held: boolean } | MediaRefusal> => {
    this.#check()
    const read = readDescription(sdp)
    return read.ok ? { ok: true, sdp: this.answer(read), held: read.terms.held } : read
  }

  readonly answered = async (sdp: string): Promise<{ ok: true; held: boolean } | MediaRefusal> => {
    this.#check()
    const read = readAnswer(sdp, this.#terms === null ? offeredEvents : this.#terms.eventPayloadType)
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
    const failed = this.#failed
    if (failed !== null && this.#left === null) queueMicrotask(() => listener(failed))
  }

  #ask(type: 'stats' | 'close') {
    return this.#thread.request('stats', (request) => ({ type, leg: this.#id, request }))
  }
}
