/** An agent's connection for data channels: ICE, DTLS and SCTP by werift, in this process. */
import { RTCPeerConnection } from 'werift'
import { type DataPeer, type EvidenceChannel, roomIn } from '#webrtc'

/** Octets that wait to be sent before a sender is held up, and at how many it goes on (RFC 8831 §6.6). */
const [highOctets, lowOctets] = [1 << 20, 512 << 10]
/** Of one message: a chunk with its header, and more than any text. */
const mostMessageOctets = 262_144

type Channel = ReturnType<RTCPeerConnection['createDataChannel']>

/** @param state told what has become of the connection; `lost` at most once */
export function openDataPeer(state: (state: 'connected' | 'lost') => void): DataPeer {
  const peer = new RTCPeerConnection({
    iceServers: [],
    // mediasoup is reached by IPv4; and by loopback where the suite is on this machine
    iceUseIpv6: false,
    iceAdditionalHostAddresses: ['127.0.0.1'],
    maxMessageSize: mostMessageOctets
  })
  // the description has data channels in it once there is one; numbers are given by the service, from 0 on
  peer.createDataChannel('opener', { negotiated: true, id: 1022 })
  let over = false
  peer.connectionStateChange.subscribe((now) => {
    if (over) return
    if (now === 'connected') state('connected')
    else if (now === 'failed' || now === 'disconnected' || now === 'closed') {
      over = true
      state('lost')
    }
  })
  return {
    offer: async () => {
      await peer.setLocalDescription()
      return peer.localDescription!.sdp
    },
    answered: (sdp) => peer.setRemoteDescription({ type: 'answer', sdp }),
    open: (label, stream, opened, closed) => {
      const channel = peer.createDataChannel(label, { negotiated: true, id: stream })
      const open = () => opened(channelOf(channel))
      if (channel.readyState === 'open') queueMicrotask(open)
      else channel.onopen = open
      channel.onclose = closed
    },
    close: () => {
      over = true
      void peer.close().catch(() => undefined)
    }
  }
}

function channelOf(channel: Channel): EvidenceChannel {
  channel.bufferedAmountLowThreshold = lowOctets
  return {
    send: async (message) =>
      channel.send(typeof message === 'string' ? message : Buffer.from(message.buffer, message.byteOffset, message.length)),
    room: () => roomIn(channel, highOctets),
    onMessage: (listener) => void channel.onMessage.subscribe(listener),
    close: () => channel.close()
  }
}
