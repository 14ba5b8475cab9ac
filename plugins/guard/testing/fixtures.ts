/** Parts of a guard under test: a registry on disk, signing keys, and requests that are good until a test makes them bad. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { type CallContext, type GuardRequest, type ManualClock, manualClock, silentLog } from '#kernel'
import {
  createGuard,
  type GuardConfig,
  generateKeyPair,
  type RunningGuard,
  readSigningKey,
  type SigningKey,
  signRequest
} from '../guard.ts'

export interface Bench {
  readonly guard: RunningGuard
  readonly clock: ManualClock
  readonly registryPath: string
  /** Keys of `expert-safety` (signature required) and `expert-ethics` (optional). */
  readonly keys: { readonly safety: SigningKey; readonly ethics: SigningKey }
  readonly close: () => Promise<void>
}

export const makeKey = (): SigningKey => readSigningKey(generateKeyPair().privateKey)

export function registryText(keys: Bench['keys']): string {
  const expert = (name: string, rest: object) => ({
    id: `expert-${name}`,
    uri: `sip:expert-${name}@external.advisor`,
    organisation: 'Advisory',
    digestUser: `expert-${name}`,
    ...rest
  })
  return stringify({
    experts: [
      expert('safety', { specialisations: ['safety', 'alignment'], publicKey: keys.safety.publicKey, signature: 'required' }),
      expert('ethics', { specialisations: ['ethics', 'bias'], publicKey: keys.ethics.publicKey }),
      expert('security', { specialisations: ['security'], certificateIdentity: 'sip:expert-security@external.advisor' })
    ],
    guardians: [{ id: 'guardian-1', uri: 'sip:guardian-1@council.local', digestUser: 'guardian-1' }]
  })
}

export async function openBench(config: Partial<GuardConfig> = {}): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'guard-'))
  const registryPath = join(folder, 'experts.yaml')
  const keys = { safety: makeKey(), ethics: makeKey() }
  await writeFile(registryPath, registryText(keys))
  const clock = manualClock()
  const remove = () => rm(folder, { recursive: true })
  try {
    const guard = await createGuard({ registryPath, clock, log: silentLog, ...config })
    clock.advance(1_000)
    const close = async () => {
      await guard.close()
      await remove()
    }
    return { guard, clock, registryPath, keys, close }
  } catch (error) {
    await remove()
    throw error
  }
}

export function context(signal = new AbortController().signal): CallContext {
  return { traceId: '0af7651916cd43dd8448eb211c80319c', log: silentLog, signal, now: () => 0 }
}

let calls = 0

/** A call of `expert-ethics` about `ethics`: nothing in it needs a signature. */
export function request(clock: ManualClock, change: Partial<GuardRequest> = {}): GuardRequest {
  const user = change.fromUri === undefined ? 'expert-ethics' : (/^sips?:([^@]*)@/i.exec(change.fromUri)?.[1] ?? '')
  return {
    direction: 'inbound',
    method: 'INVITE',
    callId: `call-${++calls}@127.0.0.1`,
    cseq: 2,
    fromUri: 'sip:expert-ethics@external.advisor',
    toUri: 'sip:council-ethics@council.local',
    claimedTraceId: 'case-42',
    hazard: 'ethics',
    signature: null,
    body: Buffer.from('v=0\r\n'),
    edge: {
      sourceAddress: '127.0.0.1',
      transport: 'tls',
      tlsVersion: 'TLSv1.3',
      tlsCipher: 'TLS_AES_256_GCM_SHA384',
      certificateIdentity: null,
      authenticatedUser: user,
      digestAlgorithm: 'SHA-256'
    },
    receivedAt: clock.now(),
    ...change
  }
}

/** The same request, signed at `issuedAtMs` (its receipt when left out). */
export function signed(key: SigningKey, asked: GuardRequest, issuedAtMs = asked.receivedAt, nonce?: string): GuardRequest {
  return { ...asked, signature: signRequest(key, { ...asked, traceId: asked.claimedTraceId }, issuedAtMs, nonce) }
}
