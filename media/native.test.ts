import test from 'ava'
import { checkRate, loadLibrary, Owned, once } from './native.ts'

test('a library that is missing, or lacks a function, is none', (t) => {
  t.is(loadLibrary(['libno-such-library.so.1'], { f: 'int f()' }), null)
  t.is(loadLibrary(['libc.so.6'], { f: 'int no_such_function_at_all()' }), null)
})

test('the first library that can be loaded serves', (t) => {
  const libc = loadLibrary(['libno-such-library.so.1', 'libc.so.6'], { abs: 'int abs(int)' })
  t.is(libc!.abs(-3), 3)
})

test('what is owned is freed once', (t) => {
  const freed: bigint[] = []
  const owned = new Owned(7n, (handle) => freed.push(handle))
  t.is(owned.handle, 7n)
  owned.close()
  owned.close()
  t.is(owned.handle, null)
  t.deepEqual(freed, [7n])
})

test('once loads once, also when there is nothing', (t) => {
  let calls = 0
  const load = once(() => {
    calls++
    return null
  })
  t.is(load(), null)
  t.is(load(), null)
  t.is(calls, 1)
})

test('rates', (t) => {
  t.is(checkRate('x', [8000, 16_000], 16_000), 16_000)
  t.throws(() => checkRate('x', [8000], 16_000), {
    code: 'media.codec.option',
    message: /expected a sample rate of 8000 Hz, got 16000/
  })
})
