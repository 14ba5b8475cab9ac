import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Milliseconds that one run of a program takes, from outside. */
function timed([program, ...words]: readonly string[]): number {
  const begun = performance.now()
  const { status, stderr } = spawnSync(program!, words, { stdio: ['ignore', 'ignore', 'pipe'] })
  const tookMs = performance.now() - begun
  if (status !== 0) throw new Error(`${program} ${words.join(' ')} ended with ${status}: ${stderr}`)
  return tookMs
}

/** The writes of one entry, by a program that does nothing else: what durability costs. */
const bareWrite = (path: string): string => `
  const { DatabaseSync } = require('node:sqlite')
  const { fdatasyncSync, openSync, writeSync } = require('node:fs')
  const database = new DatabaseSync('${join(path, 'bare.db')}')
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS row (data TEXT)')
  database.exec("INSERT INTO row VALUES ('" + 'x'.repeat(600) + "')")
  const heads = openSync('${join(path, 'bare.log')}', 'a')
  writeSync(heads, 'x'.repeat(300))
  fdatasyncSync(heads)
  database.close()`

/** Milliseconds over `node -e 0`, run beside it, of commands as a shell finds them on the path. */
export interface Overhead {
  readonly log: number[]
  readonly query: number[]
  /** A query of one trace, which the index answers. */
  readonly trace: number[]
  readonly bareWrite: number[]
  /** `node -e 0` itself: what the machine, and not a command, adds. */
  readonly nothing: number[]
}

/** What is held against the same run of bare Node: a command that writes, and its write alone, so that a disk that is slow for a while is slow for both. */
const pairs: readonly (readonly (keyof Overhead)[])[] = [['log', 'bareWrite'], ['query'], ['trace'], ['nothing']]

/** What short commands take over bare Node, each run beside one of that, all of them in turn. The commands are bundled first, as set-up does. */
export function commandOverhead(runs = 50): Overhead {
  const dir = mkdtempSync(join(tmpdir(), 'bench-cli-'))
  const node = process.execPath
  const ifctl = join(root, 'node_modules/.bin/ifctl')
  const bare = join(dir, 'bare.cjs')
  const log = ['witness', 'log', '--data', dir, '--create', '--event', 'bench', '--component', 'IF.bench']
  const query = ['witness', 'query', '--data', dir]
  const cases: Readonly<Record<keyof Overhead, readonly string[]>> = {
    log: [ifctl, ...log],
    query: [ifctl, ...query, '--limit', '1'],
    trace: [ifctl, ...query, '--trace', 'bench'],
    bareWrite: [node, bare],
    nothing: [node, '-e', '0']
  }
  try {
    writeFileSync(bare, bareWrite(dir))
    timed([node, join(root, 'cli/bundle.ts')])
    timed([...cases.log, '--trace', 'bench'])
    // twice: the first run of a bundle keeps what it compiled
    for (const _ of [1, 2]) for (const words of Object.values(cases)) timed(words)
    const found: Overhead = { log: [], query: [], trace: [], bareWrite: [], nothing: [] }
    for (let run = 0; run < runs; run++)
      for (const names of pairs) {
        const nothing = timed(cases.nothing)
        for (const name of names) found[name].push(timed(cases[name]) - nothing)
      }
    return found
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
