import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Milliseconds that one run of Node with these arguments takes, from outside. */
function timed(argv: readonly string[]): number {
  const begun = performance.now()
  const { status, stderr } = spawnSync(process.execPath, argv, { stdio: ['ignore', 'ignore', 'pipe'] })
  const tookMs = performance.now() - begun
  if (status !== 0) throw new Error(`${argv.join(' ')} ended with ${status}: ${stderr}`)
  return tookMs
}

/** Milliseconds that `ifctl witness log` and `ifctl witness query` take over `node -e 0`, each run beside one of the other. */
export function commandOverhead(runs = 50): { readonly log: number[]; readonly query: number[] } {
  const dir = mkdtempSync(join(tmpdir(), 'bench-cli-'))
  const ifctl = new URL('../../cli/ifctl.cjs', import.meta.url).pathname
  const log = [ifctl, 'witness', 'log', '--data', dir, '--create', '--event', 'bench', '--component', 'IF.bench']
  const query = [ifctl, 'witness', 'query', '--data', dir, '--limit', '1']
  try {
    timed(log)
    timed(query)
    const over = (argv: readonly string[]) => Array.from({ length: runs }, () => -timed(['-e', '0']) + timed(argv))
    return { log: over(log), query: over(query) }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
