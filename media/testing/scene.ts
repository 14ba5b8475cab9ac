/** A media plane with load on it, for the benchmark: who joins, how long, and what it took. */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { newTraceId, silentLog } from '#kernel'
import { createMediaPlane } from '#media'
import type { CodecDefinition } from '../codec/codec.ts'
import { codecNamed } from '../codec/codecs.ts'
import type { WorkerMetrics } from '../control.ts'
import type { EconomyPolicy } from '../economy.ts'
import type { LoadFigures, LoadOrder, LoadReport } from './load.ts'

export interface SceneOptions {
  readonly codec: string
  readonly legs: number
  /** Participants of each conference. */
  readonly size: number
  readonly threads: number
  readonly seconds: number
  readonly udp?: 'native' | 'node'
  readonly highestRateHz?: 8000 | 16_000 | 48_000
  /** Default `auto`. */
  readonly economy?: EconomyPolicy
  /** Stops the plane's process for so many milliseconds, one after the other. */
  readonly stallsMs?: readonly number[]
}

export interface SceneFigures extends LoadFigures {
  readonly metrics: WorkerMetrics
  /** How late ticks began, in each 20 s that were counted (the last of them may be less): half of them no later, and 99 of 100, in milliseconds. */
  readonly lateness: readonly { readonly p50Ms: number; readonly p99Ms: number }[]
  /** Processor time of the plane's process in the time that was counted, in cores. */
  readonly cores: number
  /** Processor time of the load for a packet sent, in microseconds, and in cores. */
  readonly loadMicroseconds: number
  readonly loadCores: number
  /** For each stall, when the plane went on, in milliseconds since counting began. */
  readonly resumedMs: readonly number[]
  /** Memory that the process took for the legs, in kB each. */
  readonly kbPerLeg: number
}

const warmUpMs = 3000
/** Before the first stall, and after each. */
export const betweenStallsMs = 6000
/** So long a media thread remembers how late its ticks were. */
const latenessMs = 20_000
/** Every so many phones one listens, so that the load takes less of the machine than the plane; a number without a divisor in common with conferences. */
const listenEvery = 7
const firstPhonePort = 42_000
const firstPlanePort = 20_000

/** Frames of something like speech: noise that swells and fades, encoded. @returns payloads in base64 */
export function speech(codec: CodecDefinition, rateHz: number, frames: number): string[] {
  const encoder = codec.createEncoder({ sampleRateHz: rateHz })
  const samples = new Int16Array((rateHz * 20) / 1000)
  const out = Buffer.alloc(2048)
  const payloads: string[] = []
  let seed = 1
  let smooth = 0
  for (let frame = 0; frame < frames; frame++) {
    const loudness = 200 + 6000 * Math.max(0, Math.sin((frame * 2 * Math.PI) / 47)) ** 2
    for (let i = 0; i < samples.length; i++) {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff
      smooth += ((seed / 0x4000_0000 - 1) * loudness - smooth) * 0.3
      samples[i] = smooth
    }
    payloads.push(out.toString('base64', 0, encoder.encode(samples, out, 0)))
  }
  encoder.close()
  return payloads.filter((payload) => payload !== '')
}

export function offer(codec: CodecDefinition, payloadType: number, port: number): string {
  const channels = codec.channels > 1 ? `/${codec.channels}` : ''
  return `${[
    'v=0',
    `o=load ${port} 1 IN IP4 127.0.0.1`,
    's=-',
    'c=IN IP4 127.0.0.1',
    't=0 0',
    `m=audio ${port} RTP/AVP ${payloadType}`,
    `a=rtpmap:${payloadType} ${codec.name}/${codec.clockRateHz}${channels}`
  ].join('\r\n')}\r\n`
}

/** Waits for one report of the load. @throws {Error} when the load ends before it, or after a minute of silence */
async function report<T extends LoadReport['type']>(
  load: ChildProcess,
  type: T,
  withinMs: number
): Promise<Extract<LoadReport, { type: T }>> {
  const signal = AbortSignal.timeout(withinMs)
  const ended = once(load, 'exit', { signal }).then(() => {
    throw new Error('the load ended early')
  })
  ended.catch(() => undefined)
  for (;;) {
    const [message] = (await Promise.race([once(load, 'message', { signal }), ended])) as [LoadReport]
    if (message.type === type) return message as Extract<LoadReport, { type: T }>
  }
}

/** Begins the calling side. */
export const startLoad = () =>
  fork(new URL('./load.ts', import.meta.url), { execArgv: ['--disable-warning=ExperimentalWarning'] })

const order = (load: ChildProcess, what: LoadOrder) => load.send(what)

/** Opens the phones of the calling side. @param listenEvery every so many phones one listens @returns their ports */
export async function openPhones(load: ChildProcess, phones: number, listenEvery = 1): Promise<readonly number[]> {
  order(load, { type: 'open', phones, firstPort: firstPhonePort, listenEvery })
  return (await report(load, 'opened', 30_000)).ports
}

/** Lets the phones talk. @param onWarm called when what follows counts */
export async function talk(
  load: ChildProcess,
  codec: CodecDefinition,
  payloadType: number,
  ports: readonly number[],
  seconds: number,
  onWarm: () => Promise<void> | void
): Promise<LoadFigures> {
  order(load, {
    type: 'talk',
    ports,
    payloadType,
    payloads: speech(codec, codec.sampleRateHz, 200),
    frameClock: (codec.clockRateHz * 20) / 1000,
    warmUpMs,
    seconds
  })
  await report(load, 'warm', warmUpMs + 20_000)
  await onWarm()
  return report(load, 'done', seconds * 1000 + 30_000)
}

/** Stops this process, and lets it go on. @returns when it did */
async function stall(ms: number): Promise<number> {
  const shell = spawn('sh', ['-c', `kill -STOP ${process.pid}; sleep ${ms / 1000}; kill -CONT ${process.pid}`])
  await once(shell, 'exit')
  return performance.now()
}

/**
 * Runs one scene: opens a plane, joins all, lets them talk, closes everything.
 *
 * @throws {Error} when something of it cannot be had
 */
export async function runScene(options: SceneOptions): Promise<SceneFigures> {
  const codec = codecNamed(options.codec)!
  const payloadType = codec.staticPayloadType ?? 96
  const plane = await createMediaPlane({
    address: '127.0.0.1',
    portRange: [firstPlanePort, firstPlanePort + 2 * options.legs + 199],
    threads: options.threads,
    maxParticipants: options.size,
    udp: options.udp ?? 'native',
    highestRateHz: options.highestRateHz ?? 48_000,
    economy: options.economy ?? 'auto',
    log: silentLog
  })
  const load = startLoad()
  try {
    const memoryBefore = process.memoryUsage().rss
    const phones = await openPhones(load, options.legs, listenEvery)
    const ports: number[] = []
    for (const [n, phone] of phones.entries()) {
      const context = { traceId: newTraceId(), log: silentLog, signal: new AbortController().signal, now: Date.now }
      const joined = await plane.join(context, {
        conference: `c${Math.floor(n / options.size)}`,
        participant: `p${n}`,
        role: 'expert',
        offer: offer(codec, payloadType, phone)
      })
      if (!joined.ok) throw new Error(joined.reason)
      ports.push(Number(/m=audio (\d+)/.exec(joined.sdp)![1]))
    }
    let memoryAfter = 0
    let cpuBefore = process.cpuUsage()
    let beganMs = 0
    const resumedMs: number[] = []
    const stallAll = async () => {
      for (const ms of options.stallsMs ?? []) {
        await sleep(betweenStallsMs)
        resumedMs.push((await stall(ms)) - beganMs)
      }
    }
    const lateness: { p50Ms: number; p99Ms: number }[] = []
    const look = async () => {
      const { lateP50Ms, lateP99Ms } = await plane.metrics()
      lateness.push({ p50Ms: lateP50Ms, p99Ms: lateP99Ms })
    }
    let looking: NodeJS.Timeout | undefined
    const done = await talk(load, codec, payloadType, ports, options.seconds, async () => {
      await plane.metrics()
      memoryAfter = process.memoryUsage().rss
      cpuBefore = process.cpuUsage()
      beganMs = performance.now()
      void stallAll()
      looking = setInterval(() => void look().catch(() => undefined), latenessMs)
    }).finally(() => clearInterval(looking))
    if (lateness.length === 0) await look()
    const { user, system } = process.cpuUsage(cpuBefore)
    const cores = (user + system) / 1000 / (performance.now() - beganMs)
    const metrics = await plane.metrics()
    return {
      ...done,
      metrics,
      lateness,
      resumedMs,
      cores,
      loadMicroseconds: (done.cpuMs * 1000) / done.sent,
      loadCores: done.cpuMs / 1000 / options.seconds,
      kbPerLeg: (memoryAfter - memoryBefore) / 1024 / options.legs
    }
  } finally {
    load.kill()
    await plane.close()
  }
}
