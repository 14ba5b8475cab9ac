import test from 'ava'
import { fuzz } from './fuzz.ts'
import { type Target, targets } from './fuzz-targets.ts'

for (const target of targets) {
  test(`a short run: ${target.name}`, (t) => {
    const report = fuzz(target, 3_000, 20_251_121)
    t.true(report.taken > 0)
    t.true(report.ways > 1)
    t.true(report.blocks > 3)
  })
}

test('an input that makes new code run is changed further: a fault behind four octets is found, octet by octet', (t) => {
  const target: Target = {
    name: 'behind',
    corpus: () => [Buffer.from('....')],
    run: (input) => guarded(input)
  }
  const error = t.throws(() => fuzz(target, 400_000, 7), { code: 'h323.fuzz.failed' })
  t.regex(error!.message, /RangeError: behind four octets/)
})

/** Always ends the same way, until all four octets are right: only its coverage leads there. */
function guarded(input: Buffer): string {
  if (input[0] === 0x51) {
    if (input[1] === 0xa2) {
      if (input[2] === 0x13) {
        if (input[3] === 0x7e) throw new RangeError('behind four octets')
      }
    }
  }
  return 'taken'
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
