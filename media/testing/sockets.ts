/** What the socket layer costs against a bare UDP echo in C, in processor time for a packet in and a packet out. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { libc } from '../udp/libc.ts'
import { nativeUdp } from '../udp/native.ts'
import { nodeUdp } from '../udp/node.ts'

export interface EchoCost {
  readonly name: 'native' | 'node' | 'bare'
  readonly packets: number
  /** Of processor time, for a packet received and sent: the median of the runs. */
  readonly microseconds: number
}

const sockets = 200
const firstEchoPort = 18_000
const firstClientPort = 19_000
const packetOctets = 172
/** Runs of the bare echo and of ours, by turns: what others do on the machine falls on both. */
const rounds = 3
const file = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** Sends every socket of the echo a packet each 4 ms. @returns when `ms` have passed */
async function load(ms: number): Promise<void> {
  const library = libc()
  const udp = library === null ? nodeUdp() : nativeUdp(library)
  const clients = []
  for (let n = 0; n < sockets; n++) {
    const socket = await udp.open('127.0.0.1', firstClientPort + n, () => undefined)
    if (socket !== null) clients.push({ socket, to: { address: '127.0.0.1', port: firstEchoPort + n } })
  }
  const packet = Buffer.alloc(packetOctets)
  const end = performance.now() + ms
  while (performance.now() < end) {
    for (const { socket, to } of clients) socket.send(packet, packetOctets, to)
    udp.flush()
    await sleep(4)
    udp.poll(4)
  }
  for (const { socket } of clients) socket.close()
  udp.close()
}

async function measure(name: EchoCost['name'], echo: ChildProcess, seconds: number): Promise<EchoCost> {
  try {
    const lines = createInterface({ input: echo.stdout! })[Symbol.asyncIterator]()
    await lines.next()
    await load(seconds * 1000)
    echo.stdin!.end()
    const { value } = await lines.next()
    const [packets, microseconds] = String(value).split(' ').map(Number)
    return { name, packets: packets!, microseconds: microseconds! / packets! }
  } finally {
    echo.kill()
    if (echo.exitCode === null && echo.signalCode === null) await once(echo, 'exit')
  }
}

/** The echo in C; null where there is no compiler. */
function compileBare(folder: string): string | null {
  const program = join(folder, 'bare-echo')
  try {
    execFileSync('cc', ['-O2', '-o', program, file('./bare-echo.c')], { stdio: 'ignore' })
    return program
  } catch {
    return null
  }
}

/** The last processor that this process may use: echoes have it, so that none is the dearer for being moved about by the scheduler. */
function lastProcessor(): string {
  const allowed = /^Cpus_allowed_list:.*?(\d+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))
  return allowed?.[1] ?? '0'
}

const median = (costs: readonly EchoCost[]) => costs.toSorted((a, b) => a.microseconds - b.microseconds)[costs.length >> 1]!

/** @param seconds for each run of an echo */
export async function measureSockets(seconds: number): Promise<EchoCost[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-media-'))
  const found: Record<EchoCost['name'], EchoCost[]> = { bare: [], native: [], node: [] }
  try {
    const range = [String(firstEchoPort), String(sockets)]
    const processor = lastProcessor()
    const run = async (name: EchoCost['name'], program: string, ...words: string[]) => {
      const echo = spawn('taskset', ['-c', processor, program, ...words, ...range], { stdio: ['pipe', 'pipe', 'inherit'] })
      found[name].push(await measure(name, echo, seconds))
    }
    const ours = (kind: 'native' | 'node') =>
      run(kind, process.execPath, '--disable-warning=ExperimentalWarning', file('./echo.ts'), kind)
    const bare = compileBare(folder)
    for (let round = 0; round < rounds; round++) {
      if (bare !== null) await run('bare', bare)
      await ours('native')
    }
    await ours('node')
    return Object.values(found)
      .filter((costs) => costs.length > 0)
      .map(median)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
