import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const guest = fileURLToPath(new URL('../guest/', import.meta.url))
const kept = fileURLToPath(new URL('../../../node_modules/.cache/chassis/', import.meta.url))
let made: string | null = null

function bundle(): string {
  const { buildSync } = createRequire(import.meta.url)('esbuild') as typeof import('esbuild')
  const { outputFiles } = buildSync({
    entryPoints: [join(guest, 'main.ts')],
    bundle: true,
    format: 'cjs',
    platform: 'node',
    minify: true,
    write: false
  })
  return outputFiles[0]!.text
}

/**
 * What the process of a sandbox runs, as one script without types: its text is given to Node on the command line, so that the process needs no right to
 * any file. Made once for these sources, and kept where packages keep what they made; where nothing can be written there, it is made by each host.
 */
export function guestProgram(): string {
  if (made !== null) return made
  const hash = createHash('sha256')
  for (const name of readdirSync(guest).sort()) hash.update(`${name}\0`).update(readFileSync(join(guest, name)))
  const file = join(kept, `guest-${hash.digest('hex').slice(0, 32)}.cjs`)
  try {
    made = readFileSync(file, 'utf8')
  } catch {
    made = bundle()
    try {
      mkdirSync(kept, { recursive: true })
      writeFileSync(`${file}.${process.pid}`, made)
      renameSync(`${file}.${process.pid}`, file)
    } catch {
      // read-only: nothing is lost but the time
    }
  }
  return made
}
