/** The gatekeeper as a service: sockets, clock, store, guard and record around the zone. */
import { randomBytes, randomInt } from 'node:crypto'
import { type Clock, errorCode, type Guard, type Log, newTraceId, systemClock, type Witness, type WitnessEvent } from '#kernel'
import type { RasMessage } from '../h225/h225.ts'
import { rasMessage } from '../h225/pdus.ts'
import { type Address, textOfAddress } from './addresses.ts'
import { type GatekeeperConfig, resolveConfig } from './config.ts'
import { createZone, isResponse, takeChange, takeMessage, takeResponse, tick } from './core.ts'
import { bitRateOf } from './events.ts'
import { answerKey, createAnswers } from './protection/answers.ts'
import { createAuthenticator } from './protection/authentication.ts'
import { createLimiter } from './protection/limiter.ts'
import { dropCall } from './requests/calling.ts'
import { unregisterFromHere } from './requests/registering.ts'
import type { RegistrationStore } from './store/store.ts'
import { type Call, widthOf } from './tables/calls.ts'
import type { Registration } from './tables/registrations.ts'
import { openTransport, type Transport } from './transport.ts'
import type { Effect, Origin } from './zone.ts'

export interface GatekeeperPorts {
  readonly guard: Guard
  readonly witness: Witness
  readonly log: Log
  /** Closed by whoever opened it. */
  readonly store: RegistrationStore
  /** US dollars of one call, exact, from decimals: Mbit/s on average, and minutes. */
  readonly sessionCost: (mbitPerSecond: string, minutes: string) => string
  readonly clock?: Clock
}

/** Counters since the start. */
export interface GatekeeperStats {
  readonly requests: number
  readonly answers: number
  /** Repeated requests that got the answer they had before. */
  readonly repeated: number
  /** Datagrams dropped: too large, no RAS message, too many of one address or of strangers. */
  readonly oversized: number
  readonly undecodable: number
  readonly flooded: number
  /** Answers to strangers that were too large for the request. */
  readonly amplifying: number
  readonly inProgress: number
  readonly unrecorded: number
  readonly storeFailures: number
  readonly sendFailures: number
}

export interface CallSnapshot {
  readonly call: string
  readonly traceId: string
  readonly from: string
  readonly to: string
  /** Where its signalling goes, `address:port`; null until that is known. A router of call signalling asks here. */
  readonly destination: string | null
  /** Wall clock, milliseconds; null until the first leg is admitted. */
  readonly startedAt: number | null
  readonly bandwidthBps: number
  readonly legs: readonly {
    readonly endpoint: string
    readonly answering: boolean
    readonly state: string
    readonly bandwidthBps: number
  }[]
}

export interface Gatekeeper {
  /** Where RAS is listened to. */
  readonly address: Address
  readonly stats: () => GatekeeperStats
  readonly endpoints: () => readonly Registration[]
  readonly calls: () => readonly CallSnapshot[]
  /** By the call identifier in hex. */
  readonly call: (key: string) => CallSnapshot | null
  readonly bandwidthUsedBps: () => number
  /** Asks the endpoints of a call to leave it. False: no such call. */
  readonly drop: (key: string) => boolean
  /** Unregisters an endpoint and ends its calls here. False: no such endpoint. */
  readonly unregister: (endpointId: string) => boolean
  /** Stops listening; registrations stay in the store. Resolves when everything begun is recorded. Idempotent. */
  readonly close: () => Promise<void>
}

const tickMs = 500
const answersKeptMs = 30_000
const mostAnswers = 50_000
const mostAddresses = 20_000
const ripDelayMs = 5000
/** A bare GRQ has 30 octets, its GCF with a name of 32 characters 96. */
const smallAnswerOctets = 96

/**
 * Starts a gatekeeper on the registrations of its store.
 *
 * @throws {ConfigError} naming every problem; {InfraFabricError} `h323.ras.bind`; whatever the store throws
 */
export async function createGatekeeper(config: GatekeeperConfig, ports: GatekeeperPorts): Promise<Gatekeeper> {
  const settings = resolveConfig(config)
  const { log, store, witness, guard } = ports
  const clock = ports.clock ?? systemClock
  const { limits } = settings
  const counters = {
    requests: 0,
    answers: 0,
    repeated: 0,
    oversized: 0,
    undecodable: 0,
    flooded: 0,
    amplifying: 0,
    inProgress: 0,
    unrecorded: 0,
    storeFailures: 0,
    sendFailures: 0
  }
  const byAddress = createLimiter(limits.perAddress, limits.burst, mostAddresses)
  const ofStrangers = createLimiter(limits.strangers, limits.strangers, 1)
  const answers = createAnswers(answersKeptMs, mostAnswers)
  /** Of requests not answered yet: ends the wait for the RIP. */
  const slow = new Map<string, () => void>()
  const underWay = new Set<Promise<unknown>>()
  const ending = new AbortController()
  let closing: Promise<void> | null = null
  let isOpen = false
  let stopTicking = (): void => {}

  const transport: Transport = await openTransport(settings.bind, settings.multicast, receive, (error) => {
    counters.sendFailures++
    log.debug({ code: errorCode(error) }, 'ras socket')
  })
  const { ip: boundIp, port } = transport.address
  const zone = createZone(settings, { ip: settings.advertise ?? boundIp, port }, { traceId: newTraceId, endpointId })
  const authenticator = createAuthenticator(settings, (id) => zone.registrations.get(id)?.user ?? null)

  function endpointId(): string {
    return randomBytes(9).toString('base64url')
  }

  function receive(octets: Buffer, from: Address, multicast: boolean): void {
    if (!isOpen || closing !== null) return
    const now = clock.now()
    if (octets.length > limits.datagram) {
      counters.oversized++
      return
    }
    const monotonicMs = clock.monotonicMs()
    const isStranger = !zone.registrations.isKnownIp(from.ip)
    if (!byAddress.take(from.ip, monotonicMs) || (isStranger && !ofStrangers.take('', monotonicMs))) {
      counters.flooded++
      return
    }
    let message: RasMessage
    try {
      message = rasMessage.decode(octets)
    } catch {
      counters.undecodable++
      return
    }
    const response = takeResponse(zone, message, from, now)
    if (response !== null) {
      perform(response)
      return
    }
    if (isResponse(message) && message.type !== 'infoRequestResponse') return
    const key = answerKey(textOfAddress(from), octets)
    const before = answers.of(key, now)
    if (before !== null) {
      counters.repeated++
      if (before !== 'waiting') transport.send(before, from)
      return
    }
    counters.requests++
    answers.begin(key, now)
    const proved = settings.users === null ? null : authenticator.userOf(octets, message, now)
    const origin: Origin = { from, key, size: octets.length, user: proved?.user ?? null, sendersId: proved?.sendersId ?? null }
    slow.set(
      key,
      clock.after(settings.slowAfterMs, () => inProgress(message, origin))
    )
    try {
      perform(takeMessage(zone, message, origin, now, octets, multicast))
    } catch (error) {
      settled(key)
      log.error({ message: message.type, code: errorCode(error) }, 'gatekeeper')
    }
  }

  /** H.225.0 §7.18: the sender waits longer instead of asking again. */
  function inProgress(message: RasMessage, origin: Origin): void {
    slow.delete(origin.key)
    if (!('value' in message) || !('requestSeqNum' in message.value)) return
    const { requestSeqNum } = message.value as { requestSeqNum: number }
    const octets = encodeFor(origin, { type: 'requestInProgress', value: { requestSeqNum, delay: ripDelayMs } })
    if (octets === null) return
    counters.inProgress++
    transport.send(octets, origin.from)
  }

  function encode(message: RasMessage, user: string | null, generalId: string): Uint8Array {
    return user === null
      ? rasMessage.encode(message)
      : authenticator.encode(message, user, generalId, clock.now(), randomInt(1, 2 ** 31))
  }

  /** Null when the answer would be out of proportion to a request whose source nobody vouches for. */
  function encodeFor(origin: Origin, message: RasMessage): Uint8Array | null {
    const octets = encode(message, origin.user, origin.sendersId ?? '')
    const most = Math.max(smallAnswerOctets, origin.size * limits.amplification)
    if (octets.length <= most || zone.registrations.isKnownIp(origin.from.ip)) return octets
    const { alternateGatekeeper: _, altGKInfo: __, ...rest } = (message as unknown as { value: Record<string, unknown> }).value
    const shorter = encode({ ...message, value: rest } as unknown as RasMessage, origin.user, origin.sendersId ?? '')
    if (shorter.length <= most) return shorter
    counters.amplifying++
    return null
  }

  function settled(key: string): void {
    slow.get(key)?.()
    slow.delete(key)
  }

  /** Keeps what is begun until it is over, so that close can wait for it. */
  function begin(work: Promise<readonly Effect[]>): void {
    const whole = work.then(perform, (error: unknown) => log.error({ code: errorCode(error) }, 'gatekeeper'))
    underWay.add(whole)
    void whole.finally(() => underWay.delete(whole))
  }

  /** A defect in one message is not the end of the others. */
  function perform(effects: readonly Effect[]): void {
    for (const effect of effects) {
      try {
        act(effect)
      } catch (error) {
        log.error({ effect: effect.type, code: errorCode(error) }, 'gatekeeper')
      }
    }
  }

  function act(effect: Effect): void {
    switch (effect.type) {
      case 'answer': {
        const { origin, message } = effect
        settled(origin.key)
        const octets = encodeFor(origin, message)
        if (octets === null) break
        answers.give(origin.key, octets)
        counters.answers++
        if (closing === null) transport.send(octets, origin.from)
        break
      }
      case 'silence':
        settled(effect.origin.key)
        answers.forget(effect.origin.key)
        break
      case 'send':
        if (closing === null)
          transport.send(encode(effect.message, effect.seal?.user ?? null, effect.seal?.generalId ?? ''), effect.to)
        break
      case 'claim':
        begin(claim(effect))
        break
      case 'renew':
        begin(stored(store.renew(effect.endpointId, effect.expiresAt)))
        break
      case 'forget':
        begin(stored(store.forget(effect.endpointId, effect.expiredAt)))
        break
      case 'decide':
        begin(decide(effect))
        break
      case 'record':
        begin(record(effect))
        break
    }
  }

  async function claim({ registration, next }: Extract<Effect, { type: 'claim' }>): Promise<readonly Effect[]> {
    try {
      return next(await store.claim(registration, clock.now()), clock.now())
    } catch (error) {
      counters.storeFailures++
      log.warn({ code: errorCode(error) }, 'registration not stored')
      return next(null, clock.now())
    }
  }

  async function stored(work: Promise<void>): Promise<readonly Effect[]> {
    try {
      await work
    } catch (error) {
      counters.storeFailures++
      log.warn({ code: errorCode(error) }, 'store')
    }
    return []
  }

  async function decide({ traceId, request, next }: Extract<Effect, { type: 'decide' }>): Promise<readonly Effect[]> {
    const late = new AbortController()
    const signal = AbortSignal.any([late.signal, ending.signal])
    const gaveUp = Promise.withResolvers<null>()
    signal.addEventListener('abort', () => gaveUp.resolve(null))
    const cancel = clock.after(settings.guardTimeoutMs, () => late.abort())
    const context = { traceId, log: log.child({ traceId }), signal, now: clock.now }
    const asked = guard.decide(context, request).catch((error: unknown) => {
      log.error({ traceId, code: errorCode(error) }, 'guard')
      return null
    })
    const decision = await Promise.race([asked, gaveUp.promise])
    cancel()
    return next(decision, clock.now())
  }

  async function record({ event, next }: Extract<Effect, { type: 'record' }>): Promise<readonly Effect[]> {
    let isRecorded = true
    try {
      await witness.record(priced(event))
    } catch (error) {
      isRecorded = false
      counters.unrecorded++
      log.error({ traceId: event.traceId, event: event.event, code: errorCode(error) }, 'not recorded')
    }
    return next === undefined ? [] : next(isRecorded, clock.now())
  }

  function priced(event: WitnessEvent): WitnessEvent {
    if (event.event !== 'h323_call_complete') return event
    const { bandwidth_mbps, minutes } = event.payload as { bandwidth_mbps: string; minutes: string }
    const cost = ports.sessionCost(bandwidth_mbps, minutes)
    return { ...event, payload: { ...event.payload, cost }, cost }
  }

  const snapshot = (call: Call): CallSnapshot => ({
    call: call.key,
    traceId: call.traceId,
    from: call.from,
    to: call.to,
    destination: call.destination,
    startedAt: call.startedAt,
    bandwidthBps: bitRateOf(widthOf(call)),
    legs: [...call.legs.values()].map(({ endpointId: endpoint, answering, state, bandwidth }) => ({
      endpoint,
      answering,
      state,
      bandwidthBps: bitRateOf(bandwidth)
    }))
  })

  const keepTicking = (): void => {
    stopTicking = clock.after(tickMs, () => {
      keepTicking()
      try {
        perform(tick(zone, clock.now()))
      } catch (error) {
        log.error({ code: errorCode(error) }, 'gatekeeper')
      }
    })
  }

  async function shut(): Promise<void> {
    stopTicking()
    for (const cancel of slow.values()) cancel()
    slow.clear()
    ending.abort()
    while (underWay.size > 0) await Promise.all(underWay)
    await transport.close()
  }

  try {
    await store.watch((change) => {
      if (closing === null) perform(takeChange(zone, change, clock.now()))
    })
    for (const registration of await store.load(clock.now())) zone.registrations.put(registration)
  } catch (error) {
    await transport.close()
    throw error
  }
  isOpen = true
  keepTicking()

  return {
    address: transport.address,
    stats: () => ({ ...counters }),
    endpoints: () => zone.registrations.list(),
    calls: () => [...zone.calls.values()].map(snapshot),
    call: (key) => {
      const call = zone.calls.get(key)
      return call === undefined ? null : snapshot(call)
    },
    bandwidthUsedBps: () => bitRateOf(zone.bandwidth.zoneUsed()),
    drop: (key) => {
      if (!zone.calls.has(key)) return false
      perform(dropCall(zone, key, clock.now()))
      return true
    },
    unregister: (id) => {
      if (zone.registrations.get(id) === undefined) return false
      perform(unregisterFromHere(zone, id, { type: 'maintenance' }, clock.now()))
      return true
    },
    close: () => {
      closing ??= shut()
      return closing
    }
  }
}
