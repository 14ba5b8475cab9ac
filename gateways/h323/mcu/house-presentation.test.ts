import test from 'ava'
import { manualClock } from '#kernel'
import { type PresentationMessage, presentationMessageOf } from '../h239/h239.ts'
import type { ContentCapability } from './h264.ts'
import { createHousePresentation } from './house-presentation.ts'

const capability: ContentCapability = { level: 71, limits: { macroblocks: 3600, bitsPerSecond: 1e6 } }

function scene(...draws: number[]) {
  const clock = manualClock()
  const heard: string[] = []
  const presentation = createHousePresentation(0, clock, () => (draws.shift()! - 1) / 127)
  const offer = (participant: string) =>
    presentation.offer(participant, capability, {
      reserveChannel: () => 5,
      send: (message) => {
        if (message.type === 'unknownExtension') throw new Error('no message of H.239')
        const { value } = message.value as { value: Parameters<typeof presentationMessageOf>[0] }
        const said: PresentationMessage = presentationMessageOf(value)!
        heard.push(`${said.type}${'symmetryBreaking' in said ? ` ${said.symmetryBreaking}` : ''} ${said.channelId}`)
      },
      open: ({ number, level }) => heard.push(`open ${number} ${level}`),
      stop: () => heard.push('stop'),
      answered: (accepted) => heard.push(`answered ${accepted}`)
    })
  return { clock, presentation, offer, taken: () => heard.splice(0) }
}

test('asked once, opened when granted, given back at the end', (t) => {
  const { clock, presentation, offer, taken } = scene(44)
  offer('a')
  offer('a')
  t.deepEqual(taken(), ['presentationTokenRequest 44 5'])
  presentation.granted('b', 5, true)
  presentation.granted('a', 6, true)
  t.deepEqual(taken(), [], 'an answer of nobody, or to nothing, changes nothing')
  presentation.granted('a', 5, true)
  presentation.granted('a', 5, false)
  t.deepEqual(taken(), ['answered true', 'open 5 71'])
  offer('a')
  t.deepEqual(taken(), ['open undefined 71'], 'again after a hold, without another request')
  presentation.end(null)
  t.deepEqual(taken(), ['stop', 'presentationTokenRelease 5'])
  presentation.end(null)
  t.deepEqual(taken(), [])
  t.is(clock.pending(), 0)
})

test('who does not answer, or refuses, is shown nothing; who has gone is not asked for anything', (t) => {
  const { clock, presentation, offer, taken } = scene(1, 2, 3)
  offer('silent')
  offer('refusing')
  offer('gone')
  presentation.granted('refusing', 5, false)
  presentation.left('gone')
  taken()
  clock.advance(5000)
  t.deepEqual(taken(), ['answered null'])
  presentation.granted('silent', 5, true)
  t.deepEqual(taken(), [], 'too late')
  presentation.end(null)
  t.deepEqual(taken(), ['stop', 'stop'])
  t.is(clock.pending(), 0)
})

test('two that ask at once: the higher number wins, the same is drawn anew', (t) => {
  const { presentation, offer, taken } = scene(60, 70)
  offer('a')
  taken()
  t.true(presentation.yields('other', 1), 'nothing is under way with that one')
  t.false(presentation.yields('a', 59))
  t.true(presentation.yields('a', 61))
  t.false(presentation.yields('a', 60))
  presentation.granted('a', 5, false)
  t.deepEqual(taken(), ['presentationTokenRequest 70 5'])
  presentation.granted('a', 5, true)
  t.true(presentation.yields('a', 1), 'what is granted gives way to a new request')
  presentation.end('a')
  t.deepEqual(taken(), ['answered true', 'open 5 71', 'stop'], 'who has the token now is not told that it is free')
})
