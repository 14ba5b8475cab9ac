/** Log records as lines for people, on stderr. */
import { Writable } from 'node:stream'
import { type Output, printable } from './output.ts'

const names: Readonly<Record<number, string>> = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' }
const colours = { info: 'dim', warn: 'yellow', error: 'red', fatal: 'red' } as const
const silent = new Set(['level', 'time', 'pid', 'hostname', 'name', 'msg'])

/** Takes JSON lines of the logger: `12:34:56.789 warn  application refused: incorrect secret application=3`. */
export function readableLog(output: Output): Writable {
  let rest = ''
  return new Writable({
    decodeStrings: false,
    write(chunk: string | Buffer, _, done) {
      const lines = (rest + chunk.toString()).split('\n')
      rest = lines.pop()!
      for (const line of lines) output.talk(readableRecord(line, output))
      done()
    }
  })
}

function readableRecord(line: string, output: Output): string {
  let record: Record<string, unknown>
  try {
    record = JSON.parse(line)
  } catch {
    return printable(line)
  }
  const level = names[Number(record.level)] ?? String(record.level)
  const facts = Object.entries(record)
    .filter(([name]) => !silent.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  const time = new Date(Number(record.time)).toISOString().slice(11, 23)
  const text = printable([String(record.msg ?? ''), ...facts].join(' '))
  const label = level.padEnd(5)
  return `${time} ${Object.hasOwn(colours, level) ? output.paint(colours[level as keyof typeof colours], label) : label} ${text}`
}
