/** What the owner of a call sees and does: {@link Call}, over the parts of a live call. */
import type { CallSession } from '../../call/call.ts'
import { causes, type ReleaseCause } from '../../call/causes.ts'
import type { AliasAddress, GenericData } from '../../h225/h225.ts'
import type { Call, MediaPlace } from '../endpoint.ts'
import type { Attempt } from './attempt.ts'
import type { CallControl } from './control.ts'
import type { CallEvents } from './events.ts'
import type { CallServices } from './services.ts'
import type { CallSound } from './sound.ts'

export interface OwnedCall {
  readonly direction: 'inbound' | 'outbound'
  readonly id: string
  readonly called: readonly AliasAddress[]
  readonly genericData: readonly GenericData[]
  readonly connected: Promise<void>
  readonly ended: Promise<ReleaseCause>
  readonly events: Pick<CallEvents, 'listen'>
  readonly sound: Pick<CallSound, 'open' | 'sendDigit'>
  readonly services: Pick<CallServices, 'divert' | 'hold' | 'transfer' | 'messageWaiting'>
  readonly control: Pick<CallControl, 'decideChannels' | 'openChannel' | 'reserveChannel'>
  /** The one under way. */
  readonly attempt: () => Pick<Attempt, 'session' | 'channels' | 'do'>
  readonly isOver: () => boolean
  /** It was answered. */
  readonly wasActive: () => boolean
  readonly release: (cause?: number) => void
}

const digitMs = 160

export function ownerOf(call: OwnedCall): Call {
  const { direction, id, called, genericData, connected, ended, events, sound, services, control } = call
  const { attempt, isOver, wasActive, release } = call
  const session = (): CallSession => attempt().session
  const run = (act: (session: CallSession) => void): void => attempt().do(act)

  /** Opens the sound. @returns false when there is none, and the call was released */
  async function receiveAt(place: MediaPlace): Promise<boolean> {
    const media = await sound.open(place)
    if (isOver()) return false
    run((one) => {
      if (media === null) one.release(causes.resourceUnavailable)
      else one.setLocal(media.local)
    })
    return media !== null
  }

  function hold(held: boolean): void {
    if (!wasActive() || session().control.holding === held) return
    services.hold(held)
    run((one) => {
      if (held) one.control.hold()
      else one.control.retrieve()
    })
  }

  return {
    direction,
    traceId: id,
    id,
    called,
    genericData,
    connected,
    ended,
    state: () => (isOver() ? 'null' : session().state),
    remote: () => {
      const { remote } = session()
      return { ...remote, address: attempt().channels.remote ?? remote.address }
    },
    terms: () => session().terms,
    isMaster: () => {
      const { status } = session().control
      return status === null ? null : status === 'master'
    },
    onEvent: (listener) => events.listen(listener),
    proceed: () => run((one) => one.proceed()),
    alert: async (earlyMedia) => {
      if (earlyMedia === undefined || (await receiveAt(earlyMedia))) run((one) => one.alert())
    },
    progress: async (earlyMedia) => {
      if (await receiveAt(earlyMedia)) run((one) => one.progress())
    },
    answer: async (place) => {
      if (!(await receiveAt(place))) return false
      run((one) => one.answer())
      return !isOver()
    },
    divert: (to) => {
      if (direction === 'inbound' && !wasActive() && !isOver()) services.divert(to, called, session().remote.aliases)
    },
    release,
    sendDigit: (digit, durationMs = digitMs) => {
      if (isOver() || !/^[0-9*#A-D]$/i.test(digit)) return
      const { terms, control: h245 } = session()
      const upper = digit.toUpperCase()
      const eventPayloadType = terms?.sends === true ? h245.digits.eventPayloadType : null
      if (sound.sendDigit(upper, durationMs, eventPayloadType)) return
      run((one) => {
        if (!one.control.digit(upper, durationMs)) one.keypad(upper)
      })
    },
    sendDisplay: (text) => run((one) => one.display(text)),
    hold: () => hold(true),
    retrieve: () => hold(false),
    messageWaiting: (count) => {
      if (wasActive()) services.messageWaiting(count, session().remote.aliases)
    },
    transfer: (to) => {
      if (wasActive()) services.transfer(to)
    },
    requestCodec: (codec) => run((one) => one.requestCodec(codec)),
    sendH245: (message) => run((one) => one.control.sendMessage(message)),
    onChannel: (decide) => control.decideChannels(decide),
    openChannel: (request) => control.openChannel(request),
    reserveChannel: () => control.reserveChannel(),
    closeChannel: (number) => run((one) => one.control.closeChannel(number))
  }
}
