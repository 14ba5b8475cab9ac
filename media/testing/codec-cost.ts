/** What the codecs alone cost: one frame decoded and encoded, in a loop, nothing around it. */
import { codecNamed } from '../codec/codecs.ts'
import { speech } from './scene.ts'

const frames = 200

/** @returns microseconds of processor time for 20 ms decoded and encoded */
export function codecMicroseconds(name: string): number {
  const codec = codecNamed(name)!
  const rateHz = codec.sampleRateHz
  const payloads = speech(codec, rateHz, frames).map((payload) => Buffer.from(payload, 'base64'))
  const decoder = codec.createDecoder({ sampleRateHz: rateHz })
  const encoder = codec.createEncoder({ sampleRateHz: rateHz })
  const samples = new Int16Array((rateHz * 20) / 1000)
  const out = Buffer.alloc(2048)
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < 8; round++) {
    const { user, system } = process.cpuUsage()
    for (let n = 0; n < 5; n++) {
      for (const payload of payloads) {
        decoder.decode(payload, 0, payload.length, samples)
        encoder.encode(samples, out, 0)
      }
    }
    const after = process.cpuUsage()
    least = Math.min(least, (after.user + after.system - user - system) / (5 * payloads.length))
  }
  decoder.close()
  encoder.close()
  return least
}
