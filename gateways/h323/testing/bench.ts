/**
 * `npm run bench:h323 [-- --json]`: messages a second on one core, for messages of real calls; the gatekeeper; calls.
 */
import { parseArgs } from 'node:util'
import { jsonLines, type Metric, metricTable } from '#scripts/bench/report.ts'
import type { Pdu } from '../asn1/asn1.ts'
import { callMetrics } from '../endpoint/testing/figures.ts'
import { gatekeeperMetrics } from '../gatekeeper/testing/figures.ts'
import { h323UserInformation, rasMessage } from '../h225/pdus.ts'
import { multimediaSystemControlMessage } from '../h245/pdus.ts'
import { capturedSamples, type Sample } from './vectors.ts'

const warmUpMs = 500
const roundMs = 500
const rounds = 5
const batch = 200

/** Runs a second: the best of several rounds, since other work on the machine only ever takes away. */
function rate(run: () => void): number {
  const round = (ms: number): number => {
    const start = performance.now()
    let runs = 0
    let now = start
    while (now - start < ms) {
      for (let i = 0; i < batch; i++) run()
      runs += batch
      now = performance.now()
    }
    return (runs * 1000) / (now - start)
  }
  round(warmUpMs)
  return Math.max(...Array.from({ length: rounds }, () => round(roundMs)))
}

/** The message of middle length among those of real calls that are such. */
function typical(pdu: Pdu<unknown>, isWanted: (value: unknown) => boolean): Sample {
  const found = capturedSamples()
    .filter((sample) => sample.pdu === pdu && isWanted(pdu.decode(sample.octets)))
    .sort((a, b) => a.octets.length - b.octets.length)
  return found[found.length >> 1]!
}

/** Whether a value goes through these alternatives and has these fields. */
function goesThrough(value: unknown, ...names: readonly string[]): boolean {
  let at = value as Readonly<Record<string, unknown>> | undefined
  for (const name of names) {
    if (at === undefined) return false
    at = (at.type === name ? (at.value ?? at) : at[name]) as typeof at
  }
  return at !== undefined
}

const kinds: readonly { readonly name: string; readonly label: string; readonly sample: Sample }[] = [
  {
    name: 'rrq',
    label: 'full registrationRequest',
    sample: typical(rasMessage, (value) => goesThrough(value, 'registrationRequest', 'terminalAlias'))
  },
  { name: 'arq', label: 'admissionRequest', sample: typical(rasMessage, (value) => goesThrough(value, 'admissionRequest')) },
  {
    name: 'setup',
    label: 'Setup-UUIE with fast start',
    sample: typical(h323UserInformation, (value) => goesThrough(value, 'h323-uu-pdu', 'h323-message-body', 'setup', 'fastStart'))
  },
  {
    name: 'tcs',
    label: 'terminalCapabilitySet',
    sample: typical(multimediaSystemControlMessage, (value) =>
      goesThrough(value, 'request', 'terminalCapabilitySet', 'capabilityTable')
    )
  }
]

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } })
const metrics: Metric[] = []
for (const { name, label, sample } of kinds) {
  const { pdu, octets } = sample
  const value = pdu.decode(octets)
  const note = `${label}, ${octets.length} octets, one core`
  metrics.push({ metric: `h323.decode_${name}_mps`, value: rate(() => pdu.decode(octets)), unit: 'messages/s', note })
  metrics.push({ metric: `h323.encode_${name}_mps`, value: rate(() => pdu.encode(value)), unit: 'messages/s', note })
}
metrics.push(...(await gatekeeperMetrics()), ...(await callMetrics()))
console.log(values.json ? jsonLines(metrics) : metricTable(metrics))
