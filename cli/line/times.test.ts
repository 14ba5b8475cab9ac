import test from 'ava'
import { UsageError } from './arguments.ts'
import { readMoment } from './times.ts'

const now = Date.UTC(2026, 10, 21, 12)

test('moments', (t) => {
  t.is(readMoment('2026-11-21T07:00:00Z', 'at', now), Date.UTC(2026, 10, 21, 7))
  t.is(readMoment('2026-11-21T08:00:00.5+01:00', 'at', now), Date.UTC(2026, 10, 21, 7) + 500)
  t.is(readMoment('2026-11-21', 'at', now), Date.UTC(2026, 10, 21))
  t.is(readMoment('1767225600', 'at', now), 1_767_225_600_000)
  t.is(readMoment('90s', 'at', now), now - 90_000)
  t.is(readMoment('2h', 'at', now), now - 7_200_000)
})

test('what is no moment is a usage error that names the option', (t) => {
  for (const bad of ['', 'yesterday', '2026-13-01', '-5', '1e9', '5w', '2026-11-21 07:00']) {
    t.regex(t.throws(() => readMoment(bad, 'since', now), { instanceOf: UsageError }).message, /^--since: /, bad)
  }
})
