import test from 'ava'
import { KeySequence } from './keys.ts'

const after = (presses: readonly (readonly [string, number])[]) => {
  const keys = new KeySequence()
  return presses.map(([digit, atMs]) => keys.press(digit, atMs))
}

test('a key stands for itself, two behind a star stand together', (t) => {
  t.deepEqual(after([...'1*405*3'].map((digit, n) => [digit, 100 * n] as const)), ['1', '*', '*4', '0', '5', '*', '*3'])
})

test('a star begins anew; 3 s after it the next key stands alone', (t) => {
  t.deepEqual(
    after([
      ['*', 5000],
      ['*', 5100],
      ['4', 8100]
    ]),
    ['*', '*', '*4']
  )
  t.deepEqual(
    after([
      ['*', 5000],
      ['4', 8001]
    ]),
    ['*', '4']
  )
})
