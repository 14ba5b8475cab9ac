/** What this side says it can, and what of the peer's can be used at the same time. @see H.245 §B.2.1 */

import { h245ProtocolIdentifier } from '../h225/version.ts'
import type { Capability, CapabilityDescriptor, CapabilityTableEntry, TerminalCapabilitySet } from '../h245/h245.ts'
import { audioCapabilityOf, codecTaken } from './codecs.ts'
import type { AudioCodec, LocalMedia } from './media.ts'

/** What a TCS says, kept by number. */
export interface PeerCapabilities {
  readonly table: ReadonlyMap<number, Capability>
  readonly descriptors: readonly CapabilityDescriptor[]
}

export const noCapabilities: PeerCapabilities = { table: new Map(), descriptors: [] }

/** Channels asked for at once are few; more are not searched for. */
const mostChannels = 16

const distribution = {
  centralizedControl: false,
  distributedControl: false,
  centralizedAudio: false,
  distributedAudio: false,
  centralizedVideo: false,
  distributedVideo: false
}
const multipoint = { multicastCapability: false, multiUniCastConference: false, mediaDistributionCapability: [distribution] }
const maximumAudioDelayJitterMs = 250

/** What of the plane is told; addresses are not. */
export type Receivable = Pick<LocalMedia, 'codecs' | 'eventPayloadType'>

/**
 * The capabilities of this side: one codec at a time, and with it user input, telephone-events and each of `others`.
 *
 * @param sequenceNumber set by the CESE
 * @param isMc whether this side can be the MC of a conference
 */
export function ownCapabilities(local: Receivable, others: readonly Capability[], isMc = false): TerminalCapabilitySet {
  const capabilityTable: CapabilityTableEntry[] = []
  const add = (capability: Capability): number => {
    const capabilityTableEntryNumber = capabilityTable.length + 1
    capabilityTable.push({ capabilityTableEntryNumber, capability })
    return capabilityTableEntryNumber
  }
  const sets = [
    local.codecs.map((codec) => add({ type: 'receiveAudioCapability', value: audioCapabilityOf(codec) })),
    [
      add({ type: 'receiveUserInputCapability', value: { type: 'basicString' } }),
      add({ type: 'receiveUserInputCapability', value: { type: 'dtmf' } })
    ]
  ]
  if (local.eventPayloadType !== null) {
    const value = { dynamicRTPPayloadType: local.eventPayloadType, audioTelephoneEvent: '0-15' }
    sets.push([add({ type: 'receiveRTPAudioTelephonyEventCapability', value })])
  }
  for (const other of others) sets.push([add(other)])
  return {
    sequenceNumber: 0,
    protocolIdentifier: h245ProtocolIdentifier,
    multiplexCapability: {
      type: 'h2250Capability',
      value: {
        maximumAudioDelayJitter: maximumAudioDelayJitterMs,
        receiveMultipointCapability: multipoint,
        transmitMultipointCapability: multipoint,
        receiveAndTransmitMultipointCapability: multipoint,
        mcCapability: { centralizedConferenceMC: isMc, decentralizedConferenceMC: false },
        rtcpVideoControlCapability: false,
        mediaPacketizationCapability: { h261aVideoPacketization: false }
      }
    },
    capabilityTable,
    capabilityDescriptors: [{ capabilityDescriptorNumber: 1, simultaneousCapabilities: sets.filter((set) => set.length > 0) }]
  }
}

/** The set that asks for a pause. @see H.323 §8.4.6 */
export const emptyCapabilities: TerminalCapabilitySet = { sequenceNumber: 0, protocolIdentifier: h245ProtocolIdentifier }

/** A set without capabilities, whatever its multiplex says. */
export const isEmpty = (set: TerminalCapabilitySet): boolean => (set.capabilityTable ?? []).length === 0

/**
 * Takes a TCS into what is known: entries replace those of the same number, an entry without capability removes it, descriptors likewise.
 *
 * @see H.245 §B.2.1
 */
export function withSet(known: PeerCapabilities, set: TerminalCapabilitySet): PeerCapabilities {
  if (isEmpty(set) && (set.capabilityDescriptors ?? []).length === 0) return noCapabilities
  const table = new Map(known.table)
  for (const { capabilityTableEntryNumber: number, capability } of set.capabilityTable ?? []) {
    if (capability === undefined) table.delete(number)
    else table.set(number, capability)
  }
  const descriptors = new Map(known.descriptors.map((descriptor) => [descriptor.capabilityDescriptorNumber, descriptor]))
  for (const descriptor of set.capabilityDescriptors ?? []) {
    if (descriptor.simultaneousCapabilities === undefined) descriptors.delete(descriptor.capabilityDescriptorNumber)
    else descriptors.set(descriptor.capabilityDescriptorNumber, descriptor)
  }
  return { table, descriptors: [...descriptors.values()] }
}

/** A descriptor that names an entry that is not in the table. */
export const namesUnknownEntry = ({ table, descriptors }: PeerCapabilities): boolean =>
  descriptors.some(({ simultaneousCapabilities = [] }) => simultaneousCapabilities.some((set) => set.some((n) => !table.has(n))))

/** Numbers of what the peer receives and is sound we can send, by codec. */
function audioEntries({ table }: PeerCapabilities, codec: AudioCodec): number[] {
  return [...table]
    .filter(([, capability]) => isReceiveAudio(capability) && codecTaken(capability.value) === codec)
    .map(([number]) => number)
}

const isReceiveAudio = (
  capability: Capability
): capability is Extract<Capability, { type: 'receiveAudioCapability' | 'receiveAndTransmitAudioCapability' }> =>
  capability.type === 'receiveAudioCapability' || capability.type === 'receiveAndTransmitAudioCapability'

/**
 * Whether all of these can be used at once: there is a descriptor in which each has an alternative set of its own.
 *
 * @param wanted for each channel the numbers of entries that would do
 */
export function canBeSimultaneous({ descriptors }: PeerCapabilities, wanted: readonly (readonly number[])[]): boolean {
  if (wanted.length > mostChannels) return false
  return descriptors.some(({ simultaneousCapabilities = [] }) => {
    const takenBy = new Map<number, number>()
    /** Finds a set for a channel, moving others where they can go elsewhere. */
    const place = (channel: number, seen: Set<number>): boolean =>
      simultaneousCapabilities.some((set, at) => {
        if (seen.has(at) || !set.some((number) => wanted[channel]!.includes(number))) return false
        seen.add(at)
        const other = takenBy.get(at)
        if (other !== undefined && !place(other, seen)) return false
        takenBy.set(at, channel)
        return true
      })
    return wanted.every((_, channel) => place(channel, new Set()))
  })
}

/**
 * Whether sound in this codec can be sent beside what is sent already.
 *
 * @param beside for each other channel the numbers of entries it may count as
 */
export function canSend(peer: PeerCapabilities, codec: AudioCodec, beside: readonly (readonly number[])[] = []): boolean {
  const entries = audioEntries(peer, codec)
  return entries.length > 0 && canBeSimultaneous(peer, [entries, ...beside])
}

/** Numbers of the entries that a channel of another kind may count as: those of the same kind and alternative. */
export function entriesLike({ table }: PeerCapabilities, kind: 'video' | 'data', alternative: string): number[] {
  const names: Readonly<Record<typeof kind, readonly string[]>> = {
    video: ['receiveVideoCapability', 'receiveAndTransmitVideoCapability'],
    data: ['receiveDataApplicationCapability', 'receiveAndTransmitDataApplicationCapability']
  }
  return [...table]
    .filter(([, capability]) => {
      if (!names[kind].includes(capability.type) || !('value' in capability)) return false
      const value = capability.value as { readonly type?: string; readonly application?: { readonly type: string } }
      return (value.application?.type ?? value.type) === alternative
    })
    .map(([number]) => number)
}

/** How the peer takes digits. */
export interface DigitCapabilities {
  readonly signal: boolean
  readonly alphanumeric: boolean
  /** Payload type of telephone-event; null where it takes none. */
  readonly eventPayloadType: number | null
}

export function digitCapabilities({ table }: PeerCapabilities): DigitCapabilities {
  const inputs = new Set<string>()
  let eventPayloadType: number | null = null
  for (const capability of table.values()) {
    if (capability.type === 'receiveUserInputCapability' || capability.type === 'receiveAndTransmitUserInputCapability') {
      inputs.add(capability.value.type)
    }
    if (capability.type === 'receiveRTPAudioTelephonyEventCapability') eventPayloadType = capability.value.dynamicRTPPayloadType
  }
  const alphanumeric = ['basicString', 'iA5String', 'generalString'].some((name) => inputs.has(name))
  return { signal: inputs.has('dtmf'), alphanumeric, eventPayloadType }
}
