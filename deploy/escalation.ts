/** Calls out, as the suite is set and as its registry has it. */
import { readFile } from 'node:fs/promises'
import { defaultRetryPolicy, type EscalateSettings, type ExpertDirectory } from '#escalate'
import { type Party, type Registry, readIdentityKey, readSigningKey, signIdentity, signRequest } from '#guard'
import { type Callee, type Clock, ConfigError, errorCode, type IdentityVoucher, type RequestSigner } from '#kernel'
import type { SuiteConfig } from './config.ts'

/** Whether experts are called over TLS only. */
export const callsOverTls = ({ escalation, profile }: Pick<SuiteConfig, 'escalation' | 'profile'>): boolean =>
  (escalation.tls ?? (profile === 'production' ? 'required' : 'preferred')) === 'required'

export function escalateSettings({ escalation, conferences, profile }: SuiteConfig): Partial<EscalateSettings> {
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
