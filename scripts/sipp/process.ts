/** One SIPp process: its folder, its files while they grow, its end. */
import { type ChildProcess, spawn } from 'node:child_process'
import { access, mkdtemp, open, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { connect, isIPv6 } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { errorCode, InfraFabricError, makeFolder } from '#kernel'
import { startTlsRelay, type TlsRelay } from '../tls-relay.ts'
import { parseErrors, type SippError } from './error-log.ts'
import { outcomeOf, type SippOutcome } from './exit.ts'
import { parseMessageCounts } from './message-counts.ts'
import { defaultTimeoutMs, type SippOptions, sippArguments } from './options.ts'
import { freePort } from './ports.ts'
import { sippProgram } from './program.ts'
import { parseResponseTimes } from './response-times.ts'
import { type SippResult, sippResult } from './result.ts'
import { parseStatistics, parseStatisticsHeader, parseStatisticsRow, type SippStatistics } from './statistics.ts'

export interface SippProcess {
  readonly pid: number
  /** Local SIP port. */
  readonly port: number
  /** Local audio port (`[media_port]`). */
  readonly mediaPort: number
  /** Resolves when its sockets are bound; rejects with `sipp.not-ready` when it ended before that. */
  readonly ready: Promise<void>
  /** Never rejects for what SIPp does; a failed run is a result. Rejects with a DecodeError when SIPp's files cannot be read. */
  readonly result: Promise<SippResult>
  /** No new calls, open ones are ended, then the process. Resolves with the result, whose outcome is `aborted` if calls were open. */
  readonly stop: () => Promise<SippResult>
}

/** Largest part of any one of SIPp's files that is read. */
const maxFileOctets = 64 * 1024 * 1024
const maxStandardErrorOctets = 65_536
const graceMs = 1500

/** Processes of this program that still run: none outlives it. */
const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/**
 * Starts SIPp.
 *
 * @throws {InfraFabricError} `sipp.not-installed`, `sipp.scenario-missing`, `sipp.csv-missing`, and what {@link startTlsRelay} throws.
 */
export async function startSipp(options: SippOptions): Promise<SippProcess> {
  const program = await sippProgram()
  const scenario = await findScenario(options.scenario)
  const csvFiles = (options.csvFiles ?? []).map((file) => resolve(file))
  for (const file of csvFiles)
    await access(file).catch(() => Promise.reject(new InfraFabricError('sipp.csv-missing', `no injection file ${file}`)))
  const address = options.localAddress ?? '127.0.0.1'
  const keep = options.logDirectory !== undefined
  const directory = keep ? resolve(options.logDirectory!) : await mkdtemp(join(tmpdir(), 'sipp-'))
  let relay: TlsRelay | undefined
  const clean = async () => {
    await relay?.close()
    if (!keep) await rm(directory, { recursive: true, force: true })
  }
  try {
    makeFolder(directory)
    const relayed = options.transport === 'tls' && options.target !== undefined && !program.tls
    if (options.transport === 'tls' && options.target === undefined && !program.tls)
      throw new InfraFabricError('sipp.no-tls', 'this SIPp was built without TLS and cannot be the called side over TLS')
    let refused: Unreachable | null = null
    if (relayed)
      relay = await startTlsRelay({
        ...options.tls,
        onEvent: (event) => {
          if (event.type === 'failed') refused ??= event
        },
        // SIPp speaks to both sides of it with one family of addresses
        ...(isIPv6(address) ? { listen: { host: '::1' } } : {}),
        target: options.target!
      })
    const ownTls = options.transport === 'tls' && !relayed ? await writeTlsFiles(directory, options) : undefined
    await placeScenario(scenario, directory, relayed)
    const [sipPort, mediaPort, controlPort] = [
      options.localPort ?? (await freePort(address)),
      await freePort(address),
      await freePort(address)
    ]
    const argv = sippArguments(
      { ...options, csvFiles },
      { scenarioFile: basename(scenario), peer: relay ?? options.target, sipPort, mediaPort, controlPort, ownTls }
    )
    const child = spawn('sipp', argv, {
      cwd: directory,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, TERM: 'dumb' }
    })
    running.add(child)
    const unreachable = async () =>
      refused ?? (options.transport === 'tcp' && options.target !== undefined ? whyNoConnection(options.target) : null)
    return supervise(child, { options, scenario, directory, sipPort, mediaPort, unreachable, clean })
  } catch (error) {
    await clean()
    throw error
  }
}

/** Why a connection was not made. */
interface Unreachable {
  readonly code: string
  readonly message: string
}

const connectTimeoutMs = 3000

function whyNoConnection({ host, port }: { readonly host: string; readonly port: number }): Promise<Unreachable | null> {
  return new Promise((resolveWhy) => {
    const socket = connect({ host, port, timeout: connectTimeoutMs })
    const end = (why: Unreachable | null) => {
      socket.destroy()
      resolveWhy(why)
    }
    socket.once('connect', () => end(null))
    socket.once('timeout', () => end({ code: 'ETIMEDOUT', message: `no answer within ${connectTimeoutMs / 1000} s` }))
    socket.once('error', (error) => end({ code: errorCode(error), message: error.message }))
  })
}

/** SIPp itself only says which of its sockets could not be shut. */
function unreachableError({ target, transport }: SippOptions, { code, message }: Unreachable): SippError {
  const where = `${isIPv6(target!.host) ? `[${target!.host}]` : target!.host}:${target!.port}`
  const text =
    code === 'ECONNREFUSED'
      ? `nobody listens at ${where} (${transport === 'tls' ? 'TLS' : 'TCP'})`
      : `no ${transport === 'tls' ? 'TLS' : 'TCP'} connection to ${where}: ${message} (${code})`
  return { atMs: Date.now(), text, received: null, callId: null }
}

interface Supervised {
  readonly options: SippOptions
  readonly scenario: string
  readonly directory: string
  readonly sipPort: number
  readonly mediaPort: number
  /** Asked when the run came to nothing: why no connection to the target was made; null when one was. */
  readonly unreachable: () => Promise<Unreachable | null>
  readonly clean: () => Promise<void>
}

function supervise(child: ChildProcess, run: Supervised): SippProcess {
  const { options, directory } = run
  const startedMs = performance.now()
  let cut: SippOutcome | undefined
  let standardError = ''
  child.stderr!.setEncoding('utf8')
  child.stderr!.on('data', (text: string) => {
    if (standardError.length < maxStandardErrorOctets) standardError += text
  })
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolveExit) => {
    child.once('error', () => resolveExit({ code: 255, signal: null }))
    child.once('close', (code, signal) => resolveExit({ code, signal }))
  })
  let over = false

  // The first SIGUSR1 ends the making of calls, the second breaks off the open ones, and SIPp still writes its last report.
  const terminate = async (outcome: SippOutcome) => {
    if (over || cut !== undefined) return
    cut = outcome
    const end = exited.then(() => true)
    for (const [signal, waitMs] of [
      ['SIGUSR1', 300],
      ['SIGUSR1', graceMs],
      ['SIGKILL', 0]
    ] as const) {
      if (over) return
      child.kill(signal)
      if (await Promise.race([end, delay(waitMs, false, { ref: false })])) return
    }
  }
  const timer = setTimeout(() => void terminate('timeout'), options.timeoutMs ?? defaultTimeoutMs)
  const onAbort = () => void terminate('aborted')
  if (options.signal?.aborted) onAbort()
  else options.signal?.addEventListener('abort', onAbort, { once: true })

  const follow = followStatistics(join(directory, 'statistics.csv'), () => over, options.onProgress)
  const finish = async (): Promise<SippResult> => {
    const { code, signal } = await exited
    over = true
    running.delete(child)
    clearTimeout(timer)
    options.signal?.removeEventListener('abort', onAbort)
    try {
      await follow.done
      const stem = `${basename(run.scenario).replace(/\.[^.]*$/, '')}_${child.pid}`
      const [statistics, times, counts, errors] = await Promise.all([
        readHead(join(directory, 'statistics.csv')),
        readHead(join(directory, `${stem}_rtt.csv`)),
        readHead(join(directory, `${stem}_counts.csv`)),
        readHead(join(directory, 'errors.log'))
      ])
      const reports = parseStatistics(statistics)
      const outcome = cut ?? outcomeOf(code, reports.length > 0)
      const last = reports.at(-1) ?? null
      const why = outcome !== 'passed' && (last?.calls.successful ?? 0) === 0 ? await run.unreachable() : null
      return sippResult({
        scenario: run.scenario,
        transport: options.transport ?? 'udp',
        durationMs: performance.now() - startedMs,
        outcome,
        exitCode: code,
        signal,
        statistics: last,
        responseTimes: parseResponseTimes(times),
        messages: parseMessageCounts(counts),
        errors: [
          ...(why === null ? [] : [unreachableError(options, why)]),
          ...parseErrors(errors === '' ? standardError : errors)
        ]
      })
    } finally {
      await run.clean()
    }
  }
  const result = finish()
  result.catch(() => {})
  const ready = Promise.race([
    follow.started,
    result.then((end) => {
      if (end.outcome === 'passed' || end.outcome === 'failed') return
      throw new InfraFabricError('sipp.not-ready', `sipp ended (${end.outcome}): ${end.errors.first?.text ?? 'no reason given'}`)
    })
  ])
  ready.catch(() => {})
  return {
    pid: child.pid ?? -1,
    port: run.sipPort,
    mediaPort: run.mediaPort,
    ready,
    result,
    stop: async () => {
      await terminate('stopped')
      return result
    }
  }
}

/** Reads reports as SIPp writes them. The first one appears when all sockets are bound. */
function followStatistics(
  path: string,
  over: () => boolean,
  onProgress?: (statistics: SippStatistics) => void
): { readonly started: Promise<void>; readonly done: Promise<void> } {
  const started = Promise.withResolvers<void>()
  const poll = async () => {
    let read = 0
    let rest = ''
    let columns: readonly string[] | undefined
    let seen = false
    for (let last = false; ; ) {
      const text = await readFrom(path, read)
      read += Buffer.byteLength(text)
      const lines = (rest + text).split('\n')
      rest = lines.pop()!
      for (const line of lines) {
        if (columns === undefined) columns = parseStatisticsHeader(line)
        else {
          started.resolve()
          seen = true
          onProgress?.(parseStatisticsRow(columns, line))
        }
      }
      if (last) return
      last = over()
      if (!last) await delay(seen ? (onProgress === undefined ? 400 : 100) : 15)
    }
  }
  const done = poll()
  done.catch((error) => started.reject(error))
  started.promise.catch(() => {})
  return { started: started.promise, done }
}

async function readFrom(path: string, position: number): Promise<string> {
  const file = await open(path).catch(() => null)
  if (file === null) return ''
  try {
    const buffer = Buffer.alloc(65_536)
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position)
    return buffer.toString('latin1', 0, bytesRead)
  } finally {
    await file.close()
  }
}

/** A missing file is an empty one: SIPp makes some of them only when there is something to say. */
async function readHead(path: string): Promise<string> {
  const file = await open(path).catch(() => null)
  if (file === null) return ''
  try {
    const { size } = await file.stat()
    const buffer = Buffer.alloc(Math.min(size, maxFileOctets))
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}

async function findScenario(name: string): Promise<string> {
  const path = /[/.]/.test(name) ? resolve(name) : join(import.meta.dirname, '../../sipp-scenarios', `${name}.xml`)
  await access(path).catch(() => Promise.reject(new InfraFabricError('sipp.scenario-missing', `no scenario ${path}`)))
  return path
}

/**
 * SIPp writes its files beside the scenario, so it is given a copy in its own folder, with links to the files that the scenario names.
 * Through the relay SIPp speaks TCP and the wire TLS: the copy then says TLS where the scenario says `[transport]`.
 */
async function placeScenario(scenario: string, directory: string, relayed: boolean): Promise<void> {
  const text = await readFile(scenario, 'utf8')
  const from = dirname(scenario)
  const named = new Set(text.match(/[\w-][\w.-]*\.\w+/g))
  for (const sibling of await readdir(from)) {
    if (!named.has(sibling) || sibling === basename(scenario)) continue
    await symlink(join(from, sibling), join(directory, sibling)).catch((error) => {
      if (errorCode(error) !== 'EEXIST') throw error
    })
  }
  await writeFile(join(directory, basename(scenario)), relayed ? text.replaceAll('[transport]', 'TLS') : text)
}

async function writeTlsFiles(directory: string, { tls }: SippOptions) {
  const write = async (name: string, pem: string | undefined) => {
    if (pem === undefined) return undefined
    await writeFile(join(directory, name), pem, { mode: 0o600 })
    return name
  }
  return {
    ca: await write('authority.pem', tls?.ca),
    certificate: await write('certificate.pem', tls?.certificate),
    key: await write('key.pem', tls?.key)
  }
}
