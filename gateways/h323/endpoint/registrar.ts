/** RAS of an endpoint: discovery, registration and its renewal, admission of calls. */
import { randomInt } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type Clock, errorCode, InfraFabricError, type Log } from '#kernel'
import { type Address, addressOf, addressOfText, plainIp, transportAddressOf } from '../gatekeeper/addresses.ts'
import type { AdmissionConfirm, AliasAddress, AlternateGK, EndpointType, RasMessage, VendorIdentifier } from '../h225/h225.ts'
import { rasMessage } from '../h225/pdus.ts'
import { h225ProtocolIdentifier } from '../h225/version.ts'
import { baselineToken, baselineTokenOf, isSealed, judgeFreshness, keyOfPassword, type SeenToken, seal } from '../h235/h235.ts'

export interface RegistrarOptions {
  /** Null looks for a gatekeeper by multicast. */
  readonly gatekeeper: Address | null
  readonly identifier: string | null
  readonly user: { readonly name: string; readonly password: string } | null
  readonly timeToLiveS: number
  readonly bindIp: string
  readonly callSignalAddress: Address
  readonly aliases: readonly AliasAddress[]
  readonly endpointType: EndpointType
  readonly vendor: VendorIdentifier
  readonly clock: Clock
  readonly log: Log
  /** The gatekeeper wants a call ended (DRQ). */
  readonly onDisengage: (call: DisengagedCall) => void
  readonly onState: (state: RegistrationState, reason: string | null) => void
  /** Calls that are under way, for IRR. */
  readonly calls: () => readonly ReportedCall[]
}

/** Peers of H.225.0 v1 name a call without an identifier: then its reference and its conference tell which. */
export interface DisengagedCall {
  readonly callIdentifier: Uint8Array | null
  readonly callReference: number
  readonly conferenceId: Uint8Array
}

export type RegistrationState = 'none' | 'discovering' | 'registering' | 'registered' | 'rejected'

export interface ReportedCall {
  readonly callReference: number
  readonly callIdentifier: Uint8Array
  readonly conferenceId: Uint8Array
  readonly isOriginator: boolean
  readonly bandwidth: number
}

export interface AdmissionParts {
  readonly answering: boolean
  readonly destination: readonly AliasAddress[]
  readonly destCallSignalAddress: Address | null
  readonly source: readonly AliasAddress[]
  readonly srcCallSignalAddress: Address | null
  readonly callReference: number
  readonly callIdentifier: Uint8Array
  readonly conferenceId: Uint8Array
  /** Units of 100 bit/s. */
  readonly bandwidth: number
}

export type Admission =
  | { readonly ok: true; readonly confirm: AdmissionConfirm }
  | { readonly ok: false; readonly reason: string }

export interface Registrar {
  readonly state: () => RegistrationState
  readonly endpointIdentifier: () => string | null
  /** Resolves with the first RCF. @throws {InfraFabricError} `h323.endpoint.unregistered` */
  readonly registered: Promise<void>
  readonly admit: (parts: AdmissionParts) => Promise<Admission>
  readonly disengage: (call: ReportedCall & { readonly answered: boolean }) => Promise<void>
  readonly close: () => Promise<void>
}

type Request = Extract<RasMessage, { readonly value: { readonly requestSeqNum: number } }>
type Named<T extends RasMessage['type']> = Extract<RasMessage, { readonly type: T }>

/** H.225.0 table 18: seconds until a request is repeated, and how often. */
const patience = {
  gatekeeperRequest: { ms: 3000, tries: 3 },
  registrationRequest: { ms: 3000, tries: 3 },
  unregistrationRequest: { ms: 1500, tries: 2 },
  admissionRequest: { ms: 3000, tries: 3 },
  disengageRequest: { ms: 2000, tries: 3 }
} as const
type Asked = keyof typeof patience

/** Longest that a RIP makes us wait, ms, and how many make us wait for one answer. */
const longestProgressMs = 60_000
const mostProgress = 10
/** Other gatekeepers that are remembered. */
const mostAlternates = 8
/** Answers that are sent again when their request comes again. */
const mostAnswers = 16
const multicastGroup: Address = { ip: '224.0.1.41', port: 1718 }
const retryMs = { shortest: 2000, longest: 60_000 }
const clockToleranceS = 120
const mostOctets = 8192

const tokensOf = (message: RasMessage): Parameters<typeof baselineTokenOf>[0] =>
  'value' in message && typeof message.value === 'object' && message.value !== null && 'cryptoTokens' in message.value
    ? (message.value.cryptoTokens as Parameters<typeof baselineTokenOf>[0])
    : undefined

const reasonOf = (message: RasMessage): string =>
  'value' in message && typeof message.value === 'object' && message.value !== null && 'rejectReason' in message.value
    ? (message.value.rejectReason as { readonly type: string }).type
    : message.type

interface Pending {
  readonly tries: number
  readonly octets: Buffer
  readonly to: Address
  readonly settle: (answer: RasMessage | null) => void
  left: number
  progressLeft: number
  readonly attempt: () => void
  cancel: () => void
}

interface Alternate {
  readonly address: Address
  readonly identifier: string | null
}

/** Opens RAS and begins to register. @throws {InfraFabricError} `h323.ras.bind` */
export async function openRegistrar(options: RegistrarOptions): Promise<Registrar> {
  const { clock, log, user } = options
  const socket: Socket = createSocket(options.bindIp.includes(':') ? 'udp6' : 'udp4')
  try {
    socket.bind(0, options.bindIp)
    await once(socket, 'listening')
  } catch (cause) {
    throw new InfraFabricError('h323.ras.bind', `RAS cannot be opened on ${options.bindIp}`, { cause })
  }
  const { address, port } = socket.address()
  const own: Address = { ip: plainIp(address), port }
  const key = user === null ? null : keyOfPassword(user.password)
  const pending = new Map<number, Pending>()
  const registered = Promise.withResolvers<void>()
  registered.promise.catch(() => {})
  let state: RegistrationState = 'none'
  let gatekeeper = options.gatekeeper
  let gatekeeperIdentifier = options.identifier
  let endpointIdentifier: string | null = null
  let seq = randomInt(1, 60_000)
  let closing: Promise<void> | null = null
  let stopWaiting = (): void => {}
  let pauseMs = retryMs.shortest
  let seen: readonly SeenToken[] = []
  /** The best first. @see H.225.0 §7.2.2 (alternateGatekeeper) */
  let alternates: readonly Alternate[] = []
  /** Which of them is asked; 0 is the one that was configured or found. */
  let turn = 0
  const answers: { readonly request: Buffer; readonly answer: Buffer }[] = []
  /** Reports that are due of calls, by call identifier. */
  const reports = new Map<string, () => void>()

  function setState(next: RegistrationState, reason: string | null = null): void {
    if (state === next && reason === null) return
    state = next
    options.onState(next, reason)
  }

  const nextSeq = (): number => {
    seq = seq >= 65_535 ? 1 : seq + 1
    return seq
  }

  /** The octets of a message, with the hash of H.235.1 where there is a password. */
  function encode(message: RasMessage): Buffer {
    if (key === null || user === null || message.type === 'gatekeeperRequest') return rasMessage.encode(message)
    const token = baselineToken({
      sendersID: endpointIdentifier ?? user.name,
      generalID: gatekeeperIdentifier ?? '',
      timeStamp: Math.floor(clock.now() / 1000),
      random: randomInt(0x7fff_ffff)
    })
    const value = { ...(message as { readonly value: object }).value, cryptoTokens: [token] }
    return seal(rasMessage, { type: message.type, value } as unknown as RasMessage, key, tokensOf)
  }

  function transmit(octets: Buffer, to: Address): void {
    socket.send(octets, to.port, to.ip, (error) => {
      if (error !== null) log.debug({ code: errorCode(error) }, 'ras socket')
    })
  }

  /** Sends a request until it is answered; null when it is not. */
  function ask(message: Request & { readonly type: Asked }, to: Address): Promise<RasMessage | null> {
    const { ms, tries } = patience[message.type]
    const number = message.value.requestSeqNum
    return new Promise((resolve) => {
      const entry: Pending = {
        tries,
        octets: encode(message),
        to,
        left: tries,
        progressLeft: mostProgress,
        cancel: () => {},
        attempt: () => {
          if (entry.left-- === 0) {
            entry.settle(null)
            return
          }
          transmit(entry.octets, to)
          entry.cancel = clock.after(ms, entry.attempt)
        },
        settle: (answer) => {
          entry.cancel()
          pending.delete(number)
          resolve(answer)
        }
      }
      pending.set(number, entry)
      entry.attempt()
    })
  }

  function isTrusted(octets: Buffer, message: RasMessage): boolean {
    if (key === null || message.type === 'gatekeeperConfirm' || message.type === 'gatekeeperReject') return true
    // a gatekeeper cannot seal what it says to somebody whose password it does not know
    if (message.type === 'registrationReject' && tokensOf(message) === undefined) return true
    const tokens = tokensOf(message)
    if (!isSealed(octets, tokens, key)) return false
    const { claims } = baselineTokenOf(tokens)!
    // both sides seal with one key: what we have sealed ourselves and comes back is nobody's word
    const sender = claims.sendersID?.replace(/\0+$/, '') ?? ''
    if (sender === endpointIdentifier || sender === user?.name) return false
    const { verdict, seen: next } = judgeFreshness(seen, claims, clock.now() / 1000, clockToleranceS)
    seen = next
    return verdict === 'fresh'
  }

  socket.on('error', (error) => log.debug({ code: errorCode(error) }, 'ras socket'))
  socket.on('message', (octets, from) => {
    if (octets.length > mostOctets) return
    const source: Address = { ip: plainIp(from.address), port: from.port }
    let message: RasMessage
    try {
      message = rasMessage.decode(octets)
    } catch (error) {
      log.debug({ code: errorCode(error) }, 'no ras message')
      return
    }
    const isKnown = gatekeeper !== null && source.ip === gatekeeper.ip && source.port === gatekeeper.port
    if (!isKnown && !(state === 'discovering' && message.type.startsWith('gatekeeper'))) return
    // without a hash a repeated request is simply done again
    const before = key === null ? undefined : answers.find(({ request }) => request.equals(octets))
    if (before !== undefined) {
      transmit(before.answer, source)
      return
    }
    if (!isTrusted(octets, message)) {
      log.warn({ message: message.type }, 'ras message without a right hash')
      return
    }
    receive(message, source, octets)
  })

  /** Answers a request of the gatekeeper, and again where the answer was lost and the request comes again. */
  function respond(request: Buffer, message: RasMessage, to: Address): void {
    const answer = encode(message)
    answers.push({ request, answer })
    if (answers.length > mostAnswers) answers.shift()
    transmit(answer, to)
  }

  function receive(message: RasMessage, from: Address, octets: Buffer): void {
    switch (message.type) {
      case 'requestInProgress': {
        const entry = pending.get(message.value.requestSeqNum)
        if (entry === undefined || entry.progressLeft-- === 0) return
        // until then the request is not repeated; afterwards it is, as from the beginning
        entry.cancel()
        entry.left = entry.tries
        entry.cancel = clock.after(Math.min(message.value.delay, longestProgressMs), entry.attempt)
        return
      }
      case 'unregistrationRequest': {
        const { requestSeqNum } = message.value
        respond(octets, { type: 'unregistrationConfirm', value: { requestSeqNum } }, from)
        unregister('unregistrationRequest')
        return
      }
      case 'disengageRequest': {
        const { requestSeqNum, callIdentifier, callReferenceValue, conferenceID } = message.value
        respond(octets, { type: 'disengageConfirm', value: { requestSeqNum } }, from)
        options.onDisengage({
          callIdentifier: callIdentifier?.guid ?? null,
          callReference: callReferenceValue,
          conferenceId: conferenceID
        })
        return
      }
      case 'infoRequest':
        report(message, from, octets)
        return
      case 'bandwidthRequest': {
        const { requestSeqNum, bandWidth } = message.value
        respond(octets, { type: 'bandwidthConfirm', value: { requestSeqNum, bandWidth } }, from)
        return
      }
      default: {
        if (!('value' in message) || !('requestSeqNum' in message.value)) return
        pending.get(message.value.requestSeqNum as number)?.settle(message)
      }
    }
  }

  /** IRR, for one call or all. @see H.323 §8.4.2 */
  function report({ value }: Named<'infoRequest'>, from: Address, octets: Buffer): void {
    const wanted = value.callIdentifier?.guid
    const isAll = value.callReferenceValue === 0 || wanted === undefined || wanted.every((octet) => octet === 0)
    const calls = options.calls().filter((call) => isAll || Buffer.compare(call.callIdentifier, wanted) === 0)
    respond(octets, reportOf(calls, value.requestSeqNum), from)
  }

  function reportOf(calls: readonly ReportedCall[], requestSeqNum: number, unsolicited = false): Named<'infoRequestResponse'> {
    const perCallInfo = calls.map((call) => ({
      callReferenceValue: call.callReference,
      conferenceID: call.conferenceId,
      originator: call.isOriginator,
      h245: {},
      callSignaling: {},
      callType: { type: 'pointToPoint' as const },
      bandWidth: call.bandwidth,
      callModel: { type: 'direct' as const },
      callIdentifier: { guid: call.callIdentifier }
    }))
    return {
      type: 'infoRequestResponse',
      value: {
        requestSeqNum,
        endpointType: options.endpointType,
        endpointIdentifier: endpointIdentifier ?? '0',
        rasAddress: transportAddressOf(own),
        callSignalAddress: [transportAddressOf(options.callSignalAddress)],
        endpointAlias: [...options.aliases],
        ...(perCallInfo.length > 0 && { perCallInfo }),
        ...(unsolicited && { needResponse: false, unsolicited })
      }
    }
  }

  /** IRRs of a call at the interval that the ACF asks for, for as long as there is the call. @see H.225.0 §7.11.2 (irrFrequency) */
  function reportEvery(callIdentifier: Uint8Array, seconds: number): void {
    const name = Buffer.from(callIdentifier).toString('hex')
    const due = (): void => {
      const call = options.calls().find((one) => Buffer.compare(one.callIdentifier, callIdentifier) === 0)
      if (call === undefined) {
        reports.delete(name)
        return
      }
      if (state === 'registered' && gatekeeper !== null) transmit(encode(reportOf([call], nextSeq(), true)), gatekeeper)
      reports.set(name, clock.after(seconds * 1000, due))
    }
    reports.get(name)?.()
    reports.set(name, clock.after(seconds * 1000, due))
  }

  function learnAlternates(told: readonly AlternateGK[] | undefined): void {
    if (told === undefined || told.length === 0) return
    // 0 is the highest priority
    alternates = told
      .toSorted((one, other) => one.priority - other.priority)
      .flatMap(({ rasAddress, gatekeeperIdentifier: identifier }) => {
        const address = addressOf(rasAddress)
        return address === null ? [] : [{ address, identifier: identifier ?? null }]
      })
      .slice(0, mostAlternates)
  }

  function unregister(reason: string): void {
    endpointIdentifier = null
    setState('none', reason)
    later(retryMs.shortest, () => void register(true))
  }

  function later(ms: number, run: () => void): void {
    stopWaiting()
    if (closing === null) stopWaiting = clock.after(ms, run)
  }

  function again(reason: string, isMoved = false): void {
    setState('rejected', reason)
    // one that refuses knows us; one that is silent, or names others as it refuses, makes room for the next
    if (isMoved || reason === 'noAnswer' || reason === 'noGatekeeper')
      turn = alternates.length === 0 ? 0 : (turn + 1) % (alternates.length + 1)
    later(turn === 0 ? pauseMs : pauseMs / 8, () => void discover())
    pauseMs = Math.min(pauseMs * 2, retryMs.longest)
  }

  /** GRQ, where a gatekeeper is looked for or its name is not known and has to be for the hash. */
  async function discover(): Promise<void> {
    if (closing !== null) return
    const alternate = turn === 0 ? undefined : alternates[turn - 1]
    if (alternate !== undefined) {
      gatekeeper = alternate.address
      gatekeeperIdentifier = alternate.identifier ?? gatekeeperIdentifier
      await register(true)
      return
    }
    if (alternates.length > 0) gatekeeperIdentifier = options.identifier
    if (options.gatekeeper !== null && (gatekeeperIdentifier !== null || key === null)) {
      gatekeeper = options.gatekeeper
      await register(true)
      return
    }
    setState('discovering')
    if (options.gatekeeper === null) gatekeeper = null
    const answer = await ask(
      {
        type: 'gatekeeperRequest',
        value: {
          requestSeqNum: nextSeq(),
          protocolIdentifier: h225ProtocolIdentifier,
          rasAddress: transportAddressOf(own),
          endpointType: options.endpointType,
          ...(options.identifier !== null && { gatekeeperIdentifier: options.identifier }),
          endpointAlias: [...options.aliases],
          ...(key !== null && {
            authenticationCapability: [{ type: 'pwdHash' }],
            algorithmOIDs: ['0.0.8.235.0.2.6']
          })
        }
      },
      options.gatekeeper ?? multicastGroup
    )
    if (closing !== null) return
    if (answer?.type !== 'gatekeeperConfirm') {
      const altGKInfo = answer?.type === 'gatekeeperReject' ? answer.value.altGKInfo : undefined
      learnAlternates(altGKInfo?.alternateGatekeeper)
      if (answer !== null && altGKInfo === undefined) firstFailed(reasonOf(answer))
      again(answer === null ? 'noGatekeeper' : reasonOf(answer), altGKInfo !== undefined)
      return
    }
    learnAlternates(answer.value.alternateGatekeeper)
    gatekeeper = addressOf(answer.value.rasAddress) ?? options.gatekeeper
    gatekeeperIdentifier = answer.value.gatekeeperIdentifier ?? gatekeeperIdentifier
    await register(true)
  }

  /** RRQ, full or as a sign of life. */
  async function register(full: boolean): Promise<void> {
    if (closing !== null || gatekeeper === null) return
    if (full) setState('registering')
    const answer = await ask(
      {
        type: 'registrationRequest',
        value: {
          requestSeqNum: nextSeq(),
          protocolIdentifier: h225ProtocolIdentifier,
          discoveryComplete: true,
          callSignalAddress: [transportAddressOf(options.callSignalAddress)],
          rasAddress: [transportAddressOf(own)],
          terminalType: options.endpointType,
          ...(full && { terminalAlias: [...options.aliases] }),
          ...(gatekeeperIdentifier !== null && { gatekeeperIdentifier }),
          endpointVendor: options.vendor,
          timeToLive: options.timeToLiveS,
          keepAlive: !full,
          ...(endpointIdentifier !== null && { endpointIdentifier }),
          willSupplyUUIEs: false
        }
      },
      gatekeeper
    )
    if (closing !== null) return
    if (answer?.type === 'registrationConfirm') {
      endpointIdentifier = answer.value.endpointIdentifier
      gatekeeperIdentifier = answer.value.gatekeeperIdentifier ?? gatekeeperIdentifier
      learnAlternates(answer.value.alternateGatekeeper)
      pauseMs = retryMs.shortest
      setState('registered')
      registered.resolve()
      // three quarters of the time: a lost datagram leaves room for its repetitions
      const ms = Math.max(1000, (answer.value.timeToLive ?? options.timeToLiveS) * 750)
      later(ms, () => void register(false))
      return
    }
    const reason = answer === null ? 'noAnswer' : reasonOf(answer)
    if (!full && reason === 'fullRegistrationRequired') {
      await register(true)
      return
    }
    endpointIdentifier = null
    const altGKInfo = answer?.type === 'registrationReject' ? answer.value.altGKInfo : undefined
    learnAlternates(altGKInfo?.alternateGatekeeper)
    if (answer !== null && altGKInfo === undefined) firstFailed(reason)
    again(reason, altGKInfo !== undefined)
  }

  /** A reject ends the waiting of whoever waits for the first registration; silence does not, it is tried again. */
  function firstFailed(reason: string): void {
    registered.reject(new InfraFabricError('h323.endpoint.unregistered', `the gatekeeper refused: ${reason}`))
  }

  async function admit(parts: AdmissionParts): Promise<Admission> {
    if (state !== 'registered' || gatekeeper === null || endpointIdentifier === null) {
      return { ok: false, reason: 'callerNotRegistered' }
    }
    const answer = await ask(
      {
        type: 'admissionRequest',
        value: {
          requestSeqNum: nextSeq(),
          callType: { type: 'pointToPoint' },
          callModel: { type: 'direct' },
          endpointIdentifier,
          ...(parts.destination.length > 0 && { destinationInfo: [...parts.destination] }),
          ...(parts.destCallSignalAddress !== null && {
            destCallSignalAddress: transportAddressOf(parts.destCallSignalAddress)
          }),
          srcInfo: [...parts.source],
          ...(parts.srcCallSignalAddress !== null && { srcCallSignalAddress: transportAddressOf(parts.srcCallSignalAddress) }),
          bandWidth: parts.bandwidth,
          callReferenceValue: parts.callReference,
          conferenceID: parts.conferenceId,
          activeMC: false,
          answerCall: parts.answering,
          canMapAlias: !parts.answering,
          callIdentifier: { guid: parts.callIdentifier },
          ...(gatekeeperIdentifier !== null && { gatekeeperIdentifier }),
          willSupplyUUIEs: false
        }
      },
      gatekeeper
    )
    if (answer?.type === 'admissionConfirm') {
      const { irrFrequency } = answer.value
      if (irrFrequency !== undefined && irrFrequency > 0) reportEvery(parts.callIdentifier, irrFrequency)
      return { ok: true, confirm: answer.value }
    }
    if (answer === null) return { ok: false, reason: 'noAnswer' }
    const reason = reasonOf(answer)
    if (reason === 'callerNotRegistered' || reason === 'invalidEndpointIdentifier') unregister(reason)
    return { ok: false, reason }
  }

  async function disengage(call: ReportedCall & { readonly answered: boolean }): Promise<void> {
    if (gatekeeper === null || endpointIdentifier === null) return
    await ask(
      {
        type: 'disengageRequest',
        value: {
          requestSeqNum: nextSeq(),
          endpointIdentifier,
          conferenceID: call.conferenceId,
          callReferenceValue: call.callReference,
          disengageReason: { type: 'normalDrop' },
          callIdentifier: { guid: call.callIdentifier },
          ...(gatekeeperIdentifier !== null && { gatekeeperIdentifier }),
          answeredCall: !call.isOriginator
        }
      },
      gatekeeper
    )
  }

  async function shut(): Promise<void> {
    stopWaiting()
    for (const cancel of reports.values()) cancel()
    reports.clear()
    if (state === 'registered' && gatekeeper !== null && endpointIdentifier !== null) {
      await ask(
        {
          type: 'unregistrationRequest',
          value: {
            requestSeqNum: nextSeq(),
            callSignalAddress: [transportAddressOf(options.callSignalAddress)],
            endpointIdentifier,
            ...(gatekeeperIdentifier !== null && { gatekeeperIdentifier })
          }
        },
        gatekeeper
      )
    }
    for (const entry of [...pending.values()]) entry.settle(null)
    registered.reject(new InfraFabricError('h323.endpoint.closed', 'the endpoint is closed'))
    state = 'none'
    await new Promise<void>((resolve) => socket.close(() => resolve()))
  }

  void discover()
  return {
    state: () => state,
    endpointIdentifier: () => endpointIdentifier,
    registered: registered.promise,
    admit,
    disengage,
    close: () => {
      closing ??= shut()
      return closing
    }
  }
}

/** `127.0.0.1:1719`, or with the port left out. @throws {InfraFabricError} `h323.endpoint.target` */
export function gatekeeperAddress(text: string): Address {
  const address = addressOfText(text) ?? addressOfText(`${text}:1719`)
  if (address === null) throw new InfraFabricError('h323.endpoint.target', `${text} is no address`)
  return address
}
