/**
 * Writes one second of a sine tone as G.711 A-law, 8,000 octets without a header: what `rtp_stream` of SIPp plays in a loop.
 * A whole number of hertz closes the loop without a click.
 *
 *     node sipp-scenarios/make-tone.ts 440 sipp-scenarios/tone-440.alaw
 *
 * @see ITU-T G.711, table 1
 */
import { writeFileSync } from 'node:fs'
import { pcma, sine } from '#media'

const clockRateHz = 8000

/** One second of `frequencyHz` at −6 dB of full scale. */
export function tone(frequencyHz: number): Uint8Array {
  const octets = new Uint8Array(clockRateHz)
  pcma.createEncoder().encode(sine(clockRateHz, frequencyHz, -6.02, clockRateHz), octets, 0)
  return octets
}

if (import.meta.main) {
  const [frequency, file] = process.argv.slice(2)
  if (!/^[1-9]\d{0,3}$/.test(frequency ?? '') || Number(frequency) >= clockRateHz / 2 || file === undefined) {
    process.stderr.write('Usage: node sipp-scenarios/make-tone.ts HERTZ FILE\n')
    process.exitCode = 2
  } else {
    writeFileSync(file, tone(Number(frequency)))
  }
}
