/**
 * Attestation of a stream: what every receiver sees of it, provable frame by frame from the ledger.
 *
 * The codec of NDI loses detail, so nobody receives the octets that were sent. But every receiver decodes the same octets. What is attested is
 * therefore the decoded picture, as the publisher's own receiver sees it. A frame is told by a statement,
 *
 *     timecode SP width "x" height SP fourCC SP lineStride SP sha256(data)
 *
 * and the statements of up to 30 frames are the leaves of a Merkle tree (RFC 6962 §2.1). Its root stands in the ledger; root and statements
 * go out on the stream as metadata, so that a recording of the stream can be checked against the ledger and nothing else.
 */
import { hash } from 'node:crypto'
import type { CallContext } from '#kernel'
import { type Batch, batchOf, frameHash } from '#ledger'
import type { VideoFrame } from '../runtime/frames.ts'

/** Frames in one attestation at most. */
export const framesPerAttestation = 30

const byTime = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0)

const statementPattern = /^-?\d{1,19} \d{1,5}x\d{1,5} [A-Z0-9]{4} \d{1,6} [0-9a-f]{64}$/

/** What is attested of a frame. @param digest SHA-256 of its data, 64 hex digits, where that is known */
export const statementOf = (
  { timecode, width, height, fourCC, lineStride, data }: Omit<VideoFrame, 'type' | 'frameRate' | 'sentAt' | 'metadata'>,
  digest = hash('sha256', data)
): string => `${timecode} ${width}x${height} ${fourCC} ${lineStride} ${digest}`

export interface Attestation {
  readonly traceId: CallContext['traceId']
  /** Root of the Merkle tree over the statements, 64 hex digits. */
  readonly root: string
  readonly statements: readonly string[]
}

/** The batch of the ledger that these statements make. */
const batchOfStatements = (statements: readonly string[]): Batch =>
  batchOf('video', Buffer.concat(statements.map((statement) => frameHash(Buffer.from(statement)))))

/** As metadata of the stream. The trace id must be free of XML: ids of this suite are hex digits. */
export function formatAttestation({ traceId, root, statements }: Attestation): string {
  const frames = statements.map((statement) => `<frame is="${statement}"/>`).join('')
  return `<if_attestation trace="${traceId}" root="${root}">${frames}</if_attestation>`
}

/** @returns null for other metadata, and for an attestation not of this form or with a root that is not that of its statements */
export function parseAttestation(xml: string): Attestation | null {
  const outer =
    /^<if_attestation trace="([\w.@:-]{1,128})" root="([0-9a-f]{64})">((?:<frame is="[^"<>]{1,140}"\/>){1,30})<\/if_attestation>$/.exec(
      xml
    )
  if (outer === null) return null
  const [, traceId, root, frames] = outer as unknown as [string, string, string, string]
  const statements = Array.from(frames.matchAll(/is="([^"]+)"/g), ([, statement]) => statement!)
  if (!statements.every((statement) => statementPattern.test(statement))) return null
  return batchOfStatements(statements).root === root ? { traceId, root, statements } : null
}

/** What became of the frames of a recording. */
export interface StreamVerdict {
  /** Frames that the ledger vouches for. */
  readonly good: number
  /** Timecodes of frames whose attested picture is another one. */
  readonly altered: readonly bigint[]
  /** Timecodes of frames that no attestation in the ledger names: the first and last seconds of a recording may lack theirs. */
  readonly unattested: readonly bigint[]
  /** Timecodes of attested frames that are not in the recording, though it has frames before and behind them. */
  readonly missing: readonly bigint[]
  /** Roots of attestations on the stream that the ledger does not have. */
  readonly foreign: readonly string[]
}

/** Checks a recorded stream, frame by frame, against the roots that the ledger has. Holds statements, no pictures. */
export function createStreamCheck(isRecorded: (root: string) => boolean): {
  readonly frame: (frame: VideoFrame) => void
  /** Takes metadata of the stream, whatever it is. */
  readonly metadata: (xml: string) => void
  readonly verdict: () => StreamVerdict
} {
  const recorded: string[] = []
  const attested = new Map<string, string>()
  const foreign: string[] = []
  const timecodeOf = (statement: string) => statement.slice(0, statement.indexOf(' '))
  return {
    frame: (frame) => void recorded.push(statementOf(frame)),
    metadata: (xml) => {
      const attestation = parseAttestation(xml)
      if (attestation === null) return
      if (!isRecorded(attestation.root)) return void foreign.push(attestation.root)
      for (const statement of attestation.statements) attested.set(timecodeOf(statement), statement)
    },
    verdict: () => {
      let good = 0
      const altered: bigint[] = []
      const unattested: bigint[] = []
      const seen = new Set<string>()
      for (const statement of recorded) {
        const timecode = timecodeOf(statement)
        seen.add(timecode)
        const known = attested.get(timecode)
        if (known === statement) good++
        else (known === undefined ? unattested : altered).push(BigInt(timecode))
      }
      const times = [...seen].map(BigInt).sort(byTime)
      const [first, last] = [times[0] ?? 0n, times.at(-1) ?? 0n]
      const missing = [...attested.keys()]
        .filter((timecode) => !seen.has(timecode))
        .map(BigInt)
        .filter((timecode) => timecode > first && timecode < last)
      return { good, altered, unattested, missing, foreign }
    }
  }
}
