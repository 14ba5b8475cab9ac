/** Calls out, as the suite is set and as its registry has it. */
import { readFile } from 'node:fs/promises'
import {
  type BridgeView,
  createEscalator,
  defaultRetryPolicy,
  type EscalateSettings,
  type Escalator,
  type ExpertDirectory
} from '#escalate'
import { type Party, type Registry, readIdentityKey, readSigningKey, signIdentity, signRequest } from '#guard'
import {
  type Callee,
  type Clock,
  ConfigError,
  errorCode,
  type IdentityVoucher,
  type Log,
  type RequestSigner,
  type Witness
} from '#kernel'
import type { SipApplication } from '#sip'
import type { LeftOpen } from '../calls/open-calls.ts'
import type { SuiteEvent } from '../events.ts'
import type { SuiteConfig } from '../settings/settings.ts'
import { type CallBridgeParts, callBridges, type RecordedBridge } from './call-bridges.ts'
import { bridgedCalls, type DialInBridges, dialInBridges } from './dial-in-bridges.ts'

/** Whether experts are called over TLS only. */
export const callsOverTls = ({ escalation, profile }: Pick<SuiteConfig, 'escalation' | 'profile'>): boolean =>
  (escalation.tls ?? (profile === 'production' ? 'required' : 'preferred')) === 'required'

function escalateSettings({ escalation, conferences, profile }: SuiteConfig): Partial<EscalateSettings> {
  const { contrarian, earlyMedia, offer, ringTimeoutMs, parallel, attempts, mostOpen } = escalation
  return {
    conferences,
    tls: callsOverTls({ escalation, profile }) ? 'required' : 'preferred',
    contrarian,
    earlyMedia,
    offer,
    ringTimeoutMs,
    mostParallel: parallel,
    retry: { ...defaultRetryPolicy, attempts },
    mostOpen
  }
}

/** @param secure whether whoever registers is called only where that was over TLS */
const calleeOf = ({ id, uri, contact, registers, specialisations, contrarian }: Party, secure: boolean): Callee => ({
  id,
  uri,
  contact: registers && secure ? `${uri};transport=tls` : (contact ?? uri),
  specialisations,
  contrarian
})

/** Experts as they are called out; Guardians are not. */
export function directoryOf(registry: Registry, secure: boolean): ExpertDirectory {
  return {
    byId: (id) => {
      const party = registry.byId(id)
      return party?.role === 'expert' ? calleeOf(party, secure) : undefined
    },
    bySpecialisation: (hazard) => registry.bySpecialisation(hazard).map((party) => calleeOf(party, secure))
  }
}

/** Expert whom a SIP URI names; null for anybody else. */
export function calleeByUri(registry: Registry, uri: string, secure: boolean): Callee | null {
  const party = registry.byUri(uri)
  return party?.role === 'expert' ? calleeOf(party, secure) : null
}

/**
 * Vouches for calls out; null where they carry no Identity.
 *
 * @throws {ConfigError} for a key that cannot be read or is none
 */
export async function voucher({ identity }: SuiteConfig['escalation'], clock: Clock): Promise<IdentityVoucher | null> {
  if (identity === null) return null
  const { key: file, certificateUrl, attestation } = identity
  try {
    const signer = { key: readIdentityKey(await readFile(file, 'utf8')), certificateUrl }
    return (call) => signIdentity(signer, { ...call, attestation }, clock.now())
  } catch (error) {
    throw new ConfigError('escalation.identity.key', [`${file}: expected a private key on P-256, PEM (${errorCode(error)})`])
  }
}

/** Signs with the suite's own key. @throws {InfraFabricError} `guard.key.malformed`, or what reading the file throws */
export async function ownSigner(file: string, clock: Clock): Promise<RequestSigner> {
  const key = readSigningKey(await readFile(file, 'utf8'))
  return (request) => signRequest(key, request, clock.now())
}

export interface EscalationPorts {
  readonly application: Pick<SipApplication, 'calls' | 'callsOut'>
  /** As it is now. */
  readonly registry: () => Registry
  readonly bridges: Omit<CallBridgeParts, 'clock'>
  /** A call of an earlier run. */
  readonly left: (traceId: string) => LeftOpen | undefined
  readonly emit: (event: SuiteEvent) => void
  readonly witness: Witness
  readonly clock: Clock
  readonly log: Log
}

/** Calls out, and the bridges beside the calls of experts. */
export function startEscalation(
  config: SuiteConfig,
  { application, registry, bridges: parts, left, emit, witness, clock, log }: EscalationPorts
): { readonly escalator: Escalator; readonly dialIns: DialInBridges } {
  const { terminals, bridges: times } = config.escalation
  const bridges = callBridges({ terminals, ...times }, { ...parts, clock })
  const escalator = createEscalator(escalateSettings(config), {
    calls: application.callsOut,
    directory: () => directoryOf(registry(), callsOverTls(config)),
    witness,
    log: log.child({ part: 'escalation' }),
    clock,
    bridges: bridges.begin
  })
  escalator.events.subscribe((event) => {
    if (event.type === 'bridge')
      emit({ type: 'call-bridge', at: clock.now(), traceId: event.trace_id, previous: event.previous, ...event.bridge })
  })
  /** What ran beside the calls that the last loss of the SIP server interrupted, by their traces. */
  let interrupted = new Map<string, { readonly parentTraceId?: string; readonly bridges: readonly RecordedBridge[] }>()
  const dialIns = dialInBridges(times.dialIn, {
    calls: application.calls,
    isExpert: (id) => registry().byId(id)?.role === 'expert',
    bridges: bridges.begin,
    left: (traceId) => {
      const { parentTraceId, bridges: had = [] } = interrupted.get(traceId) ?? left(traceId) ?? {}
      return { ...(parentTraceId === undefined ? {} : { parentTraceId }), bridges: bridges.again(had) }
    },
    emit,
    witness,
    clock,
    log: log.child({ part: 'bridges' })
  })
  const noteInterrupted = () => {
    const goesOn = ({ state, skipped }: BridgeView) => skipped === null && state !== 'IDLE' && state !== 'CLOSED'
    interrupted = new Map(
      bridgedCalls(escalator, dialIns).map(({ traceId, escalation, bridges: shown }) => {
        const parentTraceId = escalation === null ? undefined : escalator.get(escalation)?.trace_id
        return [traceId, { ...(parentTraceId === undefined ? {} : { parentTraceId }), bridges: shown.filter(goesOn) }]
      })
    )
  }
  const take = (event: SuiteEvent) => {
    // told before the calls, and with them their bridges, are over
    if (event.type === 'signalling' && event.state === 'lost') noteInterrupted()
    dialIns.take(event)
  }
  return { escalator, dialIns: { ...dialIns, take } }
}
