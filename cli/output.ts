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
  /** What to do when the reader of stdout goes away (`| head`), instead of ending the process there and then. */
  readonly whenGone: (stop: () => void) => void
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

/** Output to this process's streams. A reader that went away ends the process quietly, unless the command says otherwise. */
export function processOutput(json: boolean): Output {
  let stop = (): void => process.exit()
  const gone = (error: NodeJS.ErrnoException): void => {
    if (error.code !== 'EPIPE') throw error
    stop()
  }
  process.stdout.on('error', gone)
  process.stderr.on('error', gone)
  const colours = process.stdout.isTTY && !json && !process.env.NO_COLOR && process.env.TERM !== 'dumb'
  const line = (text: string): Promise<void> => {
    const { stdout } = process
    if (stdout.destroyed || stdout.write(`${text}\n`)) return Promise.resolve()
    return new Promise((resolve) => {
      const goOn = (): void => {
        stdout.off('drain', goOn).off('close', goOn)
        resolve()
      }
      stdout.on('drain', goOn).on('close', goOn)
    })
  }
  return {
    json,
    line,
    document: (value) => line(toJsonLine(value)),
    talk: (text) => void process.stderr.write(`${text}\n`),
    whenGone: (stopInstead) => {
      stop = stopInstead
    },
    paint: (colour, text) => (colours ? `\u001b[${codes[colour]}m${text}\u001b[0m` : text)
  }
}
