import { fstatSync, writeSync } from 'node:fs'
import { systemCode } from '../line/arguments.ts'

/** Where a command writes: data to `data`, talk to `talk`. */
export interface Output {
  /** Whether `--json` was given: data is JSON then, one document or one object a line. */
  readonly json: boolean
  /** Writes one line to stdout; waits where the reader is slow. */
  readonly line: (text: string) => Promise<void>
  /** Writes a JSON value as one line to stdout. */
  readonly document: (value: unknown) => Promise<void>
  /** Writes one line to stderr, for people. */
  readonly talk: (text: string) => void
  /** Stdout itself, for what writes to a stream. */
  readonly stdout: () => NodeJS.WriteStream
  /** What to do when the reader of stdout goes away (`| head`), instead of ending the process there and then. */
  readonly whenGone: (stop: () => void) => void
  /** Columns of the terminal; undefined where stdout is none. */
  readonly columns: () => number | undefined
  /** Marks text for a terminal; plain text anywhere else. */
  readonly paint: (colour: Colour, text: string) => string
}

export type Colour = 'red' | 'green' | 'yellow' | 'dim' | 'bold'
const codes: Readonly<Record<Colour, string>> = { red: '31', green: '32', yellow: '33', dim: '2', bold: '1' }

/** Control, format and direction characters, which could move a terminal's cursor or show text out of order. */
const unprintable = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

/** Text that callers brought, safe on a terminal: unprintable characters as `\u{hex}`. */
export function printable(text: string): string {
  return text.replace(unprintable, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`)
}

/** One line of JSON without unprintable characters. */
export function toJsonLine(value: unknown): string {
  return JSON.stringify(value).replace(unprintable, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Device of `/dev/null` and its like, which are no terminals (Linux). */
const memoryDevices = 1

/** Whether a descriptor may be a terminal: asking the stream of the process for it takes two milliseconds, which files and pipes need not pay. */
function mayBeTerminal(fd: number): boolean {
  const { rdev } = fstatSync(fd)
  return rdev !== 0 && rdev >> 8 !== memoryDevices
}

/**
 * Writes to a descriptor of the process there and then, as its stream does for terminals, files and pipes. The stream itself is used from where on the
 * descriptor takes no more for the moment.
 *
 * @param gone told once that nobody reads any more; what is written afterwards is lost
 */
function writerTo(fd: number, streamOf: () => NodeJS.WriteStream, gone: () => void): (text: string) => Promise<void> {
  let stream: NodeJS.WriteStream | null = null
  let isGone = false
  const fail = (error: unknown): void => {
    if (systemCode(error) !== 'EPIPE') throw error
    isGone = true
    gone()
  }
  /** @returns what is left to write */
  const writeAtOnce = (octets: Buffer): Buffer => {
    let rest = octets
    try {
      while (rest.length > 0) rest = rest.subarray(writeSync(fd, rest))
    } catch (error) {
      if (systemCode(error) === 'EAGAIN') return rest
      fail(error)
    }
    return Buffer.alloc(0)
  }
  return (text) => {
    if (isGone) return Promise.resolve()
    let rest: Buffer = Buffer.from(text)
    if (stream === null) {
      rest = writeAtOnce(rest)
      if (rest.length === 0) return Promise.resolve()
      stream = streamOf().on('error', fail)
    }
    const open = stream
    if (open.destroyed || open.write(rest)) return Promise.resolve()
    return new Promise((resolve) => {
      const goOn = (): void => {
        open.off('drain', goOn).off('close', goOn)
        resolve()
      }
      open.on('drain', goOn).on('close', goOn)
    })
  }
}

/** Output of a process that may end. */
export interface ProcessOutput extends Output {
  /** Whether the system has taken all that was written: false once a stream was used, which may hold some back. */
  readonly isFlushed: () => boolean
}

/** Output to this process's streams. A reader that went away ends the process quietly, unless the command says otherwise. */
export function processOutput(json: boolean): ProcessOutput {
  let isFlushed = true
  const streaming = (stream: NodeJS.WriteStream): NodeJS.WriteStream => {
    isFlushed = false
    return stream
  }
  let stop = (): void => process.exit()
  const gone = (): void => stop()
  const write = writerTo(1, () => streaming(process.stdout), gone)
  const talk = writerTo(2, () => streaming(process.stderr), gone)
  const isTerminal = (): boolean => mayBeTerminal(1) && process.stdout.isTTY
  let colours: boolean | undefined
  const hasColours = (): boolean => {
    colours ??= !json && !process.env.NO_COLOR && process.env.TERM !== 'dumb' && isTerminal()
    return colours
  }
  const line = (text: string): Promise<void> => write(`${text}\n`)
  return {
    json,
    line,
    document: (value) => line(toJsonLine(value)),
    talk: (text) => void talk(`${text}\n`),
    stdout: () =>
      streaming(process.stdout).on('error', (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EPIPE') throw error
        gone()
      }),
    whenGone: (stopInstead) => {
      stop = stopInstead
    },
    isFlushed: () => isFlushed,
    columns: () => (isTerminal() ? process.stdout.columns : undefined),
    paint: (colour, text) => (hasColours() ? `\u001b[${codes[colour]}m${text}\u001b[0m` : text)
  }
}
