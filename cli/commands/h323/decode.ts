import { existsSync } from 'node:fs'
import { decoder } from '#h323'
import { DecodeError } from '#kernel'
import type { Run } from '../../command.ts'
import { UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { readInput } from '../../subjects/files.ts'

const kinds = { ras: 'RAS', q931: 'Q.931', h245: 'H.245', uuie: 'H.225.0', olc: 'OLC' } as const

const isKind = (text: string): text is keyof typeof kinds => Object.hasOwn(kinds, text)

/** Octets of hex text, which may have blanks and colons in it; undefined where it is something else. */
function octetsOf(text: string): Buffer | undefined {
  const digits = text.replaceAll(/[\s:]|0x/g, '')
  return digits.length > 0 && digits.length % 2 === 0 && /^[\da-f]+$/i.test(digits) ? Buffer.from(digits, 'hex') : undefined
}

/** What is to be read: a capture file, a file of hex text or of plain octets, or hex text itself. */
async function inputOf(operand: string): Promise<Buffer> {
  if (operand !== '-' && !existsSync(operand)) {
    const octets = octetsOf(operand)
    if (octets !== undefined) return octets
  }
  const file = await readInput(operand)
  return decoder.isCapture(file) ? file : (octetsOf(file.toString('latin1')) ?? file)
}

export const run: Run = async (args, output) => {
  const as = args.value('as')
  if (as !== undefined && !isKind(as))
    throw new UsageError(`--as: ${JSON.stringify(as)} is none of ${Object.keys(kinds).join(', ')}`)
  const input = await inputOf(args.operands[0]!)
  const reader = new decoder.Decoder({ secrets: args.has('secrets') })
  let messages = 0
  let faults = 0

  const show = async (reading: decoder.Reading & Partial<decoder.CapturedReading>): Promise<void> => {
    messages++
    const { protocol, name, value, octets, error, time, from, to } = reading
    if (error !== undefined) faults++
    if (output.json) {
      const at = time === undefined || Number.isNaN(time) ? {} : { time }
      const hex = Buffer.from(octets).toString('hex')
      await output.document({ ...at, from, to, protocol, name, value, ...(error === undefined ? {} : { octets: hex, error }) })
      return
    }
    const when = time === undefined || Number.isNaN(time) ? '' : `${new Date(time * 1000).toISOString()}  `
    const where = from === undefined ? '' : `${from} → ${to}  `
    await output.line(`${output.paint('dim', when + where)}${output.paint('bold', `${protocol} ${name}`)}`)
    for (const line of value === null ? [] : decoder.linesOf(value)) await output.line(printable(line))
    if (error !== undefined) await output.line(output.paint('red', `  ${printable(error.message)} [${error.code}]`))
  }

  try {
    const readings = decoder.isCapture(input)
      ? reader.capture(input)
      : reader.octets(input, as === undefined ? undefined : kinds[as])
    for (const reading of readings) await show(reading)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    output.talk(`ifctl: ${error.message}`)
    return exitCodes.failure
  }
  if (messages === 0) output.talk('no H.323 in it: RAS is looked for on UDP ports 1718 and 1719, TPKTs on every TCP connection')
  return faults === 0 ? exitCodes.ok : exitCodes.failure
}
