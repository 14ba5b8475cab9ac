/** The application: answers every call with createUAS. */
import Srf from 'drachtio-srf'

interface AnsweringSrf {
  readonly invite: (handler: (request: unknown, response: unknown) => void) => void
  readonly createUAS: (request: unknown, response: unknown, options: { readonly localSdp: string }) => Promise<unknown>
  readonly connect: (options: object) => unknown
  readonly on: (event: string, listener: (error: Error | null) => void) => unknown
}

const localSdp =
  'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n'

/** @param connect connects it; resolves when it is logged in. */
export async function answerCalls(connect: (srf: AnsweringSrf) => void): Promise<void> {
  const srf = new Srf() as unknown as AnsweringSrf
  srf.invite((request, response) => void srf.createUAS(request, response, { localSdp }).catch(() => undefined))
  const connected = new Promise<void>((resolve, reject) => {
    srf.on('connect', (error) => (error === null ? resolve() : reject(error)))
    srf.on('error', () => undefined)
  })
  connect(srf)
  await connected
}
