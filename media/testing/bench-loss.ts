/**
 * `npm run bench:loss`: how a voice sounds through the media plane when the network loses, delays and reorders packets.
 *
 * Loss is made by the kernel (iptables, statistic match) in a network namespace that this makes and takes away again; delay, jitter and reordering by a proxy of
 * our own. The cases of a codec run at once, each in a conference of its own. Needs root, `ip` and `iptables`.
 */

import { execFile, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { cac } from 'cac'
import { messageOf } from '#kernel'
import { jsonLines, type Metric, table } from '#scripts/bench/report.ts'
import { type LossCase, type LossResult, runLossCases } from './loss-run.ts'

const run = promisify(execFile)
const say = (text: string) => process.stderr.write(`${text}\n`)

/** A case, and the loss that the kernel makes in it. */
interface Case extends LossCase {
  readonly key: string
  /** Percent, and packets in a row. */
  readonly loss: { readonly percent: number; readonly burst: number } | null
}

const burst = 3
const networks: readonly Omit<Case, 'codec'>[] = [
  { name: 'no loss', key: 'none', loss: null, impairment: null },
  ...[1, 5, 10].map((percent) => ({
    name: `${percent} % random`,
    key: `${percent}_random`,
    loss: { percent, burst: 1 },
    impairment: null
  })),
  ...[1, 5, 10].map((percent) => ({
    name: `${percent} % in bursts of ${burst}`,
    key: `${percent}_burst`,
    loss: { percent, burst },
    impairment: null
  })),
  { name: 'delay 100 ms', key: 'delay', loss: null, impairment: { delayMs: 100 } },
  { name: 'delay 50 ms, jitter 40 ms', key: 'jitter', loss: null, impairment: { delayMs: 50, jitterMs: 40 } },
  { name: '3 % out of order, 1 % twice', key: 'reorder', loss: null, impairment: { reorder: 0.03, duplicate: 0.01 } }
]
const codecs = ['PCMU', 'G722', 'opus'] as const

const portRange = [21_000, 21_199] as const

/**
 * Rules that drop packets to a port. A rule sees what those before it have let through, so that the one after a packet that was dropped by the first of
 * them meets the second: `burst` packets in a row.
 */
function rulesOf(port: number, { percent, burst: length }: NonNullable<Case['loss']>): string[][] {
  const rule = (...statistic: string[]) => [
    ...['-A', 'INPUT', '-p', 'udp', '--dport', String(port), '-m', 'statistic'],
    ...['--mode', ...statistic, '-j', 'DROP']
  ]
  if (length === 1) return [rule('random', '--probability', String(percent / 100))]
  const every = Math.round((100 * length) / percent)
  return Array.from({ length }, (_, n) => rule('nth', '--every', String(every - n), '--packet', '0'))
}

/** The part that runs in the namespace. */
async function inside(seconds: number): Promise<void> {
  const results: LossResult[] = []
  for (const codec of codecs) {
    const cases = networks.map((network) => ({ ...network, codec }))
    const onPorts = async (ports: readonly number[]) => {
      await run('iptables', ['-F', 'INPUT'])
      for (const [n, port] of ports.entries())
        for (const rule of cases[n]!.loss === null ? [] : rulesOf(port, cases[n]!.loss)) await run('iptables', rule)
    }
    results.push(...(await runLossCases(cases, { portRange, seconds, onPorts })))
    say(`${codec}: done`)
  }
  console.log(JSON.stringify(results))
}

/** What is missing on this machine; null when nothing is. */
function missing(): string | null {
  if (process.getuid?.() !== 0) return 'network namespaces are made by root alone'
  for (const [program, name] of [
    ['ip', 'iproute2'],
    ['iptables', 'iptables']
  ] as const)
    if (spawnSync(program, ['-V']).status !== 0)
      return `${program} is not installed: apt-get install --no-install-recommends ${name}`
  return null
}

async function inNamespace(seconds: number): Promise<LossResult[]> {
  const namespace = `bench-loss-${process.pid}`
  await run('ip', ['netns', 'add', namespace])
  try {
    await run('ip', ['-n', namespace, 'link', 'set', 'lo', 'up'])
    const node = [process.execPath, '--disable-warning=ExperimentalWarning', fileURLToPath(import.meta.url)]
    const { stdout } = await run('ip', ['netns', 'exec', namespace, ...node, '--inside', '--seconds', String(seconds)], {
      timeout: (seconds + 60) * codecs.length * 1000,
      maxBuffer: 1 << 20
    })
    return JSON.parse(stdout) as LossResult[]
  } finally {
    await run('ip', ['netns', 'delete', namespace])
  }
}

const percentOf = (count: number, { expected }: LossResult) => ((100 * count) / expected).toFixed(1)

function report(results: readonly LossResult[]): string {
  const head = ['codec', 'network', 'lost %', 'restored %', 'late %', 'jitter ms', 'R', 'MOS', 'distance dB']
  const rows = results.map((result) => {
    const { codec, name, lost, discarded, restored, jitterMaxMs, rFactor, mosListening, distanceDb } = result
    const shares = [lost + restored, restored, discarded].map((count) => percentOf(count, result))
    const figures = [jitterMaxMs.toFixed(1), rFactor.toFixed(1), mosListening.toFixed(2), distanceDb.toFixed(1)]
    return [codec, name, ...shares, ...figures]
  })
  return table([head, ...rows])
}

const metricsOf = (results: readonly LossResult[]): Metric[] =>
  results.flatMap(({ codec, mosListening, distanceDb, ...result }, n) => {
    const { key } = networks[n % networks.length]!
    const name = codec === 'PCMU' ? 'g711' : codec.toLowerCase()
    const note = `${result.name}: ${result.lost} of ${result.expected} packets lost, ${result.restored} restored, ${result.discarded} late`
    return [
      { metric: `media.loss_mos_${name}_${key}`, value: mosListening, unit: 'MOS', note: `E-model, listening; ${note}` },
      { metric: `media.loss_distance_${name}_${key}`, value: distanceDb, unit: 'dB', note: `log-spectral distance; ${note}` }
    ]
  })

const cli = cac('bench:loss')
cli
  .option('--seconds <n>', 'how long everybody speaks', { default: 60 })
  .option('--json', 'one JSON object a line')
  .option('--inside', 'the part in the namespace')
  .help()
const { options } = cli.parse()
if (!options.help) {
  const seconds = Number(options.seconds)
  const problem = Number.isFinite(seconds) && seconds >= 2 && seconds <= 600 ? missing() : 'expected --seconds from 2 to 600'
  if (problem !== null) {
    say(problem)
    process.exitCode = 2
  } else if (options.inside === true) await inside(seconds)
  else {
    try {
      const results = await inNamespace(seconds)
      console.log(options.json === true ? jsonLines(metricsOf(results)) : report(results))
    } catch (error) {
      say(messageOf(error))
      process.exitCode = 2
    }
  }
}
