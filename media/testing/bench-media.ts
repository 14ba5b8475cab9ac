/**
 * `npm run bench:media`: how many legs two cores carry, what a leg costs, and how that compares with the codecs alone, a bare UDP echo and rtpengine.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { cac } from 'cac'
import { messageOf, silentLog } from '#kernel'
import { createMediaPlane, measureMediaDelay } from '#media'
import { figure, jsonLines, type Metric, metricTable, table } from '#scripts/bench/report.ts'
import { codecNamed } from '../codec/codecs.ts'
import { codecMicroseconds } from './codec-cost.ts'
import type { RelayOrder, RelayReport } from './relay.ts'
import { isInstalled, Rtpengine } from './rtpengine.ts'
import { betweenStallsMs, offer, openPhones, runScene, type SceneFigures, type SceneOptions, startLoad, talk } from './scene.ts'
import { measureSockets } from './sockets.ts'

const say = (text: string) => process.stderr.write(`${text}\n`)
const parts = ['sockets', 'delay', 'cost', 'relay', 'g711', 'g722', 'opus', 'recovery', 'long'] as const
type Part = (typeof parts)[number]

const sizes = [3, 30, 300]
const threads = 2
/** Lost and late frames that count as none: one in ten thousand. */
const tolerated = 1e-4
const jitterTargetMs = 20

const codecs: Readonly<Record<'g711' | 'g722' | 'opus', { readonly name: string; readonly first: number }>> = {
  g711: { name: 'PCMU', first: 2000 },
  g722: { name: 'G722', first: 300 },
  opus: { name: 'OPUS', first: 90 }
}

/** Legs of the runs that tell what a leg costs: far below what is carried, so that nothing but the work counts. */
const costLegs: Readonly<Record<'g711' | 'g722' | 'opus', number>> = { g711: 300, g722: 150, opus: 48 }

/** Legs of Opus that are more than one core carries without saving the encoders' time. */
const busyOpusLegs = 132

/** Legs of the comparison with a relay. */
const relayLegs = 600

interface Row {
  readonly codec: string
  readonly options: SceneOptions
  readonly figures: SceneFigures
}

/** Whether nothing that counts was lost or late. */
function isCarried({ received, missing, late, listeners }: SceneFigures, { seconds }: SceneOptions): boolean {
  const expected = listeners * seconds * 50
  const lost = Math.max(0, expected - received)
  return missing + late <= tolerated * expected && lost <= 0.01 * expected
}

const rows: Row[] = []

async function scene(options: SceneOptions): Promise<SceneFigures> {
  const figures = await runScene(options)
  rows.push({ codec: options.codec, options, figures })
  say(
    `${options.codec} ${options.legs} legs by ${options.size}: ${isCarried(figures, options) ? 'carried' : 'not carried'}, ` +
      `${figure(figures.cores)} cores beside ${figure(figures.loadCores)} of the load, ${figures.metrics.express} legs express, economy ${figures.metrics.economy}, ${figures.late} late, ${figures.missing} missing, tick late p99 ${figure(figures.metrics.lateP99Ms)} ms`
  )
  return figures
}

/** Legs that are carried with nothing late: up by a half until it fails, then once between. */
async function capacity(codec: 'g711' | 'g722' | 'opus', size: number, seconds: number): Promise<number> {
  const { name, first } = codecs[codec]
  const whole = (legs: number) => Math.max(size, Math.round(legs / size) * size)
  const carried = async (legs: number) => {
    const options = { codec: name, legs, size, threads, seconds }
    // A second try tells a hiccup of the machine from too many legs.
    return isCarried(await scene(options), options) || isCarried(await scene(options), options)
  }
  let best = 0
  let failed = 0
  for (let legs = whole(first); failed === 0 && legs <= 6000; legs = whole(legs * 1.5)) {
    if (await carried(legs)) best = legs
    else failed = legs
  }
  for (let half = whole(first / 2); best === 0 && half >= size && half < failed; half = whole(half / 2)) {
    if (await carried(half)) best = half
    if (half === size) break
  }
  const between = whole((best + failed) / 2)
  if (failed > best && between !== best && between !== failed && (await carried(between))) best = between
  return best
}

const microsecondsPerLegFrame = ({ cores }: SceneFigures, legs: number) => (cores * 1e6) / (legs * 50)

/** The plane's memory and processor time, and its share beside the codecs. */
async function cost(seconds: number): Promise<Metric[]> {
  const metrics: Metric[] = []
  let overhead = Number.NaN
  let gcMaxMs = 0
  for (const codec of ['g711', 'g722', 'opus'] as const) {
    const { name } = codecs[codec]
    if (codecNamed(name)!.servedBy() === null) continue
    const legs = costLegs[codec]
    const alone = codecMicroseconds(name)
    const figures = await scene({ codec: name, legs, size: 3, threads: 1, seconds, economy: 0 })
    const each = microsecondsPerLegFrame(figures, legs)
    gcMaxMs = Math.max(gcMaxMs, figures.metrics.gcMaxMs)
    metrics.push(
      {
        metric: `media.us_per_leg_frame_${codec}`,
        value: each,
        unit: 'µs',
        note: `20 ms received, mixed and sent, ${legs} legs in conferences of 3, all talking; codec alone ${figure(alone)}`
      },
      {
        metric: `media.legs_per_core_${codec}`,
        value: 20_000 / each,
        unit: 'legs',
        note: 'that so much processor time of the plane alone would carry: 20 ms of a core over what a leg takes of them'
      },
      {
        metric: `media.tick_late_p99_ms_${codec}`,
        value: figures.metrics.lateP99Ms,
        unit: 'ms',
        note: `${legs} legs; underruns ${figures.missing + figures.late} of ${figures.received}`
      }
    )
    if (codec === 'opus') {
      overhead = (each - alone) / alone
      metrics.push(...(await busyCost(seconds)))
    }
    if (codec === 'g711')
      metrics.push({
        metric: 'media.kb_per_leg',
        value: figures.kbPerLeg,
        unit: 'kB',
        note: `resident memory of the process, ${legs} legs`
      })
  }
  metrics.push(
    {
      metric: 'media.overhead_ratio_to_codecs',
      value: overhead,
      unit: '',
      note: 'Opus: all but the codec (RTP, sockets, jitter buffer, mix) over the codec alone; below 1 is less than the codec'
    },
    {
      metric: 'media.gc_max_ms',
      value: gcMaxMs,
      unit: 'ms',
      note: 'longest pause of a media thread for garbage collection in these runs'
    }
  )
  return metrics
}

/** What a leg of Opus takes where its encoder saves time: what a thread really carries when it has to. */
async function busyCost(seconds: number): Promise<Metric[]> {
  const figures = await scene({ codec: codecs.opus.name, legs: busyOpusLegs, size: 3, threads: 1, seconds })
  const each = microsecondsPerLegFrame(figures, busyOpusLegs)
  const { economy, lateP99Ms } = figures.metrics
  const note = `${busyOpusLegs} legs of Opus in conferences of 3, all talking, one thread, economy ${economy}; underruns ${figures.missing + figures.late} of ${figures.received}, ticks late p99 ${figure(lateP99Ms)} ms`
  return [
    { metric: 'media.us_per_leg_frame_opus_busy', value: each, unit: 'µs', note },
    { metric: 'media.legs_per_core_opus_busy', value: 20_000 / each, unit: 'legs', note: `20 ms of a core over that: ${note}` }
  ]
}

async function sockets(seconds: number): Promise<Metric[]> {
  say('sockets: seven echoes')
  const costs = await measureSockets(seconds)
  const of = (name: string) => costs.find((one) => one.name === name)?.microseconds ?? Number.NaN
  return [
    {
      metric: 'media.udp_ratio_to_echo',
      value: of('bare') / of('native'),
      unit: '',
      note: `packets for the same processor time, against a bare echo in C, medians of three runs by turns, each on a core of its own; µs a packet in and out: C ${figure(of('bare'))}, ours ${figure(of('native'))}, node:dgram ${figure(of('node'))}`
    }
  ]
}

async function delay(clicks: number): Promise<Metric[]> {
  say(`delay: ${clicks} clicks`)
  const plane = await createMediaPlane({ address: '127.0.0.1', portRange: [20_000, 20_199], jitterTargetMs, log: silentLog })
  try {
    const { addedP50Ms, addedP99Ms, samples } = await measureMediaDelay(plane, 3, clicks, jitterTargetMs)
    const note = `packet in to mixed packet out, less the jitter buffer's target; ${samples} clicks, three participants`
    return [
      { metric: 'media.delay_added_p50_ms', value: addedP50Ms, unit: 'ms', note },
      { metric: 'media.delay_added_p99_ms', value: addedP99Ms, unit: 'ms', note }
    ]
  } finally {
    await plane.close()
  }
}

/** Phones in pairs through a relay. @returns microseconds of processor time for a packet passed on */
async function passOn(
  name: string,
  seconds: number,
  connect: (phones: readonly number[]) => Promise<readonly number[]>,
  cpuMs: () => Promise<number> | number
): Promise<number> {
  const load = startLoad()
  try {
    const ports = await connect(await openPhones(load, relayLegs))
    let before = 0
    const done = await talk(load, codecNamed('PCMU')!, 0, ports, seconds, async () => {
      before = await cpuMs()
    })
    const each = (((await cpuMs()) - before) * 1000) / done.received
    say(`${name}: ${done.received} packets passed on, ${done.missing} missing, ${figure(each)} µs each`)
    return each
  } finally {
    load.kill()
  }
}

/** A relay of the plane's own parts. */
async function ourRelay(seconds: number): Promise<number> {
  const relay = fork(new URL('./relay.ts', import.meta.url), { execArgv: ['--disable-warning=ExperimentalWarning'] })
  const ask = async (order: RelayOrder) => {
    relay.send(order)
    return (await once(relay, 'message', { signal: AbortSignal.timeout(30_000) }))[0] as RelayReport
  }
  try {
    return await passOn(
      'relay of our parts',
      seconds,
      async (phones) => {
        const report = await ask({ phones, portRange: [30_000, 30_000 + 4 * relayLegs] })
        return 'ports' in report ? report.ports : []
      },
      async () => {
        const report = await ask('cpu')
        return 'cpuMs' in report ? report.cpuMs : Number.NaN
      }
    )
  } finally {
    relay.kill()
  }
}

async function rtpengine(seconds: number): Promise<number> {
  const engine = await Rtpengine.start([30_000, 30_000 + 4 * relayLegs])
  const codec = codecNamed('PCMU')!
  try {
    return await passOn(
      'rtpengine',
      seconds,
      async (phones) => {
        const ports: number[] = []
        for (let n = 0; n + 1 < phones.length; n += 2)
          ports.push(...(await engine.connect(n, offer(codec, 0, phones[n]!), offer(codec, 0, phones[n + 1]!))))
        return ports
      },
      () => engine.cpuMs()
    )
  } finally {
    await engine.stop()
  }
}

/** Calls of two: our mixer, a relay of our parts, and rtpengine. */
async function relay(seconds: number): Promise<Metric[]> {
  if (!isInstalled()) {
    say('relay: rtpengine is not installed; apt-get install --no-install-recommends rtpengine-daemon')
    return []
  }
  const theirs = await rtpengine(seconds)
  const ours = await ourRelay(seconds)
  const mixed = microsecondsPerLegFrame(await scene({ codec: 'PCMU', legs: relayLegs, size: 2, threads: 1, seconds }), relayLegs)
  return [
    {
      metric: 'media.relay_ratio_to_rtpengine',
      value: ours / theirs,
      unit: '',
      note: `processor time of a packet passed on, ${relayLegs} legs: sockets, RTP, latch and statistics of the plane ${figure(ours)} µs, rtpengine in user space ${figure(theirs)} µs`
    },
    {
      metric: 'media.mix_ratio_to_rtpengine',
      value: mixed / theirs,
      unit: '',
      note: `the same calls through the mixer, that buffers, decodes, mixes and encodes: ${figure(mixed)} µs a leg and frame`
    }
  ]
}

async function legs(codec: 'g711' | 'g722' | 'opus', seconds: number): Promise<Metric[]> {
  const { name } = codecs[codec]
  const program = codecNamed(name)!.servedBy()
  if (program === null) {
    say(`${name}: no program that codes it is installed`)
    return []
  }
  const found: string[] = []
  let least = Number.POSITIVE_INFINITY
  for (const size of sizes) {
    const best = await capacity(codec, size, seconds)
    found.push(`${best} by ${size}`)
    least = Math.min(least, best)
  }
  return [
    {
      metric: `media.legs_${codec}`,
      value: least,
      unit: 'legs',
      note: `two cores, that the load shares; in one of two tries; conferences of 3, 30, 300: ${found.join(', ')}; ${program}`
    }
  ]
}

const stallsMs = [500, 2000, 5000]

/** From when the plane went on to the first second in which nothing that counts is late or missing; infinite when there is none. */
function recoveryMs({ underruns, listeners }: SceneFigures, resumedMs: number): number {
  const clean = (from: number) =>
    from + 10 <= underruns.length &&
    underruns.slice(from, from + 10).reduce((sum, count) => sum + count, 0) <= tolerated * listeners * 50
  for (let tenth = Math.floor(resumedMs / 100); tenth < underruns.length; tenth++)
    if (clean(tenth)) return Math.max(0, tenth * 100 - resumedMs)
  return Number.POSITIVE_INFINITY
}

/** Many legs, and a process that stands still for a while. */
async function recovery(legs: number): Promise<Metric[]> {
  const seconds = (betweenStallsMs * (stallsMs.length + 1) + stallsMs.reduce((sum, ms) => sum + ms, 0)) / 1000
  const figures = await scene({ codec: 'PCMU', legs, size: 3, threads, seconds, stallsMs })
  const each = figures.resumedMs.map((resumedMs) => recoveryMs(figures, resumedMs))
  return [
    {
      metric: 'media.recovery_ms',
      value: Math.max(...each),
      unit: 'ms',
      note: `from when the process went on to a second with nothing late or missing, ${legs} G.711 legs by 3, after ${stallsMs.join(', ')} ms: ${each.map(figure).join(', ')}; ${figures.metrics.express} legs express at the end`
    }
  ]
}

/** Many legs for a long time. */
async function long(seconds: number, count: number): Promise<Metric[]> {
  const options = { codec: 'PCMU', legs: count, size: 3, threads, seconds }
  const figures = await scene(options)
  const { received, missing, late, listeners, lateness, heldUpP50Ms, heldUpP99Ms, cores, loadCores, metrics } = figures
  const note = `${count} G.711 legs by 3 for ${seconds} s, ${threads} threads, ${figure(cores)} cores, the load ${figure(loadCores)}, ${metrics.express} legs express`
  const machine = `the load, a bare program, kept time to p50 ${figure(heldUpP50Ms)}, p99 ${figure(heldUpP99Ms)} ms`
  const windows = lateness.map(({ p99Ms }) => p99Ms).sort((a, b) => a - b)
  return [
    {
      metric: 'media.long_underruns_ppm',
      value: (1e6 * (missing + late)) / (listeners * seconds * 50),
      unit: 'ppm',
      note: `frames late or missing, ${received} looked at: ${note}`
    },
    {
      metric: 'media.long_late_p50_ms',
      value: Math.max(...lateness.map(({ p50Ms }) => p50Ms)),
      unit: 'ms',
      note: `how late ticks began, in the worst 20 s; ${machine}`
    },
    {
      metric: 'media.long_late_p99_ms',
      value: windows[Math.floor(windows.length / 2)]!,
      unit: 'ms',
      note: `the same, median of ${windows.length} times 20 s, ${figure(windows[0]!)} to ${figure(windows.at(-1)!)}; ${machine}`
    },
    { metric: 'media.long_gc_max_ms', value: metrics.gcMaxMs, unit: 'ms', note: `longest pause: ${note}` }
  ]
}

const rowTable = () =>
  table([
    [
      'codec',
      'legs',
      'of',
      'threads',
      'cores',
      'µs/leg·frame',
      'load, cores',
      'tick late p99',
      'tick work p99',
      'late',
      'missing',
      'gc max',
      'economy',
      'carried'
    ],
    ...rows.map(({ codec, options, figures }) => [
      codec,
      String(options.legs),
      String(options.size),
      String(options.threads),
      figure(figures.cores),
      figure(microsecondsPerLegFrame(figures, options.legs)),
      figure(figures.loadCores),
      figure(figures.metrics.lateP99Ms),
      figure(figures.metrics.workP99Ms),
      String(figures.late),
      String(figures.missing),
      figure(figures.metrics.gcMaxMs),
      String(figures.metrics.economy),
      isCarried(figures, options) ? 'yes' : 'no'
    ])
  ])

async function main(chosen: readonly Part[], seconds: number, minutes: number, longLegs: number, json: boolean): Promise<number> {
  const run: Readonly<Record<Part, () => Promise<Metric[]>>> = {
    sockets: () => sockets(seconds),
    delay: () => delay(Math.max(20, Math.min(300, seconds * 10))),
    cost: () => cost(seconds),
    relay: () => relay(seconds),
    g711: () => legs('g711', seconds),
    g722: () => legs('g722', seconds),
    opus: () => legs('opus', seconds),
    recovery: () => recovery(longLegs),
    long: () => long(minutes * 60, longLegs)
  }
  const metrics: Metric[] = []
  let failed = false
  for (const part of parts.filter((one) => chosen.includes(one))) {
    try {
      metrics.push(...(await run[part]()))
    } catch (error) {
      failed = true
      say(`${part}: ${messageOf(error)}`)
    }
  }
  if (json) console.log(jsonLines(metrics))
  else console.log([...(rows.length > 0 ? [rowTable(), ''] : []), metricTable(metrics)].join('\n'))
  return failed ? 2 : 0
}

const cli = cac('bench:media')
cli
  .option('--seconds <n>', 'time counted in each run', { default: 10 })
  .option('--only <parts>', `some of ${parts.join(', ')}, with commas between; recovery and long only when asked for`)
  .option('--minutes <n>', 'run `long` alone, for so many minutes')
  .option('--legs <n>', 'legs of `recovery` and `long`', { default: 2000 })
  .option('--json', 'one JSON object a line')
  .help()
const { options } = cli.parse()
if (!options.help) {
  const minutes = Number(options.minutes ?? 10)
  const longLegs = Number(options.legs)
  const usual = parts.filter((part) => part !== 'long' && part !== 'recovery').join(',')
  const chosen = String(options.only ?? (options.minutes === undefined ? usual : 'long')).split(',')
  const unknown = chosen.filter((part) => !parts.some((one) => one === part))
  const seconds = Number(options.seconds)
  const within = (value: number, least: number, most: number) => value >= least && value <= most
  if (unknown.length > 0 || !within(seconds, 1, 3600) || !within(minutes, 0.1, 60) || !within(longLegs, 3, 6000)) {
    say(`expected --seconds from 1 to 3600, --minutes to 60, --legs to 6000 and --only with some of ${parts.join(', ')}`)
    process.exitCode = 2
  } else process.exitCode = await main(chosen as Part[], seconds, minutes, longLegs, options.json === true)
}
