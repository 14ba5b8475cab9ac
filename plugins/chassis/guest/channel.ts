import { readSync, writeSync } from 'node:fs'
import { encodeFrame } from './frame.ts'

/** The one thing that the process of a sandbox can reach: a stream to its host, which `spawn` made descriptor 3. */
const descriptor = 3

export interface Answer {
  /** Errno of WASI; 0 is success. */
  readonly errno: number
  readonly [name: string]: unknown
}

function take(octets: Buffer): Buffer {
  for (let at = 0; at < octets.length; ) {
    const read = readSync(descriptor, octets, at, octets.length - at, null)
    // the host is gone, and nobody else would end this process
    if (read === 0) process.exit(1)
    at += read
  }
  return octets
}

/** Asks the host and waits for its answer. */
export function call(head: object, body?: Uint8Array): { head: Answer; body: Buffer } {
  const frame = encodeFrame(head, body)
  for (let at = 0; at < frame.length; ) at += writeSync(descriptor, frame, at)
  const lengths = take(Buffer.allocUnsafe(8))
  const text = take(Buffer.allocUnsafe(lengths.readUInt32LE(0))).toString()
  return { head: JSON.parse(text), body: take(Buffer.allocUnsafe(lengths.readUInt32LE(4))) }
}
