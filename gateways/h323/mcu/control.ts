/**
 * The MC of one conference: who has which number, who is chair, and what is answered to whom. No sockets, no clock, no sound.
 *
 * Participants that speak another protocol have numbers too: to a terminal all are terminals.
 *
 * @see H.245 §B.14, §C.12 (conference requests, commands, indications); H.243 §9, §11 (chair control); H.323 §8.4.3
 */
import type { MultimediaSystemControlMessage } from '../h245/message.ts'

type Label = { readonly mcuNumber: number; readonly terminalNumber: number }
type ConferenceRequest = Extract<RequestOf<'conferenceRequest'>, object>
type ConferenceResponse = ResponseOf<'conferenceResponse'>
type ConferenceCommand = CommandOf<'conferenceCommand'>
type ConferenceIndication = IndicationOf<'conferenceIndication'>
type ValueOf<M, T> = M extends { readonly type: T; readonly value: infer V } ? V : never
type Of<T> = ValueOf<MultimediaSystemControlMessage, T>
type RequestOf<T> = ValueOf<Of<'request'>, T>
type ResponseOf<T> = ValueOf<Of<'response'>, T>
type CommandOf<T> = ValueOf<Of<'command'>, T>
type IndicationOf<T> = ValueOf<Of<'indication'>, T>

export interface Member {
  /** Name in the conference. */
  readonly participant: string
  /** 1–192. */
  readonly number: number
  /** What terminals show: at most 128 octets of text. */
  readonly name: string
  /** Speaks H.245: is told who comes and goes. */
  readonly isTerminal: boolean
}

export type McEffect =
  | { readonly type: 'send'; readonly to: string; readonly message: MultimediaSystemControlMessage }
  /** The chair wants somebody out. */
  | { readonly type: 'drop'; readonly participant: string; readonly by: string }
  /** The chair ends the conference. */
  | { readonly type: 'end'; readonly by: string }
  /** Null: nobody is chair any more. */
  | { readonly type: 'chair'; readonly participant: string | null }
  | { readonly type: 'floorAsked'; readonly participant: string }
  /** Whom a viewer sees; null for whoever speaks. */
  | { readonly type: 'watch'; readonly viewer: string; readonly source: string | null }
  /** Whom all see; null for whoever speaks. */
  | { readonly type: 'broadcast'; readonly source: string | null }

/** Terminal numbers go up to 192 (H.245 §B.14.2). */
const mostMembers = 192
const mostNameOctets = 128

export interface ConferenceControl {
  readonly members: () => readonly Member[]
  readonly chair: () => string | null
  /** Whom all are made to see; null for whoever speaks. */
  readonly broadcaster: () => string | null
  /** Null when all numbers are taken. */
  readonly join: (participant: string, name: string) => readonly McEffect[] | null
  /** The participant speaks H.245 now: it learns its number, and from here on who comes and goes. */
  readonly ready: (participant: string) => readonly McEffect[]
  readonly leave: (participant: string) => readonly McEffect[]
  /** Takes a message of a terminal; null when it is none of a conference. */
  readonly take: (participant: string, message: MultimediaSystemControlMessage) => readonly McEffect[] | null
  /** Takes the token from whoever has it. */
  readonly withdraw: () => readonly McEffect[]
}

/** @param mcuNumber of this MC among several, 0–192 */
export function createConferenceControl(mcuNumber: number): ConferenceControl {
  const members = new Map<string, Member>()
  let chair: string | null = null
  let broadcaster: string | null = null

  const labelOf = ({ number }: Member): Label => ({ mcuNumber, terminalNumber: number })
  const named = ({ mcuNumber: mcu, terminalNumber }: Label): Member | undefined =>
    mcu === mcuNumber ? [...members.values()].find(({ number }) => number === terminalNumber) : undefined
  const send = (to: string, message: MultimediaSystemControlMessage): McEffect => ({ type: 'send', to, message })
  const indicate = (to: string, value: ConferenceIndication): McEffect =>
    send(to, { type: 'indication', value: { type: 'conferenceIndication', value } })
  const respond = (to: string, value: ConferenceResponse): McEffect =>
    send(to, { type: 'response', value: { type: 'conferenceResponse', value } })
  const terminals = (): Member[] => [...members.values()].filter(({ isTerminal }) => isTerminal)
  const tellOthers = (than: string, value: ConferenceIndication): McEffect[] =>
    terminals()
      .filter(({ participant }) => participant !== than)
      .map(({ participant }) => indicate(participant, value))

  function freeNumber(): number | null {
    const taken = new Set([...members.values()].map(({ number }) => number))
    for (let number = 1; number <= mostMembers; number++) if (!taken.has(number)) return number
    return null
  }

  function withdraw(): McEffect[] {
    if (chair === null) return []
    const before = members.get(chair)
    const told = before?.isTerminal === true ? [indicate(chair, { type: 'withdrawChairToken' })] : []
    chair = null
    return [...told, { type: 'chair', participant: null }]
  }

  function show(source: string | null): McEffect[] {
    if (broadcaster === source) return []
    broadcaster = source
    return [{ type: 'broadcast', source }]
  }

  function request(from: Member, asked: ConferenceRequest): readonly McEffect[] {
    const { participant } = from
    const isChair = chair === participant
    switch (asked.type) {
      case 'terminalListRequest':
        return [respond(participant, { type: 'terminalListResponse', value: [...members.values()].map(labelOf) })]
      case 'requestAllTerminalIDs': {
        const terminalInformation = [...members.values()].map((member) => ({
          terminalLabel: labelOf(member),
          terminalID: idOf(member)
        }))
        return [respond(participant, { type: 'requestAllTerminalIDsResponse', value: { terminalInformation } })]
      }
      case 'requestTerminalID': {
        const member = named(asked.value)
        // nobody has the number: the answer says so by naming the MC itself (terminal number 0)
        const value = {
          terminalLabel: member === undefined ? { mcuNumber, terminalNumber: 0 } : labelOf(member),
          terminalID: member === undefined ? Buffer.from('-') : idOf(member)
        }
        return [respond(participant, { type: 'mCTerminalIDResponse', value })]
      }
      case 'makeMeChair': {
        const isGranted = chair === null || isChair
        const taken: McEffect[] = chair === null ? [{ type: 'chair', participant }] : []
        if (isGranted) chair = participant
        const value = { type: isGranted ? ('grantedChairToken' as const) : ('deniedChairToken' as const) }
        return [respond(participant, { type: 'makeMeChairResponse', value }), ...taken]
      }
      case 'cancelMakeMeChair':
        if (!isChair) return []
        chair = null
        return [{ type: 'chair', participant: null }]
      case 'requestChairTokenOwner': {
        const owner = chair === null ? undefined : members.get(chair)
        const value =
          owner === undefined
            ? { terminalLabel: { mcuNumber, terminalNumber: 0 }, terminalID: Buffer.from('-') }
            : { terminalLabel: labelOf(owner), terminalID: idOf(owner) }
        return [respond(participant, { type: 'chairTokenOwnerResponse', value })]
      }
      case 'dropTerminal': {
        const member = named(asked.value)
        return isChair && member !== undefined
          ? [{ type: 'drop', participant: member.participant, by: participant }]
          : [respond(participant, { type: 'terminalDropReject' })]
      }
      case 'makeTerminalBroadcaster': {
        const member = named(asked.value)
        const isGranted = isChair && member !== undefined
        const type = isGranted ? ('grantedMakeTerminalBroadcaster' as const) : ('deniedMakeTerminalBroadcaster' as const)
        return [
          respond(participant, { type: 'makeTerminalBroadcasterResponse', value: { type } }),
          ...(isGranted ? show(member.participant) : [])
        ]
      }
      case 'broadcastMyLogicalChannel': {
        const isGranted = isChair || chair === null
        const type = isGranted ? ('grantedBroadcastMyLogicalChannel' as const) : ('deniedBroadcastMyLogicalChannel' as const)
        return [
          respond(participant, { type: 'broadcastMyLogicalChannelResponse', value: { type } }),
          ...(isGranted ? show(participant) : [])
        ]
      }
      case 'sendThisSource': {
        const member = named(asked.value)
        const type = member === undefined ? ('deniedSendThisSource' as const) : ('grantedSendThisSource' as const)
        return [
          respond(participant, { type: 'sendThisSourceResponse', value: { type } }),
          ...(member === undefined ? [] : [{ type: 'watch' as const, viewer: participant, source: member.participant }])
        ]
      }
      case 'remoteMCRequest':
        return [
          respond(participant, {
            type: 'remoteMCResponse',
            value: { type: 'reject', value: { type: 'functionNotSupported' } }
          })
        ]
      default:
        // what an MC asks of terminals, certificates, and what later versions ask
        return []
    }
  }

  function command(from: Member, told: ConferenceCommand): readonly McEffect[] {
    const { participant } = from
    const isChair = chair === participant
    switch (told.type) {
      case 'broadcastMyLogicalChannel':
        return isChair || chair === null ? show(participant) : []
      case 'cancelBroadcastMyLogicalChannel':
        return broadcaster === participant ? show(null) : []
      case 'makeTerminalBroadcaster': {
        const member = named(told.value)
        return isChair && member !== undefined ? show(member.participant) : []
      }
      case 'cancelMakeTerminalBroadcaster':
        return isChair ? show(null) : []
      case 'sendThisSource': {
        const member = named(told.value)
        return member === undefined ? [] : [{ type: 'watch', viewer: participant, source: member.participant }]
      }
      case 'cancelSendThisSource':
        return [{ type: 'watch', viewer: participant, source: null }]
      case 'dropConference':
        return isChair ? [{ type: 'end', by: participant }] : []
      default:
        return []
    }
  }

  function indication(from: Member, told: ConferenceIndication): readonly McEffect[] {
    if (told.type !== 'requestForFloor') return []
    const holder = chair === null ? undefined : members.get(chair)
    const asked: McEffect = { type: 'floorAsked', participant: from.participant }
    if (holder?.isTerminal !== true || chair === from.participant) return [asked]
    return [asked, indicate(holder.participant, { type: 'floorRequested', value: labelOf(from) })]
  }

  return {
    members: () => [...members.values()],
    chair: () => chair,
    broadcaster: () => broadcaster,
    join(participant, name) {
      const number = freeNumber()
      if (number === null) return null
      const member = { participant, number, name, isTerminal: false }
      members.set(participant, member)
      return tellOthers(participant, { type: 'terminalJoinedConference', value: labelOf(member) })
    },
    ready(participant) {
      const member = members.get(participant)
      if (member === undefined || member.isTerminal) return []
      members.set(participant, { ...member, isTerminal: true })
      return [indicate(participant, { type: 'terminalNumberAssign', value: labelOf(member) })]
    },
    leave(participant) {
      const member = members.get(participant)
      if (member === undefined) return []
      members.delete(participant)
      const effects = tellOthers(participant, { type: 'terminalLeftConference', value: labelOf(member) })
      if (broadcaster === participant) effects.push(...show(null))
      if (chair === participant) {
        chair = null
        effects.push({ type: 'chair', participant: null })
      }
      return effects
    },
    take(participant, message) {
      const from = members.get(participant)
      if (from === undefined) return []
      if (message.type === 'request' && message.value.type === 'conferenceRequest') return request(from, message.value.value)
      if (message.type === 'command' && message.value.type === 'conferenceCommand') return command(from, message.value.value)
      if (message.type === 'indication' && message.value.type === 'conferenceIndication')
        return indication(from, message.value.value)
      return null
    },
    withdraw
  }
}

/** Name of a member as an H.243 terminal ID, cut where a character ends. */
function idOf({ name }: Member): Buffer {
  const octets = Buffer.from(name, 'utf8')
  if (octets.length <= mostNameOctets) return octets.length === 0 ? Buffer.from('-') : octets
  let end = mostNameOctets
  while ((octets[end]! & 0xc0) === 0x80) end--
  return octets.subarray(0, end)
}
