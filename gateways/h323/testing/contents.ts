import type { Component, Pdu, Type } from '../asn1/asn1.ts'
import { multimediaSystemControlMessage, openLogicalChannel } from '../h245/pdus.ts'
import { invoke, operations, supplementaryServiceOf } from '../h450/operations.ts'
import { generate } from './generate.ts'

/**
 * What tshark 4.0 does not read: the last additions of H.235.0 and H.245, signed open types, and a deprecated mode of which it has an older form.
 */
const unknownToTshark = new Set([
  'dataChannel',
  'depFecMode',
  'dhkeyext',
  'dtlsSecurityCapability',
  'extendedAudioCapability',
  'extendedDataApplicationCapability',
  'nominalAudioLevel',
  'sctp',
  'sctp-dtls',
  'secureChannelExt',
  'tcp-dtls-sctp',
  'toBeSigned',
  'udp-dtls-sctp'
])

/** Messages whose `language`, new in H.225.0 v8, it does not read. */
const languageUnknown = new Set<unknown>(['registrationConfirm', 'locationConfirm'])

export function isKnownToTshark(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return true
  const { type, value: inner } = value as { readonly type?: unknown; readonly value?: { readonly language?: unknown } }
  if (unknownToTshark.has(type as string) || (languageUnknown.has(type) && inner?.language !== undefined)) return false
  return Object.entries(value).every(([name, field]) => !unknownToTshark.has(name) && isKnownToTshark(field))
}

/** Another value of the type until tshark can read it. */
function known(type: Type<unknown>, random: () => number, richness: number): unknown {
  for (;;) {
    const value = readable(type, generate(type, random, { richness }), random, richness)
    if (isKnownToTshark(value)) return value
  }
}

const messageOf =
  (pdu: Pdu<unknown>) =>
  (random: () => number, richness: number): Buffer =>
    pdu.encode(known(pdu.type, random, richness))

/** One invocation of an operation there is. */
function supplementaryServiceMessage(random: () => number, richness: number): Buffer {
  const all = [...operations.values()]
  const operation = all[Math.floor(random() * all.length)]!
  const argument = known(operation.argument.type, random, richness)
  return supplementaryServiceOf([invoke(operation, Math.floor(random() * 65_536), argument)])
}

/** Fields whose octets are messages themselves. */
const carried: Readonly<Record<string, (random: () => number, richness: number) => Buffer>> = {
  fastStart: messageOf(openLogicalChannel),
  h245Control: messageOf(multimediaSystemControlMessage),
  parallelH245Control: messageOf(multimediaSystemControlMessage),
  returnedFunction: messageOf(multimediaSystemControlMessage),
  h4501SupplementaryService: supplementaryServiceMessage
}

/**
 * A copy of a generated value that other programs can read too: octets that should be messages are messages, and integers without bounds stay within
 * the 32 bits tshark reads. What only later versions know is left out.
 */
export function readable(type: Type<unknown>, value: unknown, random: () => number, richness: number): unknown {
  const { shape } = type
  switch (shape.kind) {
    case 'lazy':
      return readable(shape.resolve(), value, random, richness)
    case 'integer':
      return shape.lower === Number.NEGATIVE_INFINITY ? Number(BigInt.asIntN(32, BigInt(value as number | bigint))) : value
    case 'sequenceOf':
      return (value as readonly unknown[]).map((element) => readable(shape.element, element, random, richness))
    case 'choice': {
      const given = value as { readonly type: string; readonly value?: unknown }
      if (given.value === undefined) return value
      const alternative = find([...shape.alternatives, ...(shape.additions ?? [])], given.type)
      return { type: given.type, value: readable(alternative, given.value, random, richness) }
    }
    case 'sequence': {
      const components = [...shape.components, ...(shape.additions ?? [])]
      return Object.fromEntries(
        Object.entries(value as Readonly<Record<string, unknown>>).map(([name, field]) => {
          const message = carried[name]
          if (message === undefined) return [name, readable(find(components, name), field, random, richness)]
          return [name, Array.isArray(field) ? field.map(() => message(random, richness)) : message(random, richness)]
        })
      )
    }
    default:
      return value
  }
}

const find = (components: readonly Component[], name: string): Type<unknown> =>
  components.find((component) => component.name === name)!.type
