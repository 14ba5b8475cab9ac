/**
 * Calls in a bundle what its usual runs call, and keeps what V8 compiled for them: a first run would only have called what it needed itself.
 *
 *     node rehearse.ts BUNDLE FILE LINES MAY-FAIL      lines as JSON, from the table in bundle.ts; what they write is of no use to anybody
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Script } from 'node:vm'

const [bundleFile, compiledFile, lines, mayFail] = process.argv.slice(2) as [string, string, string, string]

// a line that was told ends the process
process.exit = (() => undefined) as unknown as typeof process.exit

const script = new Script(readFileSync(bundleFile, 'utf8'), { filename: bundleFile })
const bundle = {
  exports: {} as { main: (argv: readonly string[], called: string, sources: () => Promise<void>) => Promise<void> }
}
script.runInThisContext()(bundle.exports, createRequire(import.meta.url), bundle)
for (const line of JSON.parse(lines) as string[][]) await bundle.exports.main(line, 'ifctl', async () => undefined)
if (mayFail === 'true' || process.exitCode === 0) writeFileSync(compiledFile, script.createCachedData())
process.exitCode = 0
