/**
 * The calling side of the benchmark, a process of its own: phones that send prepared packets on time and look at what comes back. What they do in each frame is
 * compiled from load.c when the process begins, so that the machine is left to whom is measured.
 *
 * Told by the parent process: {@link LoadOrder}; tells: {@link LoadReport}. Ends by itself when the parent does, or after the time it was given.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { getPriority, setPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { loadLibrary } from '../native.ts'

export type LoadOrder =
  | {
      readonly type: 'open'
      readonly phones: number
      readonly firstPort: number
      /** Every so many phones one listens; the others only talk, by sockets that they share, and what is sent to them is dropped by the kernel. */
      readonly listenEvery: number
    }
  | {
      readonly type: 'talk'
      /** Where each phone sends, in the order of the phones. */
      readonly ports: readonly number[]
      readonly payloadType: number
      /** Payloads in base64, said over and over, each phone beginning elsewhere. */
      readonly payloads: readonly string[]
      /** RTP clock units of a frame. */
      readonly frameClock: number
      readonly warmUpMs: number
      readonly seconds: number
    }

export type LoadReport =
  | { readonly type: 'opened'; readonly ports: readonly number[] }
  | { readonly type: 'warm' }
  | ({ readonly type: 'done' } & LoadFigures)

export interface LoadFigures {
  readonly sent: number
  /** Phones that listened: what follows is of them. */
  readonly listeners: number
  readonly received: number
  /** Frames between the first and the last that were not received. */
  readonly missing: number
  /** Packets that came more than one frame after their time. */
  readonly late: number
  /** How late the load itself began its rounds: how well a bare program keeps time on this machine, in milliseconds. */
  readonly heldUpP50Ms: number
  readonly heldUpP99Ms: number
  /** Missing and late packets of each tenth of a second. */
  readonly underruns: readonly number[]
  readonly cpuMs: number
}

const lastPort = 65_535
/** Tenths of a millisecond that are told apart. */
const latenessSteps = 1000
/** Tenths of a second that are told apart. */
const mostTenths = 36_000

/** @throws {Error} without a C compiler */
function compile() {
  const folder = mkdtempSync(join(tmpdir(), 'bench-media-'))
  try {
    const library = join(folder, 'load.so')
    const source = fileURLToPath(new URL('./load.c', import.meta.url))
    execFileSync('cc', ['-O2', '-shared', '-fPIC', '-o', library, source], { stdio: ['ignore', 'ignore', 'inherit'] })
    const native = loadLibrary([library], {
      open: 'int load_open(int)',
      phone: 'int load_phone(int, int)',
      aim: 'int load_aim(int, int, int)',
      talk: 'void load_talk(double, int, const void *, const void *, int, int, int, void *)'
    })
    if (native === null) throw new Error('the load cannot be loaded')
    return native
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const native = compile()
const ports: number[] = []
let listeners = 0

function open({ phones, firstPort, listenEvery }: Extract<LoadOrder, { type: 'open' }>): void {
  if (native.open(phones) === 0) throw new RangeError('memory does not suffice')
  for (let port = firstPort; ports.length < phones; port++) {
    if (port > lastPort) throw new RangeError('ports of this machine do not suffice')
    const listens = ports.length % listenEvery === 0
    const opened: number = native.phone(port, Number(listens))
    if (opened === 0) continue
    ports.push(opened)
    if (listens) listeners++
  }
  tell({ type: 'opened', ports })
}

const tell = (report: LoadReport) => process.send!(report)

/** @param counts by tenths of a millisecond */
function quantile(counts: Float64Array, q: number): number {
  const below = q * counts.reduce((sum, count) => sum + count, 0)
  let step = 0
  for (let sum = counts[0]!; sum < below; sum += counts[step]!) step++
  return step / 10
}

async function talk(order: Extract<LoadOrder, { type: 'talk' }>): Promise<void> {
  const payloads = order.payloads.map((payload) => Buffer.from(payload, 'base64'))
  let end = 0
  const ends = Int32Array.from(payloads, ({ length }) => {
    end += length
    return end
  })
  const sound = Buffer.concat(payloads)
  const figures = new Float64Array(4 + latenessSteps + mostTenths)
  for (const [n, port] of order.ports.entries())
    if (native.aim(n, port, (n * 37) % payloads.length) === 0) throw new Error(`port ${port} cannot be sent to`)
  const { warmUpMs, seconds, payloadType, frameClock } = order
  const until = (ms: number, counting: boolean) =>
    native.talk(ms, Number(counting), sound, ends, payloads.length, payloadType, frameClock, figures)
  until(warmUpMs, false)
  const before = process.cpuUsage()
  tell({ type: 'warm' })
  await nextTurn()
  until(warmUpMs + seconds * 1000, true)
  const { user, system } = process.cpuUsage(before)
  const [sent, received, missing, late] = figures as unknown as readonly [number, number, number, number]
  const lateness = figures.subarray(4, 4 + latenessSteps)
  tell({
    type: 'done',
    sent,
    listeners,
    received,
    missing,
    late,
    heldUpP50Ms: quantile(lateness, 0.5),
    heldUpP99Ms: quantile(lateness, 0.99),
    underruns: [...figures.subarray(4 + latenessSteps, 4 + latenessSteps + 10 * seconds)],
    cpuMs: (user + system) / 1000
  })
  process.disconnect()
}

try {
  // Like the media threads: what holds the load up must not look like a fault of the plane.
  if (getPriority() > -10) setPriority(-10)
} catch {
  // Without the right to, the figures `heldUp…` tell.
}
process.on('message', (order: LoadOrder) => {
  if (order.type === 'open') open(order)
  else void talk(order)
})
process.on('disconnect', () => process.exit())
