import test from 'ava'
import fc from 'fast-check'
import { presentationMessage } from '../h239/h239.ts'
import type { Capability, MultimediaSystemControlMessage } from '../h245/h245.ts'
import { multimediaSystemControlMessage } from '../h245/pdus.ts'
import { captured } from '../testing/vectors.ts'
import { canBeSimultaneous, canSend, emptyCapabilities, noCapabilities, ownCapabilities, withSet } from './capabilities.ts'
import { audioCapabilityOf } from './codecs.ts'
import { command, indication, request } from './entities/entity.ts'
import type { AudioCodec } from './media.ts'
import { localMedia, nameOf, type Sides, seeded, sidesOf } from './testing/sides.ts'

function start(sides: Sides, codecs: { a?: AudioCodec[]; b?: AudioCodec[] } = {}): void {
  sides.act('a', (one) => one.setLocal(localMedia(5000, codecs.a)))
  sides.act('b', (one) => one.setLocal(localMedia(6000, codecs.b)))
  sides.act('a', (one) => one.start())
  sides.act('b', (one) => one.start())
}

/** Both hear each other in one codec. */
function agreed(sides: Sides): AudioCodec | null {
  const [a, b] = [sides.a.terms(), sides.b.terms()]
  if (a === null || b === null || a.codec !== b.codec) return null
  const flows = [a.sends, a.receives, b.sends, b.receives].every(Boolean)
  return flows && a.remote?.rtp.port === 6000 && b.remote?.rtp.port === 5000 ? a.codec : null
}

test('capabilities, determination and a channel each way', (t) => {
  const sides = sidesOf()
  start(sides)
  sides.settle()
  sides.clock.advance(1000)
  sides.settle()
  t.is(agreed(sides), 'PCMU')
  t.deepEqual([sides.a.session.status, sides.b.session.status].sort(), ['master', 'slave'])
  t.is(sides.a.terms()?.eventPayloadType, 101)
  t.is(sides.clock.pending(), 0, 'no timer is left')
  t.false(sides.a.told.some(({ type }) => type === 'failed'))
})

test('any order of messages and starts leads to the same', (t) => {
  fc.assert(
    fc.property(fc.integer(), fc.boolean(), fc.boolean(), (seed, bLater, localLate) => {
      const random = seeded(seed)
      const sides = sidesOf({}, random)
      sides.act('a', (one) => one.setLocal(localMedia(5000, ['PCMA', 'PCMU'])))
      if (!localLate) sides.act('b', (one) => one.setLocal(localMedia(6000)))
      sides.act('a', (one) => one.start())
      if (!bLater) sides.act('b', (one) => one.start())
      sides.settle(random)
      if (localLate) sides.act('b', (one) => one.setLocal(localMedia(6000)))
      for (let n = 0; n < 6; n++) {
        sides.settle(random)
        sides.clock.advance(600)
      }
      sides.settle(random)
      return agreed(sides) !== null && sides.clock.pending() === 0
    }),
    { numRuns: 300 }
  )
  t.pass()
})

test('hold and retrieve in any order of messages', (t) => {
  fc.assert(
    fc.property(fc.integer(), fc.array(fc.constantFrom('a', 'b', 'wait'), { maxLength: 6 }), (seed, steps) => {
      const random = seeded(seed)
      const sides = sidesOf({}, random)
      start(sides)
      for (let n = 0; n < 3; n++) {
        sides.settle(random)
        sides.clock.advance(600)
      }
      const held = { a: false, b: false }
      for (const one of steps) {
        if (one === 'wait') sides.settle(random)
        else {
          sides.act(one as 'a' | 'b', (session) => (held[one as 'a' | 'b'] ? session.retrieve() : session.hold()))
          held[one as 'a' | 'b'] = !held[one as 'a' | 'b']
          if (random() < 0.5) sides.deliver('a')
        }
      }
      for (let n = 0; n < 8; n++) {
        sides.settle(random)
        sides.clock.advance(600)
      }
      sides.settle(random)
      if (held.a || held.b) {
        const silent = (name: 'a' | 'b') => sides[name].terms()?.sends !== true
        if (held.a && !silent('b')) return false
        if (held.b && !silent('a')) return false
      }
      for (const name of ['a', 'b'] as const) if (held[name]) sides.act(name, (session) => session.retrieve())
      for (let n = 0; n < 8; n++) {
        sides.settle(random)
        sides.clock.advance(600)
      }
      sides.settle(random)
      return agreed(sides) !== null
    }),
    { numRuns: 300 }
  )
  t.pass()
})

test('third-party pause: channels close, and open again to another address after new capabilities', (t) => {
  const sides = sidesOf()
  start(sides)
  sides.settle()
  sides.clock.advance(1000)
  sides.settle()
  sides.a.sent.length = 0
  sides.act('a', (one) =>
    one.receive(request({ type: 'terminalCapabilitySet', value: { ...emptyCapabilities, sequenceNumber: 99 } }))
  )
  t.deepEqual(sides.a.sent, ['terminalCapabilitySetAck', 'closeLogicalChannel'])
  t.is(sides.a.told.findLast(({ type }) => type === 'paused')?.type, 'paused')
  t.false(sides.a.terms()?.sends ?? false)
})

test('the master chooses the codec; a peer that does not follow is followed', (t) => {
  const sides = sidesOf({ a: { terminalType: 60 } })
  start(sides, { a: ['PCMA', 'PCMU'], b: ['PCMU', 'PCMA'] })
  sides.settle()
  t.is(agreed(sides), 'PCMA')
  t.is(sides.b.sent.filter((name) => name === 'openLogicalChannel').length, 1, 'the slave has opened one channel only')
})

test('a channel for both ways; when both open one the master stays', (t) => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const sides = sidesOf({ a: { bothWays: true }, b: { bothWays: true } }, seeded(seed))
    start(sides)
    sides.settle(seeded(seed))
    for (let n = 0; n < 4; n++) {
      sides.clock.advance(1000)
      sides.settle(seeded(seed))
    }
    t.is(agreed(sides), 'PCMU', `seed ${seed}`)
  }
  const sides = sidesOf({ a: { bothWays: true, terminalType: 60 }, b: { bothWays: true } })
  start(sides)
  sides.settle()
  const conflict = request({
    type: 'openLogicalChannel',
    value: {
      forwardLogicalChannelNumber: 900,
      forwardLogicalChannelParameters: {
        dataType: { type: 'audioData', value: { type: 'g711Ulaw64k', value: 20 } },
        multiplexParameters: { type: 'h2250LogicalChannelParameters', value: { sessionID: 1 } }
      },
      reverseLogicalChannelParameters: {
        dataType: { type: 'audioData', value: { type: 'g711Ulaw64k', value: 20 } },
        multiplexParameters: { type: 'h2250LogicalChannelParameters', value: { sessionID: 1 } }
      }
    }
  })
  let answer: MultimediaSystemControlMessage | undefined
  sides.a.session.receive(conflict)
  for (const effect of sides.a.session.take()) if (effect.type === 'send') answer = effect.message
  t.like(answer, { value: { type: 'openLogicalChannelReject', value: { cause: { type: 'masterSlaveConflict' } } } })
})

test('without a common codec no channel is opened', (t) => {
  const sides = sidesOf({
    a: { receivable: { codecs: ['PCMA'], eventPayloadType: null } },
    b: { receivable: { codecs: ['G729'], eventPayloadType: null } }
  })
  start(sides, { a: ['PCMA'], b: ['G729'] })
  sides.settle()
  sides.clock.advance(5000)
  sides.settle()
  t.is(sides.a.terms(), null)
  t.false(sides.a.sent.includes('openLogicalChannel'))
})

test('an entity that is not answered gives up, and says so', (t) => {
  const sides = sidesOf()
  sides.act('a', (one) => one.setLocal(localMedia(5000)))
  sides.act('a', (one) => one.start())
  sides.lose()
  sides.clock.advance(60_000)
  t.deepEqual(sides.a.told.flatMap((event) => (event.type === 'failed' ? [event.reason] : [])).sort(), [
    'capabilities',
    'masterSlave'
  ])
  t.true(sides.a.sent.includes('terminalCapabilitySetRelease') && sides.a.sent.includes('masterSlaveDeterminationRelease'))
  t.is(sides.clock.pending(), 0)
})

test('mode request: the sender changes, or says why not', (t) => {
  const sides = sidesOf()
  start(sides)
  sides.settle()
  sides.clock.advance(1000)
  sides.settle()
  sides.act('a', (one) => one.requestCodec('PCMA'))
  for (let n = 0; n < 4; n++) {
    sides.settle()
    sides.clock.advance(1100)
  }
  t.true(sides.a.told.some(({ type }) => type === 'modeTaken'))
  t.is(agreed(sides), 'PCMA', 'the other way has followed')
  sides.act('a', (one) => one.requestCodec('G729'))
  sides.settle()
  t.true(sides.a.told.some(({ type }) => type === 'modeRefused'))
  t.is(agreed(sides), 'PCMA')
})

test('flow control: none stops the sound, no restriction brings it back, a small one changes the codec', (t) => {
  const sides = sidesOf()
  start(sides, { a: ['PCMU', 'G729'], b: ['PCMU', 'G729'] })
  sides.settle()
  sides.clock.advance(1000)
  sides.settle()
  const limit = (most: number | null) =>
    command({
      type: 'flowControlCommand',
      value: {
        scope: { type: 'wholeMultiplex' },
        restriction: most === null ? { type: 'noRestriction' } : { type: 'maximumBitRate', value: most }
      }
    })
  sides.act('a', (one) => one.receive(limit(0)))
  t.false(sides.a.terms()?.sends)
  t.is(sides.a.sent.at(-1), 'flowControlIndication')
  sides.act('a', (one) => one.receive(limit(null)))
  t.true(sides.a.terms()?.sends)
  sides.act('a', (one) => one.receive(limit(100)))
  for (let n = 0; n < 4; n++) {
    sides.settle()
    sides.clock.advance(1100)
  }
  t.is(agreed(sides), 'G729')
})

test('digits: as signals, as text, and back', (t) => {
  const sides = sidesOf()
  start(sides)
  sides.settle()
  sides.act('a', (one) => t.true(one.digit('5', 200)))
  sides.act('a', (one) => one.digitUpdate(400))
  sides.settle()
  sides.act('b', (one) => one.receive(indication({ type: 'userInput', value: { type: 'alphanumeric', value: '1x#' } })))
  t.deepEqual(
    sides.b.told.filter(({ type }) => type === 'digit'),
    [
      { type: 'digit', digit: '5', durationMs: 200 },
      { type: 'digit', digit: '1', durationMs: null },
      { type: 'digit', digit: '#', durationMs: null }
    ]
  )
})

test('round trip is answered at any time, and asked for', (t) => {
  const sides = sidesOf()
  sides.act('b', (one) => one.receive(request({ type: 'roundTripDelayRequest', value: { sequenceNumber: 200 } })))
  t.deepEqual(sides.b.sent, ['roundTripDelayResponse'])
  sides.lose()
  sides.act('a', (one) => one.ping())
  sides.settle()
  t.deepEqual(sides.a.told, [{ type: 'answered' }])
  sides.act('a', (one) => one.ping())
  sides.lose()
  sides.clock.advance(10_000)
  t.deepEqual(sides.a.told.at(-1), { type: 'unanswered' })
})

test('channels that are not sound are asked about, and refused where nobody is asked', (t) => {
  const video = {
    forwardLogicalChannelNumber: 7,
    forwardLogicalChannelParameters: {
      dataType: {
        type: 'videoData',
        value: {
          type: 'h261VideoCapability',
          value: { temporalSpatialTradeOffCapability: false, maxBitRate: 600, stillImageTransmission: false, qcifMPI: 1 }
        }
      },
      multiplexParameters: { type: 'h2250LogicalChannelParameters', value: { sessionID: 0 } }
    }
  } as const
  const refusing = sidesOf()
  refusing.act('a', (one) => one.receive(request({ type: 'openLogicalChannel', value: video })))
  t.deepEqual(refusing.a.sent, ['openLogicalChannelReject'])
  const asking = sidesOf({ a: { passesOn: true } })
  asking.act('a', (one) => one.receive(request({ type: 'openLogicalChannel', value: video })))
  t.is(asking.a.told[0]?.type, 'channelOffered')
  asking.act('a', (one) => one.acceptChannel(7, { rtp: { ip: '127.0.0.1', port: 7000 }, rtcp: { ip: '127.0.0.1', port: 7001 } }))
  t.deepEqual(asking.a.sent, ['openLogicalChannelAck'])
  t.like(asking.a.told.at(-1), { type: 'channelOpened', number: 7 })
  asking.act('a', (one) =>
    one.receive(request({ type: 'closeLogicalChannel', value: { forwardLogicalChannelNumber: 7, source: { type: 'user' } } }))
  )
  t.like(asking.a.told.at(-1), { type: 'channelClosed', number: 7, own: false })
})

test('a channel of ours that is not sound: opened, asked to be closed, closed', (t) => {
  const sides = sidesOf({ b: { passesOn: true } })
  const parameters = {
    forwardLogicalChannelParameters: {
      dataType: {
        type: 'videoData',
        value: {
          type: 'h261VideoCapability',
          value: { temporalSpatialTradeOffCapability: false, maxBitRate: 600, stillImageTransmission: false }
        }
      },
      multiplexParameters: { type: 'h2250LogicalChannelParameters', value: { sessionID: 2 } }
    }
  } as const
  let number = 0
  sides.act('a', (one) => {
    number = one.openChannel(parameters)
  })
  sides.settle()
  sides.act('b', (one) =>
    one.acceptChannel(number, { rtp: { ip: '127.0.0.1', port: 7000 }, rtcp: { ip: '127.0.0.1', port: 7001 } })
  )
  sides.settle()
  t.deepEqual(sides.a.told.at(-1), {
    type: 'channelOpened',
    number,
    own: true,
    rtp: { ip: '127.0.0.1', port: 7000 },
    rtcp: { ip: '127.0.0.1', port: 7001 }
  })
  sides.act('b', (one) => one.requestClose(number))
  sides.settle()
  t.deepEqual(sides.a.told.at(-1), { type: 'channelClosed', number, own: true })
  t.deepEqual(sides.b.told.at(-1), { type: 'channelClosed', number, own: false })
  t.is(sides.clock.pending(), 0)
})

test('what is not known is answered so; H.239 in its own words', (t) => {
  const sides = sidesOf()
  sides.act('a', (one) => one.receive(request({ type: 'conferenceRequest', value: { type: 'terminalListRequest' } })))
  sides.act('a', (one) =>
    one.receive(presentationMessage({ type: 'presentationTokenRequest', terminalLabel: 1, channelId: 4, symmetryBreaking: 9 }))
  )
  sides.act('a', (one) => one.receive(request({ type: 'maintenanceLoopRequest', value: { type: { type: 'systemLoop' } } })))
  t.deepEqual(sides.a.sent, ['functionNotSupported', 'genericResponse', 'maintenanceLoopReject'])
})

test('simultaneous capabilities: each channel has an alternative set of its own', (t) => {
  const video: Capability = {
    type: 'receiveVideoCapability',
    value: {
      type: 'h261VideoCapability',
      value: { temporalSpatialTradeOffCapability: false, maxBitRate: 600, stillImageTransmission: false }
    }
  }
  const sound = (codec: AudioCodec): Capability => ({ type: 'receiveAudioCapability', value: audioCapabilityOf(codec) })
  const set = {
    ...emptyCapabilities,
    capabilityTable: [
      { capabilityTableEntryNumber: 1, capability: sound('PCMU') },
      { capabilityTableEntryNumber: 2, capability: sound('G722') },
      { capabilityTableEntryNumber: 3, capability: video }
    ],
    // G.711 with video, or G.722 alone
    capabilityDescriptors: [
      { capabilityDescriptorNumber: 1, simultaneousCapabilities: [[1], [3]] },
      { capabilityDescriptorNumber: 2, simultaneousCapabilities: [[1, 2]] }
    ]
  }
  const peer = withSet(noCapabilities, set)
  t.true(canSend(peer, 'PCMU'))
  t.true(canSend(peer, 'G722'))
  t.true(canSend(peer, 'PCMU', [[3]]))
  t.false(canSend(peer, 'G722', [[3]]))
  t.false(canSend(peer, 'PCMU', [[1]]), 'one set serves one channel')
  t.false(canSend(peer, 'PCMA'))
  // a channel may have to move over
  t.true(
    canBeSimultaneous({ ...peer, descriptors: [{ capabilityDescriptorNumber: 1, simultaneousCapabilities: [[1, 2], [1]] }] }, [
      [1],
      [2]
    ])
  )
  const without = withSet(peer, {
    ...emptyCapabilities,
    capabilityTable: [{ capabilityTableEntryNumber: 2 }],
    capabilityDescriptors: [{ capabilityDescriptorNumber: 2 }]
  })
  t.false(canSend(without, 'G722'))
  t.true(canSend(without, 'PCMU'))
})

test('a set whose descriptors name what is not there is rejected', (t) => {
  const sides = sidesOf()
  sides.act('a', (one) =>
    one.receive(
      request({
        type: 'terminalCapabilitySet',
        value: {
          ...ownCapabilities({ codecs: ['PCMU'], eventPayloadType: null }, []),
          capabilityDescriptors: [{ capabilityDescriptorNumber: 1, simultaneousCapabilities: [[99]] }]
        }
      })
    )
  )
  t.deepEqual(sides.a.sent, ['terminalCapabilitySetReject'])
})

test('any message of any real call in any state is survived', (t) => {
  const messages = captured().flatMap((one) => [
    ...(one.proto === 'h245' && one.ok ? [Buffer.from(one.hex, 'hex').subarray(4)] : []),
    ...(one.h245 ?? []).filter(({ ok }) => ok).map(({ hex }) => Buffer.from(hex, 'hex'))
  ])
  t.true(messages.length > 200)
  fc.assert(
    fc.property(fc.array(fc.nat({ max: messages.length - 1 }), { maxLength: 40 }), fc.integer(), (order, seed) => {
      const random = seeded(seed)
      const sides = sidesOf({ a: { passesOn: random() < 0.5 } }, random)
      start(sides)
      for (const at of order) {
        sides.act('a', (one) => one.receive(multimediaSystemControlMessage.decode(messages[at]!)))
        if (random() < 0.3) sides.deliver('a')
        if (random() < 0.1) sides.clock.advance(31_000)
      }
      sides.act('a', (one) => one.end())
      sides.act('b', (one) => one.end())
      return sides.a.sent.length < 2000
    }),
    { numRuns: 150 }
  )
})

test('after the end nothing is done any more', (t) => {
  const sides = sidesOf()
  start(sides)
  sides.settle()
  sides.act('a', (one) => one.end())
  t.is(sides.a.sent.at(-1), 'endSessionCommand')
  const { length } = sides.a.sent
  sides.act('a', (one) => one.receive(request({ type: 'roundTripDelayRequest', value: { sequenceNumber: 1 } })))
  sides.act('a', (one) => one.ping())
  t.is(sides.a.sent.length, length)
  t.is(nameOf(request({ type: 'roundTripDelayRequest', value: { sequenceNumber: 1 } })), 'roundTripDelayRequest')
})
