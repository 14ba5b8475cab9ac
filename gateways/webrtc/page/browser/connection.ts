/** The browser's side of a seat: one connection of WebRTC, and a WebSocket that is opened anew when it is lost. */
import type { PageSignal, RefusalCode, ServiceSignal, SipTerms } from '../../signals.ts'

/** Sound that comes by a call of its own. */
export interface Voice {
  readonly isConnected: () => boolean
  /** Idempotent. */
  readonly end: () => void
}

/** Calls where the service says. `over` is told when the call could not be made, or has ended. */
export type StartVoice = (terms: SipTerms, told: Pick<Told, 'state' | 'track' | 'over'>) => Voice

export interface Told {
  readonly state: (state: 'connecting' | 'connected' | 'lost') => void
  readonly signal: (signal: Exclude<ServiceSignal, { type: 'refused' }>) => void
  readonly track: (track: MediaStreamTrack) => void
  readonly over: (reason: string) => void
}

/** Between attempts to come back. */
const pausesMs = [250, 1000, 2000, 4000]
const answerMs = 10_000

/** Opens a WebSocket to the service, for {@link Connection}. The service waits 10 s for what is said first. */
export const dial = (): WebSocket =>
  new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/signals`, 'council.1')

export class Connection {
  readonly #token: string
  readonly #voteKey: string
  readonly #media: MediaStream
  readonly #told: Told
  /** Null where the sound comes by SIP. */
  #peer: RTCPeerConnection | null
  readonly #startVoice: StartVoice | null
  #voice: Voice | null = null
  #socket: WebSocket | null = null
  #attempt = 0
  #answered = false
  #over = false
  #gatheringSince = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  /**
   * @param voteKey what votes are signed with
   * @param startVoice calls by SIP; null for sound over a connection of our own
   * @param dialled opened ahead, to save its time; another is opened where it is closed again
   */
  constructor(token: string, voteKey: string, media: MediaStream, startVoice: StartVoice | null, dialled: WebSocket, told: Told) {
    this.#token = token
    this.#voteKey = voteKey
    this.#media = media
    this.#told = told
    this.#startVoice = startVoice
    this.#peer = startVoice === null ? this.#newPeer() : null
    void this.#open('join', dialled.readyState <= WebSocket.OPEN ? dialled : dial())
  }

  say(signal: Exclude<PageSignal, { type: 'join' | 'resume' | 'accepted' }>): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(signal))
  }

  end(reason: string): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#timer)
    this.#peer?.close()
    this.#voice?.end()
    this.#socket?.close()
    for (const track of this.#media.getTracks()) track.stop()
    this.#told.over(reason)
  }

  #newPeer(): RTCPeerConnection {
    const peer = new RTCPeerConnection({ iceServers: [], bundlePolicy: 'max-bundle' })
    for (const track of this.#media.getTracks()) peer.addTrack(track, this.#media)
    if (this.#media.getVideoTracks().length === 0) peer.addTransceiver('video', { direction: 'recvonly' })
    peer.ontrack = ({ track }) => this.#told.track(track)
    peer.onconnectionstatechange = () => {
      if (this.#over || peer !== this.#peer) return
      if (peer.connectionState === 'connected') {
        this.#attempt = 0
        this.#told.state('connected')
      } else if (peer.connectionState === 'failed' || peer.connectionState === 'disconnected') this.#again()
    }
    return peer
  }

  /** @param verb `resume` keeps the connection of WebRTC and looks for another way */
  async #open(verb: 'join' | 'resume', socket: WebSocket): Promise<void> {
    const peer = this.#peer
    this.#answered = false
    this.#told.state('connecting')
    this.#socket = socket
    const mine = () => socket === this.#socket && !this.#over
    socket.onclose = () => mine() && this.#again()
    socket.onmessage = ({ data }) =>
      mine() && void this.#take(JSON.parse(data) as ServiceSignal).catch((error) => this.end(String(error)))
    const begin = async () => {
      try {
        const seat = { token: this.#token, offer: peer === null ? null : await this.#offer(peer, verb) }
        const signal: PageSignal =
          verb === 'join' ? { type: 'join', ...seat, voteKey: this.#voteKey, bySip: peer === null } : { type: 'resume', ...seat }
        if (mine()) socket.send(JSON.stringify(signal))
      } catch (error) {
        if (mine()) this.end(String(error))
      }
    }
    if (socket.readyState === WebSocket.OPEN) void begin()
    else socket.onopen = begin
    this.#timer = setTimeout(() => mine() && !this.#answered && this.#again(), answerMs)
  }

  async #offer(peer: RTCPeerConnection, verb: 'join' | 'resume'): Promise<string> {
    // an offer that was never answered is taken back
    if (peer.signalingState === 'have-local-offer') await peer.setLocalDescription({ type: 'rollback' })
    if (verb === 'resume') peer.restartIce()
    this.#gatheringSince = performance.now()
    await peer.setLocalDescription()
    return peer.localDescription!.sdp
  }

  async #take(signal: ServiceSignal): Promise<void> {
    if (signal.type === 'refused') return this.#refused(signal.code, signal.reason)
    if (signal.type === 'answer') {
      const peer = this.#peer
      if (peer === null) {
        this.#seated(signal.sip!)
        this.#told.signal(signal)
        return
      }
      await peer.setRemoteDescription({ type: 'answer', sdp: signal.sdp! })
      this.#answered = true
      if (peer.connectionState === 'connected') {
        this.#attempt = 0
        this.#told.state('connected')
      }
      void this.#gathered(peer).then((accepted) => this.#socket?.readyState === WebSocket.OPEN && this.#socket.send(accepted))
    }
    this.#told.signal(signal)
  }

  /** The seat is taken: the call of its sound is made, or goes on. */
  #seated(terms: SipTerms): void {
    this.#answered = true
    this.#attempt = 0
    if (this.#voice?.isConnected()) this.#told.state('connected')
    this.#voice ??= this.#startVoice!(terms, {
      state: (state) => {
        if (!this.#over && this.#socket !== null) this.#told.state(state)
      },
      track: this.#told.track,
      over: (reason) => this.end(reason)
    })
  }

  /** Waits for the end of gathering, and counts what there is. */
  async #gathered(peer: RTCPeerConnection): Promise<string> {
    if (peer.iceGatheringState !== 'complete')
      await new Promise<void>((resolve) => {
        peer.addEventListener('icegatheringstatechange', () => peer.iceGatheringState === 'complete' && resolve())
      })
    const candidates: Record<string, number> = {}
    for (const [, type] of peer.localDescription!.sdp.matchAll(/^a=candidate:.* typ (host|srflx|prflx|relay)\b/gm))
      candidates[type!] = (candidates[type!] ?? 0) + 1
    const gatheringMs = Math.round(performance.now() - this.#gatheringSince)
    return JSON.stringify({ type: 'accepted', candidates, gatheringMs } satisfies PageSignal)
  }

  #refused(code: RefusalCode, reason: string): void {
    // the seat was free again before we came back: a new connection takes it
    if (code !== 'seat.gone' && code !== 'connection.failed') {
      this.end(reason)
      return
    }
    this.#voice?.end()
    this.#voice = null
    if (this.#peer !== null) {
      this.#peer.close()
      this.#peer = this.#newPeer()
    }
    this.#again('join')
  }

  #again(verb: 'join' | 'resume' = (this.#peer?.remoteDescription ?? this.#voice) === null ? 'join' : 'resume'): void {
    clearTimeout(this.#timer)
    const socket = this.#socket
    this.#socket = null
    socket?.close()
    if (this.#attempt >= 40) {
      this.end('The conference cannot be reached.')
      return
    }
    this.#told.state('lost')
    const pause = pausesMs[Math.min(this.#attempt++, pausesMs.length - 1)]!
    this.#timer = setTimeout(() => void this.#open(verb, dial()), pause)
  }
}
