import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { freeTcpPort } from '../deploy/edge/free-ports.ts'

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const warnings = '--disable-warning=ExperimentalWarning'

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [warnings, file('conformance.ts'), ...args])
  const [[code], stdout, stderr] = await Promise.all([once(child, 'close'), textOf(child.stdout), textOf(child.stderr)])
  return { code, stdout, stderr }
}

async function answers(port: number): Promise<void> {
  for (let turn = 0; ; turn++) {
    const socket = connect({ host: '127.0.0.1', port })
    const open = await new Promise<boolean>((resolve) =>
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    )
    socket.destroy()
    if (open) return
    if (turn === 200) throw new Error('the server does not come up')
    await sleep(50)
  }
}

test('a drachtio server in a process of its own passes every check', async (t) => {
  const [admin, sip] = [await freeTcpPort('127.0.0.1'), await freeTcpPort('127.0.0.1')]
  const folder = await mkdtemp(join(tmpdir(), 'conformance-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const secretFile = join(folder, 'secret')
  await writeFile(secretFile, 'a long secret of applications\n', { mode: 0o600 })
  const listen = `tcp:127.0.0.1:${sip},udp:127.0.0.1:${sip}`
  const words = ['sip-server', '--listen', listen, '--admin', `127.0.0.1:${admin}`, '--secret-file', secretFile]
  const server = spawn(process.execPath, [file('../cli/ifctl.cjs'), ...words], { stdio: 'ignore' })
  t.teardown(() => void server.kill('SIGKILL'))
  await answers(admin)
  const { code, stdout, stderr } = await run(
    `127.0.0.1:${admin}`,
    '--sip',
    `127.0.0.1:${sip}`,
    '--secret',
    'a long secret of applications',
    '--json'
  )
  t.is(code, 0, stdout + stderr)
  const checks = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.is(checks.length, 17)
  t.true(checks.every(({ passed }) => passed))
  const wrong = await run(`127.0.0.1:${admin}`, '--sip', `127.0.0.1:${sip}`, '--secret', 'guess')
  t.is(wrong.code, 3)
  t.regex(wrong.stderr, /sip\.server\.refused|secret|refused/)
})

test('nobody there, and wrong arguments', async (t) => {
  t.is((await run(`127.0.0.1:${await freeTcpPort('127.0.0.1')}`)).code, 3)
  t.is((await run('nowhere')).code, 2)
  t.is((await run('127.0.0.1:9022', '--unknown')).code, 2)
})
