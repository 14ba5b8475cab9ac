/** RAS of an endpoint: discovery, registration and its renewal, admission of calls. */
import { type Clock, InfraFabricError, type Log } from '#kernel'
import { type Address, addressOf, addressOfText } from '../gatekeeper/addresses.ts'
import type { AdmissionConfirm, RasMessage } from '../h225/h225.ts'
import { AlternateGatekeepers } from './alternate-gatekeepers.ts'
import { CallReports } from './call-reports.ts'
import { type GatekeeperRequest, openRasChannel } from './ras-channel.ts'
import {
  type AdmissionParts,
  admissionRequest,
  disengageRequest,
  gatekeeperRequest,
  infoRequestResponse,
  type RasSelf,
  type ReportedCall,
  reasonOf,
  registrationRequest,
  unregistrationRequest
} from './ras-messages.ts'
import { rasSealing } from './ras-sealing.ts'

export type { AdmissionParts, ReportedCall } from './ras-messages.ts'

export interface RegistrarOptions extends Omit<RasSelf, 'rasAddress'> {
  /** Null looks for a gatekeeper by multicast. */
  readonly gatekeeper: Address | null
  readonly identifier: string | null
  readonly user: { readonly name: string; readonly password: string } | null
  readonly bindIp: string
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

const multicastGroup: Address = { ip: '224.0.1.41', port: 1718 }
const retryMs = { shortest: 2000, longest: 60_000 }

/** Opens RAS and begins to register. @throws {InfraFabricError} `h323.ras.bind` */
export async function openRegistrar(options: RegistrarOptions): Promise<Registrar> {
  const { bindIp, clock, log, user, callSignalAddress, aliases, endpointType, vendor, timeToLiveS } = options
  let state: RegistrationState = 'none'
  let gatekeeper = options.gatekeeper
  let gatekeeperIdentifier = options.identifier
  let endpointIdentifier: string | null = null
  let closing: Promise<void> | null = null
  let stopWaiting = (): void => {}
  let pauseMs = retryMs.shortest
  const alternates = new AlternateGatekeepers()
  const registered = Promise.withResolvers<void>()
  registered.promise.catch(() => {})
  const sealing = rasSealing({
    user,
    clock,
    endpointIdentifier: () => endpointIdentifier,
    gatekeeperIdentifier: () => gatekeeperIdentifier
  })
  const isExpected = (message: RasMessage, from: Address): boolean =>
    (gatekeeper !== null && from.ip === gatekeeper.ip && from.port === gatekeeper.port) ||
    (state === 'discovering' && message.type.startsWith('gatekeeper'))
  const ras = await openRasChannel({ bindIp, sealing, clock, log, isExpected, onRequest: asked })
  const self: RasSelf = { rasAddress: ras.address, callSignalAddress, aliases, endpointType, vendor, timeToLiveS }
  const reports = new CallReports(clock, options.calls, (call) => {
    if (state === 'registered' && gatekeeper !== null)
      ras.tell(infoRequestResponse(ras.nextNumber(), self, endpointIdentifier, [call], true), gatekeeper)
  })

  function setState(next: RegistrationState, reason: string | null = null): void {
    if (state === next && reason === null) return
    state = next
    options.onState(next, reason)
  }

  /** What the gatekeeper asks is done. */
  function asked(message: GatekeeperRequest, respond: (answer: RasMessage) => void): void {
    const { requestSeqNum } = message.value
    switch (message.type) {
      case 'unregistrationRequest':
        respond({ type: 'unregistrationConfirm', value: { requestSeqNum } })
        unregister('unregistrationRequest')
        return
      case 'disengageRequest': {
        const { callIdentifier, callReferenceValue, conferenceID } = message.value
        respond({ type: 'disengageConfirm', value: { requestSeqNum } })
        options.onDisengage({
          callIdentifier: callIdentifier?.guid ?? null,
          callReference: callReferenceValue,
          conferenceId: conferenceID
        })
        return
      }
      case 'infoRequest': {
        // of one call or all (H.323 §8.4.2)
        const { callIdentifier, callReferenceValue } = message.value
        const wanted = callIdentifier?.guid
        const isAll = callReferenceValue === 0 || wanted === undefined || wanted.every((octet) => octet === 0)
        const calls = options.calls().filter((call) => isAll || Buffer.compare(call.callIdentifier, wanted) === 0)
        respond(infoRequestResponse(requestSeqNum, self, endpointIdentifier, calls))
        return
      }
      case 'bandwidthRequest':
        respond({ type: 'bandwidthConfirm', value: { requestSeqNum, bandWidth: message.value.bandWidth } })
    }
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
    if (isMoved || reason === 'noAnswer' || reason === 'noGatekeeper') alternates.next()
    later(alternates.isFirst ? pauseMs : pauseMs / 8, () => void discover())
    pauseMs = Math.min(pauseMs * 2, retryMs.longest)
  }

  /** GRQ, where a gatekeeper is looked for or its name is not known and has to be for the hash. */
  async function discover(): Promise<void> {
    if (closing !== null) return
    const alternate = alternates.current
    if (alternate !== null) {
      gatekeeper = alternate.address
      gatekeeperIdentifier = alternate.identifier ?? gatekeeperIdentifier
      await register(true)
      return
    }
    if (!alternates.isEmpty) gatekeeperIdentifier = options.identifier
    if (options.gatekeeper !== null && (gatekeeperIdentifier !== null || !sealing.isOn)) {
      gatekeeper = options.gatekeeper
      await register(true)
      return
    }
    setState('discovering')
    if (options.gatekeeper === null) gatekeeper = null
    const request = gatekeeperRequest(ras.nextNumber(), self, options.identifier, sealing.isOn)
    const answer = await ras.ask(request, options.gatekeeper ?? multicastGroup)
    if (closing !== null) return
    if (answer?.type !== 'gatekeeperConfirm') {
      const altGKInfo = answer?.type === 'gatekeeperReject' ? answer.value.altGKInfo : undefined
      alternates.learn(altGKInfo?.alternateGatekeeper)
      if (answer !== null && altGKInfo === undefined) firstFailed(reasonOf(answer))
      again(answer === null ? 'noGatekeeper' : reasonOf(answer), altGKInfo !== undefined)
      return
    }
    alternates.learn(answer.value.alternateGatekeeper)
    gatekeeper = addressOf(answer.value.rasAddress) ?? options.gatekeeper
    gatekeeperIdentifier = answer.value.gatekeeperIdentifier ?? gatekeeperIdentifier
    await register(true)
  }

  /** RRQ, full or as a sign of life. */
  async function register(full: boolean): Promise<void> {
    if (closing !== null || gatekeeper === null) return
    if (full) setState('registering')
    const names = { endpointIdentifier, gatekeeperIdentifier }
    const answer = await ras.ask(registrationRequest(ras.nextNumber(), self, names, full), gatekeeper)
    if (closing !== null) return
    if (answer?.type === 'registrationConfirm') {
      endpointIdentifier = answer.value.endpointIdentifier
      gatekeeperIdentifier = answer.value.gatekeeperIdentifier ?? gatekeeperIdentifier
      alternates.learn(answer.value.alternateGatekeeper)
      pauseMs = retryMs.shortest
      setState('registered')
      registered.resolve()
      // three quarters of the time: a lost datagram leaves room for its repetitions
      const ms = Math.max(1000, (answer.value.timeToLive ?? timeToLiveS) * 750)
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
    alternates.learn(altGKInfo?.alternateGatekeeper)
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
    const names = { endpointIdentifier, gatekeeperIdentifier }
    const answer = await ras.ask(admissionRequest(ras.nextNumber(), names, parts), gatekeeper)
    if (answer?.type === 'admissionConfirm') {
      const { irrFrequency } = answer.value
      if (irrFrequency !== undefined && irrFrequency > 0) reports.every(irrFrequency, parts.callIdentifier)
      return { ok: true, confirm: answer.value }
    }
    if (answer === null) return { ok: false, reason: 'noAnswer' }
    const reason = reasonOf(answer)
    if (reason === 'callerNotRegistered' || reason === 'invalidEndpointIdentifier') unregister(reason)
    return { ok: false, reason }
  }

  async function disengage(call: ReportedCall): Promise<void> {
    if (gatekeeper === null || endpointIdentifier === null) return
    const names = { endpointIdentifier, gatekeeperIdentifier }
    await ras.ask(disengageRequest(ras.nextNumber(), names, call), gatekeeper)
  }

  async function shut(): Promise<void> {
    stopWaiting()
    reports.close()
    if (state === 'registered' && gatekeeper !== null && endpointIdentifier !== null) {
      const names = { endpointIdentifier, gatekeeperIdentifier }
      await ras.ask(unregistrationRequest(ras.nextNumber(), self, names), gatekeeper)
    }
    registered.reject(new InfraFabricError('h323.endpoint.closed', 'the endpoint is closed'))
    state = 'none'
    await ras.close()
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
