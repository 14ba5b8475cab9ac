/**
 * Calls in the general bundle what help, versions and mistakes call, and keeps what V8 compiled for them: a first run would only have called what it needed
 * itself.
 *
 *     node rehearse.ts BUNDLE FILE    its output is of no use to anybody
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Script } from 'node:vm'

const [bundleFile, compiledFile] = process.argv.slice(2) as [string, string]

const lines = [
  ['--version'],
  ['help'],
  ['help', 'guard'],
  ['guard', 'explain', '--help'],
  ['gaurd', 'explain'],
  ['guard', 'explain', 'x', '--dta'],
  ['guard', 'explain', '--json']
]

// a line that was told ends the process
process.exit = (() => undefined) as unknown as typeof process.exit

const script = new Script(readFileSync(bundleFile, 'utf8'), { filename: bundleFile })
const bundle = {
  exports: {} as { main: (argv: readonly string[], called: string, sources: () => Promise<void>) => Promise<void> }
}
script.runInThisContext()(bundle.exports, createRequire(import.meta.url), bundle)
for (const line of lines) await bundle.exports.main(line, 'ifctl', async () => undefined)
writeFileSync(compiledFile, script.createCachedData())
process.exitCode = 0
