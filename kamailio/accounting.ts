/** The edge's own record of the calls it saw, beside its other files: an auditor holds the ledger against it. */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { errorCode, type Log } from '#kernel'

export interface Accounting {
  /** Appends a line. A disk that does not take it is told of, and calls go on. */
  readonly write: (line: string) => void
  readonly close: () => void
}

/** Name in the runtime folder. One JSON object a line: `time` (seconds since 1970), `callId`, `outcome` (relayed, unanswered, refused). */
export const accountingFile = 'accounting.jsonl'

export function openAccounting(runtimeDir: string, log: Log): Accounting {
  let file: number | null = null
  /** Size of the file behind the last whole line of ours; NaN where that is not known. */
  let whole = Number.NaN
  return {
    write: (line) => {
      try {
        file ??= openSync(join(runtimeDir, accountingFile), 'a+', 0o600)
        let { size } = fstatSync(file)
        // a line that a kill or a full disk cut short would spoil the one behind it
        if (size !== whole) size = cutTornLine(file, size)
        const octets = Buffer.from(`${line}\n`)
        whole = size + octets.length
        writeSync(file, octets)
      } catch (error) {
        log.error({ code: errorCode(error) }, 'not in the accounting of the edge')
      }
    },
    close: () => {
      if (file !== null) closeSync(file)
      file = null
    }
  }
}

const longestLine = 4096

/** @returns the size without it */
function cutTornLine(file: number, size: number): number {
  const last = (octets: number): Buffer => {
    const tail = Buffer.alloc(Math.min(size, octets))
    readSync(file, tail, 0, tail.length, size - tail.length)
    return tail
  }
  if (size === 0 || last(1)[0] === 0x0a) return size
  const tail = last(longestLine)
  const whole = size - tail.length + tail.lastIndexOf('\n') + 1
  ftruncateSync(file, whole)
  return whole
}
