import test from 'ava'
import { defaultKeys, KeySequence, keyProblems } from './keys.ts'

const press = (keys: KeySequence, digits: string, role: 'guardian' | 'expert' | 'observer' = 'expert', stepMs = 200) =>
  [...digits].map((digit, n) => keys.press(digit, role, n * stepMs)).filter((action) => action !== null)

test('sequences are commands, other keys are not, and an asterisk begins anew', (t) => {
  t.deepEqual(press(new KeySequence(defaultKeys), '*6'), ['mute'])
  t.deepEqual(press(new KeySequence(defaultKeys), '1266*6*6'), ['mute', 'mute'])
  t.deepEqual(press(new KeySequence(defaultKeys), '**5'), ['hand'])
  t.deepEqual(press(new KeySequence(defaultKeys), '*16'), [])
  t.deepEqual(press(new KeySequence({}), '*6'), [])
})

test('a long pause begins anew', (t) => {
  t.deepEqual(press(new KeySequence(defaultKeys), '*6', 'expert', 3500), [])
})

test('roles: a Guardian locks, an observer cannot unmute itself', (t) => {
  t.deepEqual(press(new KeySequence(defaultKeys), '*7', 'guardian'), ['lock'])
  t.deepEqual(press(new KeySequence(defaultKeys), '*7', 'expert'), [])
  t.deepEqual(press(new KeySequence(defaultKeys), '*6', 'observer'), [])
})

test("a table of one's own is checked", (t) => {
  const mute = { action: 'mute', roles: ['expert'] } as const
  t.deepEqual(keyProblems(defaultKeys), [])
  t.is(keyProblems({ '6': mute }).length, 1)
  t.is(keyProblems({ '*1': mute, '*12': mute }).length, 1)
})
