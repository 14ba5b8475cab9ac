/** A phone that is called: a UDP socket that keeps what it gets, and answers as the test says. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type Message, parse, reply } from './harness.ts'

/** Session description with which it answers. */
export const phoneSdp =
  'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n'

export class CalledPhone {
  readonly got: Message[] = []
  readonly #socket: Socket
  #from: RemoteInfo | null = null
  /** What it does with each message; by default nothing. */
  answer: (message: Message, phone: CalledPhone) => void = () => undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('message', (data, from) => {
      const message = parse(data.toString('latin1'))
      this.#from = from
      this.got.push(message)
      this.answer(message, this)
    })
  }

  static async open(address = '127.0.0.1'): Promise<CalledPhone> {
    const socket = createSocket('udp4').bind(0, address)
    await once(socket, 'listening')
    return new CalledPhone(socket)
  }

  get port(): number {
    return this.#socket.address().port
  }

  get host(): string {
    return `${this.#socket.address().address}:${this.port}`
  }

  get contact(): string {
    return `Contact: <sip:expert-safety@${this.host}>`
  }

  /** To where the last message came from. */
  send(text: string): void {
    this.#socket.send(Buffer.from(text, 'latin1'), this.#from!.port, this.#from!.address)
  }

  count(method: string): number {
    return this.got.filter(({ startLine }) => startLine.startsWith(method)).length
  }

  close(): void {
    this.#socket.close()
  }
}

/** Answers everything but an INVITE with 200. */
export const polite = (request: Message, phone: CalledPhone): void => {
  if (!/^(?:INVITE|ACK|SIP)/.test(request.startLine)) phone.send(reply(request, 200, 'OK'))
}

/** Answers INVITEs with a 200 that has these header fields. */
export const answeringWith =
  (headers: (phone: CalledPhone) => readonly string[] = ({ contact }) => [contact], body: string = phoneSdp) =>
  (request: Message, phone: CalledPhone): void => {
    if (request.startLine.startsWith('INVITE'))
      phone.send(reply(request, 200, 'OK', ['Content-Type: application/sdp', ...headers(phone)], body))
    else polite(request, phone)
  }
