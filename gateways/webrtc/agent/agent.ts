/**
 * A software agent in the council: a program that takes a seat by its link, as a page does, without a browser. It sees who is there and what it is about,
 * sends messages to one or all, votes where its seat has a vote, and speaks and hears if it wants to.
 */
import { EventEmitter, once } from 'node:events'
import { InfraFabricError } from '#kernel'
import {
  type Choice,
  type CouncilContext,
  createVoteSigner,
  type NoticeCode,
  type PageSignal,
  type RosterMember,
  type ServiceSignal,
  type SessionState
} from '#webrtc'
import type { AgentEvidence, AgentFile } from './evidence.ts'
import { AgentSocket } from './socket.ts'
import { type AgentSound, openSound } from './sound.ts'

export type { AgentEvidence, AgentFile, SharedFile } from './evidence.ts'
export { type AgentSound, agentSampleRateHz } from './sound.ts'

export interface AgentOptions {
  /** Link of a seat, given away by `ifctl council invite PARTY --as agent`. */
  readonly link: string
  /** Whether it speaks and hears; it must then run on the machine of the suite. Default false. */
  readonly sound?: boolean
  /** Whether its sound is encrypted (SRTP). Default true. */
  readonly encrypted?: boolean
  /** Folder, of this agent alone, that the evidence of its calls comes to, over data channels of WebRTC. Left out: none comes. */
  readonly evidence?: string
  /** Certificates (PEM) that are trusted for `https` links beside the system's. */
  readonly ca?: string
}

export interface AgentMessage {
  readonly from: string
  /** Null when it is for all. */
  readonly to: string | null
  readonly body: string
}

/** What an agent tells. `over` is the last: it has left, or lost its seat for good. */
export interface AgentEvents {
  readonly roster: [members: readonly RosterMember[]]
  readonly context: [context: CouncilContext]
  readonly message: [message: AgentMessage]
  /** Something it asked for was not done. */
  readonly notice: [of: string, code: NoticeCode]
  readonly state: [state: 'connected' | 'lost']
  /** A file of a call is here whole, and its receipt on its way. */
  readonly evidence: [file: AgentFile]
  /** Of the session that it has with a call. */
  readonly evidenceState: [call: string, state: SessionState]
  readonly over: [code: string, reason: string]
}

export interface CouncilAgent {
  /** Name in the conference; another one where the seat was free before the agent came back. */
  readonly participant: string
  readonly conference: string
  readonly party: string
  /** Whether its seat has a vote. */
  readonly votes: boolean
  /** Null where it has none. */
  readonly sound: AgentSound | null
  /** Shares a file; null where no evidence was asked for. */
  readonly share: AgentEvidence['share'] | null
  /** As it was told last. */
  readonly roster: () => readonly RosterMember[]
  readonly context: () => CouncilContext
  readonly on: <E extends keyof AgentEvents>(event: E, listener: (...args: AgentEvents[E]) => void) => void
  /** @param to participant; left out for all */
  readonly send: (body: string, to?: string) => void
  /** Presses a key, as on a telephone (0–9 * # A–D): `1` agrees to be recorded. For agents with sound. */
  readonly press: (digit: string) => void
  readonly openMotion: (title: string, options?: { readonly about?: string; readonly seconds?: number }) => void
  /** Votes, or changes the vote. @throws {InfraFabricError} `agent.motion.unknown` */
  readonly vote: (motion: string, choice: Choice) => Promise<void>
  readonly closeMotion: (motion: string) => void
  /** Idempotent. */
  readonly leave: () => Promise<void>
}

type Answer = Extract<ServiceSignal, { type: 'answer' }>

const joinMs = 20_000
const leaveMs = 2000

/**
 * Takes the seat. A connection that is lost comes back by itself, within the time that the seat is kept.
 *
 * @throws {InfraFabricError} `agent.link` for what is no link of a seat; `agent.refused` with what the service says; `agent.unreachable`
 */
export async function joinCouncil({
  link,
  sound: withSound = false,
  encrypted = true,
  evidence: folder,
  ca
}: AgentOptions): Promise<CouncilAgent> {
  const url = URL.parse(link)
  const token = url?.hash.slice(1) ?? ''
  if (url === null || !/^https?:$/.test(url.protocol) || !/^[A-Za-z0-9_-]{43}$/.test(token))
    throw new InfraFabricError('agent.link', 'expected the link of a seat')
  const events = new EventEmitter<AgentEvents>()
  const signer = await createVoteSigner()
  const sound = withSound ? await openSound(encrypted) : null
  // what carries data channels takes a third of a second to load
  const files = folder === undefined ? null : await import('./evidence.ts')
  const store = folder === undefined ? null : await files!.openAgentStore(folder)
  let evidence: AgentEvidence | null = null
  let roster: readonly RosterMember[] = []
  let context: CouncilContext | null = null
  let answer: Answer | null = null
  let [joined, over] = [false, false]
  const ready = new EventEmitter<{ ready: []; failed: [code: string, reason: string] }>()

  const end = (code: string, reason: string): void => {
    if (over) return
    over = true
    socket.close()
    sound?.close()
    evidence?.close()
    if (joined) events.emit('over', code, reason)
    else ready.emit('failed', code, reason)
  }
  const take = (signal: ServiceSignal): void => {
    switch (signal.type) {
      case 'answer':
        if (answer === null && signal.sdp !== null) sound?.answered(signal.sdp)
        answer = signal
        if (store !== null)
          evidence ??= files!.openAgentEvidence(
            {
              url,
              token,
              ca: ca ?? null,
              received: (file) => events.emit('evidence', file),
              state: (call, state) => events.emit('evidenceState', call, state)
            },
            store
          )
        return
      case 'roster':
        roster = signal.members
        events.emit('roster', roster)
        return
      case 'context_update': {
        context = signal.context
        if (!joined) {
          joined = true
          ready.emit('ready')
        }
        events.emit('context', context)
        return
      }
      case 'data':
        events.emit('message', { from: signal.from, to: signal.to, body: signal.body })
        return
      case 'notice':
        events.emit('notice', signal.of, signal.code)
        return
      case 'refused':
        // the service closes, and the seat is taken anew by the next connection
        if (joined && signal.code === 'seat.gone') answer = null
        else end(signal.code, signal.reason)
    }
  }
  const socket = new AgentSocket(url, ca ?? null, {
    hello: (): PageSignal =>
      answer === null
        ? { type: 'join', token, offer: sound?.offer ?? null, voteKey: signer.publicKey, bySip: false }
        : { type: 'resume', token, offer: sound?.offer ?? null },
    take,
    state: (state) => events.emit('state', state),
    gaveUp: () => end('agent.unreachable', 'the conference cannot be reached')
  })

  const failed = once(ready, 'failed').then(([code, reason]) => {
    const stable = code === 'agent.unreachable' ? code : 'agent.refused'
    throw new InfraFabricError(stable, `${reason} (${code})`)
  })
  const timer = setTimeout(() => end('agent.unreachable', 'the service does not answer'), joinMs)
  try {
    await Promise.race([once(ready, 'ready'), failed])
  } finally {
    clearTimeout(timer)
  }
  failed.catch(() => undefined)
  const { conference, party, votes } = answer!
  let { participant } = answer!

  return {
    get participant() {
      participant = answer?.participant ?? participant
      return participant
    },
    conference,
    party,
    votes,
    sound,
    share: store === null ? null : (path, facts) => evidence!.share(path, facts),
    roster: () => roster,
    context: () => context!,
    on: (event, listener) => void events.on(event, listener as never),
    send: (body, to) => socket.say({ type: 'data', to: to ?? null, body }),
    press: (digit) => socket.say({ type: 'key', digit }),
    openMotion: (title, { about, seconds = 300 } = {}) => socket.say({ type: 'motion', title, about: about ?? null, seconds }),
    vote: async (motion, choice) => {
      const found = context!.motions.find(({ id }) => id === motion)
      if (found === undefined) throw new InfraFabricError('agent.motion.unknown', 'there is no such motion')
      const sequence = (found.votes.find((vote) => vote.party === party)?.sequence ?? 0) + 1
      const signature = await signer.sign({ motion, conference, party, sequence, choice, title: found.title })
      socket.say({ type: 'vote', motion, choice, sequence, signature })
    },
    closeMotion: (motion) => socket.say({ type: 'close', motion }),
    leave: async () => {
      if (over) return
      socket.say({ type: 'leave' })
      await socket.drained(leaveMs)
      end('left', 'it has left')
    }
  }
}
