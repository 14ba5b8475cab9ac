/**
 * Stands in for `docker` and `docker-compose` inside the namespaces that run.ts makes: starts SIPp with the arguments a container would have had, each at an
 * address of its own, and this project's engine in the place of drachtio-server.
 *
 *     stand-in.ts docker run … drachtio/sipp sipp -sf /tmp/scenarios/uac.xml … drachtio-sut
 *     stand-in.ts docker-compose -f FILE up -d | down
 */
import { spawn, spawnSync } from 'node:child_process'
import { appendFileSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { errorCode } from '#kernel'
import { endsWithAnswer, outsideOf, readDockerRun, type Service, servicesOf } from './compose.ts'

/** Folder of run.ts for this run: hosts file, log, what has been given away. */
const folder = process.env.SRF_SUITE_FOLDER!
const [program, ...args] = process.argv.slice(2)

/**
 * How long a container goes on behind a SIPp whose last word was an answer. The tests part from the server when `docker run` ends; what came of that answer
 * must be with them by then, as it is where Docker has a container to remove.
 */
const removalMs = 500

process.exitCode = await (program === 'docker' ? docker() : compose())

/** SIPp with what Docker would have given it: an address, no terminal. */
async function docker(): Promise<number> {
  const run = readDockerRun(args)
  const address = nextAddress()
  if (run.name !== null) appendFileSync(join(folder, 'hosts'), `${address} ${run.name}\n`)
  const [sipp, ...rest] = outsideOf(run)
  const { status } = spawnSync(sipp!, ['-i', address, ...rest], { stdio: 'inherit', cwd: folder })
  if (endsWithAnswer(readFileSync(rest[rest.indexOf('-sf') + 1]!, 'latin1'))) await sleep(removalMs)
  return status ?? 1
}

/** An address that no container before this one had. Several may be started at once. */
function nextAddress(): string {
  for (let number = 1; number <= 250; number++) {
    try {
      mkdirSync(join(folder, 'containers', String(number)))
      return `172.29.1.${number}`
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error
    }
  }
  throw new RangeError('all 250 addresses for containers are given away')
}

async function compose(): Promise<number> {
  const file = args[args.indexOf('-f') + 1]!
  // what is up ends with the namespace
  if (args.includes('down')) return 0
  const services = servicesOf(readFileSync(file, 'utf8'))
  appendFileSync(join(folder, 'hosts'), services.map(({ name, address }) => `${address} ${name}\n`).join(''))
  for (const service of services) start(service, join(dirname(file), 'scenarios'))
  for (const { adminPort } of services) if (adminPort !== null) await listens(adminPort)
  return 0
}

function start({ name, command, address, adminPort }: Service, scenarios: string): void {
  const output = openSync(join(folder, `${name}.log`), 'a')
  const words =
    adminPort === null
      ? [...outsideOf({ volume: [scenarios, '/tmp'], command }), '-i', address, '-nostdin']
      : [process.execPath, fileURLToPath(new URL('./server.ts', import.meta.url)), address, String(adminPort)]
  spawn(words[0]!, words.slice(1), { stdio: ['ignore', output, output], cwd: folder, detached: true }).unref()
}

async function listens(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const socket = connect(port, '127.0.0.1')
    const open = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    socket.destroy()
    if (open) return
    await sleep(50)
  }
  throw new Error(`nothing listens on port ${port} of 127.0.0.1`)
}
