/**
 * A telephone that makes many calls over one TLS connection or UDP socket and keeps the time of each. It reads of an answer only what the next request
 * needs, so that what is measured is the suite and not the phone.
 */
import { hash, randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:tls'

export interface LoadUser {
  readonly name: string
  readonly password: string
  readonly algorithm: 'MD5' | 'SHA-256'
  /** Sends X-IF-Signature headers of the right form that nobody signed. */
  readonly forges?: boolean
}

export interface CallOrder {
  readonly user: LoadUser
  /** User part that is dialled: conference and hazard. */
  readonly dialled: string
  readonly sdp: string
  /** Told the session description of the answer; the call is ended when it resolves. */
  readonly hold: (answer: string) => Promise<unknown>
  /** From the INVITE to the answer, and from the BYE to its answer. */
  readonly timeoutMs: number
}

/** Milliseconds, by the phone's clock. */
export interface CallTimes {
  /** From the first INVITE to the 407. */
  readonly challengeMs: number
  /** From the first INVITE to the 200: 407, ACK and the second INVITE are in it. */
  readonly setupMs: number
  /** From the INVITE with credentials to its 200. */
  readonly authenticatedMs: number
}

export type CallOutcome =
  | ({ readonly ok: true } & CallTimes)
  | {
      readonly ok: false
      readonly reason: string
      /** It had been answered. */
      readonly accepted: boolean
    }

/** How a phone reaches the edge. */
interface Wire {
  readonly transport: 'TLS' | 'UDP'
  readonly localPort: number
  readonly send: (text: string) => void
  readonly close: () => void
}

const forgedSignature = (): string =>
  `X-IF-Trace-ID: ${randomBytes(16).toString('hex')}\r\nX-IF-Hazard: safety\r\nX-IF-Signature: v=1;kid=${randomBytes(8).toString('hex')};` +
  `iat=${Math.floor(Date.now() / 1000)};nonce=${randomBytes(18).toString('base64url')};sig=${randomBytes(64).toString('base64url')}\r\n`

export interface LoadPhone {
  /** Makes a call and ends it after its hold. Resolves when its BYE is answered; never rejects. */
  readonly call: (order: CallOrder) => Promise<CallOutcome>
  readonly close: () => void
}

interface Answer {
  readonly status: number
  readonly cseq: string
  readonly text: string
}

const timer1Ms = 500

let tokens = 0
/** Of this process and nobody else: the far end needs a name for each call, and none that cannot be guessed. */
const origin = randomBytes(6).toString('base64url')
const token = (): string => `${origin}${(tokens++).toString(36)}`

/** A phone of a benchmark must not take the processor from what is measured: each expression is made once. */
const fields = {
  callId: /^Call-ID\s*:\s*(.*?)\r$/im,
  cseq: /^CSeq\s*:\s*(.*?)\r$/im,
  to: /^To\s*:\s*(.*?)\r$/im,
  contact: /^Contact\s*:\s*(.*?)\r$/im
} as const
const fieldOf = (text: string, name: keyof typeof fields): string | undefined => fields[name].exec(text)?.[1]

const recordRoutes = /^Record-Route\s*:\s*(.*?)\r$/gim
const challenges = /^Proxy-Authenticate\s*:\s*(.*?)\r$/gim
const valuesOf = (text: string, expression: RegExp): string[] => [...text.matchAll(expression)].map((match) => match[1]!)

/** A Proxy-Authorization that answers the challenge for `algorithm`. @see RFC 7616 §3.4 */
function credentialsFor(answer: Answer, { name, password, algorithm }: LoadUser, uri: string): string {
  const challenge = valuesOf(answer.text, challenges).find((each) => each.includes(`algorithm=${algorithm}`))
  if (challenge === undefined) throw new TypeError(`no challenge for ${algorithm}`)
  const digest = (text: string) => hash(algorithm === 'MD5' ? 'md5' : 'sha256', text)
  const realm = /realm="([^"]*)"/.exec(challenge)?.[1] ?? ''
  const nonce = /nonce="([^"]*)"/.exec(challenge)?.[1] ?? ''
  const cnonce = token()
  const response = digest(`${digest(`${name}:${realm}:${password}`)}:${nonce}:00000001:${cnonce}:auth:${digest(`INVITE:${uri}`)}`)
  return `Digest username="${name}", realm="${realm}", nonce="${nonce}", uri="${uri}", response="${response}", algorithm=${algorithm}, cnonce="${cnonce}", qop=auth, nc=00000001`
}

/** One connection; `received` is told each message, `lost` why there is none any more. @param ca PEM of the authority of the edge's certificate */
async function connectTls(
  port: number,
  ca: string,
  received: (text: string) => void,
  lost: (why: string) => void
): Promise<Wire> {
  const socket = connect({ host: '127.0.0.1', port, ca })
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve).once('error', reject)
    socket.setTimeout(10_000, () => reject(new Error('no TLS connection within 10 s')))
  })
  socket.setTimeout(0)
  socket.setNoDelay(true)
  socket.setEncoding('latin1')
  socket.on('error', (error) => lost(error.message))
  socket.on('close', () => lost('connection closed'))
  let buffer = ''
  socket.on('data', (chunk: string) => {
    buffer += chunk
    for (let end = buffer.indexOf('\r\n\r\n'); end >= 0; end = buffer.indexOf('\r\n\r\n')) {
      const whole = end + 4 + Number(/^content-length\s*:\s*(\d+)/im.exec(buffer.slice(0, end))?.[1] ?? 0)
      if (buffer.length < whole) return
      const message = buffer.slice(0, whole)
      buffer = buffer.slice(whole)
      received(message)
    }
  })
  return {
    transport: 'TLS',
    localPort: socket.localPort!,
    send: (text) => void socket.write(text),
    close: () => void socket.destroy()
  }
}

async function openUdp(port: number, received: (text: string) => void): Promise<Wire> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4_194_304 }).bind(0, '127.0.0.1')
  await once(socket, 'listening')
  socket.on('message', (data) => received(data.toString('latin1')))
  socket.on('error', () => undefined)
  return {
    transport: 'UDP',
    localPort: socket.address().port,
    send: (text) => socket.send(text, port, '127.0.0.1'),
    close: () => void socket.close()
  }
}

/** @param ca PEM of the authority that the edge's certificate must come from; null for UDP */
export async function openLoadPhone(port: number, ca: string | null): Promise<LoadPhone> {
  const calls = new Map<string, { answered: (answer: Answer) => void; fail: (reason: string) => void }>()
  const lost = (reason: string) => {
    for (const { fail } of [...calls.values()]) fail(reason)
  }
  const received = (text: string) => {
    const callId = fieldOf(text, 'callId')!
    const status = text.startsWith('SIP/2.0 ') ? Number(text.slice(8, 11)) : 0
    if (status > 0) return calls.get(callId)?.answered({ status, cseq: fieldOf(text, 'cseq')!, text })
    if (text.startsWith('ACK ')) return
    const copied = text.match(/^(?:Via|Record-Route|From|To|Call-ID|CSeq)\s*:.*\r\n/gim)!.join('')
    wire.send(`SIP/2.0 200 OK\r\n${copied}Content-Length: 0\r\n\r\n`)
    if (text.startsWith('BYE ')) calls.get(callId)?.fail('ended by the far end')
  }

  const wire = ca === null ? await openUdp(port, received) : await connectTls(port, ca, received, lost)

  const call = ({ user, dialled, sdp, hold, timeoutMs }: CallOrder): Promise<CallOutcome> => {
    const done = Promise.withResolvers<CallOutcome>()
    const sentBy = `127.0.0.1:${wire.localPort}`
    const parameter = wire.transport === 'TLS' ? ';transport=tls' : ''
    const uri = `sip:${dialled}@127.0.0.1:${port}${parameter}`
    const [callId, fromTag] = [token(), token()]
    let branch = ''
    let to = `<${uri}>`
    let target = uri
    let routes: readonly string[] = []
    /** Timers A and E: what is not answered is sent again. @see RFC 3261 §17.1 */
    let again: NodeJS.Timeout | null = null
    let awaited = ''
    const repeat = (text: string, afterMs = timer1Ms) => {
      if (again !== null) clearTimeout(again)
      again = setTimeout(() => {
        wire.send(text)
        repeat(text, afterMs * 2)
      }, afterMs)
    }
    const send = (method: string, cseq: number, { more = '', body = '', sameBranch = false } = {}) => {
      if (!sameBranch) branch = `z9hG4bK${token()}`
      const text =
        `${method} ${target} SIP/2.0\r\nVia: SIP/2.0/${wire.transport} ${sentBy};rport;branch=${branch}\r\n${routes.map((route) => `Route: ${route}\r\n`).join('')}Max-Forwards: 70\r\n` +
        `From: <sip:${user.name}@external.advisor>;tag=${fromTag}\r\nTo: ${to}\r\nCall-ID: ${callId}\r\nCSeq: ${cseq} ${method}\r\n` +
        `Contact: <sip:${user.name}@${sentBy}${parameter}>\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`
      wire.send(text)
      if (wire.transport === 'UDP' && method !== 'ACK') {
        awaited = `${cseq} ${method}`
        repeat(text)
      }
    }
    const invite = (cseq: number, more: string) =>
      send('INVITE', cseq, { more: `${more}Content-Type: application/sdp\r\n`, body: sdp })

    const finish = (outcome: CallOutcome) => {
      clearTimeout(timeout)
      if (again !== null) clearTimeout(again)
      calls.delete(callId)
      done.resolve(outcome)
    }
    const fail = (reason: string) => finish({ ok: false, reason, accepted: times !== null })
    const late = (what: string) => setTimeout(() => fail(`${what} within ${timeoutMs} ms`), timeoutMs)
    let timeout = late('not answered')

    const refusedInvite = (cseq: number, answer: Answer) => {
      const first = to
      to = fieldOf(answer.text, 'to')!
      send('ACK', cseq, { sameBranch: true })
      to = first
    }
    const startedMs = performance.now()
    let challengedMs = Number.NaN
    let credentialsMs = Number.NaN
    let times: CallTimes | null = null
    const answered = (answer: Answer) => {
      const nowMs = performance.now()
      const { status, cseq, text } = answer
      if (again !== null && cseq === awaited) clearTimeout(again)
      if (status < 200) return
      switch (cseq) {
        case '1 INVITE':
          // an answer that was sent again
          if (!Number.isNaN(challengedMs)) return refusedInvite(1, answer)
          if (status !== 407) {
            refusedInvite(1, answer)
            return fail(`first INVITE got ${status}`)
          }
          challengedMs = nowMs
          refusedInvite(1, answer)
          credentialsMs = performance.now()
          return invite(
            2,
            `${user.forges === true ? forgedSignature() : ''}Proxy-Authorization: ${credentialsFor(answer, user, uri)}\r\n`
          )
        case '2 INVITE':
          if (status >= 300) {
            refusedInvite(2, answer)
            return fail(`INVITE got ${status}`)
          }
          if (times === null) {
            times = {
              challengeMs: challengedMs - startedMs,
              setupMs: nowMs - startedMs,
              authenticatedMs: nowMs - credentialsMs
            }
            to = fieldOf(text, 'to')!
            target = /<([^>]+)>/.exec(fieldOf(text, 'contact') ?? '')?.[1] ?? uri
            routes = valuesOf(text, recordRoutes).reverse()
            clearTimeout(timeout)
            send('ACK', 2)
            return void hold(text.slice(text.indexOf('\r\n\r\n') + 4)).then(() => {
              if (!calls.has(callId)) return
              timeout = late('BYE not answered')
              send('BYE', 3)
            })
          }
          return send('ACK', 2)
        case '3 BYE':
          return status === 200 ? finish({ ok: true, ...times! }) : fail(`BYE got ${status}`)
        default:
          return fail(`answer to ${cseq}`)
      }
    }
    calls.set(callId, { answered, fail })
    invite(1, '')
    return done.promise
  }

  return {
    call,
    close: () => {
      lost('closed')
      wire.close()
    }
  }
}
