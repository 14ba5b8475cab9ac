/** Evidence for an agent: files that are shared in its calls come to a folder, with receipts like a page's, and files of its own are shared. */
import { createHash, hash, randomBytes } from 'node:crypto'
import { open } from 'node:fs/promises'
import { basename } from 'node:path'
import { type Clock, InfraFabricError, silentLog, systemClock } from '#kernel'
import {
  chunkOctets,
  defaultStoreLimits,
  EvidenceParticipant,
  type EvidenceShelf,
  type EvidenceSource,
  type EvidenceStore,
  openEvidenceStore,
  type SessionState
} from '#webrtc'
import { openDataPeer } from './data-peer.ts'
import { openWebSocket } from './socket.ts'

/** A file that was shared, and is here whole. Its name is a stranger's, and no part of its path. */
export interface AgentFile {
  readonly call: string
  readonly id: string
  readonly name: string
  readonly mediaType: string
  readonly bytes: number
  readonly sha256: string
  /** Who shared it. */
  readonly by: string
  readonly path: string
}

export interface SharedFile {
  readonly call: string
  readonly id: string
}

export interface AgentEvidence {
  /**
   * Shares a file in the call that is open; with several, in the newest. Resolves when the suite has it whole and recorded.
   *
   * @throws {InfraFabricError} `agent.evidence.no-call`; `agent.evidence.refused` with the code of the refusal; `agent.evidence.left`; of the file system
   */
  readonly share: (path: string, facts?: { readonly name?: string; readonly mediaType?: string }) => Promise<SharedFile>
  /** Idempotent. */
  readonly close: () => void
}

export interface AgentEvidencePorts {
  readonly url: URL
  readonly token: string
  readonly ca: string | null
  readonly received: (file: AgentFile) => void
  readonly state: (call: string, state: SessionState) => void
}

/** An answer and a channel's number have a few hundred octets. */
const largestSignal = 65_536

/** Opens the folder. @throws {Error} of the file system */
export async function openAgentStore(folder: string): Promise<EvidenceStore> {
  // what the suite has let in is let in here
  return openEvidenceStore(folder, { ...defaultStoreLimits, mediaTypes: null }, silentLog, systemClock.now)
}

/** @param store of {@link openAgentStore} */
export function openAgentEvidence(ports: AgentEvidencePorts, store: EvidenceStore, clock: Clock = systemClock): AgentEvidence {
  const { url, token, ca, received, state } = ports
  const sharing = new Map<string, PromiseWithResolvers<void>>()
  const participant = new EvidenceParticipant(token, {
    clock,
    newPeer: openDataPeer,
    newSocket: (on) => {
      const socket = openWebSocket(url, '/evidence', 'evidence.1', ca, largestSignal)
      socket.on('open', on.open)
      socket.on('message', (data) => on.message(data.toString()))
      socket.on('error', () => undefined)
      socket.on('close', on.close)
      return {
        say: (text) => {
          if (socket.readyState === socket.OPEN) socket.send(text)
        },
        close: () => socket.terminate()
      }
    },
    shelf: (call) => shelfOf(call, store, received),
    onState: state,
    onProgress: (_, { id, direction, state: reached, code }) => {
      if (direction === 'in') return
      if (reached === 'handedOver') sharing.get(id)?.resolve()
      else if (reached === 'refused' || reached === 'failed')
        sharing
          .get(id)
          ?.reject(new InfraFabricError('agent.evidence.refused', `it was not taken (${code ?? 'evidence.timeout'})`))
    },
    onContext: () => {},
    onEnd: () => {},
    onRefusal: () => {}
  })
  return {
    share: async (path, { name = basename(path), mediaType = 'application/octet-stream' } = {}) => {
      const source = await fileSource(path, name, mediaType)
      const outcome = Promise.withResolvers<void>()
      sharing.set(source.id, outcome)
      try {
        const call = participant.offer(source)
        if (call === null)
          throw new InfraFabricError('agent.evidence.no-call', 'there is no call that evidence could be shared in')
        await outcome.promise
        return { call, id: source.id }
      } finally {
        sharing.delete(source.id)
      }
    },
    close: () => {
      participant.end()
      for (const { reject } of sharing.values()) reject(new InfraFabricError('agent.evidence.left', 'the agent has left'))
    }
  }
}

function shelfOf(call: string, store: EvidenceStore, received: (file: AgentFile) => void): EvidenceShelf {
  const tell = ({ id, name, mediaType, bytes, sha256, by }: Omit<AgentFile, 'call' | 'path'>) =>
    received({ call, id, name, mediaType, bytes, sha256, by, path: store.path(id) })
  return {
    take: async (offer) => {
      const known = store.get(offer.id)
      if (known !== undefined && known.sha256 === offer.sha256 && known.trace === call)
        // an earlier run of this agent has it: its receipt is all that is wanted
        return {
          ok: true,
          part: {
            next: () => Math.ceil(offer.bytes / chunkOctets),
            write: async () => true,
            finish: async () => {
              tell(known)
              return { ok: true }
            },
            discard: async () => {}
          }
        }
      const { id, name, mediaType, bytes, sha256, by } = offer
      const begun = await store.begin({ trace: call, name, mediaType, bytes, sha256 }, id)
      if (!begun.ok) return begun
      const { file } = begun
      return {
        ok: true,
        part: {
          next: file.next,
          write: (_, octets, sha) => file.write(octets, sha),
          finish: async () => {
            const made = await file.finish(by, 'page')
            if (made.ok) tell(made.item)
            return made
          },
          discard: file.discard
        }
      }
    }
  }
}

/** A file on disk, to be shared: read once for its hash, and again as it goes. */
async function fileSource(path: string, name: string, mediaType: string): Promise<EvidenceSource> {
  const whole = createHash('sha256')
  const hashes: string[] = []
  const first = await open(path, 'r')
  let bytes = 0
  try {
    const buffer = Buffer.alloc(chunkOctets)
    for (let length = await fill(first, buffer, 0); length > 0; length = await fill(first, buffer, bytes)) {
      const chunk = buffer.subarray(0, length)
      whole.update(chunk)
      hashes.push(hash('sha256', chunk))
      bytes += length
    }
  } finally {
    await first.close()
  }
  let file: ReturnType<typeof open> | null = null
  return {
    id: randomBytes(16).toString('hex'),
    name,
    mediaType,
    bytes,
    sha256: whole.digest('hex'),
    by: '',
    read: async (index, into) => {
      file ??= open(path, 'r')
      const length = Math.min(chunkOctets, bytes - index * chunkOctets)
      if ((await fill(await file, into.subarray(0, length), index * chunkOctets)) !== length)
        throw new InfraFabricError('evidence.short', 'the file is shorter than it was')
      return { length, sha256: hashes[index]! }
    },
    release: () => {
      const opened = file
      file = null
      opened?.then((each) => each.close()).catch(() => undefined)
    }
  }
}

/** @returns octets read: fewer than there is room for at the end of the file */
async function fill(file: Awaited<ReturnType<typeof open>>, into: Uint8Array, position: number): Promise<number> {
  let filled = 0
  while (filled < into.length) {
    const { bytesRead } = await file.read(into, filled, into.length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return filled
}
