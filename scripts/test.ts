/**
 * `npm run test:all`: the tests in three parts. Those that keep time by the clock of the wall can fail because somebody else took the processor, others
 * hardly ever: where no more files fail than that explains, they run once more, alone, when all others are done. What holds then is told as such, what
 * fails twice has failed. The last lines name each file, test and error, since what is before them may be cut off where somebody reads it.
 */
import { spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { filesOf, type Trouble, tellTroubles, troublesIn } from './ava-output.ts'

/** `again`: files that may fail for want of a processor; of more, none is tried again. */
const parts = [
  { config: 'ava.other.config.js', again: 2 },
  { config: 'ava.server.config.js', again: 8 },
  { config: 'ava.real-time.config.js', again: 8 }
] as const
/** Where ava keeps which files had tests that failed in its last run. */
const failedFiles = 'node_modules/.cache/ava/failing-tests.json'

/** What ava keeps of its last run it keeps on machines of people only, unless it is told that this is one. */
const env = {
  ...process.env,
  AVA_FORCE_CI: 'not-ci',
  // each file is a process of its own, and loads what many others have loaded
  NODE_COMPILE_CACHE: resolve('node_modules/.cache/compiled'),
  ...(process.stdout.isTTY ? { FORCE_COLOR: '1' } : {})
}

interface Outcome {
  readonly good: boolean
  readonly troubles: readonly Trouble[]
  readonly files: readonly string[]
}

/** Runs ava, shows what it writes as it comes, and reads it. */
async function ava(...words: string[]): Promise<Outcome> {
  rmSync(failedFiles, { force: true })
  const child = spawn('ava', words, { stdio: ['inherit', 'pipe', 'pipe'], env })
  let output = ''
  for (const [from, to] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr]
  ] as const)
    from.setEncoding('utf8').on('data', (text: string) => {
      output += text
      to.write(text)
    })
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (status === 0) return { good: true, troubles: [], files: [] }
  const troubles = troublesIn(output)
  return { good: false, troubles, files: filesOf(troubles, failed()) }
}

function failed(): readonly string[] {
  try {
    const files: unknown = JSON.parse(readFileSync(failedFiles, 'utf8'))
    return Array.isArray(files) && files.every((file) => typeof file === 'string')
      ? files.map((file) => relative(process.cwd(), file))
      : []
  } catch {
    return []
  }
}

const repeated: { readonly config: string; readonly files: readonly string[]; readonly troubles: readonly Trouble[] }[] = []
const told: string[] = []
let good = true
for (const { config, again } of parts) {
  const { good: held, files, troubles } = await ava('--config', config)
  if (held) continue
  if (files.length > 0 && files.length <= again) repeated.push({ config, files, troubles })
  else {
    good = false
    told.push(tellTroubles(`failed in the part ${config}:`, troubles))
    break
  }
}
if (good)
  for (const { config, files, troubles } of repeated) {
    console.log(`\nonce more, alone: ${files.join(', ')}\n`)
    const twice: Trouble[] = []
    let held = true
    for (const file of files) {
      const outcome = await ava('--config', config, file)
      held &&= outcome.good
      twice.push(...outcome.troubles)
    }
    good &&= held
    told.push(tellTroubles(`failed beside others, in the part ${config}:`, troubles))
    told.push(held ? '\nwhat failed beside others holds alone' : tellTroubles('failed again, alone:', twice))
  }
for (const text of told) console.log(text)
process.exitCode = good ? 0 : 1
