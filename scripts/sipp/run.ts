/** The command: one scenario, one result. `node scripts/sipp/run.ts --help` */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { errorCode, InfraFabricError, makeFolder } from '#kernel'
import { chart } from './chart.ts'
import { junit } from './junit.ts'
import type { SippOptions } from './options.ts'
import { startSipp } from './process.ts'
import { progressLine } from './progress.ts'
import { failureText, type SippResult } from './result.ts'

const help = `Usage: node scripts/sipp/run.ts SCENARIO [options]

SCENARIO is a file, or the name of one in sipp-scenarios/ without .xml. Without --target it is the called side and waits.

  --target HOST:PORT     where the calls go
  --transport NAME       udp, tcp or tls (udp)
  --calls N              calls to make or to wait for; 0 runs until interrupted (1)
  --rate N               new calls a second (10)
  --limit N              calls at once
  --service USER         user part that is dialled, [service] in the scenario
  --key NAME=VALUE       [NAME] in the scenario; may be repeated
  --set NAME=VALUE       global scenario variable; may be repeated
  --inject FILE          CSV injection file; may be repeated
  --credentials FILE     credentials.json of a development suite: the injection file is made of it
  --as USER              whose password is taken (the first user there)
  --hazard NAME          third field of that injection file (safety)
  --call-id PATTERN      pattern of Call-IDs: %u call number, %p process id, %s address
  --auth-uri URI         URI in digest credentials (sip:SERVICE@DOMAIN where the key domain is given)
  --pause SECONDS        length of pauses that the scenario leaves open
  --receive-timeout SEC  how long a call waits for each message (10)
  --timeout SECONDS      the whole run (60)
  --no-retransmissions   UDP: send nothing twice that the scenario sends once
  --local-address IP     local address (127.0.0.1)
  --port N               local SIP port (any free one)
  --ca FILE  --cert FILE  --tls-key FILE  --servername NAME  --insecure
                         TLS: authorities, client certificate and key, name to check, accept any certificate
  --json                 the result as JSON on stdout
  --junit FILE           the result as JUnit XML
  --chart FILE           response times as a picture (SVG)
  --logs DIRECTORY       keep SIPp's own files and every message there
  --quiet                no progress
  --help                 this text

The result goes to stdout, progress to stderr (one live line on a terminal).
Exit codes: 0 every call succeeded, 1 calls failed or none was made, 2 wrong arguments, 3 SIPp could not run, 4 timed out or interrupted.
`

const text = { type: 'string' } as const
const list = { type: 'string', multiple: true } as const
const flag = { type: 'boolean' } as const
const settings = {
  target: text,
  transport: text,
  calls: text,
  rate: text,
  limit: text,
  service: text,
  key: list,
  set: list,
  inject: list,
  credentials: text,
  as: text,
  hazard: text,
  'call-id': text,
  'auth-uri': text,
  pause: text,
  'receive-timeout': text,
  timeout: text,
  'no-retransmissions': flag,
  'local-address': text,
  port: text,
  ca: text,
  cert: text,
  'tls-key': text,
  servername: text,
  insecure: flag,
  json: flag,
  junit: text,
  chart: text,
  logs: text,
  quiet: flag,
  help: flag
} as const

interface Command {
  readonly options: SippOptions
  readonly json: boolean
  readonly junitFile: string | undefined
  readonly chartFile: string | undefined
  readonly quiet: boolean
  /** Content of an injection file that lies in no file: it holds a password. */
  readonly login: string | null
}

/** @throws {InfraFabricError} `sipp.arguments` */
async function parseCommand(argv: readonly string[]): Promise<Command | 'help'> {
  const wrong = (message: string) => new InfraFabricError('sipp.arguments', message)
  const parsed = (() => {
    try {
      return parseArgs({ args: [...argv], options: settings, allowPositionals: true })
    } catch (error) {
      throw wrong((error as Error).message)
    }
  })()
  const { values, positionals } = parsed
  if (values.help) return 'help'
  if (positionals.length !== 1) throw wrong('name one scenario')
  const number = (name: 'calls' | 'rate' | 'limit' | 'pause' | 'receive-timeout' | 'timeout' | 'port', factor = 1) => {
    const value = values[name]
    if (value === undefined) return undefined
    if (!/^\d{1,9}(\.\d{1,3})?$/.test(value)) throw wrong(`--${name} must be a number, not ${value}`)
    return Math.round(Number(value) * factor)
  }
  const pairs = (name: 'key' | 'set') =>
    Object.fromEntries(
      (values[name] ?? []).map((pair) => {
        const at = pair.indexOf('=')
        if (at < 1) throw wrong(`--${name} must be NAME=VALUE, not ${pair}`)
        return [pair.slice(0, at), pair.slice(at + 1)]
      })
    )
  const pem = (name: 'ca' | 'cert' | 'tls-key') => {
    const path = values[name]
    return path === undefined
      ? undefined
      : readFile(path, 'utf8').catch((error) => Promise.reject(wrong(`--${name}: ${(error as Error).message}`)))
  }
  const login = async (): Promise<string | null> => {
    const { credentials, as: user, hazard = 'safety' } = values
    if (credentials === undefined) {
      if (user !== undefined) throw wrong('--as needs --credentials')
      return null
    }
    if (values.inject !== undefined) throw wrong('--credentials takes the place of --inject')
    const { readCredentials } = await import('#suite')
    const { users } = await readCredentials(credentials).catch((error) =>
      Promise.reject(wrong(`--credentials: ${(error as Error).message}`))
    )
    const name = user ?? Object.keys(users)[0]
    const password = name === undefined ? undefined : users[name]?.password
    if (password === undefined) throw wrong(`--credentials: ${credentials} has no password of ${name ?? 'anybody'}`)
    return `SEQUENTIAL\n${name};[authentication username=${name} password=${password}];${hazard}\n`
  }
  const target = values.target === undefined ? null : /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(values.target)
  if (values.target !== undefined && (target === null || Number(target[3]) > 65_535)) throw wrong('--target must be HOST:PORT')
  const transport = values.transport ?? 'udp'
  if (transport !== 'udp' && transport !== 'tcp' && transport !== 'tls') throw wrong('--transport must be udp, tcp or tls')
  return {
    json: values.json ?? false,
    junitFile: values.junit,
    chartFile: values.chart,
    quiet: values.quiet ?? false,
    login: await login(),
    options: {
      scenario: positionals[0]!,
      transport,
      ...(target === null ? {} : { target: { host: (target[1] ?? target[2])!, port: Number(target[3]) } }),
      tls: {
        ca: await pem('ca'),
        certificate: await pem('cert'),
        key: await pem('tls-key'),
        servername: values.servername,
        verify: !values.insecure
      },
      localAddress: values['local-address'],
      localPort: number('port'),
      calls: number('calls'),
      rate: number('rate'),
      retransmits: !values['no-retransmissions'],
      limit: number('limit'),
      pauseMs: number('pause', 1000),
      service: values.service,
      keys: pairs('key'),
      variables: pairs('set'),
      csvFiles: values.inject,
      callId: values['call-id'],
      authUri: values['auth-uri'],
      receiveTimeoutMs: number('receive-timeout', 1000),
      timeoutMs: number('timeout', 1000),
      logDirectory: values.logs
    }
  }
}

/** The result for people. */
function describe(result: SippResult): string {
  const { calls } = result
  const failure = failureText(result)
  const lines = [
    failure ?? 'passed',
    ...(failure?.includes('must use MD5') ? ['SIPp knows MD5 digests only: name the user in md5OnlyUsers of the suite'] : []),
    `calls      ${calls.successful} successful, ${calls.failed} failed of ${calls.created}, ${result.rate.toFixed(1)}/s`
  ]
  for (const [reason, count] of Object.entries(calls.failures)) lines.push(`           ${count} × ${reason}`)
  for (const [name, time] of Object.entries(result.responseTimes))
    lines.push(
      `response ${name} p50 ${time.p50Ms} ms, p90 ${time.p90Ms} ms, p95 ${time.p95Ms} ms, p99 ${time.p99Ms} ms, max ${time.maxMs} ms (${time.count} calls)`
    )
  return `${lines.join('\n')}\n`
}

const exitCodes: Readonly<Record<SippResult['outcome'], number>> = {
  passed: 0,
  failed: 1,
  'no-calls': 1,
  fatal: 3,
  'bind-failed': 3,
  killed: 3,
  stopped: 4,
  timeout: 4,
  aborted: 4
}

async function main(argv: readonly string[]): Promise<number> {
  const removed: (() => Promise<void>)[] = []
  try {
    const command = await parseCommand(argv)
    if (command === 'help') {
      process.stdout.write(help)
      return 0
    }
    const interrupt = new AbortController()
    process.once('SIGINT', () => interrupt.abort())
    process.once('SIGTERM', () => interrupt.abort())
    const live = process.stderr.isTTY
    const login = command.login === null ? null : await privateFile('login.csv', command.login)
    if (login !== null) removed.push(login.remove)
    const run = await startSipp({
      ...command.options,
      ...(login === null ? {} : { csvFiles: [login.path] }),
      signal: interrupt.signal,
      onProgress: command.quiet
        ? undefined
        : (statistics) => process.stderr.write(live ? `\r\x1b[K${progressLine(statistics)}` : `${progressLine(statistics)}\n`)
    })
    const result = await run.result
    if (live && !command.quiet) process.stderr.write('\r\x1b[K')
    for (const [file, text] of [
      [command.junitFile, () => junit([result])],
      [command.chartFile, () => chart(result)]
    ] as const) {
      if (file === undefined) continue
      makeFolder(dirname(file), 0o777)
      await writeFile(file, text())
    }
    process.stdout.write(command.json ? `${JSON.stringify(result)}\n` : describe(result))
    return exitCodes[result.outcome]
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`)
    return errorCode(error) === 'sipp.arguments' ? 2 : 3
  } finally {
    for (const remove of removed) await remove()
  }
}

async function privateFile(name: string, content: string): Promise<{ path: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'sipp-'))
  const path = join(folder, name)
  await writeFile(path, content, { mode: 0o600 })
  return { path, remove: () => rm(folder, { recursive: true, force: true }) }
}

process.exitCode = await main(process.argv.slice(2))
