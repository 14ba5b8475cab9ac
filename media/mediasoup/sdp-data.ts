/**
 * Descriptions of a connection that carries data channels and nothing else, as pure functions.
 *
 * @see RFC 8841 (SCTP over DTLS in SDP), RFC 8839 (ICE in SDP), RFC 8122 (fingerprint)
 */
import type { types } from 'mediasoup'
import type { MediaRefusal, MediaRefusalCode } from '#kernel'
import type { LocalTransport } from './sdp-webrtc.ts'

export interface DataOffer {
  readonly ok: true
  readonly usernameFragment: string
  readonly dtls: types.DtlsParameters
  readonly mid: string
  /** Of one message to the browser, in octets (RFC 8841 §6). */
  readonly maxMessageSize: number
}

const mostCharacters = 16_384
/** Where a description does not say. @see RFC 8841 §6.1 */
const defaultMessageSize = 65_536
const octetsOf: Readonly<Record<string, number>> = { 'sha-256': 32, 'sha-384': 48, 'sha-512': 64 }

const refuse = (code: MediaRefusalCode, reason: string): MediaRefusal => ({ ok: false, code, reason })

/** Reads an offer whose one stream is `m=application … UDP/DTLS/SCTP webrtc-datachannel`. */
export function readDataOffer(sdp: string): DataOffer | MediaRefusal {
  if (sdp.length > mostCharacters) return refuse('sdp.malformed', `longer than ${mostCharacters} characters`)
  const lines = sdp.split(/\r?\n/)
  const media = lines.filter((line) => line.startsWith('m='))
  if (media.length !== 1 || !/^m=application \d{1,5} (?:UDP|TCP)\/DTLS\/SCTP webrtc-datachannel$/.test(media[0]!))
    return refuse('sdp.unsupported-profile', 'expected one stream of data channels')
  const attribute = (name: string) => lines.find((line) => line.startsWith(`a=${name}:`))?.slice(name.length + 3) ?? ''
  const usernameFragment = attribute('ice-ufrag')
  if (!/^[\w+/]{4,256}$/.test(usernameFragment) || !/^[\w+/]{22,256}$/.test(attribute('ice-pwd')))
    return refuse('sdp.malformed', 'no username and password of ICE')
  const [algorithm = '', value = ''] = attribute('fingerprint').split(' ')
  const octets = octetsOf[algorithm.toLowerCase()]
  if (octets === undefined) return refuse('sdp.unsupported-profile', 'no fingerprint by SHA-256, SHA-384 or SHA-512')
  if (value.length !== 3 * octets - 1 || !/^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2})*$/.test(value))
    return refuse('sdp.malformed', 'the fingerprint is malformed')
  const setup = attribute('setup')
  // we answer actpass as the passive side (RFC 8842 §5.3), so that the browser begins
  const role = setup === 'active' || setup === 'actpass' ? 'client' : setup === 'passive' ? 'server' : null
  if (role === null) return refuse('sdp.malformed', 'no a=setup')
  const mid = attribute('mid')
  if (!/^[!#$%&'*+.0-9A-Z^_`a-z{|}~-]{1,64}$/.test(mid)) return refuse('sdp.malformed', 'no a=mid')
  const size = attribute('max-message-size')
  if (size !== '' && !/^\d{1,10}$/.test(size)) return refuse('sdp.malformed', 'a=max-message-size is no number')
  return {
    ok: true,
    usernameFragment,
    dtls: {
      role,
      fingerprints: [{ algorithm: algorithm.toLowerCase() as types.FingerprintAlgorithm, value: value.toUpperCase() }]
    },
    mid,
    // 0 is any size (RFC 8841 §6)
    maxMessageSize: size === '' ? defaultMessageSize : Number(size) || Number.MAX_SAFE_INTEGER
  }
}

/** The answer. @param sctp of our side */
export function writeDataAnswer(
  { mid, dtls: { role } }: DataOffer,
  origin: { readonly sessionId: string; readonly version: number },
  { ice, candidates, dtls }: LocalTransport,
  sctp: { readonly port: number; readonly maxMessageSize: number }
): string {
  const fingerprint = dtls.fingerprints.find(({ algorithm }) => algorithm === 'sha-256')!
  const lines = [
    'v=0',
    `o=- ${origin.sessionId} ${origin.version} IN IP4 0.0.0.0`,
    's=-',
    't=0 0',
    'a=ice-lite',
    `a=group:BUNDLE ${mid}`,
    `m=application ${candidates[0]?.port ?? 9} UDP/DTLS/SCTP webrtc-datachannel`,
    `c=IN IP4 ${candidates[0]?.address ?? '0.0.0.0'}`,
    `a=mid:${mid}`,
    `a=ice-ufrag:${ice.usernameFragment}`,
    `a=ice-pwd:${ice.password}`,
    `a=fingerprint:${fingerprint.algorithm} ${fingerprint.value}`,
    `a=setup:${role === 'client' ? 'passive' : 'active'}`,
    ...candidates.map(
      ({ foundation, priority, address, protocol, port, type }) =>
        `a=candidate:${foundation} 1 ${protocol} ${priority} ${address} ${port} typ ${type}`
    ),
    'a=end-of-candidates',
    `a=sctp-port:${sctp.port}`,
    `a=max-message-size:${sctp.maxMessageSize}`
  ]
  return `${lines.join('\r\n')}\r\n`
}
