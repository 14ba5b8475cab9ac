/** What a tutorial needs that is run as it stands: its commands, a suite with its registry, and SIPp as the expert's phone. */
import { execFile } from 'node:child_process'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { ExecutionContext } from 'ava'
import { type SippProcess, startSipp } from '#sipp'
import { cleanEnvironment, shim } from '../../cli/testing/run.ts'
import { type RunningSuite, runSuite, temporaryFolder } from './harness.ts'

const run = promisify(execFile)

export interface Tutorial extends RunningSuite {
  readonly expert: SippProcess
  /** Number of its blocks of commands. */
  readonly blocks: number
  /** Runs one. @returns its stdout. @throws when it fails */
  readonly play: (block: number) => Promise<string>
}

/**
 * @param page its file under docs
 * @param scenario of the expert's phone
 */
export async function openTutorial(
  t: ExecutionContext,
  page: string,
  scenario: string,
  more: Readonly<Record<string, string>> = {}
): Promise<Tutorial> {
  const text = await readFile(new URL(`../../docs/${page}`, import.meta.url), 'utf8')
  const blocks = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block]) => block!)
  const folder = await temporaryFolder(t)
  const expert = await startSipp({ scenario, calls: 1, receiveTimeoutMs: 60_000, timeoutMs: 90_000 })
  t.teardown(() => expert.stop())
  await expert.ready
  const data = join(folder, 'data')
  await mkdir(data, { mode: 0o700 })
  const registry = /```yaml\n([\s\S]*?)```/.exec(text)![1]!
  await writeFile(join(data, 'registry.yaml'), registry.replace('203.0.113.20:5061;transport=tls', `127.0.0.1:${expert.port}`))
  const running = await runSuite(t, { data })
  const bin = join(folder, 'bin')
  await mkdir(bin)
  await symlink(shim, join(bin, 'ifctl'))
  const path = `${bin}:${dirname(process.execPath)}:${process.env.PATH}`
  const env = cleanEnvironment({ IF_DATA: data, PATH: path, ...more })
  return {
    ...running,
    expert,
    blocks: blocks.length,
    play: async (block) => (await run('bash', ['-euo', 'pipefail', '-c', blocks[block]!], { cwd: folder, env })).stdout
  }
}
