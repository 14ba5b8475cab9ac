/**
 * The NDI runtime: found, loaded, its functions declared. It is proprietary and comes with no distribution; without it every caller gets one clear error.
 */
import { existsSync, readdirSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { LibraryHandle } from 'koffi'
import { InfraFabricError, makeFolder, messageOf } from '#kernel'
import { koffi, type Pointer } from './abi.ts'

const soname = 'libndi.so.6'

/** Where set-up puts the Python package that carries a runtime. */
export const fetchedFolder = join(import.meta.dirname, '../../../node_modules/.cache/ndi')

/** Paths that are tried, in order: the folder that the SDK's variable names, the system's own search, the runtime that set-up fetched. */
export function runtimeCandidates(env: Readonly<Record<string, string | undefined>>, fetched = fetchedFolder): string[] {
  const named = env.NDI_RUNTIME_DIR_V6
  const library = join(fetched, 'lib')
  const wheels = existsSync(library)
    ? readdirSync(library)
        .map((python) => join(library, python, 'site-packages/NDIlib', soname))
        .filter((path) => existsSync(path))
    : []
  return [...(named === undefined || named === '' ? [] : [join(named, soname)]), soname, ...wheels]
}

/**
 * Has the runtime ask a discovery server, in place of multicast DNS: it reads its configuration once, when it is loaded after this.
 *
 * @param folder where its configuration is written
 * @param servers addresses with commas between them, each with a port or without
 * @see NDI SDK 6, "Configuration files"
 */
export async function configureDiscovery(folder: string, servers: string): Promise<void> {
  makeFolder(folder)
  const text = JSON.stringify({ ndi: { networks: { discovery: servers } } })
  await writeFile(join(folder, 'ndi-config.v1.json'), `${text}\n`, { mode: 0o600 })
  process.env.NDI_CONFIG_DIR = folder
}

/** Result and arguments of each function, as in the SDK's headers; structures are passed by address. */
const prototypes = {
  NDIlib_initialize: ['bool', []],
  NDIlib_version: ['const char *', []],
  NDIlib_find_create_v2: ['void *', ['void *']],
  NDIlib_find_destroy: ['void', ['void *']],
  NDIlib_find_wait_for_sources: ['bool', ['void *', 'uint32_t']],
  NDIlib_find_get_current_sources: ['void *', ['void *', 'void *']],
  NDIlib_recv_create_v3: ['void *', ['void *']],
  NDIlib_recv_destroy: ['void', ['void *']],
  NDIlib_recv_capture_v3: ['int', ['void *', 'void *', 'void *', 'void *', 'uint32_t']],
  NDIlib_recv_free_video_v2: ['void', ['void *', 'void *']],
  NDIlib_recv_free_audio_v3: ['void', ['void *', 'void *']],
  NDIlib_recv_free_metadata: ['void', ['void *', 'void *']],
  NDIlib_recv_send_metadata: ['bool', ['void *', 'void *']],
  NDIlib_recv_set_tally: ['bool', ['void *', 'void *']],
  NDIlib_recv_get_no_connections: ['int', ['void *']],
  NDIlib_recv_get_performance: ['void', ['void *', 'void *', 'void *']],
  NDIlib_framesync_create: ['void *', ['void *']],
  NDIlib_framesync_destroy: ['void', ['void *']],
  NDIlib_framesync_capture_video: ['void', ['void *', 'void *', 'int']],
  NDIlib_framesync_free_video: ['void', ['void *', 'void *']],
  NDIlib_framesync_capture_audio_v2: ['void', ['void *', 'void *', 'int', 'int', 'int']],
  NDIlib_framesync_free_audio_v2: ['void', ['void *', 'void *']],
  NDIlib_send_create: ['void *', ['void *']],
  NDIlib_send_destroy: ['void', ['void *']],
  NDIlib_send_send_video_v2: ['void', ['void *', 'void *']],
  NDIlib_send_send_audio_v3: ['void', ['void *', 'void *']],
  NDIlib_send_send_metadata: ['void', ['void *', 'void *']],
  NDIlib_send_capture: ['int', ['void *', 'void *', 'uint32_t']],
  NDIlib_send_free_metadata: ['void', ['void *', 'void *']],
  NDIlib_send_get_tally: ['bool', ['void *', 'void *', 'uint32_t']],
  NDIlib_send_get_no_connections: ['int', ['void *', 'uint32_t']],
  NDIlib_send_add_connection_metadata: ['void', ['void *', 'void *']],
  NDIlib_send_clear_connection_metadata: ['void', ['void *']],
  NDIlib_send_get_source_name: ['void *', ['void *']]
} as const satisfies Record<string, readonly [string, readonly string[]]>

type Name = keyof typeof prototypes
type Argument = Pointer | number
// biome-ignore lint/suspicious/noExplicitAny: what comes back is what the prototype says
type Result = any

export interface NdiRuntime {
  readonly path: string
  /** As the runtime tells it, for people. */
  readonly version: string
  /** Calls a function that returns at once. */
  readonly call: (name: Name, ...args: Argument[]) => Result
  /** Calls a function that may wait, on a thread of the pool: the event loop goes on. */
  readonly wait: (name: Name, ...args: Argument[]) => Promise<Result>
}

/**
 * @param candidates paths or names of libraries, tried in order
 * @throws {InfraFabricError} `ndi.runtime.absent`, with what was tried and why it was not taken; `ndi.runtime.unusable` for a library that is no NDI 6 runtime,
 * or not one for this processor
 */
export function loadRuntime(candidates: readonly string[] = runtimeCandidates(process.env)): NdiRuntime {
  const tried: string[] = []
  for (const path of candidates) {
    let library: LibraryHandle
    try {
      library = koffi.load(path)
    } catch (error) {
      tried.push(`${path}: ${messageOf(error)}`)
      continue
    }
    return declare(library, path)
  }
  throw new InfraFabricError(
    'ndi.runtime.absent',
    `no NDI runtime (${tried.join('; ')}): set NDI_RUNTIME_DIR_V6 to the folder of ${soname}, or run sh scripts/fetch-ndi.sh`
  )
}

function declare(library: LibraryHandle, path: string): NdiRuntime {
  const functions = new Map<Name, ReturnType<LibraryHandle['func']>>()
  const waiting = new Map<Name, (...args: Argument[]) => Promise<Result>>()
  try {
    for (const [name, [result, args]] of Object.entries(prototypes)) {
      const declared = library.func(name, result, [...args])
      functions.set(name as Name, declared)
      waiting.set(
        name as Name,
        promisify(declared.async as (...args: unknown[]) => void) as (...args: Argument[]) => Promise<Result>
      )
    }
  } catch (error) {
    throw new InfraFabricError('ndi.runtime.unusable', `${path} is no NDI 6 runtime: it lacks a function`, { cause: error })
  }
  const call: NdiRuntime['call'] = (name, ...args) => functions.get(name)!(...args)
  if (call('NDIlib_initialize') !== true)
    throw new InfraFabricError('ndi.runtime.unusable', `${path} does not run on this processor`)
  return { path, version: call('NDIlib_version'), call, wait: (name, ...args) => waiting.get(name)!(...args) }
}
