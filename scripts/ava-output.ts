/** What ava's own report tells of files that did not go well. Its lines are read: of an exception that ended a file it keeps no record. */
import { isAbsolute, relative } from 'node:path'
import { stripVTControlCharacters } from 'node:util'

export interface Trouble {
  /** Of the test file; null where ava names the test and not its file. */
  readonly file: string | null
  /** First line, as ava writes it: what it is, and of which test or file. */
  readonly title: string
  /** The whole of it: error, difference, stack. */
  readonly text: string
}

/** Where a block begins that tells of a file's end, and which file that is. */
const beginnings = [
  /^(?:Uncaught exception|Unhandled rejection) in (?<file>\S+)$/,
  /^✘ (?<file>\S+) exited (?:due to|with) /,
  /^✘ No tests found in (?<file>[^\s,]+)/,
  /^✘ \d+ tests? remaining in (?<file>\S+)$/,
  /^\d+ tests were pending in (?<file>\S+)$/,
  /^Failed to exit when running (?<file>\S+)$/,
  /^✘ Internal error when running (?<file>\S+)$/,
  /^✘ Exiting due to process\.exit\(\) when running (?<file>\S+)$/
]
const rule = /^─+$/
/** What follows such a block: the next test, or the summary. */
const next = /^(?:[✔✘⚠] |- \[|─)/
/** More lines of one trouble than that tell nothing new. */
const mostLines = 60

/** The file in a line of a stack or an excerpt: `› file://a/b.test.ts:90:11`, `at f (file:///…/a/b.test.ts:90:11)`, `a/b.test.ts:90`. */
const place = /(?:file:\/\/)?([^\s()]+\.test\.[a-z]+):\d+/

function placeIn(line: string, root: string): string | undefined {
  const path = place.exec(line)?.[1]
  return path !== undefined && isAbsolute(path) ? relative(root, path) : path
}

const trimmed = (lines: readonly string[]): string => {
  const text = lines.slice(0, mostLines).join('\n').trim()
  return lines.length > mostLines ? `${text}\n…` : text
}

/**
 * @param output all that ava's default reporter wrote, with colours or without
 * @param root where ava ran: files are named from there
 */
export function troublesIn(output: string, root: string = process.cwd()): Trouble[] {
  const lines = stripVTControlCharacters(output)
    .split('\n')
    .map((line) => line.replace(/^ {2}/, '').trimEnd())
  return [...fileTroubles(lines), ...testTroubles(lines, root)]
}

/** Exceptions, ends and silence of files, told as they come. */
function fileTroubles(lines: readonly string[]): Trouble[] {
  const found: Trouble[] = []
  for (let at = 0; at < lines.length; at++) {
    const file = fileOf(lines[at]!)
    if (file === undefined) continue
    let end = at + 1
    while (end < lines.length && !next.test(lines[end]!) && fileOf(lines[end]!) === undefined) end++
    found.push({ file, title: lines[at]!.replace(/^✘ /, ''), text: trimmed(lines.slice(at, end)) })
    at = end - 1
  }
  return found
}

function fileOf(line: string): string | undefined {
  for (const beginning of beginnings) {
    const file = beginning.exec(line)?.groups?.file
    if (file !== undefined) return file
  }
  return undefined
}

/** Tests that failed: each told again, whole, between two rules behind all tests. */
function testTroubles(lines: readonly string[], root: string): Trouble[] {
  const titles = lines.flatMap((line) => /^✘ \[(?:fail|unexpected pass)\]: (.*)$/.exec(line)?.[1] ?? [])
  const last = lines.findLastIndex((line) => rule.test(line))
  const first = lines.slice(0, Math.max(last, 0)).findLastIndex((line) => rule.test(line))
  const details = first < 0 ? [] : lines.slice(first + 1, last)
  // the line of a failure as it came ends with its message, the title above its details does not
  const starts = details.flatMap((line, at) =>
    line !== '' && (details[at - 1] ?? '') === '' && titles.some((title) => title === line || title.startsWith(`${line} `))
      ? [at]
      : []
  )
  const told = starts.map((start, number): Trouble => {
    const block = details.slice(start, starts[number + 1])
    const file = block.map((line) => placeIn(line, root)).find((path) => path !== undefined) ?? null
    return { file, title: details[start]!, text: trimmed(block) }
  })
  const isTold = (title: string) => told.some((trouble) => title === trouble.title || title.startsWith(`${trouble.title} `))
  return [...told, ...titles.filter((title) => !isTold(title)).map((title) => ({ file: null, title, text: title }))]
}

/** Files in which something went wrong, each once. @param failed those that ava keeps as failed */
export const filesOf = (troubles: readonly Trouble[], failed: readonly string[]): string[] => [
  ...new Set([...failed, ...troubles.flatMap(({ file }) => file ?? [])])
]

/** What is to be read last: every trouble whole, and then each in a line. */
export function tellTroubles(heading: string, troubles: readonly Trouble[]): string {
  const whole = troubles.map(({ text }) => `${text}\n`)
  const lines = troubles.map(({ file, title, text }) => {
    const error = text.split('\n').find((line) => /^\s*(?:\w*Error\b|Error:|Value |Difference|Rejected promise)/.test(line))
    return `  ${title}${file === null || title.includes(file) ? '' : ` (${file})`}${error === undefined ? '' : `: ${error.trim()}`}`
  })
  return [`\n${heading}\n`, ...whole, heading, ...lines, ''].join('\n')
}
