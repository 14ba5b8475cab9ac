import { koffi, type Pointer } from './abi.ts'

/** Blocks of native memory that have one owner and are freed together, once. */
export class NativeMemory {
  readonly #blocks: bigint[] = []

  /** `octets` octets, aligned for any structure, not zeroed. */
  readonly block = (octets: number): bigint => {
    const address = koffi.alloc('uint8_t', octets) as bigint
    this.#blocks.push(address)
    return address
  }

  /** `text` in UTF-8, ended by a zero octet; NULL for null. */
  readonly text = (text: string | null): Pointer => {
    if (text === null) return null
    const octets = Buffer.from(`${text}\0`)
    const address = this.block(octets.length)
    octetsAt(address, octets.length).set(octets)
    return address
  }

  /** Idempotent. */
  readonly free = (): void => {
    for (const address of this.#blocks.splice(0)) koffi.free(address)
  }
}

/** A native block that grows: for data that a call reads, copied there first. */
export class NativeBuffer {
  #address: bigint | null = null
  #size = 0

  /** Where there is room for `octets` octets until the next call. */
  readonly atLeast = (octets: number): bigint => {
    if (this.#address === null || this.#size < octets) {
      this.free()
      this.#address = koffi.alloc('uint8_t', octets) as bigint
      this.#size = octets
    }
    return this.#address
  }

  readonly free = (): void => {
    if (this.#address !== null) koffi.free(this.#address)
    this.#address = null
    this.#size = 0
  }
}

/** Native memory as octets: valid for as long as the memory is. */
export const octetsAt = (address: bigint, octets: number): Uint8Array => new Uint8Array(koffi.view(address, octets))

/** Text up to `most` octets, to its zero octet; null for NULL. */
export function textAt(address: Pointer, most?: number): string | null {
  if (address === null) return null
  const text = most === undefined ? koffi.decode(address, 'char', -1) : Buffer.from(octetsAt(address, most)).toString('utf8')
  const end = text.indexOf('\0')
  return end < 0 ? text : text.slice(0, end)
}
