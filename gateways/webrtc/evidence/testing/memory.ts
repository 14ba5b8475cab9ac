/** Two ends of an evidence channel in memory, and files that are octets: for tests and measurements. */
import { createHash, createPrivateKey, generateKeyPairSync, hash, sign } from 'node:crypto'
import { type Clock, InfraFabricError } from '#kernel'
import { EvidenceLink, type LinkConfig, type LinkPorts } from '../link/link.ts'
import type { EvidenceChannel, EvidencePart, EvidenceShelf, EvidenceSource, TransferProgress } from '../link/link-ports.ts'
import { chunkOctets, type EvidenceOffer, receiptText } from '../link/messages.ts'
import { type EvidenceRefusal, refused } from '../names.ts'

export type Message = Uint8Array | string

/** Two channels that hand messages to each other in microtasks. @param change what becomes of a message on its way; null loses it */
export function channelPair(change: (message: Message, from: 'a' | 'b') => Message | null = (message) => message) {
  const make = (from: 'a' | 'b') => {
    let listener: (message: Message) => void = () => {}
    return {
      from,
      listeners: (message: Message) => listener(message),
      open: true,
      onMessage: (heard: (message: Message) => void) => {
        listener = heard
      }
    }
  }
  const [a, b] = [make('a'), make('b')]
  const channel = (mine: typeof a, other: typeof b): EvidenceChannel => ({
    send: async (message) => {
      if (!mine.open) throw new InfraFabricError('media.data.closed', 'closed')
      const changed = change(typeof message === 'string' ? message : message.slice(), mine.from)
      if (changed !== null) queueMicrotask(() => other.open && other.listeners(changed))
    },
    room: async () => {},
    onMessage: mine.onMessage,
    close: () => {
      mine.open = false
    }
  })
  return { a: channel(a, b), b: channel(b, a) }
}

/** Evidence out of memory. */
export function memorySource(octets: Uint8Array, facts: Partial<EvidenceOffer> = {}): EvidenceSource {
  return {
    id: hash('sha256', octets, 'hex').slice(0, 32),
    name: 'evidence.bin',
    mediaType: 'application/octet-stream',
    bytes: octets.length,
    sha256: hash('sha256', octets, 'hex'),
    by: 'guardian-1',
    ...facts,
    read: async (index, into) => {
      const chunk = octets.subarray(index * chunkOctets, (index + 1) * chunkOctets)
      into.set(chunk)
      return { length: chunk.length, sha256: hash('sha256', chunk, 'hex') }
    },
    release: () => {}
  }
}

/** Files of which nothing is kept but their hash: for large ones. */
export class HashShelf implements EvidenceShelf {
  readonly files = new Map<string, { readonly whole: string; readonly chunks: number }>()
  readonly discarded: string[] = []
  readonly take = async (offer: EvidenceOffer): Promise<{ readonly ok: true; readonly part: EvidencePart } | EvidenceRefusal> => {
    const whole = createHash('sha256')
    let next = 0
    return {
      ok: true,
      part: {
        next: () => next,
        write: async (_, octets, sha256) => {
          if (hash('sha256', octets, 'hex') !== sha256) return false
          whole.update(octets)
          next++
          return true
        },
        finish: async () => {
          const digest = whole.digest('hex')
          if (digest !== offer.sha256) return refused('evidence.hash', 'another hash')
          this.files.set(offer.id, { whole: digest, chunks: next })
          return { ok: true }
        },
        discard: async () => void this.discarded.push(offer.id)
      }
    }
  }
}

export interface TestEnd {
  readonly link: EvidenceLink
  readonly shelf: HashShelf
  readonly states: string[]
  readonly progress: TransferProgress[]
  readonly refusals: string[]
  readonly ends: string[]
  readonly receipts: string[]
}

/** One end: with a key that signs its receipts as a page does. */
export function testEnd(clock: Clock, config: Partial<LinkConfig> = {}, ports: Partial<LinkPorts> = {}): TestEnd {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  const pkcs8 = createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }))
  const shelf = new HashShelf()
  const end = { shelf, states: [], progress: [], refusals: [], ends: [], receipts: [] } as Omit<TestEnd, 'link'>
  const link = new EvidenceLink(
    { call: 'call-1', encoding: 'binary', key, ...config },
    {
      clock,
      shelf,
      sign: async (receipt) =>
        sign('sha256', Buffer.from(receiptText('call-1', 'guardian-1-0', receipt)), {
          key: pkcs8,
          dsaEncoding: 'ieee-p1363'
        }).toString('base64'),
      acceptReceipt: async ({ id }) => {
        end.receipts.push(id)
        return 'kept'
      },
      onState: (state) => void end.states.push(state),
      onProgress: (progress) => void end.progress.push(progress),
      onContext: () => {},
      onEnd: (reason) => void end.ends.push(reason),
      onRefusal: ({ id }, code) => void end.refusals.push(`${id} ${code}`),
      ...ports
    }
  )
  return { ...end, link }
}

/** Lets everything that is under way happen. */
export async function settle(turns = 50): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
}
