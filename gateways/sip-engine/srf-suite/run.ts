/**
 * Runs drachtio-srf's own tests against the engine. See README.md.
 *
 *     node gateways/sip-engine/srf-suite/run.ts      prints what the tests print
 */
import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface SuiteOutcome {
  /** Assertions of the tape tests. */
  readonly tape: { readonly passed: number; readonly failed: number }
  /** Tests of mocha. */
  readonly mocha: { readonly passed: number; readonly failed: number }
  readonly output: string
  /** Exit status of the tests; null when they were ended by `timeoutMs`. */
  readonly status: number | null
}

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const modules = here('../../../node_modules')

/** A line that both runners end with. */
function count(output: string, form: RegExp): number {
  return Number(form.exec(output)?.[1] ?? 0)
}

/** @param timeoutMs ends the run, and everything in its namespaces */
export async function runSrfSuite(timeoutMs: number, onOutput: (text: string) => void = () => undefined): Promise<SuiteOutcome> {
  const folder = await mkdtemp(join(tmpdir(), 'srf-suite-'))
  try {
    await prepare(folder)
    const isolated = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
    const child = spawn('unshare', [...isolated, 'sh', here('inside.sh'), folder], {
      env: { ...process.env, PATH: `${join(folder, 'bin')}:${dirname(process.execPath)}:${process.env.PATH}` },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
        onOutput(text)
      })
    }
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    const status = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    clearTimeout(timer)
    return {
      tape: { passed: count(output, /^# pass\s+(\d+)$/m), failed: count(output, /^# fail\s+(\d+)$/m) },
      mocha: { passed: count(output, /^\s*(\d+) passing/m), failed: count(output, /^\s*(\d+) failing/m) },
      output,
      status
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Some scenarios have angle brackets in attribute values, which are no XML: older SIPp reads them, Debian's does not. */
function wellFormed(scenario: string): string {
  return scenario.replace(/="([^"\n]*)"/g, (_, value: string) => `="${value.replaceAll('<', '&lt;').replaceAll('>', '&gt;')}"`)
}

/** A copy of the package where its tests find what they need, and the stand-ins for Docker. */
async function prepare(folder: string): Promise<void> {
  const copy = join(folder, 'drachtio-srf')
  await cp(join(modules, 'drachtio-srf'), copy, {
    recursive: true,
    filter: (path) => !path.startsWith(join(modules, 'drachtio-srf', 'node_modules'))
  })
  await symlink(modules, join(copy, 'node_modules'))
  const scenarios = join(copy, 'test', 'scenarios')
  for (const name of (await readdir(scenarios)).filter((each) => each.endsWith('.xml'))) {
    const file = join(scenarios, name)
    await writeFile(file, wellFormed(await readFile(file, 'latin1')), 'latin1')
  }
  await mkdir(join(folder, 'bin'))
  for (const program of ['docker', 'docker-compose']) {
    await writeFile(join(folder, 'bin', program), `#!/bin/sh\nexec node '${here('stand-in.ts')}' ${program} "$@"\n`, {
      mode: 0o755
    })
  }
  await writeFile(join(folder, 'hosts'), '127.0.0.1 localhost\n')
  await mkdir(join(folder, 'containers'))
}

if (import.meta.main) {
  const { tape, mocha, status } = await runSrfSuite(180_000, (text) => process.stdout.write(text))
  console.log(JSON.stringify({ tape, mocha, status }))
  process.exitCode = status === 0 && tape.failed === 0 && mocha.failed === 0 ? 0 : 1
}
