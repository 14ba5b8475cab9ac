import { InfraFabricError } from '#kernel'
import { type FinderConfig, type NdiSource, openFinder } from '../runtime/find.ts'
import { openReceiver } from '../runtime/receive.ts'
import type { NdiRuntime } from '../runtime/runtime.ts'
import type { Sources } from './ports.ts'

const lookMs = 100

/**
 * Whether a source's name is meant by a pattern: `*` stands for any text, the rest for itself. A pattern without a bracket may also be the name on its
 * machine: `Camera 1` means `STUDIO (Camera 1)`.
 */
export function sourcePattern(pattern: string): (name: string) => boolean {
  const text = pattern.split('*').map((part) => part.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'))
  const whole = new RegExp(`^${text.join('.*')}$`, 's')
  const inside = pattern.includes('(') ? null : new RegExp(`\\(${text.join('.*')}\\)$`, 's')
  return (name) => whole.test(name) || inside?.test(name) === true
}

/** Sources as the runtime finds them. @param withinMs how long is looked for one */
export function ndiSources(runtime: NdiRuntime, config: FinderConfig, withinMs: number): Sources {
  return {
    find: async (fits, signal) => {
      const finder = openFinder(runtime, config)
      try {
        for (const until = performance.now() + withinMs; performance.now() < until && !signal.aborted; ) {
          const found: NdiSource | undefined = (await finder.sources(lookMs)).find(({ name }) => fits(name))
          if (found !== undefined) return found
        }
        return null
      } finally {
        await finder.close()
      }
    },
    receive: (source, bufferFor) => {
      if (source.name === '') throw new InfraFabricError('ndi.receive', 'a source without a name')
      return openReceiver(runtime, { source, bufferFor, name: 'council' })
    }
  }
}
