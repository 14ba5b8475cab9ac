import test from 'ava'
import { decodeRtp, emptyRtpHeader, encodeRtp } from '../rtp/rtp.ts'
import { Stage } from './stage.ts'

const slice = 0x61
const parameters = 0x67

/** A stage with participants that note what they see and are asked for. */
function scene() {
  const stage = new Stage()
  const seen: Record<string, string> = {}
  const asked: string[] = []
  let sequence = 100
  const film = (name: string, nowMs = 0) => stage.film(name, { askKeyFrame: () => asked.push(name) }, nowMs)
  const watch = (name: string, nowMs = 0) =>
    stage.watch(
      name,
      {
        ssrc: 7,
        payloadType: 96,
        sequence: 0xfffe,
        timestamp: 0,
        send: (packet) => {
          const header = emptyRtpHeader()
          decodeRtp(packet, header)
          seen[name] = `${seen[name] ?? ''}${String.fromCharCode(packet[header.payloadEnd - 1]!)}`
        }
      },
      nowMs
    )
  /** A packet whose last octet is the first letter of who sends it. */
  const send = (name: string, type: number, nowMs = 0) => {
    const packet = Buffer.alloc(14)
    encodeRtp(packet, true, 108, sequence++, nowMs * 90, 1)
    packet[12] = type
    packet[13] = name.charCodeAt(0)
    return stage.packet(name, packet, nowMs)
  }
  return { stage, seen, asked, film, watch, send }
}

test('viewers see who speaks, who speaks sees the one before; nobody sees itself', (t) => {
  const { stage, seen, asked, film, watch, send } = scene()
  for (const name of ['a', 'b', 'c']) {
    film(name)
    watch(name)
  }
  const all = (type: number, nowMs: number) => ['a', 'b', 'c'].map((name) => send(name, type, nowMs))
  all(parameters, 10)
  t.deepEqual(seen, { a: 'b', b: 'a', c: 'a' })
  stage.speaks('c', 20)
  t.is(asked.at(-1), 'c')
  t.is(stage.shownTo('a'), 'b', 'until the key frame comes, the one before goes on')
  all(slice, 30)
  t.deepEqual(seen, { a: 'bb', b: 'aa', c: 'aa' })
  all(parameters, 40)
  t.deepEqual(seen, { a: 'bbbc', b: 'aaac', c: 'aaa' })
  t.deepEqual(
    ['a', 'b', 'c'].map((name) => stage.shownTo(name)),
    ['c', 'c', 'a']
  )
})

test('one who is not filmed changes nothing by speaking, and one who goes is not shown', (t) => {
  const { stage, film, watch, send } = scene()
  film('a')
  film('b')
  watch('v')
  send('a', parameters)
  stage.speaks('telephone', 5)
  t.is(stage.shownTo('v'), 'a')
  stage.leave('a', 10)
  t.is(stage.shownTo('v'), null)
  send('b', parameters, 20)
  t.is(stage.shownTo('v'), 'b')
  stage.film('b', null, 30)
  t.is(stage.shownTo('v'), null)
})

test('a key frame that does not come is asked for again, not more often than twice a second', (t) => {
  const { stage, asked, film, watch } = scene()
  watch('v')
  film('a')
  t.is(asked.length, 1)
  for (let ms = 0; ms <= 2000; ms += 100) stage.tick(ms)
  t.is(asked.length, 5)
  stage.refresh('v', 2010)
  t.is(asked.length, 5)
})

test('octets that are no RTP are told, and a packet that is too long is left out', (t) => {
  const { stage, film, watch, seen } = scene()
  film('a')
  watch('v')
  t.false(stage.packet('a', Buffer.from('no RTP'), 0))
  const long = Buffer.alloc(4000)
  encodeRtp(long, true, 108, 1, 0, 1)
  long[12] = parameters
  t.true(stage.packet('a', long, 0))
  t.deepEqual(seen, {})
})
