import { readSync, writeSync } from 'node:fs'
import { encodeFrame } from './frame.ts'

/** The one thing that the process of a sandbox can reach: a stream to its host, which `spawn` made descriptor 3. */
const descriptor = 3

export interface Answer {
  /** Errno of WASI; 0 is success. */
  readonly errno: number
  readonly [name: string]: unknown
}

/** Answers mostly fit in here, and are then read at once. */
const room = Buffer.allocUnsafe(65_536)
const lengthsOctets = 8

/** Fills `octets` from `at` on until `enough` of them are there. @returns how many there are */
function fill(octets: Buffer, at: number, enough: number): number {
  let have = at
  while (have < enough) {
    const read = readSync(descriptor, octets, have, octets.length - have, null)
    // the host is gone, and nobody else would end this process
    if (read === 0) process.exit(1)
    have += read
  }
  return have
}

/** Asks the host and waits for its answer: one frame, behind which nothing comes until it is asked again. */
export function call(head: object, body?: Uint8Array): { head: Answer; body: Buffer } {
  const frame = encodeFrame(head, body)
  for (let at = 0; at < frame.length; ) at += writeSync(descriptor, frame, at)
  const have = fill(room, 0, lengthsOctets)
  const headEnd = lengthsOctets + room.readUInt32LE(0)
  const end = headEnd + room.readUInt32LE(4)
  let octets = room
  if (end > room.length) {
    octets = Buffer.allocUnsafe(end)
    room.copy(octets, 0, 0, have)
  }
  fill(octets, have, end)
  // what is kept of a body must not change with the next answer
  return { head: JSON.parse(octets.toString('utf8', lengthsOctets, headEnd)), body: Buffer.from(octets.subarray(headEnd, end)) }
}
