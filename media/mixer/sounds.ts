/** Short tones that tell participants what has happened. */
import { sine } from '../tone.ts'

/** Sound to be played: mono, 16 bits. */
export interface Sound {
  readonly samples: Int16Array
  /** 8000, 16000, 24000, 32000 or 48000. */
  readonly sampleRateHz: number
}

const sampleRateHz = 16_000
const levelDbfs = -20
const noteMs = 90
/** Rise and fall of a note, so that it does not click. */
const edgeSamples = sampleRateHz / 200

function notes(...frequenciesHz: number[]): Sound {
  const length = (sampleRateHz * noteMs) / 1000
  // shared with the threads that play it: they get no copy each time
  const samples = new Int16Array(new SharedArrayBuffer(Int16Array.BYTES_PER_ELEMENT * length * frequenciesHz.length))
  for (const [n, frequencyHz] of frequenciesHz.entries()) {
    const note = sine(sampleRateHz, frequencyHz, levelDbfs, length)
    for (let i = 0; i < length; i++) {
      const edge = Math.min(1, (i + 1) / edgeSamples, (length - i) / edgeSamples)
      samples[n * length + i] = Math.round(note[i]! * edge)
    }
  }
  return { samples, sampleRateHz }
}

export const sounds = {
  entry: notes(523, 784),
  exit: notes(784, 523),
  muted: notes(440, 330),
  unmuted: notes(330, 440),
  done: notes(660),
  refused: notes(220, 220)
} as const
