/** Two H.245 sessions with nothing but memory between them. */
import { type ManualClock, manualClock } from '#kernel'
import { CallTimers } from '../../endpoint/live/timers.ts'
import type { MultimediaSystemControlMessage } from '../../h245/h245.ts'
import { multimediaSystemControlMessage } from '../../h245/pdus.ts'
import type { AudioCodec, LocalMedia, MediaTerms } from '../media.ts'
import { type ControlEvent, ControlSession, type ControlSettings } from '../session.ts'

export interface Side {
  readonly session: ControlSession
  readonly told: ControlEvent[]
  /** Messages that it has sent, by their names. */
  readonly sent: string[]
  readonly terms: () => MediaTerms | null
}

export interface Sides {
  readonly a: Side
  readonly b: Side
  readonly clock: ManualClock
  /** Delivers what is under way until nothing is. @param pick which of the two waits next: 0 or 1 */
  readonly settle: (pick?: () => number) => void
  /** Delivers the one message that waits for that side, if any. */
  readonly deliver: (to: 'a' | 'b') => boolean
  /** Does something and takes what comes of it, delivering nothing. */
  readonly act: (side: 'a' | 'b', run: (session: ControlSession) => void) => void
  /** Loses all messages under way. */
  readonly lose: () => void
}

export const localMedia = (port: number, codecs: readonly AudioCodec[] = ['PCMU', 'PCMA']): LocalMedia => ({
  rtp: { ip: '127.0.0.1', port },
  rtcp: { ip: '127.0.0.1', port: port + 1 },
  codecs,
  eventPayloadType: 101,
  opusPayloadType: 96
})

/** A source of numbers from 0 to 1, the same for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0
    return state / 0x1_0000_0000
  }
}

export function nameOf(message: MultimediaSystemControlMessage): string {
  return (message as { readonly value: { readonly type: string } }).value.type
}

export function sidesOf(
  settings: { readonly a?: Partial<ControlSettings>; readonly b?: Partial<ControlSettings> } = {},
  random: () => number = seeded(1)
): Sides {
  const clock = manualClock()
  const queues: Record<'a' | 'b', Buffer[]> = { a: [], b: [] }
  const make = (name: 'a' | 'b'): Side & { timers: CallTimers } => {
    const session = new ControlSession({
      terminalType: 50,
      random24: () => Math.floor(random() * 0x100_0000),
      receivable: { codecs: ['PCMU', 'PCMA'], eventPayloadType: 101 },
      others: [],
      isMc: false,
      bothWays: false,
      passesOn: false,
      ...settings[name]
    })
    return { session, told: [], sent: [], timers: new CallTimers(clock), terms: () => session.terms }
  }
  const sides = { a: make('a'), b: make('b') }
  const drain = (name: 'a' | 'b'): void => {
    const side = sides[name]
    for (let effects = side.session.take(); effects.length > 0; effects = side.session.take()) {
      for (const effect of effects) {
        switch (effect.type) {
          case 'send':
            side.sent.push(nameOf(effect.message))
            queues[name === 'a' ? 'b' : 'a'].push(multimediaSystemControlMessage.encode(effect.message))
            break
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
            side.told.push(effect.event)
        }
      }
    }
  }
  const deliver = (to: 'a' | 'b'): boolean => {
    const octets = queues[to].shift()
    if (octets === undefined) return false
    sides[to].session.receive(multimediaSystemControlMessage.decode(octets))
    drain(to)
    return true
  }
  return {
    a: sides.a,
    b: sides.b,
    clock,
    deliver,
    act: (name, run) => {
      run(sides[name].session)
      drain(name)
    },
    lose: () => {
      queues.a = []
      queues.b = []
    },
    settle: (pick = () => 0) => {
      for (let left = 10_000; queues.a.length + queues.b.length > 0; left--) {
        if (left === 0) throw new Error('the two sides never come to rest')
        const first = pick() < 0.5 ? 'a' : 'b'
        if (!deliver(first)) deliver(first === 'a' ? 'b' : 'a')
      }
    }
  }
}
