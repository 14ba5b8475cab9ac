/** What the socket layer costs against a bare UDP echo in C, in processor time for a packet in and a packet out. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
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
  /** Of processor time, for a packet received and sent. */
  readonly microseconds: number
}

const sockets = 200
const firstEchoPort = 18_000
const firstClientPort = 19_000
const packetOctets = 172
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

/** @param seconds for each echo */
export async function measureSockets(seconds: number): Promise<EchoCost[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-media-'))
  const found: EchoCost[] = []
  try {
    const range = [String(firstEchoPort), String(sockets)]
    const ours = (kind: 'native' | 'node') =>
      spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file('./echo.ts'), kind, ...range], {
        stdio: ['pipe', 'pipe', 'inherit']
      })
    const bare = compileBare(folder)
    if (bare !== null) found.push(await measure('bare', spawn(bare, range, { stdio: ['pipe', 'pipe', 'inherit'] }), seconds))
    for (const kind of ['native', 'node'] as const) found.push(await measure(kind, ours(kind), seconds))
    return found
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
