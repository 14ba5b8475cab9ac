/** What H.245 tells of a call, as events of it: digits, channels that are not sound, round trips. */
import type { Clock, Log } from '#kernel'
import { addressOf, transportAddress } from '../../control/channels.ts'
import type { MediaTerms } from '../../control/media.ts'
import type { ControlEvent } from '../../control/session.ts'
import type { OpenLogicalChannel } from '../../h245/h245.ts'
import type { CallEvent, ChannelAcceptance, ChannelOffer, ChannelRequest } from '../endpoint.ts'
import type { Attempt } from './attempt.ts'

const pingMs = 30_000
/** Round trips without an answer after which the peer is asked for its state. */
const mostUnanswered = 3

export interface ControlPorts {
  readonly clock: Clock
  readonly log: Log
  /** The one under way. */
  readonly attempt: () => Pick<Attempt, 'session' | 'timers' | 'do'>
  readonly emit: (event: CallEvent) => void
  readonly agree: (terms: MediaTerms | null) => void
  readonly held: (held: boolean) => void
}

type DecideChannel = (offer: ChannelOffer) => ChannelAcceptance | null

export class CallControl {
  readonly #ports: ControlPorts
  #decideChannel: DecideChannel | null = null
  #unanswered = 0
  #pingedAt = 0

  constructor(ports: ControlPorts) {
    this.#ports = ports
  }

  told(event: ControlEvent): void {
    const { emit, log, clock } = this.#ports
    switch (event.type) {
      case 'ready':
        break
      case 'capabilities':
        emit({ type: 'capabilities', capabilities: event.capabilities })
        break
      case 'terms':
        this.#ports.agree(event.terms)
        break
      case 'digit':
        emit({ type: 'digit', digit: event.digit, durationMs: event.durationMs, by: 'h245' })
        break
      case 'paused':
        this.#ports.held(event.paused)
        break
      case 'answered':
        this.#unanswered = 0
        emit({ type: 'roundTrip', delayMs: clock.monotonicMs() - this.#pingedAt })
        break
      case 'unanswered':
        if (++this.#unanswered >= mostUnanswered) this.#ports.attempt().session.enquire()
        break
      case 'message':
        emit({ type: 'h245', message: event.message })
        break
      case 'channelOffered':
        this.#channelOffered(event.open)
        break
      case 'channelOpened':
      case 'channelClosed':
        emit(event)
        break
      case 'ignored':
        log.debug({ state: event.state, event: event.event }, 'h245 event not allowed in this state')
        break
      case 'modeTaken':
      case 'modeRefused':
        log.debug({ answer: event.type }, 'mode request')
        break
      case 'failed':
        log.info({ reason: event.reason }, 'no H.245 with this peer')
    }
  }

  decideChannels(decide: DecideChannel): void {
    this.#decideChannel = decide
  }

  #channelOffered(open: OpenLogicalChannel): void {
    const { control } = this.#ports.attempt().session
    const { forwardLogicalChannelNumber: number, forwardLogicalChannelParameters } = open
    const { multiplexParameters, dataType } = forwardLogicalChannelParameters
    if (multiplexParameters.type !== 'h2250LogicalChannelParameters' || this.#decideChannel === null) {
      control.rejectChannel(number, 'dataTypeNotSupported')
      return
    }
    const { sessionID, mediaControlChannel, dynamicRTPPayloadType } = multiplexParameters.value
    const accepted = this.#decideChannel({
      number,
      sessionId: sessionID,
      dataType,
      rtcp: addressOf(mediaControlChannel),
      dynamicPayloadType: dynamicRTPPayloadType ?? null
    })
    if (accepted === null) control.rejectChannel(number, 'dataTypeNotAvailable')
    else control.acceptChannel(number, accepted)
  }

  /** @returns its number; 0 when the call is over */
  openChannel({ number: reserved, sessionId, dataType, rtcp, dynamicPayloadType }: ChannelRequest): number {
    let number = 0
    const value = {
      sessionID: sessionId,
      mediaControlChannel: transportAddress(rtcp),
      mediaGuaranteedDelivery: false,
      ...(dynamicPayloadType !== undefined && { dynamicRTPPayloadType: dynamicPayloadType })
    }
    const multiplexParameters = { type: 'h2250LogicalChannelParameters', value } as const
    this.#ports.attempt().do(({ control }) => {
      number = control.openChannel({ forwardLogicalChannelParameters: { dataType, multiplexParameters } }, reserved)
    })
    return number
  }

  /** @returns a number for a channel; 0 when the call is over */
  reserveChannel(): number {
    let number = 0
    this.#ports.attempt().do(({ control }) => {
      number = control.reserveNumbers(1)
    })
    return number
  }

  /** Round trips (H.245 §C.10) while the call is up. */
  beginPings(): void {
    const attempt = this.#ports.attempt()
    attempt.timers.start('ping', pingMs, () => {
      if (attempt.session.control.isStarted) {
        this.#pingedAt = this.#ports.clock.monotonicMs()
        attempt.do(({ control }) => control.ping())
      }
      this.beginPings()
    })
  }
}
