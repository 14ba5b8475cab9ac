/**
 * Messages of an evidence channel: JSON in text messages, and chunks as octets where both ends take them.
 *
 *     participant   handshake ⇄ handshake          council
 *                   context_update ◀──
 *     sender        evidence_chunk offer ──▶       receiver
 *                   ◀── have (first chunk that is missing)
 *                   data … ──▶
 *                   ◀── have …
 *                   ◀── receipt
 *                   confirmed ──▶
 *     either        session_end ──▶
 */
import * as z from 'zod/mini'
import { InfraFabricError } from '#kernel'
import { refusalCodes } from '../names.ts'

// pages under our Content-Security-Policy make no functions of text
z.config({ jitless: true })

export const protocolVersion = 1
/** Of a chunk; the last one of a file is shorter. */
export const chunkOctets = 65_536
/** A chunk in base64 has 87,384 characters. */
const mostTextOctets = 98_304

/** Chunks of a file of so many octets. */
export const chunksOf = (bytes: number): number => Math.ceil(bytes / chunkOctets)
/** Octets of one of them. */
export const chunkLength = (bytes: number, index: number): number => Math.min(chunkOctets, bytes - index * chunkOctets)

const hex = (digits: number) => z.string().check(z.regex(new RegExp(`^[0-9a-f]{${digits}}$`)))
const id = hex(32)
const sha256 = hex(64)
const count = z.int().check(z.minimum(0), z.maximum(Number.MAX_SAFE_INTEGER))
const short = z.string().check(z.maxLength(512))
const base64 = (most: number) => z.string().check(z.maxLength(most), z.regex(/^[A-Za-z0-9+/]*={0,2}$/))

const encodings = ['binary', 'base64'] as const
export type ChunkEncoding = (typeof encodings)[number]

const handshake = z.strictObject({
  performative: z.literal('handshake'),
  version: z.literal(protocolVersion),
  /** Trace of the call. */
  call: z.string().check(z.regex(/^[A-Za-z0-9._:@/+-]{1,128}$/)),
  /** How chunks are to come to whoever says so. */
  encoding: z.enum(encodings),
  /** Public key of a participant's receipts: ECDSA P-256, SubjectPublicKeyInfo. Null for none. */
  key: z.nullable(base64(256))
})

/** What the call is about, as it is now. */
const contextUpdate = z.strictObject({
  performative: z.literal('context_update'),
  context: z.strictObject({
    conference: short,
    hazard: z.nullable(short),
    votes: z.array(z.strictObject({ motion: short, yes: count, no: count, abstain: count })).check(z.maxLength(64)),
    policy: z.array(z.strictObject({ code: short, reason: short })).check(z.maxLength(64))
  })
})

const offer = z.strictObject({
  performative: z.literal('evidence_chunk'),
  step: z.literal('offer'),
  id,
  name: z.string().check(z.maxLength(1024)),
  mediaType: z.string().check(z.regex(/^[\w.+-]{1,64}\/[\w.+-]{1,64}$/)),
  bytes: count,
  sha256,
  /** Who shares it. */
  by: short
})

const evidenceChunk = z.discriminatedUnion('step', [
  offer,
  /** Every chunk before `next` is here and right. `again` says why it is asked for once more. */
  z.strictObject({
    performative: z.literal('evidence_chunk'),
    step: z.literal('have'),
    id,
    next: count,
    again: z.nullable(z.enum(['gap', 'hash']))
  }),
  /** A chunk in text. */
  z.strictObject({
    performative: z.literal('evidence_chunk'),
    step: z.literal('data'),
    id,
    index: count,
    sha256,
    data: base64(87_384)
  }),
  /** The whole file is here, its hash is right. The signature is over {@link receiptText}; null where the handshake named no key. */
  z.strictObject({
    performative: z.literal('evidence_chunk'),
    step: z.literal('receipt'),
    id,
    sha256,
    bytes: count,
    at: z.string().check(z.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)),
    signature: z.nullable(base64(128))
  }),
  /** The receipt is in the record. */
  z.strictObject({ performative: z.literal('evidence_chunk'), step: z.literal('confirmed'), id }),
  z.strictObject({
    performative: z.literal('evidence_chunk'),
    step: z.literal('refused'),
    id,
    code: z.enum(refusalCodes),
    reason: short
  })
])

const sessionEnd = z.strictObject({ performative: z.literal('session_end'), reason: short })

const message = z.union([handshake, contextUpdate, evidenceChunk, sessionEnd])

export type Handshake = z.infer<typeof handshake>
export type ContextUpdate = z.infer<typeof contextUpdate>
export type EvidenceContext = ContextUpdate['context']
export type EvidenceOffer = z.infer<typeof offer>
export type EvidenceChunk = z.infer<typeof evidenceChunk>
export type EvidenceMessage = z.infer<typeof message>
export type Receipt = Extract<EvidenceChunk, { step: 'receipt' }>

/** For what does not belong where it came, too. */
export const invalidMessage = (reason: string): InfraFabricError => new InfraFabricError('evidence.message.invalid', reason)

/** Reads a text message. @throws {InfraFabricError} `evidence.message.invalid` */
export function readMessage(text: string): EvidenceMessage {
  if (text.length > mostTextOctets) throw invalidMessage(`a message has at most ${mostTextOctets} characters`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw invalidMessage('expected JSON')
  }
  const read = message.safeParse(value)
  if (read.success) return read.data
  const [issue] = read.error.issues
  throw invalidMessage(`${issue?.path.join('.') || 'message'}: ${issue?.code ?? 'not as it should be'}`)
}

/** What a participant's receipt is signed over: one fact a line. */
export const receiptText = (call: string, participant: string, { id, sha256, bytes, at }: Omit<Receipt, 'signature'>): string =>
  ['infrafabric-evidence-receipt-v1', call, participant, id, sha256, String(bytes), at, ''].join('\n')

/** Octets of a chunk as text has them, base64. */
export function dataOf(octets: Uint8Array): string {
  let text = ''
  for (let at = 0; at < octets.length; at += 8192) text += String.fromCharCode(...octets.subarray(at, at + 8192))
  return btoa(text)
}

export const octetsOf = (data: string): Uint8Array => Uint8Array.from(atob(data), (character) => character.charCodeAt(0))
