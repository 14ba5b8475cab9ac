/**
 * `npm run test:all`: the tests in three parts. Those that keep time by the clock of the wall can fail because somebody else took the processor: files in
 * which that happened run once more, alone, when all others are done. What holds then is told as such, what fails twice has failed.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { resolve } from 'node:path'

const parts = [
  { config: 'ava.other.config.js', clocked: false },
  { config: 'ava.server.config.js', clocked: true },
  { config: 'ava.real-time.config.js', clocked: true }
] as const
/** More files than that do not fail for want of a processor. */
const mostAgain = 8
/** Where ava keeps which files failed in its last run. */
const failedFiles = 'node_modules/.cache/ava/failing-tests.json'

/** What ava keeps of its last run it keeps on machines of people only, unless it is told that this is one. */
const env = {
  ...process.env,
  AVA_FORCE_CI: 'not-ci',
  // each file is a process of its own, and loads what many others have loaded
  NODE_COMPILE_CACHE: resolve('node_modules/.cache/compiled')
}

function ava(...words: string[]): number {
  rmSync(failedFiles, { force: true })
  return spawnSync('ava', words, { stdio: 'inherit', env }).status ?? 1
}

function failed(): readonly string[] {
  try {
    const files: unknown = JSON.parse(readFileSync(failedFiles, 'utf8'))
    return Array.isArray(files) && files.every((file) => typeof file === 'string') ? files : []
  } catch {
    return []
  }
}

const again: { readonly config: string; readonly files: readonly string[] }[] = []
let good = true
for (const { config, clocked } of parts) {
  if (ava('--config', config) === 0) continue
  const files = failed()
  if (clocked && files.length > 0 && files.length <= mostAgain) again.push({ config, files })
  else good = false
  if (!good) break
}
if (good)
  for (const { config, files } of again) {
    console.log(`\nonce more, alone: ${files.join(', ')}\n`)
    for (const file of files) if (ava('--config', config, file) !== 0) good = false
    if (good) console.log('\nwhat failed beside others holds alone\n')
  }
process.exitCode = good ? 0 : 1
