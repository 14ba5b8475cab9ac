/**
 * What is hashed of a recording: for each stream and each second, the octets that were stored, told by a text of six lines.
 *
 *     infrafabric-recording/1
 *     council-20261121t160000z-0a1b2c3d        recording
 *     track/3                                  stream: mix, track/N or rtp/N
 *     17                                       second, from 0
 *     32000                                    octets stored for it
 *     6f5e…                                    SHA-256 over them, 64 hex digits
 *
 * Each line ends with a line feed. The text is a leaf of the Merkle tree of a batch, hashed as SHA-256(0x00 ‖ text) (RFC 6962 §2.1). Stored are, of `mix` and
 * `track/N`, the samples of a WAV file or the pages of an Ogg file, without the headers in front of them; of `rtp/N`, records of an rtpdump file, each
 * a header of 8 octets and a packet.
 */
import { DecodeError } from '#kernel'

export const recordingFormat = 'infrafabric-recording/1'

/** One second of one stream, as it lies in its file. */
export interface SecondLine {
  readonly stream: string
  readonly second: number
  /** Octets of the file: the first, and the one behind the last. */
  readonly from: number
  readonly to: number
  /** Over these octets, 64 hex digits. */
  readonly sha256: string
}

export const streamNames = { mix: 'mix', track: (slot: number) => `track/${slot}`, rtp: (slot: number) => `rtp/${slot}` } as const

const streamPattern = /^(?:mix|(?:track|rtp)\/[1-9]\d{0,4})$/

/** The text that stands for a second. */
export function secondText(recording: string, { stream, second, from, to, sha256 }: SecondLine): Buffer {
  return Buffer.from([recordingFormat, recording, stream, second, to - from, sha256, ''].join('\n'), 'utf8')
}

/** What the file of the seconds tells, one JSON object a line. */
export type IndexLine =
  /** A stream has begun; its first second. */
  | { readonly opens: string; readonly second: number }
  /** Seconds of a batch, in the order of its leaves. */
  | { readonly batch: number; readonly seconds: readonly SecondLine[] }
  /** The ledger has a batch; `entry` is null where it waits in the spool. */
  | { readonly witnessed: number; readonly entry: number | null }

export const writeIndexLine = (line: IndexLine): string => `${JSON.stringify(line)}\n`

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

function isSecond(value: unknown): value is SecondLine {
  if (typeof value !== 'object' || value === null) return false
  const { stream, second, from, to, sha256 } = value as Record<string, unknown>
  return (
    typeof stream === 'string' &&
    streamPattern.test(stream) &&
    isCount(second) &&
    isCount(from) &&
    isCount(to) &&
    from <= to &&
    typeof sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(sha256)
  )
}

function isIndexLine(value: unknown): value is IndexLine {
  if (typeof value !== 'object' || value === null) return false
  const { opens, second, batch, seconds, witnessed, entry } = value as Record<string, unknown>
  if (typeof opens === 'string') return streamPattern.test(opens) && isCount(second)
  if (batch !== undefined) return isCount(batch) && Array.isArray(seconds) && seconds.every(isSecond)
  return isCount(witnessed) && (entry === null || isCount(entry))
}

/**
 * Reads the file of the seconds. A last line that was cut off, as a crash leaves it, is left out.
 *
 * @throws {DecodeError} `recording.index.malformed`
 */
export function readIndex(text: string): readonly IndexLine[] {
  const lines = text.split('\n')
  lines.pop()
  let octets = 0
  return lines.map((line, number) => {
    try {
      const value: unknown = JSON.parse(line)
      if (isIndexLine(value)) {
        octets += line.length + 1
        return value
      }
    } catch {
      // not even JSON: the same fault
    }
    throw new DecodeError('recording.index.malformed', `line ${number + 1} of the seconds is none`, {
      path: 'seconds.jsonl',
      bitOffset: 8 * octets
    })
  })
}
