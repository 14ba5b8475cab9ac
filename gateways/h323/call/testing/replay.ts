/** Plays one side of a real call: the other side's recorded messages at our state machine, at their recorded times. */
import { manualClock } from '#kernel'
import { localMedia, nameOf } from '../../control/testing/sides.ts'
import { CallTimers } from '../../endpoint/live/timers.ts'
import type { MultimediaSystemControlMessage } from '../../h245/h245.ts'
import { multimediaSystemControlMessage } from '../../h245/pdus.ts'
import { decodeQ931, encodeQ931, type Q931Message, userInformationOf, withUserInformation } from '../../q931/q931.ts'
import { type Captured, captured } from '../../testing/vectors.ts'
import { CallSession, type CallTold, defaultModes, type SignallingModes } from '../call.ts'
import { controlSettings, party, setupParts } from './pair.ts'

export interface Replayed {
  readonly session: CallSession
  readonly told: readonly CallTold[]
  /** H.245 by name, and Q.931 messages, as we sent them. */
  readonly sent: readonly string[]
  /** What the recorded side sent in our place. */
  readonly recorded: readonly string[]
  /** Ports of RTP that the recorded peer has told. */
  readonly peerPorts: ReadonlySet<number>
  /** Terms as they were before the call ended. */
  readonly terms: CallSession['terms']
}

type Role = 'caller' | 'called'

interface Step {
  readonly at: number
  readonly from: Role
  readonly message: Captured
}

/** Calls in a file, by the port of whoever sent SETUP: messages of RAS and of calls that were routed elsewhere are left out. */
function stepsOf(cap: string): Step[] {
  const all = captured().filter((message) => message.cap === cap && message.proto !== 'ras')
  const setup = all.find(({ q931 }) => q931?.msgType === 5)!
  const sides = new Map<number, Role>([
    [setup.src, 'caller'],
    [setup.dst, 'called']
  ])
  const steps: Step[] = []
  for (const message of all) {
    const { proto, src, dst, t } = message
    const isOfCall = proto === 'q931' ? [src, dst].sort().join() === [setup.src, setup.dst].sort().join() : true
    if (!isOfCall) continue
    const known = sides.get(src)
    const other = sides.get(dst)
    const from = known ?? (other === undefined ? undefined : other === 'caller' ? 'called' : 'caller')
    if (from === undefined) continue
    if (proto === 'h245') sides.set(src, from)
    if (proto === 'q931') {
      // where H.245 is listened to tells whose messages those from that port are
      const port = /"h245Address":\{"ipAddress":\{"ip":"[0-9a-f]+","port":(\d+)/.exec(JSON.stringify(message.value ?? null))?.[1]
      if (port !== undefined) sides.set(Number(port), from)
    }
    steps.push({ at: t, from, message })
  }
  return steps
}

/** `ooh323` */
const productOfAsterisk = '6f6f68333233'

const octetsOf = ({ hex }: Captured): Buffer => Buffer.from(hex, 'hex').subarray(4)

function controlIn(message: Captured): MultimediaSystemControlMessage[] {
  if (message.proto === 'h245') return message.ok ? [multimediaSystemControlMessage.decode(octetsOf(message))] : []
  return (message.h245 ?? []).map(({ hex }) => multimediaSystemControlMessage.decode(Buffer.from(hex, 'hex')))
}

const numberOf = (message: MultimediaSystemControlMessage): number | undefined =>
  (message as { value: { value?: { forwardLogicalChannelNumber?: number } } }).value.value?.forwardLogicalChannelNumber

const answersOfOurs = new Set(['openLogicalChannelAck', 'openLogicalChannelReject', 'closeLogicalChannelAck'])

/** @param role the side of the call that is ours */
export function replay(cap: string, role: Role, modes: Partial<SignallingModes> = {}): Replayed {
  const steps = stepsOf(cap)
  const mine = steps.filter(({ from }) => from === role)
  const recorded = mine.flatMap(({ message }) => controlIn(message).map(nameOf))
  const determination = mine
    .flatMap(({ message }) => controlIn(message))
    .find((message) => nameOf(message) === 'masterSlaveDetermination') as
    | { value: { value: { terminalType: number; statusDeterminationNumber: number } } }
    | undefined
  const isAsterisk = mine.some(({ message }) => JSON.stringify(message.value ?? null).includes(productOfAsterisk))
  const clock = manualClock()
  const setup = decodeQ931(octetsOf(steps[0]!.message))
  const setupBody = userInformationOf(setup)!['h323-uu-pdu']['h323-message-body']
  if (setupBody.type !== 'setup') throw new Error(`${cap} does not begin with SETUP`)
  const session = new CallSession({
    direction: role === 'caller' ? 'outbound' : 'inbound',
    identity: {
      callReference: setup.callReference,
      callReferenceFlag: role === 'called',
      callIdentifier: setupBody.value.callIdentifier!.guid,
      conferenceId: setupBody.value.conferenceID
    },
    own: party(role === 'caller' ? '1001' : '600'),
    modes: { ...defaultModes, ...modes },
    control: {
      ...controlSettings(() => 0),
      terminalType: determination?.value.value.terminalType ?? (isAsterisk ? 60 : 50),
      random24: () => determination?.value.value.statusDeterminationNumber ?? 1234
    }
  })
  const local = localMedia(5000)
  const told: CallTold[] = []
  const sent: string[] = []
  const ownNumbers: number[] = []
  const timers = new CallTimers(clock)
  let terms: CallSession['terms'] = null
  let isOpen = false
  const note = (message: MultimediaSystemControlMessage): void => {
    sent.push(nameOf(message))
    if (nameOf(message) === 'openLogicalChannel') ownNumbers.push(numberOf(message)!)
  }
  const open = (): void => {
    if (isOpen) return
    isOpen = true
    session.h245Opened()
  }
  const drain = (): void => {
    for (let effects = session.take(); effects.length > 0; effects = session.take()) {
      for (const effect of effects) {
        switch (effect.type) {
          case 'signal': {
            const message = decodeQ931(encodeQ931(effect.message))
            sent.push(String(message.messageType))
            const pdu = userInformationOf(message)?.['h323-uu-pdu']
            for (const octets of pdu?.h245Control ?? []) note(multimediaSystemControlMessage.decode(octets))
            break
          }
          case 'h245':
            note(effect.message)
            break
          case 'listenH245':
            session.listening({ ip: '127.0.0.1', port: 7000 })
            break
          case 'connectH245':
            open()
            break
          case 'start':
            timers.start(effect.timer, effect.ms, () => {
              session.expired(effect.timer)
              drain()
            })
            break
          case 'stop':
            timers.stop(effect.timer)
            break
          case 'tell':
            told.push(effect.told)
        }
      }
    }
    if (!session.hasEnded) terms = session.terms ?? terms
  }
  const peerPorts = new Set<number>()
  const recordedNumbers = mine.flatMap(({ message }) =>
    controlIn(message)
      .filter((one) => nameOf(one) === 'openLogicalChannel')
      .map((one) => numberOf(one)!)
  )
  /** Our channel in the place of the recorded one. */
  const renumber = (message: MultimediaSystemControlMessage): MultimediaSystemControlMessage => {
    const at = recordedNumbers.indexOf(numberOf(message) ?? -1)
    if (!answersOfOurs.has(nameOf(message)) || at < 0 || ownNumbers[at] === undefined) return message
    const { value } = message as { value: { type: string; value: object } }
    return {
      ...message,
      value: { ...value, value: { ...value.value, forwardLogicalChannelNumber: ownNumbers[at] } }
    } as MultimediaSystemControlMessage
  }
  const portsIn = (message: Captured): void => {
    const said = JSON.stringify([message.value, message.h245, message.fastStart])
    for (const [, port] of said.matchAll(
      /"mediaChannel":\{"unicastAddress":\{"iPAddress":\{"network":"[0-9a-f]+","tsapIdentifier":(\d+)/g
    )) {
      peerPorts.add(Number(port))
    }
  }
  let last = steps[0]!.at
  session.listening({ ip: '127.0.0.1', port: 7000 })
  if (role === 'caller') {
    session.setLocal(local)
    session.dial(setupParts)
    drain()
  }
  for (const { at, from, message } of steps) {
    clock.advance(Math.max(0, (at - last) * 1000))
    last = Math.max(at, last)
    if (from !== role) portsIn(message)
    if (message.proto === 'h245') {
      open()
      if (from !== role) for (const one of controlIn(message)) session.h245Received(renumber(one))
    } else if (from !== role) session.received(withOurNumbers(decodeQ931(octetsOf(message)), renumber))
    else act(session, message)
    drain()
  }
  function act(one: CallSession, message: Captured): void {
    const { messageType } = decodeQ931(octetsOf(message))
    if (messageType === 'releaseComplete') one.release(16)
    if (role === 'caller') return
    if (messageType === 'callProceeding') one.proceed()
    if (messageType === 'alerting') one.alert()
    if (messageType === 'connect') {
      one.setLocal(local)
      one.answer()
    }
    // early sound
    if ((message.fastStart ?? []).length > 0 && messageType !== 'setup') one.setLocal(local)
  }
  return { session, told, sent, recorded, peerPorts, terms }
}

function withOurNumbers(
  message: Q931Message,
  renumber: (one: MultimediaSystemControlMessage) => MultimediaSystemControlMessage
): Q931Message {
  const information = userInformationOf(message)
  const pdu = information?.['h323-uu-pdu']
  if (information === undefined || pdu?.h245Control === undefined) return message
  const h245Control = pdu.h245Control.map((octets) =>
    multimediaSystemControlMessage.encode(renumber(multimediaSystemControlMessage.decode(octets)))
  )
  return withUserInformation(message, { ...information, 'h323-uu-pdu': { ...pdu, h245Control } })
}
