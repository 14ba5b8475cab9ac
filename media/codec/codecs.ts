import type { CodecDefinition } from './codec.ts'
import { pcma, pcmu } from './g711.ts'

/** Codecs the media plane speaks. A further one is one more line here and one more file. */
export const codecs: readonly CodecDefinition[] = [pcmu, pcma]

export function codecNamed(name: string): CodecDefinition | undefined {
  return codecs.find((codec) => codec.name === name.toUpperCase())
}
