/** Phones that register, and calls out to them. */
import type { Duplex } from 'node:stream'
import { hash, type Message, type Phone, type Rig, realm, reply } from './harness.ts'

export interface Registration {
  readonly as?: string
  readonly user?: string
  readonly password?: string
  readonly expires?: number
  readonly callId?: string
  readonly contact?: string
  readonly headers?: readonly string[]
}

let count = 0

/** REGISTER, challenged by 401, and again with credentials. */
export async function register(phone: Phone<Duplex>, options: Registration = {}): Promise<Message> {
  const { as = 'expert-safety', user = as, password = 'secret', expires = 600, callId = `register-${++count}` } = options
  const text = (cseq: number, more: readonly string[]) =>
    phone.request({
      method: 'REGISTER',
      user: as,
      to: as,
      callId,
      cseq,
      requestUri: 'sip:edge.test',
      headers: [
        `Contact: ${options.contact ?? `<sip:${as}@192.0.2.55:5099;transport=tls>`}`,
        `Expires: ${expires}`,
        ...(options.headers ?? []),
        ...more
      ]
    })
  phone.send(text(1, []))
  const challenge = await phone.final(callId)
  if (!challenge.startLine.startsWith('SIP/2.0 401')) return challenge
  const nonce = /nonce="([^"]+)"/.exec(challenge.all('WWW-Authenticate').find((line) => line.includes('SHA-256'))!)![1]!
  const ha1 = hash('sha256', `${user}:${realm}:${password}`)
  const response = hash('sha256', `${ha1}:${nonce}:00000001:cn:auth:${hash('sha256', 'REGISTER:sip:edge.test')}`)
  phone.send(
    text(2, [
      `Authorization: Digest username="${user}", realm="${realm}", nonce="${nonce}", uri="sip:edge.test", response="${response}", algorithm=SHA-256, cnonce="cn", qop=auth, nc=00000001`
    ])
  )
  return phone.final(callId)
}

/** A call out of the application to an address of record. @returns its final answer */
export async function callOut({ app, config }: Rig, uri = 'sip:expert-safety@edge.test'): Promise<Message> {
  const callId = `out-${++count}`
  app.send(
    [
      `INVITE ${uri} SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.1:${app.port};branch=z9hG4bK${callId}`,
      'Max-Forwards: 70',
      'From: <sip:council@council.test>;tag=council',
      `To: <sip:expert-safety@edge.test>`,
      `Call-ID: ${callId}`,
      'CSeq: 1 INVITE',
      `Contact: <sip:127.0.0.1:${app.port}>`,
      'Content-Length: 0\r\n\r\n'
    ].join('\r\n'),
    config.inside.port
  )
  return app.inbox.next(({ startLine, get }) => /^SIP\/2\.0 [2-6]/.test(startLine) && get('Call-ID') === callId)
}

export const ring = async (phone: Phone<Duplex>): Promise<Message> => {
  const invite = await phone.inbox.next(({ startLine }) => startLine.startsWith('INVITE'))
  phone.send(reply(invite, 486, 'Busy Here'))
  return invite
}
