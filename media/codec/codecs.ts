import type { CodecDefinition } from './codec.ts'
import { pcma, pcmu } from './g711.ts'
import { g722 } from './g722.ts'
import { g729 } from './g729.ts'
import { l16 } from './l16.ts'
import { opus } from './opus.ts'

/** Codecs the media plane can speak, the best first. A further one is one more line here and one more file. */
export const codecs: readonly CodecDefinition[] = [opus, g722, pcmu, pcma, g729, ...l16]

/** @param clockRateHz tells formats of one name apart (L16); the first of the name when absent */
export function codecNamed(name: string, clockRateHz?: number): CodecDefinition | undefined {
  const wanted = name.toUpperCase()
  return codecs.find(
    (codec) => codec.name.toUpperCase() === wanted && (clockRateHz === undefined || codec.clockRateHz === clockRateHz)
  )
}
