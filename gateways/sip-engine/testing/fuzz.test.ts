import test from 'ava'
import { FuzzFailure, fuzz } from './fuzz.ts'
import { createRandom, hostileMessage, inputSeed } from './fuzz-inputs.ts'
import { type Target, targets } from './fuzz-targets.ts'

const seed = 20260101

for (const target of targets) {
  test(`some thousand hostile inputs: ${target.name}`, (t) => {
    const report = fuzz(target, 4000, seed)
    t.is(report.inputs, 4000)
    t.true(report.taken > 40, `${report.taken} well-formed`)
    t.true(report.heapGrowthMb < 20)
  })
}

test('an input follows from its seed and number', (t) => {
  const one = (index: number): Buffer => hostileMessage(createRandom(inputSeed(seed, index)))
  t.deepEqual(one(7), one(7))
  t.true(new Set(Array.from({ length: 1000 }, (_, index) => one(index).toString('latin1'))).size > 990)
})

const bytes = (): Buffer => Buffer.from('x')

test('a crash and a slow input are told with their number', (t) => {
  const crashing: Target = {
    name: 'crashing',
    input: (random) => Buffer.from([random.below(50)]),
    run: (input) => {
      if (input[0] === 7) throw new TypeError('seven')
      return true
    }
  }
  const crash = t.throws(() => fuzz(crashing, 10_000, seed), { instanceOf: FuzzFailure })!
  t.is(crash.input[0], 7)
  t.is(crashing.input(createRandom(inputSeed(seed, crash.index)))[0], 7)
  const slow: Target = {
    name: 'slow',
    input: bytes,
    run: () => {
      const end = performance.now() + 60
      while (performance.now() < end);
      return true
    }
  }
  t.throws(() => fuzz(slow, 1, seed), { instanceOf: FuzzFailure, message: /took \d+/ })
})

test('what is kept shows as growth', (t) => {
  const kept: unknown[] = []
  const leaking: Target = {
    name: 'leaking',
    input: bytes,
    run: () => {
      kept.push(new Array(1000).fill(0))
      return true
    }
  }
  t.true(fuzz(leaking, 4000, seed).heapGrowthMb > 20)
  t.true(kept.length >= 4000)
})
