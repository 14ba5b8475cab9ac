/** Two calls with nothing but memory between them: signalling, and H.245 where it has a connection of its own. */
import { type ManualClock, manualClock } from '#kernel'
import type { AudioCodec, LocalMedia } from '../../control/media.ts'
import type { ControlEvent, ControlSettings } from '../../control/session.ts'
import { localMedia, nameOf, seeded } from '../../control/testing/sides.ts'
import { CallTimers } from '../../endpoint/live/timers.ts'
import type { Address } from '../../gatekeeper/addresses.ts'
import type { MultimediaSystemControlMessage } from '../../h245/h245.ts'
import { multimediaSystemControlMessage } from '../../h245/pdus.ts'
import { decodeQ931, encodeQ931, userInformationOf } from '../../q931/q931.ts'
import { CallSession, type CallTold, defaultModes, type SignallingModes } from '../call.ts'
import type { Party, SetupParts } from '../messages.ts'

export interface CallSide {
  readonly session: CallSession
  readonly told: CallTold[]
  /** Messages sent: `connect`, `facility`, and H.245 as `h245 openLogicalChannel`. */
  readonly sent: string[]
  readonly listening: Address
}

export interface Pair {
  readonly caller: CallSide
  readonly called: CallSide
  readonly clock: ManualClock
  /** Every message that went over the wire, in order: Q.931 with the user-user information, or H.245. */
  readonly wire: { readonly kind: 'q931' | 'h245'; readonly from: 'caller' | 'called'; readonly octets: Buffer }[]
  readonly act: (side: 'caller' | 'called', run: (session: CallSession) => void) => void
  /** Delivers one message that is under way. @returns false when there is none */
  readonly deliver: (pick?: () => number) => boolean
  readonly settle: (pick?: () => number) => void
  /** Begins with a SETUP. */
  readonly dial: () => void
  /** The signalling connection breaks: messages under way are lost. */
  readonly breakSignalling: () => void
}

export interface PairOptions {
  readonly caller?: Partial<SignallingModes>
  readonly called?: Partial<SignallingModes>
  readonly callerCodecs?: readonly AudioCodec[]
  readonly calledCodecs?: readonly AudioCodec[]
  readonly random?: () => number
  readonly control?: Partial<ControlSettings>
}

const vendor = { vendor: { t35CountryCode: 180, t35Extension: 0, manufacturerCode: 0 } }
export const party = (digits: string): Party => ({
  aliases: [{ type: 'dialedDigits', value: digits }],
  endpointType: { vendor, terminal: {}, mc: false, undefinedNode: false },
  display: `number ${digits}`
})
export const setupParts: SetupParts = {
  destination: [{ type: 'dialedDigits', value: '1002' }],
  destCallSignalAddress: { ip: '127.0.0.1', port: 1720 },
  sourceCallSignalAddress: { ip: '127.0.0.1', port: 1721 },
  endpointIdentifier: null
}
const identity = (callReferenceFlag: boolean) => ({
  callReference: 77,
  callReferenceFlag,
  callIdentifier: Buffer.alloc(16, 1),
  conferenceId: Buffer.alloc(16, 2)
})

export const controlSettings = (random: () => number): ControlSettings => ({
  terminalType: 50,
  random24: () => Math.floor(random() * 0x100_0000),
  receivable: { codecs: ['PCMU', 'PCMA'], eventPayloadType: 101 },
  others: [],
  isMc: false,
  bothWays: false,
  passesOn: false
})

export const media: Readonly<Record<'caller' | 'called', (codecs?: readonly AudioCodec[]) => LocalMedia>> = {
  caller: (codecs) => localMedia(5000, codecs),
  called: (codecs) => localMedia(6000, codecs)
}

interface Packet {
  readonly kind: 'q931' | 'h245'
  readonly octets: Buffer
}

export function pairOf(options: PairOptions = {}): Pair {
  const random = options.random ?? seeded(1)
  const clock = manualClock()
  const queues: Record<'caller' | 'called', { q931: Packet[]; h245: Packet[] }> = {
    caller: { q931: [], h245: [] },
    called: { q931: [], h245: [] }
  }
  const wire: { kind: 'q931' | 'h245'; from: 'caller' | 'called'; octets: Buffer }[] = []
  const make = (name: 'caller' | 'called') => ({
    session: new CallSession({
      direction: name === 'caller' ? 'outbound' : 'inbound',
      identity: identity(name === 'called'),
      own: party(name === 'caller' ? '1001' : '1002'),
      modes: { ...defaultModes, ...options[name] },
      control: { ...controlSettings(random), ...options.control }
    }),
    told: [] as CallTold[],
    sent: [] as string[],
    timers: new CallTimers(clock),
    listening: { ip: '127.0.0.1', port: name === 'caller' ? 7001 : 7002 }
  })
  const sides = { caller: make('caller'), called: make('called') }
  const other = { caller: 'called', called: 'caller' } as const
  let h245IsOpen = false

  const openH245 = (by: 'caller' | 'called', address: Address): void => {
    const peer = sides[other[by]]
    if (address.port !== peer.listening.port) sides[by].session.h245Failed()
    else if (!h245IsOpen) {
      h245IsOpen = true
      sides[by].session.h245Opened()
      peer.session.h245Opened()
    }
    drain(by)
    drain(other[by])
  }

  const drain = (name: 'caller' | 'called'): void => {
    const side = sides[name]
    for (let effects = side.session.take(); effects.length > 0; effects = side.session.take()) {
      for (const effect of effects) {
        switch (effect.type) {
          case 'signal': {
            const octets = encodeQ931(effect.message)
            side.sent.push(String(effect.message.messageType))
            for (const one of userInformationOf(effect.message)?.['h323-uu-pdu'].h245Control ?? []) {
              side.sent.push(`h245 ${nameOf(multimediaSystemControlMessage.decode(one))}`)
            }
            wire.push({ kind: 'q931', from: name, octets })
            queues[other[name]].q931.push({ kind: 'q931', octets })
            break
          }
          case 'h245': {
            const octets = multimediaSystemControlMessage.encode(effect.message)
            side.sent.push(`h245 ${nameOf(effect.message)}`)
            wire.push({ kind: 'h245', from: name, octets })
            queues[other[name]].h245.push({ kind: 'h245', octets })
            break
          }
          case 'listenH245':
            side.session.listening(side.listening)
            break
          case 'connectH245': {
            const { address } = effect
            clock.after(1, () => openH245(name, address))
            break
          }
          case 'start':
            side.timers.start(effect.timer, effect.ms, () => {
              side.session.expired(effect.timer)
              drain(name)
            })
            break
          case 'stop':
            side.timers.stop(effect.timer)
            break
          case 'tell':
            side.told.push(effect.told)
            break
          case 'end':
            side.timers.close()
        }
      }
    }
  }
  const deliverTo = (name: 'caller' | 'called', kind: 'q931' | 'h245'): boolean => {
    const packet = queues[name][kind].shift()
    if (packet === undefined) return false
    if (kind === 'q931') sides[name].session.received(decodeQ931(packet.octets))
    else sides[name].session.h245Received(multimediaSystemControlMessage.decode(packet.octets) as MultimediaSystemControlMessage)
    drain(name)
    return true
  }
  const links = [
    ['caller', 'q931'],
    ['called', 'q931'],
    ['caller', 'h245'],
    ['called', 'h245']
  ] as const
  const deliver = (pick: () => number = () => 0): boolean => {
    const first = Math.floor(pick() * links.length)
    return links.some((_, at) => {
      const [to, kind] = links[(first + at) % links.length]!
      return deliverTo(to, kind)
    })
  }
  return {
    caller: sides.caller,
    called: sides.called,
    clock,
    wire,
    act: (name, run) => {
      run(sides[name].session)
      drain(name)
    },
    deliver,
    settle: (pick) => {
      for (let left = 10_000; ; left--) {
        if (left === 0) throw new Error('the two sides never come to rest')
        if (!deliver(pick)) {
          clock.advance(2)
          if (!deliver(pick)) return
        }
      }
    },
    dial: () => {
      const { session } = sides.caller
      if (session.wantsListening) session.listening(sides.caller.listening)
      session.setLocal(media.caller(options.callerCodecs))
      session.dial(setupParts)
      if (options.caller?.tunnelling === false || options.called?.tunnelling === false) {
        sides.called.session.listening(sides.called.listening)
      }
      drain('caller')
    },
    breakSignalling: () => {
      queues.caller.q931 = []
      queues.called.q931 = []
      for (const name of ['caller', 'called'] as const) {
        sides[name].session.lost()
        drain(name)
      }
    }
  }
}

/** Both hear each other in one codec. */
export function hear({ caller, called }: Pair): AudioCodec | null {
  const [a, b] = [caller.session.terms, called.session.terms]
  if (a === null || b === null || a.codec !== b.codec) return null
  const flows = [a.sends, a.receives, b.sends, b.receives].every(Boolean)
  return flows && a.remote?.rtp.port === 6000 && b.remote?.rtp.port === 5000 ? a.codec : null
}

export const controlEvents = ({ told }: Pick<CallSide, 'told'>): ControlEvent[] =>
  told.flatMap((one) => (one.type === 'control' ? [one.event] : []))
