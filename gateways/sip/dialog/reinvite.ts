import { type Clock, type ConferenceLeg, errorCode, step, type Table } from '#kernel'
import { clip } from '../message/headers.ts'
import { bodyHash, components } from '../record/values.ts'
import type { SipDialog } from '../server/drachtio.ts'
import { withDirection } from './hold-sdp.ts'
import { allowedMethods, type CallInside } from './requests.ts'

/** A re-INVITE of ours. Timers arrive as events. */
export type ReinviteState =
  | 'idle'
  | 'sending'
  /** Both sides asked at once (491): it is our turn again when the time of RFC 3261 §14.1 is over. */
  | 'yielding'

export type ReinviteEvent =
  | { readonly type: 'ask' }
  | { readonly type: 'accepted' }
  | { readonly type: 'glare' }
  | { readonly type: 'refused' }
  | { readonly type: 'turn' }
  /** The call ended. */
  | { readonly type: 'over' }

export type ReinviteEffect = { readonly type: 'send' } | { readonly type: 'yield' } | { readonly type: 'forget' }

export const reinviteTable = {
  idle: { ask: ['sending', () => [{ type: 'send' }]] },
  sending: { accepted: ['idle'], refused: ['idle'], glare: ['yielding', () => [{ type: 'yield' }]], over: ['idle'] },
  yielding: { turn: ['sending', () => [{ type: 'send' }]], refused: ['idle'], over: ['idle', () => [{ type: 'forget' }]] }
} satisfies Table<ReinviteState, ReinviteEvent, ReinviteEffect>

export type HoldOutcome = { readonly ok: true } | { readonly ok: false; readonly code: string; readonly reason: string }

/**
 * Answers to a re-INVITE after which there is no dialog any more; 408 also stands for none at all.
 *
 * @see RFC 3261 §14.1, §12.2.1.2; RFC 5057 §5.1
 */
const endingStatus: Readonly<Record<number, { readonly reason: string; readonly cause: 'peer-silent' | 'peer-forgot' }>> = {
  408: { reason: 'the other side does not answer any more: the call was ended', cause: 'peer-silent' },
  481: { reason: 'the other side knows nothing of the call any more: it was ended', cause: 'peer-forgot' }
}

/** Crossings after which a hold is given up. */
const mostCrossings = 4

/** How long to wait after a 491, milliseconds: 2.1 to 4 s for the side that made the Call-ID, 0 to 2 s for the other, in steps of 10 ms. @see RFC 3261 §14.1 */
export function yieldMs(ownsCallId: boolean, random: number): number {
  return ownsCallId ? 2100 + Math.floor(random * 191) * 10 : Math.floor(random * 201) * 10
}

export interface HoldingOptions {
  readonly clock: Clock
  readonly random: () => number
  /** We made the Call-ID. */
  readonly ownsCallId: boolean
  /** The other side knows nothing of the call any more, or does not answer: the call is to end. */
  readonly gone: (reason: 'peer-silent' | 'peer-forgot') => void
}

export interface Holding {
  /** Puts the other side on hold, or resumes; waits where its own offer is being answered. */
  readonly hold: (on: boolean) => Promise<HoldOutcome>
  readonly over: () => void
}

export function createHolding(
  call: CallInside,
  dialog: () => SipDialog | null,
  { clock, random, ownsCallId, gone }: HoldingOptions
): Holding {
  let state: ReinviteState = 'idle'
  let crossings = 0
  let cancelTurn = () => {}
  let sdp = ''
  let done: ((outcome: HoldOutcome) => void) | null = null

  const fire = (event: ReinviteEvent) => {
    const next = step(reinviteTable, state, event, undefined)
    state = next.state
    for (const effect of next.effects as readonly ReinviteEffect[]) {
      if (effect.type === 'send') send()
      else if (effect.type === 'forget') cancelTurn()
      else cancelTurn = clock.after(yieldMs(ownsCallId, random()), () => fire({ type: 'turn' }))
    }
  }
  const tell = (outcome: HoldOutcome) => {
    const told = done
    done = null
    told?.(outcome)
  }
  const refused = (code: string, reason: string) => {
    fire({ type: 'refused' })
    tell({ ok: false, code, reason })
  }
  const crossed = () => {
    if (++crossings > mostCrossings) return refused('sip.491', 'the other side keeps asking at the same moment')
    fire({ type: 'glare' })
  }

  const send = () => {
    const leg = call.leg()
    const to = dialog()
    if (leg === null || to === null || !call.isLive()) return refused('sip.call.over', 'the call is over')
    if (call.exchange.state() !== 'stable') return crossed()
    call.exchange.move({ type: 'ourOffer' })
    const offer = call.describe(sdp)
    const headers = {
      'Content-Type': 'application/sdp',
      'Session-ID': call.sessionId(),
      Allow: allowedMethods,
      Supported: 'timer'
    }
    to.request({ method: 'INVITE', body: offer, headers }, (error, response) => {
      if (error != null || response === undefined) {
        call.exchange.move({ type: 'offerRefused' })
        return refused('sip.request.failed', error instanceof Error ? clip(error.message, 128) : 'not sent')
      }
      if (!call.isLive()) return refused('sip.call.over', 'the call ended')
      if (response.status === 200) return void agree(leg, response.body ?? '', offer)
      call.exchange.move({ type: 'offerRefused' })
      if (response.status === 491) return crossed()
      const ends = endingStatus[response.status]
      if (ends === undefined) return refused(`sip.${response.status}`, clip(response.reason ?? '', 128))
      refused(`sip.${response.status}`, ends.reason)
      gone(ends.cause)
    })
  }

  const agree = async (leg: ConferenceLeg, answer: string, offer: string): Promise<void> => {
    try {
      const result = await leg.answered(answer)
      call.exchange.move({ type: 'theirAnswer' })
      if (!result.ok) return refused(result.code, clip(result.reason))
      call.tell(components.sip, 'sip_session_modified', {
        method: 'INVITE',
        by: 'application',
        status: 200,
        held: result.held,
        localSdpSha256: bodyHash(offer),
        remoteSdpSha256: bodyHash(answer)
      })
      call.bridge({ type: result.held ? 'held' : 'resumed' })
      fire({ type: 'accepted' })
      tell({ ok: true })
    } catch (error) {
      call.exchange.move({ type: 'theirAnswer' })
      refused(errorCode(error), 'the conference could not take the answer')
    }
  }

  return {
    hold: (on) => {
      const leg = call.leg()
      if (leg === null || !call.isLive())
        return Promise.resolve({ ok: false, code: 'sip.call.over', reason: 'there is no call to hold' })
      if (done !== null) return Promise.resolve({ ok: false, code: 'sip.491', reason: 'another change is on its way' })
      return new Promise((resolve) => {
        done = resolve
        crossings = 0
        sdp = withDirection(leg.localSdp(), on ? 'inactive' : 'sendrecv')
        fire({ type: 'ask' })
      })
    },
    over: () => {
      fire({ type: 'over' })
      tell({ ok: false, code: 'sip.call.over', reason: 'the call ended' })
    }
  }
}
