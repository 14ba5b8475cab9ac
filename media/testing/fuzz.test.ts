import test from 'ava'
import { fuzz } from './fuzz.ts'
import { makeTargets, type Target } from './fuzz-targets.ts'

for (const target of makeTargets()) {
  test(`${target.name}: changed inputs are refused or taken, nothing else`, (t) => {
    const report = fuzz(target, 4000, 11)
    target.close?.()
    t.is(report.inputs, 4000)
    t.true(report.ways >= 1)
    if (target.name.startsWith('srtp')) t.is(report.ways, 1)
    else t.true(report.taken > 0)
  })
}

test('a target that fails is told with its input', (t) => {
  const target: Target = {
    name: 'breaks',
    seeds: [Buffer.of(1, 2, 3, 4)],
    run: (input) => {
      if (input.length === 2) throw new TypeError('cannot read')
      return 'ok'
    }
  }
  t.throws(() => fuzz(target, 1000, 1), { message: /^breaks, input \d+: TypeError: cannot read\n[0-9a-f]{4}$/ })
})
