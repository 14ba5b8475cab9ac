/**
 * Evidence on disk: octets by their hash, facts beside them. Nothing that comes in is opened, and nothing bears a name of its sender's.
 *
 *     evidence/                 0700
 *       items/<id>.json         facts of one file: name, media type, size, hash, who, when, of which trace
 *       octets/<sha256>         0600
 *       octets/<sha256>.hashes  SHA-256 of each chunk, 32 octets each
 *       incoming/<id>           what is on its way; empty after a start
 */
import { createHash, type Hash, hash, randomBytes } from 'node:crypto'
import { type FileHandle, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { errorCode, InfraFabricError, isAcceptableTraceId, type Log, makeFolder } from '#kernel'
import { chunkOctets } from './link/messages.ts'
import { cleanName, defaultMediaTypes, type EvidenceRefusal, refused } from './names.ts'

export interface StoreLimits {
  readonly mostBytes: number
  readonly mostBytesOfTrace: number
  readonly mostFilesOfTrace: number
  readonly mostBytesInAll: number
  /** Null for all. */
  readonly mediaTypes: readonly string[] | null
}

export const defaultStoreLimits: StoreLimits = {
  mostBytes: 2 ** 31,
  mostBytesOfTrace: 2 ** 32,
  mostFilesOfTrace: 200,
  mostBytesInAll: 2 ** 34,
  mediaTypes: defaultMediaTypes
}

/** How a file came. */
export const ways = ['page', 'http', 'escalation'] as const

const itemSchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{32}$/),
  trace: z.string().refine(isAcceptableTraceId),
  name: z.string(),
  mediaType: z.string(),
  bytes: z.number().int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  by: z.string(),
  via: z.enum(ways),
  at: z.iso.datetime()
})
/** One file that was shared. */
export type EvidenceItem = Readonly<z.infer<typeof itemSchema>>

export interface Declared {
  readonly trace: string
  readonly name: string
  readonly mediaType: string
  readonly bytes: number
  /** Null where it is not known beforehand. */
  readonly sha256: string | null
}

/** A file that comes in, chunk by chunk. */
export interface IncomingFile {
  readonly id: string
  readonly next: () => number
  /** @param sha256 that the octets must have; null for any. @returns false when they have another */
  readonly write: (octets: Uint8Array, sha256: string | null) => Promise<boolean>
  /** Makes it evidence; durable when it resolves. */
  readonly finish: (
    by: string,
    via: EvidenceItem['via']
  ) => Promise<{ readonly ok: true; readonly item: EvidenceItem } | EvidenceRefusal>
  /** Idempotent. */
  readonly discard: () => Promise<void>
}

/** A file that is read. Several may read one at a time. */
export interface OpenEvidence {
  readonly item: EvidenceItem
  /** Writes chunk `index` into `into`. @returns its length and hash @throws when it cannot be read, or is short */
  readonly read: (index: number, into: Uint8Array) => Promise<{ readonly length: number; readonly sha256: string }>
  /** Idempotent. */
  readonly close: () => Promise<void>
}

export interface EvidenceStore {
  /** Takes the facts of a file that is to come, or says why not. Its size is set aside until it is finished or discarded. */
  readonly begin: (
    declared: Declared,
    id?: string
  ) => Promise<{ readonly ok: true; readonly file: IncomingFile } | EvidenceRefusal>
  readonly get: (id: string) => EvidenceItem | undefined
  /** Oldest first. */
  readonly list: () => readonly EvidenceItem[]
  readonly of: (traces: readonly string[]) => readonly EvidenceItem[]
  /** @throws {InfraFabricError} `evidence.unknown` */
  readonly open: (id: string) => Promise<OpenEvidence>
  /** Path of the octets, for who reads ranges. @throws {InfraFabricError} `evidence.unknown` */
  readonly path: (id: string) => string
  /** The octets go, unless another item has the same; its facts go. @returns false for one that is not there */
  readonly erase: (id: string) => Promise<boolean>
  readonly octets: () => number
}

const mode = 0o600

async function durably(path: string, data: string | Uint8Array): Promise<void> {
  const made = `${path}.new`
  await writeFile(made, data, { mode, flush: true })
  await rename(made, path)
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Opens a folder, made where it is not there. A fact that cannot be read is told and left. */
export async function openEvidenceStore(
  folder: string,
  limits: StoreLimits,
  log: Log,
  now: () => number
): Promise<EvidenceStore> {
  const [items, octets, incoming] = ['items', 'octets', 'incoming'].map((name) => join(folder, name)) as [string, string, string]
  await rm(incoming, { recursive: true, force: true })
  for (const path of [folder, items, octets, incoming]) makeFolder(path)
  const byId = new Map<string, EvidenceItem>()
  for (const name of (await readdir(items)).sort()) {
    try {
      const item = itemSchema.parse(JSON.parse(await readFile(join(items, name), 'utf8')))
      byId.set(item.id, item)
    } catch (error) {
      log.error({ file: name, code: errorCode(error) }, 'facts of evidence cannot be read')
    }
  }
  const ordered = [...byId.values()].sort((a, b) => (a.at < b.at ? -1 : 1))
  byId.clear()
  for (const item of ordered) byId.set(item.id, item)
  /** Set aside for what is on its way. */
  const pending = new Map<string, Declared>()
  const pathOf = (sha256: string) => join(octets, sha256)
  const octetsInAll = () => [...byId.values(), ...pending.values()].reduce((sum, { bytes }) => sum + bytes, 0)
  const known = (id: string): EvidenceItem => {
    const item = byId.get(id)
    if (item === undefined) throw new InfraFabricError('evidence.unknown', 'there is no such evidence')
    return item
  }

  const check = (declared: Declared, id: string): EvidenceRefusal | { readonly ok: true; readonly name: string } => {
    const named = cleanName(declared.name)
    if (!named.ok) return named
    const mediaType = declared.mediaType.toLowerCase()
    if (limits.mediaTypes?.includes(mediaType) === false) return refused('evidence.media-type', `${mediaType} is not taken`)
    if (byId.has(id) || pending.has(id)) return refused('evidence.replay', 'this id was used before')
    const { bytes, trace, sha256 } = declared
    if (!Number.isSafeInteger(bytes) || bytes < 0) return refused('evidence.size', 'no size')
    if (bytes > limits.mostBytes) return refused('evidence.too-large', `a file has at most ${limits.mostBytes} octets`)
    const same = [...byId.values(), ...pending.values()].filter((item) => item.trace === trace)
    if (sha256 !== null && same.some((item) => item.sha256 === sha256))
      return refused('evidence.replay', 'the same file is shared already')
    if (same.length >= limits.mostFilesOfTrace)
      return refused('evidence.too-many', `a call has at most ${limits.mostFilesOfTrace} files`)
    if (same.reduce((sum, item) => sum + item.bytes, bytes) > limits.mostBytesOfTrace)
      return refused('evidence.quota', `the files of a call have at most ${limits.mostBytesOfTrace} octets`)
    if (octetsInAll() + bytes > limits.mostBytesInAll) return refused('evidence.quota', 'no room is left for evidence')
    return { ok: true, name: named.name }
  }

  return {
    begin: async (declared, id = randomBytes(16).toString('hex')) => {
      const checked = check(declared, id)
      if (!checked.ok) return checked
      pending.set(id, declared)
      try {
        const file = await open(join(incoming, id), 'wx', mode)
        const done = () => void pending.delete(id)
        return { ok: true, file: incomingFile(id, { ...declared, name: checked.name }, file, done) }
      } catch (error) {
        pending.delete(id)
        log.error({ code: errorCode(error) }, 'evidence cannot be kept')
        return refused('evidence.disk', `it cannot be kept (${errorCode(error)})`)
      }
    },
    get: (id) => byId.get(id),
    list: () => [...byId.values()],
    of: (traces) => [...byId.values()].filter(({ trace }) => traces.includes(trace)),
    open: async (id) => openEvidence(known(id), pathOf(known(id).sha256)),
    path: (id) => pathOf(known(id).sha256),
    erase: async (id) => {
      const item = byId.get(id)
      if (item === undefined) return false
      byId.delete(id)
      await rm(join(items, `${id}.json`), { force: true })
      const shared = [...byId.values()].some(({ sha256 }) => sha256 === item.sha256)
      if (!shared) for (const path of [pathOf(item.sha256), `${pathOf(item.sha256)}.hashes`]) await rm(path, { force: true })
      for (const path of [items, octets]) await syncFolder(path)
      return true
    },
    octets: octetsInAll
  }

  function incomingFile(id: string, declared: Declared, file: FileHandle, done: () => void): IncomingFile {
    const { bytes, trace, name } = declared
    const whole: Hash = createHash('sha256')
    const hashes: Buffer[] = []
    let written = 0
    let over: Promise<void> | null = null
    const discard = () => {
      over ??= (async () => {
        done()
        await file.close()
        await rm(join(incoming, id), { force: true })
      })()
      return over
    }
    return {
      id,
      next: () => hashes.length,
      write: async (chunk, sha256) => {
        if (over !== null) throw new InfraFabricError('evidence.over', 'the file was discarded')
        const expected = Math.min(chunkOctets, bytes - written)
        if (chunk.length !== expected) throw new InfraFabricError('evidence.size', 'the chunk is not as long as the size says')
        const real = hash('sha256', chunk, 'buffer')
        if (sha256 !== null && real.toString('hex') !== sha256) return false
        for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at, chunk.length - at, written + at)).bytesWritten
        whole.update(chunk)
        hashes.push(real)
        written += chunk.length
        return true
      },
      finish: async (by, via) => {
        if (over !== null || written !== bytes) return refused('evidence.size', `${bytes} octets were declared, ${written} came`)
        const sha256 = whole.digest('hex')
        const fail = async (refusal: EvidenceRefusal) => {
          await discard()
          return refusal
        }
        if (declared.sha256 !== null && declared.sha256 !== sha256)
          return fail(refused('evidence.hash', 'the file has another hash than was declared'))
        if ([...byId.values()].some((item) => item.trace === trace && item.sha256 === sha256))
          return fail(refused('evidence.replay', 'the same file is shared already'))
        const item: EvidenceItem = {
          id,
          trace,
          name,
          mediaType: declared.mediaType.toLowerCase(),
          bytes,
          sha256,
          by,
          via,
          at: new Date(now()).toISOString()
        }
        try {
          await file.sync()
          await durably(`${pathOf(sha256)}.hashes`, Buffer.concat(hashes))
          await rename(join(incoming, id), pathOf(sha256))
          await syncFolder(octets)
          await durably(join(items, `${id}.json`), `${JSON.stringify(item)}\n`)
          await syncFolder(items)
        } catch (error) {
          log.error({ code: errorCode(error) }, 'evidence cannot be kept')
          return fail(refused('evidence.disk', `it cannot be kept (${errorCode(error)})`))
        }
        byId.set(id, item)
        await discard()
        return { ok: true, item }
      },
      discard
    }
  }
}

async function openEvidence(item: EvidenceItem, path: string): Promise<OpenEvidence> {
  const [file, hashes] = await Promise.all([open(path, 'r'), readFile(`${path}.hashes`)])
  let closed: Promise<void> | null = null
  return {
    item,
    read: async (index, into) => {
      const length = Math.min(chunkOctets, item.bytes - index * chunkOctets)
      for (let at = 0; at < length; ) {
        const { bytesRead } = await file.read(into, at, length - at, index * chunkOctets + at)
        if (bytesRead === 0) throw new InfraFabricError('evidence.short', 'the file is shorter than it was')
        at += bytesRead
      }
      return { length, sha256: hashes.toString('hex', index * 32, index * 32 + 32) }
    },
    close: () => {
      closed ??= file.close()
      return closed
    }
  }
}
