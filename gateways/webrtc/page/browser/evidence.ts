/** Evidence on the page: a connection for data channels beside that of the sound, one channel for each call; what comes is listed, what is dropped here is shared. */
import type { TransferProgress } from '../../evidence/link/link-ports.ts'
import type { EvidenceContext } from '../../evidence/link/messages.ts'
import { shownTypes } from '../../evidence/names.ts'
import { type DataPeer, EvidenceParticipant, type ParticipantPorts, roomIn } from '../../evidence/participant.ts'
import { element, make } from './dom.ts'
import { EvidenceFiles } from './evidence-files.ts'

/** What the browser keeps of a channel. */
const [highOctets, lowOctets] = [2 << 20, 512 << 10]

const clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs: number, expired: () => void) => {
    const timer = setTimeout(expired, delayMs)
    return () => clearTimeout(timer)
  }
}

/** A channel with back-pressure by what the browser has not sent yet. @see W3C WebRTC §6.2 */
function channelOf(channel: RTCDataChannel) {
  channel.bufferedAmountLowThreshold = lowOctets
  return {
    send: async (message: Uint8Array<ArrayBuffer> | string) => {
      if (typeof message === 'string') channel.send(message)
      else channel.send(message)
    },
    room: () => roomIn(channel, highOctets),
    onMessage: (listener: (message: Uint8Array | string) => void) => {
      channel.onmessage = ({ data }) => listener(typeof data === 'string' ? data : new Uint8Array(data as ArrayBuffer))
    },
    close: () => channel.close()
  }
}

function newPeer(state: (state: 'connected' | 'lost') => void): DataPeer {
  const peer = new RTCPeerConnection({ iceServers: [] })
  // the description has data channels in it once there is one; numbers are given by the service, from 0 on
  peer.createDataChannel('opener', { negotiated: true, id: 1022 })
  peer.onconnectionstatechange = () => {
    const { connectionState } = peer
    if (connectionState === 'connected') state('connected')
    else if (connectionState === 'failed' || connectionState === 'disconnected') state('lost')
  }
  return {
    offer: async () => {
      await peer.setLocalDescription()
      return peer.localDescription!.sdp
    },
    answered: (sdp) => peer.setRemoteDescription({ type: 'answer', sdp }),
    open: (label, stream, opened, closed) => {
      const channel = peer.createDataChannel(label, { negotiated: true, id: stream })
      channel.binaryType = 'arraybuffer'
      channel.onopen = () => opened(channelOf(channel))
      channel.onclose = closed
    },
    close: () => peer.close()
  }
}

const newSocket: ParticipantPorts['newSocket'] = (on) => {
  const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/evidence`, 'evidence.1')
  socket.onopen = on.open
  socket.onclose = on.close
  socket.onmessage = ({ data }) => on.message(data as string)
  return {
    say: (text) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(text)
    },
    close: () => socket.close()
  }
}

export class EvidenceClient {
  readonly #files: EvidenceFiles
  readonly #participant: EvidenceParticipant
  readonly #rows = new Map<string, HTMLElement>()
  #over = false

  private constructor(token: string, folder: string) {
    this.#files = new EvidenceFiles(document.body.dataset.evidenceWorker!, folder)
    this.#participant = new EvidenceParticipant(token, {
      clock,
      newPeer,
      newSocket,
      shelf: () => this.#files.shelf,
      onState: (_, state) => {
        element('evidence').dataset.state = state
      },
      onProgress: (_, progress) => void this.#show(progress),
      onContext: (_, context) => this.#context(context),
      onEnd: (_, reason) => this.#say(`No evidence comes in this call any longer: ${reason}.`),
      onRefusal: (_, { name }, __, reason) => this.#say(`${name} was not taken: ${reason}.`)
    })
  }

  static async begin(token: string): Promise<EvidenceClient> {
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(`evidence ${token}`))
    return new EvidenceClient(token, [...new Uint8Array(digest.slice(0, 8))].map((octet) => octet.toString(16)).join('-'))
  }

  async share(files: Iterable<File>): Promise<void> {
    for (const file of files) {
      this.#say(`Looking at ${file.name} …`)
      const source = await this.#files.source(file)
      const call = this.#participant.offer(source)
      this.#say(call === null ? 'There is no call that evidence could be shared in.' : '')
    }
  }

  /** Leaves for good: what came is forgotten. */
  end(): void {
    if (this.#over) return
    this.#over = true
    this.#participant.end()
    void this.#files.forget()
    element('evidence').replaceChildren()
  }

  #say(text: string): void {
    element('evidence-state').textContent = text
  }

  #context({ hazard }: EvidenceContext): void {
    element('evidence').dataset.hazard = hazard ?? ''
  }

  async #show({ id, name, direction, bytes, done, state, code }: TransferProgress): Promise<void> {
    let row = this.#rows.get(id)
    if (row === undefined) {
      row = make('li', { 'data-evidence': id }, make('strong', {}, name), ' ', make('span', {}))
      this.#rows.set(id, row)
      element('evidence').append(row)
    }
    if (row.dataset.state === 'received') return
    row.dataset.state = state
    const share = bytes === 0 ? 100 : Math.floor((done / bytes) * 100)
    const words: Readonly<Record<TransferProgress['state'], string>> = {
      waiting: 'waits',
      offered: 'offered',
      sending: `${share} % sent`,
      receiving: `${share} % here`,
      received: 'here, its hash is right',
      handedOver: 'shared, its receipt is in the record',
      refused: `not shared: ${code ?? ''}`,
      failed: 'not shared: no answer'
    }
    row.querySelector('span')!.textContent = words[state]
    if (direction === 'in' && state === 'received') await this.#give(row, id, name)
  }

  /** A file that is here can be kept, and a picture is seen. */
  async #give(row: HTMLElement, id: string, name: string): Promise<void> {
    const url = URL.createObjectURL(await this.#files.file(id))
    row.append(' ', make('a', { href: url, download: name }, 'Save'))
    const type = /\.(png|jpe?g|gif|webp)$/i.exec(name)?.[1]?.toLowerCase().replace('jpg', 'jpeg')
    if (type !== undefined && shownTypes.has(`image/${type}`)) row.append(make('img', { src: url, alt: name }))
  }
}
