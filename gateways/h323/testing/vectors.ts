import { readdirSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { Json, Pdu } from '../asn1/asn1.ts'
import { h323UserInformation, rasMessage } from '../h225/pdus.ts'
import { multimediaSystemControlMessage, openLogicalChannel } from '../h245/pdus.ts'

/** One PER encoding, and its value in JER where the origin gives one. */
export interface Sample {
  readonly where: string
  readonly pdu: Pdu<unknown>
  readonly octets: Buffer
  readonly value: Json | undefined
}

interface Item {
  readonly hex: string
  readonly ok: boolean
  readonly value?: Json
}

/** A message of a real call as the captures have it. */
export interface Captured extends Item {
  readonly cap: string
  readonly t: number
  readonly proto: 'ras' | 'q931' | 'h245'
  readonly src: number
  readonly dst: number
  readonly q931?: { readonly crLen: number; readonly cr: string; readonly msgType: number }
  readonly ies?: readonly { readonly id: number; readonly hex: string }[]
  readonly uuie_hex?: string
  readonly h245?: readonly Item[]
  readonly fastStart?: readonly Item[]
}

const testdata = new URL('../testdata/', import.meta.url)

function linesOf<T>(path: string): T[] {
  const text = gunzipSync(readFileSync(new URL(path, testdata))).toString('utf8')
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

/** Messages of real calls, in the order of their files and times. */
export const captured = (): Captured[] =>
  readdirSync(new URL('vectors/', testdata))
    .sort()
    .flatMap((file) => linesOf<Captured>(`vectors/${file}`))

const tpktOctets = 4

/** Every PER encoding in the messages of real calls, tunnelled and fast start ones too. */
export function capturedSamples(): Sample[] {
  return captured().flatMap((message) => {
    const where = `${message.cap} ${message.t}`
    const sample = (pdu: Pdu<unknown>, hex: string, value: Json | undefined, part = ''): Sample => ({
      where: where + part,
      pdu,
      octets: Buffer.from(hex, 'hex'),
      value
    })
    if (message.proto === 'ras') return [sample(rasMessage, message.hex, message.value)]
    if (message.proto === 'h245') {
      return [sample(multimediaSystemControlMessage, message.hex.slice(tpktOctets * 2), message.value)]
    }
    return [
      sample(h323UserInformation, message.uuie_hex!, message.value),
      ...(message.h245 ?? []).map((item) => sample(multimediaSystemControlMessage, item.hex, item.value, ' h245Control')),
      ...(message.fastStart ?? []).map((item) => sample(openLogicalChannel, item.hex, item.value, ' fastStart'))
    ]
  })
}

const roots: Readonly<Record<string, Pdu<unknown>>> = {
  ras: rasMessage,
  uu: h323UserInformation,
  h245: multimediaSystemControlMessage
}

/** Random valid values with their encoding, on which two independent codecs agreed. */
export const generatedSamples = (): Sample[] =>
  Object.entries(roots).flatMap(([file, pdu]) =>
    linesOf<{ seed: number; hex: string; value: Json }>(`generated/${file}.jsonl.gz`).map(({ seed, hex, value }) => ({
      where: `generated ${file} ${seed}`,
      pdu,
      octets: Buffer.from(hex, 'hex'),
      value
    }))
  )

/** The generated values again, with their UNALIGNED encoding by a third codec. */
export function unalignedSamples(): (Sample & { readonly unaligned: Buffer })[] {
  const encodings = new Map(
    linesOf<{ of: string; seed: number; hex: string }>('generated/unaligned.jsonl.gz').map(({ of, seed, hex }) => [
      `generated ${of} ${seed}`,
      Buffer.from(hex, 'hex')
    ])
  )
  return generatedSamples().map((sample) => ({ ...sample, unaligned: encodings.get(sample.where)! }))
}
