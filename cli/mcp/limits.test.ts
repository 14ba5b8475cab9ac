import { tmpdir } from 'node:os'
import { Readable } from 'node:stream'
import test from 'ava'
import fc from 'fast-check'
import { boundedLines } from './lines.ts'
import { runTool } from './run-tool.ts'

const collected = async (chunks: readonly Buffer[], most: number) => {
  const lines: (string | null)[] = []
  for await (const line of boundedLines(Readable.from(chunks), most)) lines.push(line.kind === 'line' ? line.text : null)
  return lines
}

test('lines are the same however they are cut into chunks, and none longer than allowed is kept', async (t) => {
  const line = fc.string({ unit: 'grapheme', maxLength: 30 }).map((text) => text.replaceAll(/[\n\r]/g, ' '))
  await fc.assert(
    fc.asyncProperty(fc.array(line), fc.array(fc.nat(200)), async (lines, cuts) => {
      const octets = Buffer.from(lines.map((text) => `${text}\n`).join(''))
      const at = [0, ...cuts.filter((cut) => cut < octets.length).sort((a, b) => a - b), octets.length]
      const chunks = at.slice(1).map((end, index) => octets.subarray(at[index], end))
      const most = 20
      t.deepEqual(
        await collected(chunks, most),
        lines.map((text) => (Buffer.byteLength(text) > most ? null : text))
      )
    })
  )
})

test('what stands behind the last line end is no line', async (t) => {
  t.deepEqual(await collected([Buffer.from('a\nb')], 10), ['a'])
})

const run = (argv: readonly string[], outputOctets: number, signal = new AbortController().signal) =>
  runTool({ argv, followMs: null }, { timeoutMs: 60_000, outputOctets }, { env: process.env, cwd: tmpdir() }, signal)

test('an answer that is too large is cut after a whole document, or told to be too large', async (t) => {
  const rates = ['optimise', 'rates', '--json', '--']
  const whole = await run(rates, 10_000)
  t.false(whole.truncated)
  t.is(whole.data.length, 4)
  const cut = await run(rates, 150)
  t.true(cut.truncated)
  t.deepEqual(cut.data, whole.data.slice(0, 2))
  t.is(cut.error, undefined)
  const none = await run(rates, 10)
  t.is(none.error?.code, 'mcp.too-much')
})

test('an error of a command is the error of the tool, and an exit code says what it means', async (t) => {
  const failed = await run(['witness', 'query', '--json', '--ledger=/nowhere', '--'], 10_000)
  t.is(failed.exitCode, 1)
  t.is(failed.meaning, 'failed, or not found')
  t.regex(failed.error!.message, /there is no ledger/)
})

test('a call that was cancelled before it began is ended', async (t) => {
  const result = await run(
    ['coordinator', 'latency', 'benchmark', '--json', '--store=/nowhere/x', '--'],
    100,
    AbortSignal.abort()
  )
  t.is(result.exitCode, null)
  t.is(result.error?.code, 'mcp.cancelled')
})
