import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { runSuite } from '../deploy/testing/harness.ts'
import { commands } from './commands.ts'
import { examples } from './examples.ts'
import { dispatch } from './ifctl.ts'
import { commonOptions, systemCode, UsageError } from './line/arguments.ts'
import type { Output } from './show/output.ts'
import { prepareFolder } from './testing/example-folder.ts'
import { finished, start, withFolder } from './testing/run.ts'
import { splitWords } from './testing/words.ts'

const all = commands.flatMap(({ words, effect }) =>
  (examples[words.join(' ')] ?? []).map((example) => ({ words, effect, ...example }))
)

test('every command has an example, and every example names a command', (t) => {
  t.deepEqual(Object.keys(examples).sort(), commands.map(({ words }) => words.join(' ')).sort())
  for (const { words, line } of all) t.true(`${line} `.startsWith(`ifctl ${words.join(' ')} `), line)
})

test('every option of an example is one of its command', (t) => {
  for (const { words, line } of all) {
    const { options } = commands.find((each) => each.words === words)!
    for (const word of splitWords(line).filter((each) => each.startsWith('--')))
      t.true(
        [...options, ...commonOptions].some(({ name }) => word === `--${name}`),
        `${line}: ${word}`
      )
  }
})

test('the examples that are not run here say why, and what tests them; they are few', (t) => {
  const elsewhere = all.filter((example) => example.elsewhere !== undefined)
  for (const { line, elsewhere: why } of elsewhere) {
    const place = /^(?:goes on|needs) .+: ((?:[a-z0-9-]+\/)+[a-z0-9.-]+)$/.exec(why!)?.[1]
    t.true(place !== undefined && existsSync(new URL(`../${place}`, import.meta.url)), `${line}: ${why}`)
  }
  t.true(elsewhere.length < all.length / 4, `${elsewhere.length} of ${all.length}`)
})

interface Shown {
  readonly code: number
  /** Data and talk. */
  readonly text: string
  /** Lines of data. */
  readonly data: readonly string[]
}

/** Runs one line as `ifctl` would, here: a hundred processes would take as long as all other tests together. */
async function shownBy(line: string): Promise<Shown> {
  let text = ''
  const data: string[] = []
  const tell = async (more: string): Promise<void> => {
    data.push(...more.split('\n'))
    add(more)
  }
  const add = (more: string): void => {
    text += `${more}\n`
  }
  const argv = splitWords(line).slice(1)
  const output: Output = {
    json: argv.includes('--json'),
    line: tell,
    document: (value) => tell(JSON.stringify(value)),
    talk: add,
    stdout: () => new PassThrough().resume() as unknown as NodeJS.WriteStream,
    whenGone: () => undefined,
    columns: () => undefined,
    paint: (_, more) => more
  }
  try {
    return { code: await dispatch(argv, 'ifctl', output), text, data }
  } catch (error) {
    add(error instanceof Error ? `${error.stack}` : String(error))
    return { code: error instanceof UsageError ? 2 : 1, text: `${text}${systemCode(error)}`, data }
  }
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line)
    return true
  } catch {
    return false
  }
}

/** What the examples of the plugins find. */
const before = [
  'ifctl coordinator swarms add alpha --capabilities code.rust:0.8,law',
  'ifctl coordinator tasks add T-3 --requires law',
  'ifctl coordinator tasks claim T-3 --swarm alpha',
  'ifctl coordinator tasks add T-4',
  'ifctl coordinator tasks claim T-4 --swarm alpha',
  'ifctl chassis sandbox create old-box --swarm alpha',
  'ifctl governor budget set --swarm alpha --limit 100'
]

/** Names in examples of what is made anew each time, and what tells the real one. */
const names: Readonly<Record<string, { readonly by: string; readonly is: RegExp }>> = {
  '5f1c2a9b': { by: 'ifctl witness token add', is: /^token (\S+),/m },
  GRANT: { by: 'ifctl chassis credentials scope', is: /\n(\S+) +box/ }
}

/** Every command that can follow does so as NDJSON until SIGINT, and ends well then. */
async function followed(t: ExecutionContext, data: string): Promise<void> {
  const following = all.filter(
    ({ words, line, elsewhere, suite }, at) =>
      commands.find((each) => each.words === words)!.options.some(({ name }) => name === 'follow') &&
      elsewhere === undefined &&
      suite === undefined &&
      all.findIndex((other) => other.words === words && other.elsewhere === undefined) === at &&
      !line.includes('--dry-run')
  )
  t.true(following.length >= 7)
  await Promise.all(
    following.map(async ({ line }) => {
      const words = splitWords(line).slice(1)
      const child = start([...words.filter((word) => word !== '--json'), '--json', '--follow'], { IF_DATA: data })
      const ending = finished(child)
      const told = new Promise((resolve) => child.stdout.once('data', resolve))
      await Promise.race([told, setTimeout(5000, null, { ref: false })])
      child.kill('SIGINT')
      const { code, stdout, stderr } = await ending
      t.true(code === 0 || (line.includes('--exit-code') && code === 20), `${line}: ${code} ${stderr}`)
      t.deepEqual(
        stdout.split('\n').filter((each) => each !== '' && !isJson(each)),
        [],
        line
      )
    })
  )
}

test.serial('the examples do what they say, and those that only read tell the same as JSON', async (t) => {
  await withFolder(async (folder) => {
    const folderBefore = process.cwd()
    const { suite } = await runSuite(t, {
      edge: 'external',
      media: { srtp: 'off' },
      h323: { enabled: true, ras: 0, signalling: 0 },
      webrtc: { enabled: true },
      recording: { enabled: true }
    })
    await prepareFolder(folder)
    const made: Record<string, string> = {}
    const failed: string[] = []
    process.chdir(folder)
    try {
      process.env.IF_DATA = join(folder, 'var')
      for (const line of before) t.is((await shownBy(line)).code, 0, line)
      await writeFile('kept.note', (await shownBy('ifctl witness checkpoint')).text)
      for (const example of all.filter(({ elsewhere }) => elsewhere === undefined)) {
        process.env.IF_DATA = example.suite === true ? suite.data.folder : join(folder, 'var')
        const line = Object.entries(made).reduce((text, [name, value]) => text.replace(name, value), example.line)
        const { code, text } = await shownBy(line)
        if (code !== (example.exit ?? 0)) failed.push(`${line}: exit code ${code}\n${text}`)
        if (example.effect === 'reads' && !/ --(?:json|out) ?/.test(line)) {
          const again = await shownBy(`${line} --json`)
          const bad = again.data.filter((each) => !isJson(each))
          if (again.code !== code || bad.length > 0) failed.push(`${line} --json: ${again.code}, ${bad[0]}`)
        }
        // heads from now on are signed with the new key alone: who checks single proofs needs it
        if (line === 'ifctl witness rotate-key') await writeFile('log.vkey', text.split('\n')[0]!)
        for (const [name, { by, is }] of Object.entries(names)) if (line.startsWith(by)) made[name] = is.exec(text)?.[1] ?? name
      }
      t.deepEqual(failed, [])
      await followed(t, join(folder, 'var'))
    } finally {
      process.chdir(folderBefore)
      delete process.env.IF_DATA
    }
  })
})
