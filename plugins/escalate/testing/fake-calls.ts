import type {
  CallOut,
  CallOutAnswer,
  CallOutEnd,
  CallOutProgress,
  CallOutRefusal,
  CallOutRequest,
  CallOutStop,
  CallsOut
} from '#kernel'

/** A call out that the test answers. */
export interface FakeCall {
  readonly request: CallOutRequest
  readonly stops: CallOutStop[]
  readonly holds: boolean[]
  readonly progress: (progress: CallOutProgress) => void
  /** The callee answers. @returns whether the call may be heard */
  readonly answer: () => boolean
  readonly refuse: (refusal: Partial<CallOutRefusal>) => void
  readonly hangUp: (end?: Partial<CallOutEnd>) => void
}

export interface FakeCalls extends CallsOut {
  readonly calls: FakeCall[]
  /** Calls that are not over. */
  readonly open: () => number
}

/** Calls that go nowhere. One that is stopped ends at once, as if the other side had said 487 or 200. */
export function fakeCalls(): FakeCalls {
  const calls: FakeCall[] = []
  let open = 0
  return {
    calls,
    open: () => open,
    place: (request, onProgress) => {
      const answered = Promise.withResolvers<CallOutAnswer>()
      const ended = Promise.withResolvers<CallOutEnd>()
      const stops: CallOutStop[] = []
      const holds: boolean[] = []
      const id = calls.length + 1
      let over = false
      let picked = false
      open++
      const end = (how: CallOutEnd) => {
        if (over) return
        over = true
        open--
        ended.resolve(how)
      }
      const refuse = (refusal: Partial<CallOutRefusal>) => {
        answered.resolve({
          ok: false,
          by: 'callee',
          security: false,
          status: 486,
          code: 'sip.486',
          reason: 'Busy Here',
          retryAfterMs: null,
          ...refusal
        })
        end({ by: refusal.by ?? 'callee', reason: refusal.code ?? 'sip.486', durationMs: 0 })
      }
      calls.push({
        request,
        stops,
        holds,
        progress: onProgress,
        answer: () => {
          if (over || picked) return false
          picked = true
          const heard = request.claim()
          if (heard) answered.resolve({ ok: true, participant: `p${id}`, codec: 'PCMA', setupMs: 20 })
          else refuse({ by: 'caller', status: null, code: 'call-out.answered-elsewhere', reason: 'another was faster' })
          return heard
        },
        refuse: (refusal) => {
          if (!picked) refuse(refusal)
        },
        hangUp: (how = {}) => end({ by: 'callee', reason: 'bye', durationMs: 1000, ...how })
      })
      const out: CallOut = {
        traceId: id.toString(16).padStart(32, '0'),
        callId: `call-${id}`,
        answered: answered.promise,
        ended: ended.promise,
        hold: async (on) => {
          holds.push(on)
          return { ok: true }
        },
        stop: (why) => {
          stops.push(why)
          refuse({ by: 'caller', status: null, code: `call-out.${why}`, reason: why })
        }
      }
      return out
    }
  }
}
