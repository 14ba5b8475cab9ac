/** The facts that are established for every call, and those that policies add. */
import { isIP } from 'node:net'
import type { GuardRequest, JsonObject } from '#kernel'
import type { Party } from '../registry/registry.ts'
import type { FactSchema, FactType } from '../rules/types.ts'
import type { Policy } from './policy.ts'

/** Groups that cost nothing and stand in every receipt. A value that is not there is an empty text. */
export const callFacts = {
  party: {
    record: {
      id: 'string',
      known: 'bool',
      role: 'string',
      organisation: 'string',
      specialisations: { set: 'string' },
      contrarian: 'bool',
      certificateDemanded: 'bool',
      signatureDemanded: 'bool'
    }
  },
  request: {
    record: {
      direction: 'string',
      method: 'string',
      from: 'string',
      to: 'string',
      hazard: 'string',
      signed: 'bool',
      identities: 'long',
      bodyBytes: 'long'
    }
  },
  edge: {
    record: {
      sourceAddress: 'ip',
      transport: 'string',
      tlsVersion: 'string',
      tlsCipher: 'string',
      certificateIdentity: 'string',
      authenticatedUser: 'string',
      digestAlgorithm: 'string'
    }
  },
  time: { record: { date: 'string', hour: 'long', minuteOfDay: 'long', weekday: 'long' } }
} as const satisfies FactSchema

const finding = { verdict: 'string', code: 'string', reason: 'string', attack: 'bool' } as const satisfies Record<
  string,
  FactType
>

/** Everything rules may ask about: the facts of the call, and one group for each policy. */
export function factSchema(policies: readonly Pick<Policy, 'name' | 'facts'>[]): FactSchema {
  return {
    ...callFacts,
    ...Object.fromEntries(policies.map(({ name, facts = {} }) => [name, { record: { ...finding, ...facts } }]))
  }
}

const longestUri = 512

/**
 * Facts of a call.
 *
 * @param hazard null unless it is configured.
 */
export function factsOf(request: GuardRequest, party: Party | null, hazard: string | null): Record<string, JsonObject> {
  const { edge } = request
  const at = new Date(request.receivedAt)
  const minuteOfDay = at.getUTCHours() * 60 + at.getUTCMinutes()
  return {
    party: {
      id: party?.id ?? '',
      known: party !== null,
      role: party?.role ?? 'none',
      organisation: party?.organisation ?? '',
      specialisations: party?.specialisations ?? [],
      contrarian: party?.contrarian ?? false,
      certificateDemanded: party?.certificateIdentity != null,
      signatureDemanded: party?.signature === 'required'
    },
    request: {
      direction: request.direction,
      method: request.method,
      from: clip(request.fromUri),
      to: clip(request.toUri),
      hazard: hazard ?? '',
      signed: request.signature !== null,
      identities: request.identities?.length ?? 0,
      bodyBytes: request.body.byteLength
    },
    edge: {
      sourceAddress: isIP(edge.sourceAddress) === 0 ? '0.0.0.0' : edge.sourceAddress.split('%')[0]!,
      transport: edge.transport,
      tlsVersion: edge.tlsVersion ?? '',
      tlsCipher: edge.tlsCipher ?? '',
      certificateIdentity: edge.certificateIdentity ?? '',
      authenticatedUser: edge.authenticatedUser ?? '',
      digestAlgorithm: edge.digestAlgorithm ?? ''
    },
    time: {
      date: at.toISOString().slice(0, 10),
      hour: at.getUTCHours(),
      minuteOfDay,
      weekday: at.getUTCDay() === 0 ? 7 : at.getUTCDay()
    }
  }
}

/** Whole characters, at most so many units, and none that is not Unicode. */
const clip = (text: string): string => text.slice(0, longestUri).toWellFormed()
