import test from 'ava'
import fc from 'fast-check'
import { powerOfLevel } from './kernel.ts'
import { newVoice, SpeakerChoice, type Voice } from './speakers.ts'

function voices(levels: readonly (number | null)[]) {
  return levels.map((level, id) => ({
    ...newVoice,
    id,
    sounding: level !== null,
    power: level === null ? 0 : powerOfLevel(level)
  }))
}

const setLevel = (voice: { sounding: boolean; power: number }, level: number | null) => {
  voice.sounding = level !== null
  voice.power = level === null ? 0 : powerOfLevel(level)
}

const selected = (list: readonly { id: number; selected: boolean }[]) =>
  list.filter((voice) => voice.selected).map(({ id }) => id)

test('as many as there are places: all that sound are mixed, however soft', (t) => {
  const choice = new SpeakerChoice(3)
  const list = voices([-10, -90, -40, null])
  choice.choose(list)
  t.deepEqual(selected(list), [0, 1, 2])
})

test('more than places: the loudest are mixed, and a newcomer must be louder by 3 dB', (t) => {
  const choice = new SpeakerChoice(2)
  const list = voices([-20, -30, -25, -60])
  choice.choose(list)
  t.deepEqual(selected(list), [0, 2])
  setLevel(list[1]!, -23)
  for (let n = 0; n < 100; n++) choice.choose(list)
  t.deepEqual(selected(list), [0, 2], 'two dB more is not enough')
  setLevel(list[1]!, -21)
  choice.choose(list)
  t.deepEqual(selected(list), [0, 1])
})

test('a breath costs nobody the place, a long silence does; who stops to send goes at once', (t) => {
  const choice = new SpeakerChoice(2)
  const list = voices([-20, -20, -32])
  choice.choose(list)
  setLevel(list[0]!, -80)
  for (let n = 0; n < 8; n++) choice.choose(list)
  t.deepEqual(selected(list), [0, 1])
  for (let n = 0; n < 20; n++) choice.choose(list)
  t.deepEqual(selected(list), [1, 2])
  setLevel(list[1]!, null)
  choice.choose(list)
  t.deepEqual(selected(list), [0, 2])
})

test('never more than the places, and never silence in place of speech', (t) => {
  const level = fc.oneof(fc.constant(null), fc.integer({ min: -90, max: 0 }))
  fc.assert(
    fc.property(fc.array(fc.array(level, { minLength: 12, maxLength: 12 }), { minLength: 1, maxLength: 20 }), (frames) => {
      const choice = new SpeakerChoice(4)
      const list = voices(frames[0]!)
      for (const levels of frames) {
        for (const [n, voice] of list.entries()) setLevel(voice, levels[n]!)
        choice.choose(list)
        const sounding = list.filter((voice) => voice.sounding)
        const mixed = list.filter((voice) => voice.selected)
        t.true(mixed.length <= 4 && mixed.every((voice) => voice.sounding))
        if (sounding.length <= 4) t.is(mixed.length, sounding.length)
        else {
          const softest = Math.min(...mixed.map((voice) => voice.score))
          const waiting = sounding.filter((voice) => !voice.selected && voice.score >= powerOfLevel(-50))
          t.true(waiting.every((voice) => mixed.length === 4 && voice.score <= softest * 2))
        }
      }
    }),
    { numRuns: 200, seed: 3 }
  )
})

test('speaking is told after 60 ms, its end after 600; the dominant speaker changes after 300 ms in the lead, and stays through silence', (t) => {
  const choice = new SpeakerChoice<Voice & { readonly id: number }>(4)
  const list = voices([-20, null])
  const told: string[] = []
  const run = (frames: number) => {
    for (let n = 0; n < frames; n++) {
      const { dominant, turned } = choice.choose(list)
      for (const voice of turned) told.push(`${voice.id} ${voice.speaking}`)
      if (dominant) told.push(`dominant ${choice.dominant!.id}`)
    }
  }
  run(2)
  t.deepEqual(told, [])
  run(48)
  t.deepEqual(told.splice(0), ['0 true', 'dominant 0'])
  setLevel(list[0]!, -80)
  run(200)
  t.deepEqual(told.splice(0), ['0 false'])
  t.is(choice.dominant?.id, 0)
  setLevel(list[1]!, -20)
  run(10)
  t.deepEqual(told.splice(0), ['1 true'])
  run(60)
  t.deepEqual(told.splice(0), ['dominant 1'])
  choice.forget(list[1]!)
  t.is(choice.dominant, null)
})
