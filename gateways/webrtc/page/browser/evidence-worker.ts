/**
 * Files of the evidence, in a thread of their own: what comes in goes to the page's private folder (origin private file system), where it stays when
 * the page is loaded again; where a browser has none it goes to memory, and a page that is loaded again begins anew.
 */
import { chunkOctets } from '../../evidence/link/messages.ts'
import { Sha256 } from './sha256.ts'

/** What the page asks of the thread; each is answered by its number. */
export type WorkerRequest = { readonly number: number } & (
  | { readonly do: 'begin'; readonly folder: string }
  | { readonly do: 'take'; readonly id: string; readonly bytes: number; readonly sha256: string }
  | { readonly do: 'write'; readonly id: string; readonly octets: Uint8Array<ArrayBuffer>; readonly sha256: string }
  | { readonly do: 'finish'; readonly id: string }
  | { readonly do: 'discard'; readonly id: string }
  | { readonly do: 'file'; readonly id: string }
  | { readonly do: 'hash'; readonly file: Blob }
  | { readonly do: 'forget' }
)

export type WorkerAnswer =
  | { readonly number: number; readonly ok: true; readonly value: unknown }
  | { readonly number: number; readonly ok: false; readonly reason: string }

/** The parts of the file system API that a thread has beside those of a page. @see WHATWG File System §2.6 */
interface SyncAccessHandle {
  readonly read: (into: Uint8Array, options: { at: number }) => number
  readonly write: (octets: Uint8Array, options: { at: number }) => number
  readonly truncate: (size: number) => void
  readonly getSize: () => number
  readonly flush: () => void
  readonly close: () => void
}
type FileHandle = FileSystemFileHandle & { readonly createSyncAccessHandle?: () => Promise<SyncAccessHandle> }

/** Without a private folder. */
const mostMemory = 256 << 20

interface Held {
  readonly name: string
  readonly bytes: number
  readonly sha256: string
  readonly whole: Sha256
  /** Null in memory, and when the file is whole. */
  handle: SyncAccessHandle | null
  memory: Uint8Array<ArrayBuffer>[]
  chunks: number
  written: number
}

const held = new Map<string, Held>()
let folder: FileSystemDirectoryHandle | null = null
let inMemory = 0

async function begin(name: string): Promise<boolean> {
  try {
    const root = await navigator.storage.getDirectory()
    // what other seats have left is none of ours
    for await (const other of (root as unknown as { keys: () => AsyncIterable<string> }).keys())
      if (other !== name) await root.removeEntry(other, { recursive: true })
    folder = await root.getDirectoryHandle(name, { create: true })
  } catch {
    folder = null
  }
  return folder !== null
}

async function openHandle(name: string): Promise<SyncAccessHandle | null> {
  if (folder === null) return null
  const file = (await folder.getFileHandle(name, { create: true })) as FileHandle
  return (await file.createSyncAccessHandle?.()) ?? null
}

/** @returns number of the first chunk that is missing */
async function take(id: string, bytes: number, sha256: string): Promise<number> {
  const known = held.get(id)
  if (known !== undefined) return known.chunks
  const name = `${id}-${sha256}`
  const handle = await openHandle(name)
  if (handle === null && inMemory + bytes > mostMemory) throw new Error('no room')
  const file: Held = { name, bytes, sha256, whole: new Sha256(), handle, memory: [], chunks: 0, written: 0 }
  if (handle !== null) {
    const buffer = new Uint8Array(chunkOctets)
    const size = Math.min(handle.getSize(), bytes)
    // what an earlier page wrote counts chunk by chunk; the whole is looked at in the end
    while (file.written < size) {
      const length = Math.min(chunkOctets, bytes - file.written)
      if (size - file.written < length) break
      const octets = buffer.subarray(0, length)
      handle.read(octets, { at: file.written })
      file.whole.update(octets)
      file.written += length
      file.chunks++
    }
    handle.truncate(file.written)
  } else inMemory += bytes
  held.set(id, file)
  return file.chunks
}

const known = (id: string): Held => {
  const file = held.get(id)
  if (file === undefined) throw new Error('no such file')
  return file
}

/** Hashes here: WebCrypto would do it elsewhere, and being told so takes longer than 64 KiB. */
function write(id: string, octets: Uint8Array<ArrayBuffer>, sha256: string): boolean {
  const file = known(id)
  const chunk = new Sha256()
  chunk.update(octets)
  if (chunk.digest() !== sha256) return false
  if (file.handle === null) file.memory.push(octets)
  else if (file.handle.write(octets, { at: file.written }) !== octets.length) throw new Error('the disk is full')
  file.whole.update(octets)
  file.written += octets.length
  file.chunks++
  return true
}

function finish(id: string): boolean {
  const file = known(id)
  file.handle?.flush()
  file.handle?.close()
  file.handle = null
  return file.whole.digest() === file.sha256
}

async function discard(id: string): Promise<void> {
  const file = held.get(id)
  if (file === undefined) return
  held.delete(id)
  file.handle?.close()
  if (file.memory.length > 0) inMemory -= file.bytes
  await folder?.removeEntry(file.name).catch(() => undefined)
}

async function fileOf(id: string): Promise<Blob> {
  const file = known(id)
  return file.memory.length > 0 || folder === null ? new Blob(file.memory) : (await folder.getFileHandle(file.name)).getFile()
}

/** Hashes of a file that is to be shared: of each chunk, side by side, and of the whole. */
async function hash(file: Blob): Promise<{ readonly sha256: string; readonly hashes: Uint8Array<ArrayBuffer> }> {
  const hashes = new Uint8Array(32 * Math.ceil(file.size / chunkOctets))
  const whole = new Sha256()
  for (let at = 0, index = 0; at < file.size; at += chunkOctets, index++) {
    const octets = new Uint8Array(await file.slice(at, at + chunkOctets).arrayBuffer())
    whole.update(octets)
    hashes.set(new Uint8Array(await crypto.subtle.digest('SHA-256', octets)), index * 32)
  }
  return { sha256: whole.digest(), hashes }
}

async function forget(): Promise<void> {
  for (const id of [...held.keys()]) await discard(id)
}

function serve(request: WorkerRequest): unknown {
  switch (request.do) {
    case 'begin':
      return begin(request.folder)
    case 'take':
      return take(request.id, request.bytes, request.sha256)
    case 'write':
      return write(request.id, request.octets, request.sha256)
    case 'finish':
      return finish(request.id)
    case 'discard':
      return discard(request.id)
    case 'file':
      return fileOf(request.id)
    case 'hash':
      return hash(request.file)
    case 'forget':
      return forget()
  }
}

let turn: Promise<void> = Promise.resolve()
self.onmessage = ({ data }: MessageEvent<WorkerRequest>) => {
  turn = turn.then(async () => {
    let answer: WorkerAnswer
    try {
      answer = { number: data.number, ok: true, value: await serve(data) }
    } catch (error) {
      answer = { number: data.number, ok: false, reason: String(error) }
    }
    self.postMessage(answer)
  })
}
