import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { manualClock } from '#kernel'
import type { EvidenceChannel } from './link/link-ports.ts'
import { EvidenceParticipant, roomIn, type SignalSocket } from './participant.ts'
import { channelPair, HashShelf, settle } from './testing/memory.ts'

class Channel extends EventEmitter {
  readyState = 'open'
  bufferedAmount = 0
  readonly addEventListener = (type: string, listener: () => void) => void this.on(type, listener)
  readonly removeEventListener = (type: string, listener: () => void) => void this.off(type, listener)
}

test('a sender waits while too much waits to be sent, and leaves no listener behind', async (t) => {
  const channel = new Channel()
  await roomIn(channel, 100)
  channel.bufferedAmount = 101
  let waits = true
  const room = roomIn(channel, 100).then(() => {
    waits = false
  })
  await settle(2)
  t.true(waits)
  channel.emit('bufferedamountlow')
  await settle(2)
  t.true(waits, 'it looks again')
  channel.bufferedAmount = 50
  channel.emit('bufferedamountlow')
  await room
  channel.bufferedAmount = 1000
  const closed = roomIn(channel, 100)
  channel.readyState = 'closed'
  channel.emit('close')
  await closed
  t.deepEqual(channel.eventNames(), [])
})

test('a connection that is lost is opened anew after 250 ms, 1, 2, 4 s, from the beginning once it stood; one left is not', async (t) => {
  const clock = manualClock()
  const opened: { state: (state: 'connected' | 'lost') => void; close: () => void; open: () => void; closed: boolean }[] = []
  const said: unknown[] = []
  let channel: ((channel: EvidenceChannel) => void) | null = null
  let message: (text: string) => void = () => {}
  const participant = new EvidenceParticipant('token', {
    clock,
    newPeer: (state) => {
      const peer = { state, close: () => {}, open: () => {}, closed: false }
      opened.push(peer)
      return {
        offer: async () => 'offer',
        answered: async () => state('connected'),
        open: (_label, _stream, hand) => {
          channel = hand
        },
        close: () => {
          peer.closed = true
        }
      }
    },
    newSocket: (on): SignalSocket => {
      message = on.message
      Object.assign(opened.at(-1)!, { close: on.close, open: on.open })
      queueMicrotask(on.open)
      return { say: (text) => void said.push(JSON.parse(text)), close: () => {} }
    },
    shelf: () => new HashShelf(),
    onState: () => {},
    onProgress: () => {},
    onContext: () => {},
    onEnd: () => {},
    onRefusal: () => {}
  })
  await settle(3)
  t.deepEqual(said, [{ type: 'join', token: 'token', offer: 'offer' }])
  for (const [attempt, pause] of [250, 1000, 2000, 4000, 4000].entries()) {
    opened.at(-1)!.close()
    t.true(opened.at(-1)!.closed)
    clock.advance(pause - 1)
    t.is(opened.length, attempt + 1)
    clock.advance(1)
    t.is(opened.length, attempt + 2, `after ${pause} ms`)
    await settle(3)
  }
  message(JSON.stringify({ type: 'answer', sdp: 'answer', participant: 'guardian-1-0' }))
  await settle(3)
  message(JSON.stringify({ type: 'channel', call: 'call-1', stream: 0 }))
  channel!(channelPair().a)
  // its key pair is made by another thread
  for (let turn = 0; turn < 1000 && (said.at(-1) as { type: string }).type === 'join'; turn++) await sleep(5)
  t.deepEqual(said.at(-1), { type: 'opened', call: 'call-1' })
  const before = opened.length
  opened.at(-1)!.state('lost')
  clock.advance(250)
  t.is(opened.length, before + 1, 'once it stood, the pauses begin anew')
  await settle(3)
  message('no JSON')
  t.true(opened.at(-1)!.closed, 'what does not speak the protocol is left')
  clock.advance(1000)
  t.is(opened.length, before + 2)
  await settle(3)
  clock.advance(10_000)
  clock.advance(2000)
  t.is(opened.length, before + 3, 'one that does not connect in 10 s is given up')
  await settle(3)
  participant.end()
  participant.end()
  clock.advance(60_000)
  t.is(opened.length, before + 3)
  t.is(clock.pending(), 0, 'no timer is left')
})
