/**
 * Writes one second of a sine tone as G.711 A-law, 8,000 octets without a header: what `rtp_stream` of SIPp plays in a loop.
 * A whole number of hertz closes the loop without a click.
 *
 *     node sipp-scenarios/make-tone.ts 440 sipp-scenarios/tone-440.alaw
 *
 * @see ITU-T G.711, table 1
 */
import { writeFileSync } from 'node:fs'

const clockRateHz = 8000

/** A-law octet of a 16-bit sample, even bits inverted. */
export function encodeALaw(sample: number): number {
  const magnitude = Math.min(4095, (sample < 0 ? -sample - 1 : sample) >> 3)
  const segment = magnitude < 32 ? 0 : Math.max(0, 27 - Math.clz32(magnitude))
  const mantissa = (segment < 2 ? magnitude >> 1 : magnitude >> segment) & 0x0f
  return ((sample < 0 ? 0x00 : 0x80) | (segment << 4) | mantissa) ^ 0x55
}

/** One second of `frequencyHz` at −6 dB of full scale. */
export function tone(frequencyHz: number): Uint8Array {
  return Uint8Array.from({ length: clockRateHz }, (_, index) =>
    encodeALaw(Math.round(16_384 * Math.sin((2 * Math.PI * frequencyHz * index) / clockRateHz)))
  )
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
