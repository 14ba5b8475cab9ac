/** Evidence on the page: a connection for data channels beside that of the sound, one channel for each call; what comes is listed, what is dropped here is shared. */
import { EvidenceLink, type TransferProgress } from '../../evidence/link.ts'
import { type EvidenceContext, receiptText } from '../../evidence/messages.ts'
import { shownTypes } from '../../evidence/names.ts'
import type { EvidencePageSignal, EvidenceServiceSignal } from '../../evidence/signals.ts'
import { element, make } from './dom.ts'
import { EvidenceFiles } from './evidence-files.ts'

const pausesMs = [250, 1000, 2000, 4000]
const answerMs = 10_000
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

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

function base64(octets: ArrayBuffer): string {
  return btoa(String.fromCharCode(...new Uint8Array(octets)))
}

async function newSigner() {
  const { subtle } = crypto
  const { publicKey, privateKey } = await subtle.generateKey(algorithm, false, ['sign', 'verify'])
  const sign = async (text: string) => base64(await subtle.sign(algorithm, privateKey, new TextEncoder().encode(text)))
  return { key: base64(await subtle.exportKey('spki', publicKey)), sign }
}
type Signer = Awaited<ReturnType<typeof newSigner>>

/** A channel with back-pressure by what the browser has not sent yet. @see W3C WebRTC §6.2 */
function channelOf(channel: RTCDataChannel) {
  channel.bufferedAmountLowThreshold = lowOctets
  return {
    send: async (message: Uint8Array<ArrayBuffer> | string) => {
      if (typeof message === 'string') channel.send(message)
      else channel.send(message)
    },
    room: async () => {
      while (channel.readyState === 'open' && channel.bufferedAmount > highOctets)
        await new Promise<void>((resolve) => {
          channel.addEventListener('bufferedamountlow', () => resolve(), { once: true })
          channel.addEventListener('close', () => resolve(), { once: true })
        })
    },
    onMessage: (listener: (message: Uint8Array | string) => void) => {
      channel.onmessage = ({ data }) => listener(typeof data === 'string' ? data : new Uint8Array(data as ArrayBuffer))
    },
    close: () => channel.close()
  }
}

export class EvidenceClient {
  readonly #token: string
  readonly #files: EvidenceFiles
  readonly #signer: Promise<Signer>
  readonly #links = new Map<string, EvidenceLink>()
  readonly #rows = new Map<string, HTMLElement>()
  #participant = ''
  #peer: RTCPeerConnection | null = null
  #socket: WebSocket | null = null
  #attempt = 0
  #over = false
  #timer: ReturnType<typeof setTimeout> | undefined

  private constructor(token: string, folder: string) {
    this.#token = token
    this.#files = new EvidenceFiles(document.body.dataset.evidenceWorker!, folder)
    this.#signer = newSigner()
    void this.#open()
  }

  static async begin(token: string): Promise<EvidenceClient> {
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(`evidence ${token}`))
    return new EvidenceClient(token, [...new Uint8Array(digest.slice(0, 8))].map((octet) => octet.toString(16)).join('-'))
  }

  /** Shares files with the call that is open; with several, with the newest. */
  async share(files: Iterable<File>): Promise<void> {
    for (const file of files) {
      const link = [...this.#links.values()].reverse().find(({ state }) => state === 'ACTIVE' || state === 'DEGRADED')
      if (link === undefined) {
        this.#say('There is no call that evidence could be shared in.')
        return
      }
      this.#say(`Looking at ${file.name} …`)
      const source = await this.#files.source(file)
      this.#say('')
      link.offer(source)
    }
  }

  /** Leaves for good: what came is forgotten. */
  end(): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#timer)
    for (const link of this.#links.values()) link.end('left')
    this.#drop()
    void this.#files.forget()
    element('evidence').replaceChildren()
  }

  #say(text: string): void {
    element('evidence-state').textContent = text
  }

  #drop(): void {
    const [socket, peer] = [this.#socket, this.#peer]
    this.#socket = null
    this.#peer = null
    for (const link of this.#links.values()) link.lost()
    socket?.close()
    peer?.close()
  }

  #again(): void {
    clearTimeout(this.#timer)
    this.#drop()
    if (this.#over) return
    const pause = pausesMs[Math.min(this.#attempt++, pausesMs.length - 1)]!
    this.#timer = setTimeout(() => void this.#open(), pause)
  }

  async #open(): Promise<void> {
    const peer = new RTCPeerConnection({ iceServers: [] })
    this.#peer = peer
    // the description has data channels in it once there is one; numbers are given by the service, from 0 on
    peer.createDataChannel('opener', { negotiated: true, id: 1022 })
    const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/evidence`, 'evidence.1')
    this.#socket = socket
    const mine = () => socket === this.#socket && !this.#over
    const say = (signal: EvidencePageSignal) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(signal))
    peer.onconnectionstatechange = () => {
      if (!mine()) return
      if (peer.connectionState === 'connected') this.#attempt = 0
      else if (peer.connectionState === 'failed' || peer.connectionState === 'disconnected') this.#again()
    }
    socket.onclose = () => mine() && this.#again()
    socket.onmessage = ({ data }) => {
      if (!mine()) return
      const signal = JSON.parse(data as string) as EvidenceServiceSignal
      if (signal.type === 'answer') {
        this.#participant = signal.participant
        void peer.setRemoteDescription({ type: 'answer', sdp: signal.sdp }).catch(() => mine() && this.#again())
      } else if (signal.type === 'channel') this.#channel(peer, signal, say)
      else if (signal.code === 'seat.taken-over') this.end()
    }
    this.#timer = setTimeout(() => mine() && peer.connectionState !== 'connected' && this.#again(), answerMs)
    try {
      await peer.setLocalDescription()
      if (socket.readyState === WebSocket.CONNECTING)
        await new Promise((resolve) => socket.addEventListener('open', resolve, { once: true }))
      say({ type: 'join', token: this.#token, offer: peer.localDescription!.sdp })
    } catch {
      if (mine()) this.#again()
    }
  }

  #channel(
    peer: RTCPeerConnection,
    { call, stream }: Extract<EvidenceServiceSignal, { type: 'channel' }>,
    say: (signal: EvidencePageSignal) => void
  ): void {
    const channel = peer.createDataChannel(call, { negotiated: true, id: stream })
    channel.binaryType = 'arraybuffer'
    channel.onopen = async () => {
      const signer = await this.#signer
      const link = this.#linkOf(call, signer)
      link.attach(channelOf(channel))
      say({ type: 'opened', call })
    }
    channel.onclose = () => {
      const link = this.#links.get(call)
      if (peer === this.#peer && link !== undefined && link.state !== 'CLOSED') link.lost()
    }
  }

  #linkOf(call: string, signer: Signer): EvidenceLink {
    const known = this.#links.get(call)
    if (known !== undefined && known.state !== 'CLOSED') return known
    const link = new EvidenceLink(
      { call, encoding: 'binary', key: signer.key },
      {
        clock,
        shelf: this.#files.shelf,
        sign: (receipt) => signer.sign(receiptText(call, this.#participant, receipt)),
        // the council's receipts are entries of the ledger
        acceptReceipt: async () => 'kept',
        onState: (state) => {
          element('evidence').dataset.state = state
        },
        onProgress: (progress) => void this.#show(progress),
        onContext: (context) => this.#context(context),
        onEnd: (reason) => this.#say(`No evidence comes in this call any longer: ${reason}.`),
        onRefusal: ({ name }, _, reason) => this.#say(`${name} was not taken: ${reason}.`)
      }
    )
    this.#links.set(call, link)
    return link
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
