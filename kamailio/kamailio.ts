/**
 * The SIP edge: renders Kamailio's configuration, runs it, restarts it when it dies.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Clock, InfraFabricError, type Log, makeFolder, messageOf } from '#kernel'
import { openAccounting } from './accounting.ts'
import { callRpc, type RpcValue } from './binrpc.ts'
import { type CertificateCheck, checkCertificate } from './certificates.ts'
import type { EdgeConfig, EdgeCredential, EdgeSeat } from './config.ts'
import { expectFreePorts } from './ports.ts'
import { type ProbeTimes, probeTimes, watchAnswers } from './probe.ts'
import { hasThreadsMode, renderEdge, rpcSocket } from './render.ts'

export {
  type Authority,
  type CertificateCheck,
  type CertificateRequest,
  checkCertificate,
  createAuthority,
  type IssuedCertificate,
  issueCertificate
} from './certificates.ts'
export {
  type ClientCertificate,
  clientFiles,
  type Invite,
  type InviteRequest,
  inviteClient,
  listClients,
  renewCrlBelowDays,
  revokeClients,
  writeCrl
} from './client-certificates.ts'
export {
  type AllowedNetwork,
  checkEdgeConfig,
  defaultEdgeLimits,
  type EdgeConfig,
  type EdgeCredential,
  type EdgeEndpoint,
  type EdgeLimits,
  type EdgeSeat,
  type EdgeWebSocket
} from './config.ts'
export { renderEdge, webSocketPath } from './render.ts'

const run = promisify(execFile)

/** How long a start may take on a machine that has much else to do, and an end, before it is given up or forced. */
const startTimeoutMs = 60_000
const stopTimeoutMs = 5000
/** Pauses before restarts: the second death in a row waits longer than the first. Living for a minute begins anew. */
const restartPausesMs = [100, 500, 2000, 10_000]
const steadyMs = 60_000

export interface EdgeOptions {
  readonly log: Log
  readonly clock: Clock
  /** The edge died or does not answer, or runs again after that. */
  readonly onState?: (state: 'lost' | 'running', detail: string | null) => void
  /** Default {@link probeTimes}. */
  readonly probe?: ProbeTimes
}

export interface Edge {
  /** Of the running main process; null between death and restart. */
  readonly pid: () => number | null
  /** Dates of the server certificate now. */
  readonly certificate: () => CertificateCheck
  /** Puts other users in place of the present ones, without a restart. Calls under way are not touched. */
  readonly reloadCredentials: (credentials: readonly EdgeCredential[]) => Promise<void>
  /** Lets the holder of a seat of the council in, over any transport, until it is taken back; calls under way are not touched. */
  readonly addSeat: (seat: EdgeSeat) => Promise<void>
  /** @param user of the seat; one that there is not is no mistake */
  readonly removeSeat: (user: string) => Promise<void>
  /** Whether a phone of this address of record, without scheme, is reached over a WebSocket: it wants a browser's session description. */
  readonly isInBrowser: (address: string) => Promise<boolean>
  /**
   * Reads authorities and revocations again for new connections, and refuses these certificates on open ones. What was revoked stays so for the life of
   * the edge.
   */
  readonly reloadRevocations: (revoked: readonly string[]) => Promise<void>
  /** Reads the server's certificate and key again, for new connections. @throws {InfraFabricError} as `rpc`: then those before stay in force */
  readonly reloadCertificate: () => Promise<void>
  /** Any RPC of Kamailio, e.g. `dispatcher.list`. @throws {InfraFabricError} `edge.rpc.refused`, `edge.rpc.unreachable`, `edge.rpc.timeout` */
  readonly rpc: (method: string, params?: readonly (string | number)[]) => Promise<RpcValue>
  /** Ends every process of the edge. Idempotent. */
  readonly stop: () => Promise<void>
}

/** Built by the set-up from the C file of that name, which says what it is for. */
const forkGuard = fileURLToPath(new URL('./build/openssl-fork.so', import.meta.url))

/** Version of the Kamailio on this machine, e.g. `5.6.3`. @throws {InfraFabricError} `edge.kamailio.missing` */
async function installedVersion(): Promise<string> {
  const { stdout } = await kamailio(['-v'])
  return /^version: kamailio (\d+\.\d+\.\d+)/.exec(stdout)?.[1] ?? '0.0.0'
}

/** Runs Kamailio to its end. @throws {InfraFabricError} `edge.kamailio.missing`; what execFile throws */
async function kamailio(args: readonly string[], cwd?: string): Promise<{ stdout: string; stderr: string }> {
  try {
    return await run('kamailio', args, { cwd, timeout: startTimeoutMs, maxBuffer: 1 << 20 })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    throw new InfraFabricError('edge.kamailio.missing', 'the program kamailio was not found: run scripts/setup.sh', {
      cause: error
    })
  }
}

const seatForm = /^[-A-Za-z0-9._~+@]{1,100}~[-A-Za-z0-9_]{1,27}$/

const secretFiles: ReadonlySet<string> = new Set(['kamailio-local.cfg', 'credentials.cfg'])

/** Writes the rendered files and has Kamailio check them. @throws {ConfigError}, {InfraFabricError} `edge.config.refused` with Kamailio's own words, `edge.config.unread` */
export async function writeEdge(config: EdgeConfig): Promise<void> {
  const files = renderEdge(config)
  makeFolder(config.runtimeDir)
  for (const [name, text] of files)
    await writeFile(join(config.runtimeDir, name), text, { mode: secretFiles.has(name) ? 0o600 : 0o644 })
  try {
    await kamailio(['-c', '-f', 'kamailio.cfg'], config.runtimeDir)
  } catch (error) {
    if (error instanceof InfraFabricError) throw error
    if (error instanceof Error && 'killed' in error && error.killed === true && 'code' in error && error.code === null)
      throw new InfraFabricError(
        'edge.config.unread',
        `Kamailio did not read its configuration within ${startTimeoutMs / 1000} s`,
        {
          cause: error
        }
      )
    const words = error instanceof Error && 'stderr' in error ? complaints(String(error.stderr)) : String(error)
    throw new InfraFabricError('edge.config.refused', `Kamailio refuses its configuration: ${words}`, { cause: error })
  }
}

const complaints = (output: string) =>
  output
    .split('\n')
    .filter((line) => /ERROR|CRITICAL/.test(line))
    .slice(0, 5)
    .join(' | ') || output.trim().split('\n').slice(-3).join(' | ')

/**
 * Runs Kamailio, with the library preloaded that its first argument names, and ends it when our end of the pipe closes: an edge does not outlive a suite
 * that was killed. Ends with Kamailio's own status.
 */
const keeper = `exec 3<&0
preload=$1
shift
LD_PRELOAD=$preload kamailio "$@" </dev/null 3<&- &
edge=$!
{ cat <&3 >/dev/null; kill "$edge"; } 2>/dev/null &
watch=$!
wait "$edge"
status=$?
kill "$watch" 2>/dev/null
exit "$status"`

/** Starts the edge and resolves when it takes requests. @throws as {@link writeEdge}; `edge.certificate.*`; `edge.port.taken`; `edge.start.failed` */
export async function startEdge(config: EdgeConfig, { log, clock, onState, probe = probeTimes }: EdgeOptions): Promise<Edge> {
  const certificate = () => checkCertificate(config.tls.certificate, clock.now())
  const checked = certificate()
  if (checked.state === 'expired' || checked.state === 'notYetValid') {
    throw new InfraFabricError(
      'edge.certificate.invalid',
      `the server certificate is ${checked.state === 'expired' ? 'expired' : 'not valid yet'}: ${config.tls.certificate}`
    )
  }
  if (checked.state === 'expiring') log.warn({ daysLeft: checked.daysLeft }, 'server certificate expires soon')

  let credentials = config.credentials
  let revoked: readonly string[] = config.tls.revoked ?? []
  /** By their users: an edge that is started anew gets them again. */
  const seats = new Map<string, EdgeSeat>()
  const relay = logRelay(log, clock)
  const accountingMark = `accounting:${randomUUID()}`
  const accounting = openAccounting(config.runtimeDir, log)
  let child: ChildProcess | null = null
  let pid: number | null = null
  let stopping = false
  let deaths = 0
  let cancelRestart: () => void = () => undefined
  let stopProbe: () => void = () => undefined
  const socket = join(config.runtimeDir, rpcSocket)
  const pidFile = join(config.runtimeDir, 'kamailio.pid')
  const rpc: Edge['rpc'] = (method, params = []) => callRpc(socket, method, params)

  const kamailioVersion = config.kamailioVersion ?? (await installedVersion())
  const guarded = !hasThreadsMode(kamailioVersion) && existsSync(forkGuard)
  if (!guarded && !hasThreadsMode(kamailioVersion))
    log.warn({ kamailioVersion }, 'hostile TLS callers may bring this Kamailio down: run scripts/setup.sh, or install 5.8')

  const launch = async (): Promise<void> => {
    await writeEdge({ ...config, kamailioVersion, credentials, accountingMark, tls: { ...config.tls, revoked } })
    // beside Kamailio's files, since a path to preload may have no blanks
    if (guarded) await copyFile(forkGuard, join(config.runtimeDir, 'openssl-fork.so'))
    const shared = config.sharedMemoryMb ?? 256
    const folders = ['-w', config.runtimeDir, '-Y', config.runtimeDir, '-P', pidFile]
    const started = spawn(
      'sh',
      [
        '-c',
        keeper,
        'edge',
        guarded ? './openssl-fork.so' : '',
        '-DD',
        '-E',
        '-f',
        'kamailio.cfg',
        '-m',
        String(shared),
        '-M',
        '16',
        // the allocator for production: the default one keeps account of every piece
        '-x',
        'fm',
        ...folders
      ],
      {
        cwd: config.runtimeDir,
        stdio: ['pipe', 'ignore', 'pipe'],
        detached: true
      }
    )
    const begunMs = clock.monotonicMs()
    const output: string[] = []
    started.stdin!.on('error', () => undefined)
    readLines(started.stderr!, (line) => {
      const [before, account] = line.split(`${accountingMark} `)
      if (account !== undefined && /^\s*\d+\(\d+\) NOTICE: [^{]*(?:\{[^}]*\} )?<script>: $/.test(before!))
        return accounting.write(account)
      if (output.length < 200) output.push(line)
      relay(line)
    })
    const ended = new Promise<string>((resolve) => {
      started.once('error', (error) => resolve(error.message))
      started.once('exit', (code, signal) => resolve(signal ?? `exit status ${code}`))
    })
    let up = false
    void ended.then((how) => {
      killGroup(started, 'SIGKILL')
      if (child === started) {
        stopProbe()
        child = null
        pid = null
      }
      if (stopping || !up) return
      if (clock.monotonicMs() - begunMs > steadyMs) deaths = 0
      log.error({ how }, 'edge died')
      onState?.('lost', how)
      restart()
    })
    child = started
    const failed = await Promise.race([ended, ready(clock, rpc).then(() => null)])
    if (failed !== null) {
      child = null
      throw new InfraFabricError('edge.start.failed', `Kamailio did not start (${failed}): ${complaints(output.join('\n'))}`)
    }
    pid = Number(await readFile(pidFile, 'utf8'))
    up = true
    stopProbe = watchAnswers(clock, () => rpc('core.uptime'), probe, {
      lost: () => {
        log.error('edge does not answer')
        onState?.('lost', 'no answer')
      },
      found: () => {
        log.info('edge answers again')
        onState?.('running', null)
      },
      hopeless: () => {
        log.error('edge killed, since it does not answer')
        killGroup(started, 'SIGKILL')
      }
    })
    for (const seat of seats.values()) await putSeat(seat)
  }

  const putSeat = async ({ user, of, ha1Md5, ha1Sha256 }: EdgeSeat): Promise<void> => {
    await rpc('htable.sets', ['seat', user, of])
    await rpc('htable.sets', ['md5', user, ha1Md5])
    await rpc('htable.sets', ['sha256', user, ha1Sha256])
  }

  const restart = () => {
    const pauseMs = restartPausesMs[Math.min(deaths++, restartPausesMs.length - 1)]!
    cancelRestart = clock.after(pauseMs, () => {
      if (stopping) return
      launch().then(
        () => onState?.('running', null),
        (error: unknown) => {
          log.error({ error: messageOf(error) }, 'edge not restarted')
          if (!stopping) restart()
        }
      )
    })
  }

  const stop = async (): Promise<void> => {
    stopping = true
    cancelRestart()
    stopProbe()
    const running = child
    if (running === null || running.exitCode !== null || running.signalCode !== null) return accounting.close()
    const ended = new Promise<void>((resolve) => running.once('exit', () => resolve()))
    running.stdin!.end()
    const cancel = clock.after(stopTimeoutMs, () => killGroup(running, 'SIGKILL'))
    await ended
    cancel()
    accounting.close()
  }

  await endStranded(pidFile, config.runtimeDir, clock, log)
  await expectFreePorts(config)
  try {
    await launch()
  } catch (error) {
    await stop()
    throw error
  }
  return {
    pid: () => pid,
    certificate,
    rpc,
    reloadCredentials: async (next) => {
      renderEdge({ ...config, credentials: next })
      const before = credentials
      credentials = next
      if (child === null) return
      for (const [table, secret] of [
        ['md5', 'ha1Md5'],
        ['sha256', 'ha1Sha256']
      ] as const) {
        const present = new Map(before.map((credential) => [credential.user, credential[secret]]))
        for (const credential of next) {
          const value = credential[secret]
          if (value !== null && present.get(credential.user) !== value) await rpc('htable.sets', [table, credential.user, value])
          if (value !== null) present.delete(credential.user)
        }
        for (const [user, value] of present) if (value !== null) await rpc('htable.delete', [table, user])
      }
      const registering = new Map(before.flatMap(({ user, registers }) => (registers === undefined ? [] : [[registers, user]])))
      for (const { user, registers } of next) {
        if (registers === undefined) continue
        if (registering.get(registers) !== user) await rpc('htable.sets', ['registers', registers, user])
        registering.delete(registers)
      }
      for (const address of registering.keys()) {
        await rpc('htable.delete', ['registers', address])
        await rpc('ul.rm', ['location', address]).catch(() => undefined)
      }
    },
    addSeat: async (seat) => {
      if (!seatForm.test(seat.user)) throw new InfraFabricError('edge.seat.invalid', 'expected PARTY~SEAT')
      seats.set(seat.user, seat)
      if (child !== null) await putSeat(seat)
    },
    removeSeat: async (user) => {
      if (!seats.delete(user) || child === null) return
      // first what it proves itself with
      for (const table of ['sha256', 'md5', 'seat']) await rpc('htable.delete', [table, user])
    },
    isInBrowser: async (address) => {
      try {
        return hasWebSocket(await rpc('ul.lookup', ['location', address.toLowerCase()]))
      } catch (error) {
        // nobody has registered
        if (error instanceof InfraFabricError && error.code === 'edge.rpc.refused') return false
        throw error
      }
    },
    reloadRevocations: async (next) => {
      renderEdge({ ...config, tls: { ...config.tls, revoked: next } })
      const more = next.filter((print) => !revoked.includes(print))
      revoked = next
      if (child === null) return
      for (const print of more) await rpc('htable.seti', ['revoked', print, 1])
      if (next.length > 0) await rpc('htable.seti', ['start', 'revocations', 1])
      await rpc('tls.reload')
    },
    reloadCertificate: async () => {
      if (child !== null) await rpc('tls.reload')
    },
    stop
  }
}

/** @param found what `ul.lookup` says: of each phone its Address and, in Received, the far end of its connection, `sip:127.0.0.1:5099;transport=ws` */
const hasWebSocket = (found: RpcValue): boolean =>
  typeof found === 'string'
    ? /;transport=wss?\b/i.test(found)
    : !Buffer.isBuffer(found) && typeof found === 'object' && Object.values(found).some(hasWebSocket)

/** Resolves when the RPC answers and every worker has begun. */
async function ready(clock: Clock, rpc: Edge['rpc']): Promise<void> {
  const deadline = clock.monotonicMs() + startTimeoutMs
  for (;;) {
    try {
      await rpc('core.uptime')
      return
    } catch (error) {
      if (clock.monotonicMs() > deadline) throw error
      await new Promise<void>((resolve) => clock.after(25, resolve))
    }
  }
}

/** Ends an edge that was left behind by a suite that was killed: it holds our ports, and only its command line says whose it is. */
async function endStranded(pidFile: string, runtimeDir: string, clock: Clock, log: Log): Promise<void> {
  const pid = Number(await readFile(pidFile, 'utf8').catch(() => ''))
  if (!Number.isSafeInteger(pid) || pid <= 1) return
  const isOurs = async () => {
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0')
    return words[0]?.endsWith('kamailio') === true && words.includes(runtimeDir)
  }
  if (!(await isOurs())) return
  log.warn({ pid }, 'ending an edge that an earlier suite left behind')
  const deadline = clock.monotonicMs() + stopTimeoutMs
  process.kill(pid, 'SIGTERM')
  while (await isOurs()) {
    if (clock.monotonicMs() > deadline) {
      process.kill(-pid, 'SIGKILL')
      return
    }
    await new Promise<void>((resolve) => clock.after(25, resolve))
  }
}

/** Kamailio's processes are one group: what the main process left behind goes with it. */
function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // the group is gone already
  }
}

const longestLine = 2000

function readLines(stream: NodeJS.ReadableStream, take: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!.slice(0, longestLine)
    for (const line of lines) take(line.slice(0, longestLine))
  })
}

/** What Kamailio calls an error and is none: a caller without a certificate, a connection that a phone closed. */
const expected = /get_cert\(\): Unable to retrieve peer TLS certificate|tcp_read|tls_err_ret|connection reset/i

/** Warnings passed on in one interval; the rest are counted and told of with the next. A flood at the edge is not to become a flood of log lines. */
const warningsPerInterval = 20
const intervalMs = 10_000

/**
 * What a line of Kamailio's says by itself. What it quotes came from a caller: names, numbers, answers to challenges, descriptions with keys.
 *
 *     <core> [core/parser/parse_from.c:74]: parse_from_header(): bad From header …
 */
function withoutQuotes(text: string): string {
  const [, place, said] = /^((?:<?\w+>?(?: \[[^\]]*\])?: (?:\w+\(\): )?)?)(.*)$/s.exec(text)!
  return `${place}${said!.replace(/[[<"'{].*$/s, '…')}`
}

/**
 * Gives Kamailio's log lines on as ours: with their level, and with control characters shown. Only lines that begin as Kamailio's do: others are the rest of
 * what it quotes of a message.
 */
function logRelay(log: Log, clock: Clock): (line: string) => void {
  let intervalEndsMs = 0
  let warnings = 0
  let left = 0
  return (line) => {
    const match = /^\s*\d+\(\d+\) (DEBUG|INFO|NOTICE|WARNING|ERROR|CRITICAL|ALERT|BUG): (.*)$/s.exec(line)
    if (match === null) return
    const [, level, said] = match
    const text = withoutQuotes(said!).replace(/[\u0000-\u001f\u007f]/g, '?')
    const serious = ['CRITICAL', 'ALERT', 'BUG', 'ERROR'].includes(level!) && !expected.test(said!)
    if (!serious) {
      log.debug({ kamailio: text }, 'edge')
      return
    }
    const nowMs = clock.monotonicMs()
    if (nowMs >= intervalEndsMs) {
      if (left > 0) log.warn({ left }, 'edge: warnings left out')
      intervalEndsMs = nowMs + intervalMs
      warnings = 0
      left = 0
    }
    if (++warnings <= warningsPerInterval) log.warn({ kamailio: text }, 'edge')
    else left++
  }
}
