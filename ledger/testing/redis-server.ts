import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A real redis-server of a test's own, in a folder of its own. */
export interface RedisServer {
  /** As `parseRedisUrl` reads it. */
  readonly url: string
  readonly dir: string
  readonly socket: string
  /** On 127.0.0.1; 0 when it listens on the socket alone. */
  readonly port: number
  readonly pid: () => number
  /** Ends it at once, with its files as they are. */
  readonly kill: () => Promise<void>
  /** Starts it again on its files, with nothing in front of its command. */
  readonly restart: () => Promise<void>
  /** Sends one command, its words parted by blanks, and gives the first line of the answer. */
  readonly ask: (command: string) => Promise<string>
  /** Ends it and removes its folder. Idempotent. */
  readonly stop: () => Promise<void>
}

/** What a durable log needs of its server. */
export const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--maxmemory-policy', 'noeviction'] as const

/**
 * Starts a server that listens on a Unix socket in its folder, and on `port` of 127.0.0.1 when one is given.
 *
 * @param settings as on redis-server's command line
 * @param before words in front of the command when it is started first: a tracer, which must leave the server its own process
 */
export const startRedis = (
  settings: readonly string[] = durable,
  port = 0,
  before: readonly string[] = []
): Promise<RedisServer> => startServer(['--save', '', ...settings], '', port, before)

/** Starts a sentinel on `port` of 127.0.0.1 that watches the master on `masterPort` under the name `main`. */
export const startSentinel = (masterPort: number, port: number): Promise<RedisServer> =>
  startServer(['--sentinel'], `sentinel monitor main 127.0.0.1 ${masterPort} 1\n`, port)

async function startServer(
  settings: readonly string[],
  configuration: string,
  port: number,
  before: readonly string[] = []
): Promise<RedisServer> {
  const dir = mkdtempSync(join(tmpdir(), 'redis-'))
  const socket = join(dir, 'redis.sock')
  const file = join(dir, 'redis.conf')
  writeFileSync(file, configuration)
  let child: ChildProcess | null = null
  let ended: Promise<void> = Promise.resolve()

  const ask = (command: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const connection = createConnection(socket)
      let text = ''
      connection.setTimeout(5000, () => connection.destroy(new Error('redis-server does not answer')))
      connection.on('error', reject)
      connection.on('close', () => reject(new Error('redis-server ended before it answered')))
      connection.on('data', (chunk) => {
        text += chunk
        const line = text.indexOf('\r\n')
        if (line < 0) return
        connection.destroy()
        resolve(text.slice(0, line))
      })
      connection.write(`${command}\r\n`)
    })

  const start = async (words: readonly string[] = []): Promise<void> => {
    const fixed = [file, '--port', String(port), '--bind', '127.0.0.1', '--unixsocket', socket, '--dir', dir]
    const more = ['--daemonize', 'no', '--logfile', join(dir, 'redis.log'), ...settings]
    const command = [...words, 'redis-server', ...fixed, ...more]
    const started = spawn(command[0]!, command.slice(1), { stdio: 'ignore' })
    child = started
    let failure: Error | null = null
    ended = new Promise((resolve) => {
      started.once('error', (error) => {
        failure = error
        resolve()
      })
      started.once('exit', (code, signal) => {
        failure ??= new Error(`redis-server ended: ${code ?? signal}`)
        resolve()
      })
    })
    const deadline = performance.now() + 10_000
    while ((await ask('PING').catch(() => '')) !== '+PONG') {
      if (failure !== null) throw failure
      if (performance.now() > deadline) throw new Error('redis-server did not start within 10 s')
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  const kill = async (): Promise<void> => {
    child?.kill('SIGKILL')
    await ended
  }

  try {
    await start(before)
  } catch (error) {
    await kill()
    rmSync(dir, { recursive: true, force: true })
    throw error
  }
  return {
    url: `redis+unix://${socket}`,
    dir,
    socket,
    port,
    pid: () => child!.pid!,
    kill,
    restart: start,
    ask,
    stop: async () => {
      await kill()
      rmSync(dir, { recursive: true, force: true })
    }
  }
}
