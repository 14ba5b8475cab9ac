/**
 * The page's sound as a SIP call of its own: JsSIP, over secure WebSocket (RFC 7118) through the edge, with the token of the seat for a password. The page
 * loads this program only where it was asked to signal by SIP.
 */
import JsSIP from 'jssip'
import type { SipTerms } from '../../signals.ts'
import type { Told, Voice } from './connection.ts'

export interface SipCallTerms extends SipTerms {
  readonly password: string
  readonly media: MediaStream
}

export type StartSipCall = typeof startSipCall

/** How long the WebSocket may take to open. */
const openMs = 10_000

function startSipCall(
  { url, uri, user, target, password, media }: SipCallTerms,
  told: Pick<Told, 'state' | 'track' | 'over'>
): Voice {
  let session: ReturnType<InstanceType<typeof JsSIP.UA>['call']> | null = null
  let peer: RTCPeerConnection | null = null
  let established = false
  let over = false
  const agent = new JsSIP.UA({
    sockets: [new JsSIP.WebSocketInterface(url)],
    uri,
    authorization_user: user,
    password,
    register: false
  })
  const end = (reason: string | null) => {
    if (over) return
    over = true
    clearTimeout(timer)
    agent.stop()
    if (reason !== null) told.over(reason)
  }
  const timer = setTimeout(() => session === null && end('The conference cannot be reached by SIP.'), openMs)
  /** Another way of ICE, and another WebSocket in our Contact (RFC 3261 §12.2.1.1). */
  const again = () => {
    if (!established || over || !agent.isConnected()) return
    session!.renegotiate({ rtcOfferConstraints: { iceRestart: true } })
  }

  const call = () =>
    agent.call(target, {
      mediaStream: media,
      pcConfig: { iceServers: [], bundlePolicy: 'max-bundle' },
      eventHandlers: {
        peerconnection: ({ peerconnection }: { peerconnection: RTCPeerConnection }) => {
          peer = peerconnection
          if (media.getVideoTracks().length === 0) peerconnection.addTransceiver('video', { direction: 'recvonly' })
          peerconnection.ontrack = ({ track }) => told.track(track)
          peerconnection.onconnectionstatechange = () => {
            if (over) return
            const { connectionState } = peerconnection
            if (connectionState === 'connected') told.state('connected')
            else if (connectionState === 'disconnected' || connectionState === 'failed') {
              told.state('lost')
              again()
            }
          }
        },
        confirmed: () => {
          established = true
        },
        failed: ({ cause }: { cause: string }) => end(`The conference does not take the call: ${cause}.`),
        ended: () => end('The call has ended.')
      }
    })
  agent.on('connected', () => {
    if (session === null) session = call()
    else again()
  })
  agent.start()

  return {
    isConnected: () => peer?.connectionState === 'connected',
    end: () => end(null)
  }
}

Object.assign(globalThis, { startSipCall })
