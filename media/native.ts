/**
 * Shared libraries of the system, called by koffi. Loaded on first use: who never speaks a codec needs none of it.
 */
import { createRequire } from 'node:module'
import type { LibraryHandle } from 'koffi'
import { InfraFabricError } from '#kernel'

/** A native object, as koffi passes it. */
export type Handle = bigint

/** A function of a library. Typed arrays are passed by their address, for the time of the call. */
// biome-ignore lint/suspicious/noExplicitAny: the signature is given in C
export type NativeFunction = (...args: any[]) => any

/**
 * The first of `sonames` that can be loaded, and in it the functions that `prototypes` declare in C.
 *
 * @returns null when there is no such library, or when it lacks a function
 */
export function loadLibrary<const Names extends string>(
  sonames: readonly string[],
  prototypes: Readonly<Record<Names, string>>
): Readonly<Record<Names, NativeFunction>> | null {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  for (const soname of sonames) {
    let library: LibraryHandle
    try {
      library = koffi.load(soname)
    } catch {
      continue
    }
    try {
      const functions = Object.entries<string>(prototypes).map(([name, prototype]) => [name, library.func(prototype)])
      return Object.fromEntries(functions) as Record<Names, NativeFunction>
    } catch {
      library.unload()
    }
  }
  return null
}

/** Calls `load` once and keeps what it gave. */
export function once<T>(load: () => T): () => T {
  let kept: { readonly value: T } | null = null
  return () => {
    kept ??= { value: load() }
    return kept.value
  }
}

const forgotten = new FinalizationRegistry((free: () => void) => free())

/**
 * Owns a native object: `handle` until `close` frees it, then null. Where an owner is forgotten unclosed, the collector frees it,
 * some time.
 */
export class Owned {
  handle: Handle | null
  readonly #free: (handle: Handle) => void

  constructor(handle: Handle, free: (handle: Handle) => void) {
    this.handle = handle
    this.#free = free
    forgotten.register(this, () => free(handle), this)
  }

  readonly close = (): void => {
    if (this.handle === null) return
    forgotten.unregister(this)
    this.#free(this.handle)
    this.handle = null
  }
}

export const unavailable = (codec: string, wanted: string) =>
  new InfraFabricError('media.codec.unavailable', `${codec}: ${wanted} is not installed`)

/** @throws {InfraFabricError} `media.codec.option` */
export function checkRate(codec: string, rates: readonly number[], sampleRateHz: number): number {
  if (rates.includes(sampleRateHz)) return sampleRateHz
  throw new InfraFabricError(
    'media.codec.option',
    `${codec}: expected a sample rate of ${rates.join(', ')} Hz, got ${sampleRateHz}`
  )
}

/** Where each of `fields` stands among them: fields of memory that compiled code knows, too. */
export const placesOf = <Fields extends readonly string[]>(fields: Fields) =>
  Object.freeze(Object.fromEntries(fields.map((field, place) => [field, place]))) as Readonly<Record<Fields[number], number>>
