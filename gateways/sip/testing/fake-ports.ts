import {
  type ConferenceLeg,
  type ConferencePort,
  type Guard,
  type GuardDecision,
  type GuardRequest,
  InfraFabricError,
  type JoinRequest,
  type JsonObject,
  type LegEvent,
  type LegQuality,
  type LegStats,
  type MediaRefusal,
  type Witness,
  type WitnessEvent
} from '#kernel'

/** A witness that keeps what it is told; events in `refuse` are taken by nobody. */
export interface MemoryWitness extends Witness {
  readonly entries: WitnessEvent[]
  readonly refuse: Set<string>
  /** While set, every receipt waits for it. */
  gate: Promise<void> | null
  readonly names: () => string[]
  readonly payload: (event: string) => JsonObject | undefined
}

export function memoryWitness(): MemoryWitness {
  const entries: WitnessEvent[] = []
  const witness: MemoryWitness = {
    entries,
    refuse: new Set(),
    gate: null,
    names: () => entries.map((entry) => entry.event),
    payload: (event) => entries.find((entry) => entry.event === event)?.payload,
    record: async (event) => {
      if (witness.refuse.has(event.event)) throw new InfraFabricError('witness.unrecorded', 'the disk is full')
      entries.push(event)
      const index = entries.length - 1
      await witness.gate
      return { state: 'committed', index, hash: index.toString(16).padStart(64, '0') }
    }
  }
  return witness
}

/** A guard that says what the test tells it to. */
export interface ScriptedGuard extends Guard {
  readonly asked: GuardRequest[]
  decision: Partial<GuardDecision>
  /** While set, every decision waits for it. */
  gate: Promise<void> | null
}

export function scriptedGuard(): ScriptedGuard {
  const guard: ScriptedGuard = {
    asked: [],
    decision: {},
    gate: null,
    decide: async (_context, request) => {
      guard.asked.push(request)
      await guard.gate
      return {
        verdict: 'approve',
        layer: 'policy',
        code: 'guard.approved',
        reason: 'passed every policy',
        security: false,
        expertId: 'expert-safety',
        hazard: request.hazard,
        findings: [{ policy: 'registered', verdict: 'pass', code: 'guard.registered.expert', reason: 'registered' }],
        ...guard.decision
      }
    }
  }
  return guard
}

const direction = { packets: 0, bytes: 0, errors: 0, dropped: 0 }
const noStats: LegStats = {
  codec: 'PCMU',
  received: direction,
  sent: direction,
  jitterMs: 0,
  lost: 0,
  roundTripMs: null,
  encrypted: false,
  ice: null,
  quality: null
}

export interface FakeLeg extends ConferenceLeg {
  readonly request: JoinRequest
  readonly offers: string[]
  readonly answers: string[]
  left: number
  /** What the next offer or answer meets. */
  refusal: MediaRefusal | null
  held: boolean
  quality: LegQuality | null
  readonly emit: (event: LegEvent) => void
}

/** A conference without sound. Every SDP is `v=0 <what>`. */
export interface FakeConference extends ConferencePort {
  readonly legs: FakeLeg[]
  refusal: MediaRefusal | null
  failure: Error | null
  /** While set, every join waits for it. */
  gate: Promise<void> | null
}

export function fakeConference(): FakeConference {
  const conference: FakeConference = {
    legs: [],
    refusal: null,
    failure: null,
    gate: null,
    join: async (_context, request) => {
      await conference.gate
      if (conference.failure !== null) throw conference.failure
      if (conference.refusal !== null) return conference.refusal
      const leg = fakeLeg(request)
      conference.legs.push(leg)
      return { ok: true, leg, sdp: leg.localSdp() }
    }
  }
  return conference
}

function fakeLeg(request: JoinRequest): FakeLeg {
  const listeners: ((event: LegEvent) => void)[] = []
  const sdp = `v=0\r\ns=${request.offer === null ? 'offer' : 'answer'}\r\n`
  const leg: FakeLeg = {
    request,
    offers: [],
    answers: [],
    left: 0,
    refusal: null,
    held: false,
    quality: null,
    emit: (event) => {
      for (const listener of listeners) listener(event)
    },
    codec: () => 'PCMU',
    localSdp: () => sdp,
    offered: async (offer) => {
      leg.offers.push(offer)
      return leg.refusal ?? { ok: true, sdp: 'v=0\r\ns=reanswer\r\n', held: leg.held }
    },
    answered: async (answer) => {
      leg.answers.push(answer)
      return leg.refusal ?? { ok: true, held: leg.held }
    },
    stats: async () => ({ ...noStats, quality: leg.quality }),
    leave: async () => {
      leg.left++
      return { ...noStats, quality: leg.quality }
    },
    onEvent: (listener) => void listeners.push(listener)
  }
  return leg
}
