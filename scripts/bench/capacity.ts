/**
 * `npm run capacity`: how many calls the suite carries on this machine and what each takes, as a sheet for who has to plan with it.
 */
import { availableParallelism, cpus } from 'node:os'
import { cac } from 'cac'
import { z } from 'zod'
import { messageOf } from '#kernel'
import {
  type CallsFigures,
  callRate,
  concurrentCalls,
  type FloodFigures,
  flood,
  type InvalidFigures,
  invalidTraffic,
  type RateFigures,
  warmUp
} from './capacity-stages.ts'
import { startLoadedSuite } from './capacity-suite.ts'
import { syncMs } from './disk.ts'
import { readOptions } from './options.ts'
import { figure, jsonLines, type Metric, metricTable, summaryHead, summaryRow, table } from './report.ts'

const stages = ['calls', 'udp', 'tls', 'flood', 'invalid'] as const
type Stage = (typeof stages)[number]

const tlsRate = 50
/** Offered in the flood, in calls that the suite carries. */
const floodFactor = 5
/** Set-up time that is normal: what the 99th call of a hundred may take. */
const normalSetupMs = 25

const optionsSchema = z.object({
  calls: z.coerce.number().int().min(3).max(3000),
  minutes: z.coerce.number().min(0.05).max(60),
  rate: z.coerce.number().int().min(1).max(1000),
  seconds: z.coerce.number().int().min(1).max(600),
  only: z
    .string()
    .default(stages.join(','))
    .transform((text) => text.split(',') as Stage[])
    .refine((chosen) => chosen.every((one) => stages.includes(one)), `expected some of ${stages.join(', ')}`),
  json: z.boolean().default(false)
})

const say = (text: string) => process.stderr.write(`${text}\n`)

interface Found {
  readonly calls: CallsFigures | null
  readonly udp: RateFigures | null
  readonly tls: RateFigures | null
  readonly flood: FloodFigures | null
  readonly invalid: readonly InvalidFigures[] | null
}

const listed = (counts: Readonly<Record<string, number>>) =>
  Object.entries(counts)
    .map(([reason, n]) => `${n} × ${reason}`)
    .join(', ')

function metricsOf(found: Found, rate: number): readonly Metric[] {
  const machine = `${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'}) that callers and phones share`
  const metrics: Metric[] = []
  const add = (metric: string, value: number, unit: string, note: string) =>
    metrics.push({ metric: `capacity.${metric}`, value, unit, note })
  const { calls, udp, tls } = found
  if (calls !== null) {
    const what = `${calls.seconds} s, G.711 both ways, conferences of 3, over UDP; ${machine}`
    add('concurrent_calls', calls.concurrent, 'calls', what)
    add('failed_calls', calls.failed, 'calls', listed(calls.failures) || what)
    add(
      'late_frames_ppm',
      calls.lateFramesPpm,
      'ppm',
      `frames late by more than 20 ms or not there, of ${calls.framesSeen} looked at`
    )
    const cores = `${figure(calls.cores)} cores, phones ${figure(calls.loadCores)}`
    add('cpu_ms_per_call_second', calls.cpuMsPerCallSecond, 'ms', `processor time of suite and Kamailio; ${cores}`)
    add('kb_per_call', calls.kbPerCall, 'kB', 'proportional set size of suite and Kamailio, with calls less without')
    add('fds_per_call', calls.fdsPerCall, '', 'descriptors of suite and Kamailio')
    add('ledger_entries_per_call', calls.entriesPerCall, '', 'from INVITE to the end')
    add(
      'leaked_fds',
      calls.leftFds,
      '',
      `after the last call; memory ${figure(calls.leftKb / 1024)} MB above what it was before the first`
    )
  }
  if (udp !== null) {
    const what = `first INVITE to 200 with 407 between, ${udp.setup.count} calls at ${rate}/s over UDP, ${udp.failed} failed; ${machine}`
    add('setup_p50_ms', udp.setup.p50, 'ms', what)
    add('setup_p99_ms', udp.setup.p99, 'ms', `${what}; calls begun late by the caller p99 ${figure(udp.begunLate.p99)} ms`)
    add(
      'cpu_ms_per_call',
      udp.cpuMsPerCall,
      'ms',
      `processor time of suite and Kamailio for a call of a second without sound from the phone; callers ${figure(udp.loadCores)} cores, others than these ${figure(udp.othersCores)}`
    )
  }
  if (tls !== null) {
    const what = `${tls.setup.count} calls at ${tlsRate}/s over TLS, ${tls.failed} failed`
    add('setup_tls_p99_ms', tls.setup.p99, 'ms', what)
  }
  if (found.flood !== null) {
    const { offered, accepted, whole, recoveryMs, refused } = found.flood
    const what = `${offered} calls offered at ${rate * floodFactor}/s, ${accepted} accepted; the others: ${listed(refused)}`
    add('flood_whole_share', whole, '', what)
    add(
      'flood_recovery_ms',
      recoveryMs,
      'ms',
      `to the last half second with more than a tenth of the calls over ${normalSetupMs} ms or failed`
    )
  }
  if (found.invalid !== null && udp !== null)
    for (const { kind, requests, cpuMsEach } of found.invalid)
      add(
        `invalid_cpu_ratio_${kind.replaceAll(' ', '_')}`,
        cpuMsEach / udp.cpuMsPerCall,
        '',
        `${figure(cpuMsEach)} ms each of ${requests}, over an accepted call’s ${figure(udp.cpuMsPerCall)} ms`
      )
  return metrics
}

function sheet({ calls, udp, tls }: Found): string {
  const rows = [
    ...(calls === null ? [] : [summaryRow('while calls gather', calls.setup)]),
    ...(udp === null ? [] : [summaryRow('UDP', udp.setup), summaryRow('UDP: begun late', udp.begunLate)]),
    ...(tls === null ? [] : [summaryRow('TLS', tls.setup), summaryRow('TLS: begun late', tls.begunLate)])
  ]
  return rows.length === 0 ? '' : `${table([summaryHead, ...rows])}\n\n`
}

/** What a user would call a failure: the figures themselves are judged by whoever reads them. */
function failuresOf({ calls, udp, tls, flood: flooded }: Found): readonly string[] {
  return [
    ...(calls !== null && calls.failed > 0 ? [`concurrent calls: ${listed(calls.failures)}`] : []),
    ...(calls !== null && calls.leftFds > 20 ? [`${calls.leftFds} descriptors left open`] : []),
    ...(udp !== null && udp.failed > 0 ? [`UDP: ${listed(udp.failures)}`] : []),
    ...(tls !== null && tls.failed > 0 ? [`TLS: ${listed(tls.failures)}`] : []),
    ...(flooded !== null && !(flooded.whole >= 0.99) ? [`flood: ${figure(flooded.whole * 100)} % of accepted calls whole`] : [])
  ]
}

async function main(): Promise<number> {
  const program = cac('capacity')
  program.option('--calls <n>', 'Calls at once, with sound', { default: 1000 })
  program.option('--minutes <n>', 'How long they last', { default: 10 })
  program.option('--rate <n>', 'Calls a second over UDP; the flood is five times that', { default: 300 })
  program.option('--seconds <n>', 'Length of each of the other stages', { default: 20 })
  program.option('--only <stages>', `Some of ${stages.join(', ')}, with commas between`)
  program.option('--json', 'One JSON object a line')
  const options = readOptions(program, optionsSchema)
  if (options === null) return 0
  const { calls, minutes, rate, seconds, only, json } = options

  const loaded = await startLoadedSuite(Math.max(calls + 200, 2000))
  const interrupted = (signal: NodeJS.Signals) => void loaded.stop().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143))
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted)
  try {
    say(`fsync of this disk ${figure(await syncMs(loaded.folder))} ms; warming up`)
    await warmUp(loaded)
    const stage = async <T>(name: Stage, what: string, run: () => Promise<T>): Promise<T | null> => {
      if (!only.includes(name)) return null
      say(what)
      return run()
    }
    const found: Found = {
      udp: await stage('udp', `${rate} calls/s over UDP for ${seconds} s`, () => callRate(loaded, 'udp', rate, seconds)),
      tls: await stage('tls', `${tlsRate} calls/s over TLS for ${seconds} s`, () => callRate(loaded, 'tls', tlsRate, seconds)),
      invalid: await stage('invalid', 'callers who are refused', () =>
        invalidTraffic(loaded, Math.max(2, Math.round(seconds / 4)))
      ),
      flood: await stage('flood', `a flood of ${rate * floodFactor} calls/s`, () =>
        flood(loaded, rate * floodFactor, Math.max(2, Math.round(seconds / 4)), normalSetupMs)
      ),
      calls: await stage('calls', `${calls} calls with sound for ${minutes} min`, () =>
        concurrentCalls(loaded, calls, Math.round(minutes * 60))
      )
    }
    console.log(json ? jsonLines(metricsOf(found, rate)) : `${sheet(found)}${metricTable(metricsOf(found, rate))}`)
    const failures = failuresOf(found)
    for (const failure of failures) say(failure)
    return failures.length > 0 ? 1 : 0
  } finally {
    await loaded.stop()
  }
}

try {
  process.exitCode = await main()
} catch (error) {
  say(messageOf(error))
  process.exitCode = 2
}
