/** The page's side of the thread that keeps files. */

import { hexOf } from '../../evidence/link/frames.ts'
import type { EvidenceShelf, EvidenceSource } from '../../evidence/link/link-ports.ts'
import { chunkOctets } from '../../evidence/link/messages.ts'
import { refused } from '../../evidence/names.ts'
import type { WorkerAnswer, WorkerRequest } from './evidence-worker.ts'

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never

export class EvidenceFiles {
  readonly #worker: Worker
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  #next = 0

  /** @param folder name of the seat's private folder: the same for the same seat */
  constructor(script: string, folder: string) {
    this.#worker = new Worker(script)
    this.#worker.onmessage = ({ data }: MessageEvent<WorkerAnswer>) => {
      const waiting = this.#waiting.get(data.number)
      this.#waiting.delete(data.number)
      if (data.ok) waiting?.resolve(data.value)
      else waiting?.reject(new Error(data.reason))
    }
    void this.#ask({ do: 'begin', folder })
  }

  #ask<T>(request: DistributiveOmit<WorkerRequest, 'number'>, transfer: Transferable[] = []): Promise<T> {
    const number = this.#next++
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(number, { resolve: resolve as (value: unknown) => void, reject })
      this.#worker.postMessage({ number, ...request }, transfer)
    })
  }

  readonly shelf: EvidenceShelf = {
    take: async ({ id, bytes, sha256 }) => {
      let next: number
      try {
        next = await this.#ask<number>({ do: 'take', id, bytes, sha256 })
      } catch {
        return refused('evidence.disk', 'this browser has no room for it')
      }
      const discard = () => this.#ask<void>({ do: 'discard', id })
      return {
        ok: true,
        part: {
          next: () => next,
          write: async (_, octets, hash) => {
            // a view of a larger message: the thread is given a copy of its own
            const own = octets.slice()
            const right = await this.#ask<boolean>({ do: 'write', id, octets: own, sha256: hash }, [own.buffer])
            if (right) next++
            return right
          },
          finish: async () =>
            (await this.#ask<boolean>({ do: 'finish', id }))
              ? { ok: true }
              : refused('evidence.hash', 'the file has another hash than was declared'),
          discard
        }
      }
    }
  }

  file(id: string): Promise<Blob> {
    return this.#ask({ do: 'file', id })
  }

  /** A file of the user's, ready to be shared. */
  async source(file: File): Promise<EvidenceSource> {
    const { sha256, hashes } = await this.#ask<{ sha256: string; hashes: Uint8Array }>({ do: 'hash', file })
    const id = hexOf(crypto.getRandomValues(new Uint8Array(16)))
    return {
      id,
      name: file.name,
      mediaType: file.type === '' ? 'application/octet-stream' : file.type.split(';')[0]!,
      bytes: file.size,
      sha256,
      by: '',
      read: async (index, into) => {
        const octets = new Uint8Array(await file.slice(index * chunkOctets, (index + 1) * chunkOctets).arrayBuffer())
        into.set(octets)
        return { length: octets.length, sha256: hexOf(hashes.subarray(index * 32, index * 32 + 32)) }
      },
      release: () => {}
    }
  }

  /** Everything that came goes. */
  async forget(): Promise<void> {
    await this.#ask({ do: 'forget' })
    this.#worker.terminate()
  }
}
