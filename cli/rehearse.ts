/**
 * Calls in a bundle what its usual runs call, and keeps what V8 compiled for them: a first run would only have called what it needed itself. The general bundle tells help,
 * versions and mistakes; an entry goes into a log that begins with it, and into one that is there.
 *
 *     node rehearse.ts ifctl BUNDLE FILE          its output is of no use to anybody
 *     node rehearse.ts witness-log BUNDLE FILE
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Script } from 'node:vm'

const [name, bundleFile, compiledFile] = process.argv.slice(2) as [string, string, string]

const folder = mkdtempSync(join(tmpdir(), 'ifctl-rehearsal-'))
const log = ['witness', 'log', '--data', folder, '--create', '--event', 'rehearsed', '--component', 'IF.rehearsal']

const lines: Readonly<Record<string, readonly (readonly string[])[]>> = {
  ifctl: [
    ['--version'],
    ['help'],
    ['help', 'guard'],
    ['guard', 'explain', '--help'],
    ['gaurd', 'explain'],
    ['guard', 'explain', 'x', '--dta'],
    ['guard', 'explain', '--json']
  ],
  'witness-log': [log, log, [...log, '--payload', '{"times":3}']]
}

// a line that was told ends the process
process.exit = (() => undefined) as unknown as typeof process.exit

const script = new Script(readFileSync(bundleFile, 'utf8'), { filename: bundleFile })
const bundle = {
  exports: {} as { main: (argv: readonly string[], called: string, sources: () => Promise<void>) => Promise<void> }
}
script.runInThisContext()(bundle.exports, createRequire(import.meta.url), bundle)
for (const line of lines[name]!) await bundle.exports.main(line, 'ifctl', async () => undefined)
const failed = name !== 'ifctl' && process.exitCode !== 0
rmSync(folder, { recursive: true, force: true })
if (!failed) writeFileSync(compiledFile, script.createCachedData())
process.exitCode = 0
