/** The whole log of an offline page, as a source. */
import type { OfflineData } from '../../export/offline-data.ts'
import { concat, utf8 } from './octets.ts'
import { type LogSource, SourceError, tileWidth } from './source.ts'

export function offlineSource({ checkpoints, entries, rates }: OfflineData): LogSource {
  return {
    checkpoint: async () => checkpoints.at(-1) ?? '',
    bundle: async (index, width) => {
      const found = entries.slice(index * tileWidth, index * tileWidth + width)
      if (found.length === 0) throw new SourceError(404, 'The file ends here.')
      return concat(
        ...found.flatMap(({ bytes }) => {
          const octets = utf8(bytes)
          return [Uint8Array.of(octets.length >>> 8, octets.length), octets]
        })
      )
    },
    tile: null,
    rates: async () => rates,
    history: async () => ({ checkpoints: checkpoints.slice(0, -1), previous: null })
  }
}
