import { InfraFabricError } from '#kernel'
import { koffi, type Pointer, structs } from './abi.ts'
import { NativeMemory, octetsAt, textAt } from './native-memory.ts'
import type { NdiRuntime } from './runtime.ts'

export interface NdiSource {
  /** `MACHINE (name)`. */
  readonly name: string
  /** Address and port, as the runtime writes them; null where a name alone is known. */
  readonly address: string | null
}

export interface FinderConfig {
  /** Addresses that are asked beside those that multicast DNS finds. */
  readonly extraAddresses?: readonly string[]
  /** Groups that are looked at. Default: `public`. */
  readonly groups?: readonly string[]
  /** Sources of this machine, too. Default true. */
  readonly local?: boolean
}

export interface Finder {
  /** Waits until the list changes, at most so long. @returns the sources known then */
  readonly sources: (timeoutMs: number) => Promise<readonly NdiSource[]>
  /** Waits for what runs, then frees. Idempotent. */
  readonly close: () => Promise<void>
}

/** Sources believed at most. */
const mostSources = 4096

/**
 * Looks for sources, by multicast DNS (through avahi), at extra addresses, and at the discovery server of the runtime's own configuration
 * (`~/.ndi/ndi-config.v1.json`).
 *
 * @throws {InfraFabricError} `ndi.find`
 */
export function openFinder(runtime: NdiRuntime, config: FinderConfig = {}): Finder {
  const memory = new NativeMemory()
  const list = (items: readonly string[] | undefined): Pointer =>
    memory.text(items === undefined || items.length === 0 ? null : items.join(','))
  const settings = memory.block(koffi.sizeof(structs.findCreate))
  koffi.encode(settings, structs.findCreate, {
    showLocalSources: config.local ?? true,
    groups: list(config.groups),
    extraAddresses: list(config.extraAddresses)
  })
  const finder = runtime.call('NDIlib_find_create_v2', settings) as Pointer
  if (finder === null) {
    memory.free()
    throw new InfraFabricError('ndi.find', 'the NDI runtime cannot look for sources')
  }
  const count = memory.block(4)
  const sourceSize = BigInt(koffi.sizeof(structs.source))
  let running: Promise<unknown> = Promise.resolve()
  let closed: Promise<void> | null = null

  const look = async (timeoutMs: number): Promise<readonly NdiSource[]> => {
    await runtime.wait('NDIlib_find_wait_for_sources', finder, timeoutMs)
    const first = runtime.call('NDIlib_find_get_current_sources', finder, count) as Pointer
    const found = Math.min(new DataView(octetsAt(count, 4).slice().buffer).getUint32(0, true), mostSources)
    if (first === null) return []
    return Array.from({ length: found }, (_, at) => {
      const source = koffi.decode(first + BigInt(at) * sourceSize, structs.source) as { name: Pointer; urlAddress: Pointer }
      return { name: textAt(source.name) ?? '', address: textAt(source.urlAddress) }
    })
  }

  return {
    sources: (timeoutMs) => {
      if (closed !== null) return Promise.reject(new InfraFabricError('ndi.closed', 'the finder is closed'))
      const looked = running.then(() => look(timeoutMs))
      running = looked.catch(() => undefined)
      return looked
    },
    close: () => {
      closed ??= running.then(() => {
        runtime.call('NDIlib_find_destroy', finder)
        memory.free()
      })
      return closed
    }
  }
}
