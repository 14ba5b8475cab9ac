import test from 'ava'
import { fuzz } from './fuzz.ts'
import { type Target, targets } from './fuzz-targets.ts'

for (const target of targets) {
  test(`a short run: ${target.name}`, (t) => {
    const report = fuzz(target, 3_000, 20_251_121)
    t.true(report.taken > 0)
    t.true(report.ways > 1)
  })
}

test('a fault is found and told with its input', (t) => {
  const target: Target = {
    name: 'faulty',
    corpus: () => [Buffer.from('abc')],
    run(input) {
      if (input.includes(0xff)) throw new TypeError('not expected')
      return 'taken'
    }
  }
  t.throws(() => fuzz(target, 5_000, 1), {
    code: 'h323.fuzz.failed',
    message: /faulty input \d+: TypeError: not expected\n[\da-f]*ff/
  })
})
