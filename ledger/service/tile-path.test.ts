import test from 'ava'
import fc from 'fast-check'
import { createRateLimit, neighbourOf } from './rate-limit.ts'
import { formatTilePath, parseTilePath } from './tile-path.ts'

test('paths of C2SP tlog-tiles', (t) => {
  t.deepEqual(parseTilePath('0/x001/x234/067'), { level: 0, index: 1_234_067, width: 256 })
  t.deepEqual(parseTilePath('entries/000.p/1'), { level: 'entries', index: 0, width: 1 })
  t.is(formatTilePath({ level: 63, index: 1000, width: 255 }), '63/x001/000.p/255')
  for (const path of [
    '',
    '0',
    '0/1',
    '00/001',
    '0/x000/001',
    '0/001/',
    '0/001.p/0',
    '0/001.p/256',
    '0/001.p/01',
    '64/000',
    '-1/000',
    'entries/x001'
  ])
    t.is(parseTilePath(path), null, path)
})

test('what is written is read again, and nothing else is read', (t) => {
  fc.assert(
    fc.property(
      fc.oneof(fc.constant('entries' as const), fc.integer({ min: 0, max: 63 })),
      fc.integer({ min: 0, max: 2 ** 44 }),
      fc.integer({ min: 1, max: 256 }),
      (level, index, width) => {
        const place = { level, index, width }
        t.deepEqual(parseTilePath(formatTilePath(place)), place)
      }
    )
  )
  fc.assert(
    fc.property(fc.stringMatching(/^[0-9x/.p]{0,20}$/), (path) => {
      const place = parseTilePath(path)
      if (place !== null) t.is(formatTilePath(place), path)
    })
  )
})

test('a bucket gives what it holds, fills with time, and is forgotten when others come', (t) => {
  let now = 0
  const limit = createRateLimit({ perSecond: 2, burst: 3 }, () => now, 100)
  t.deepEqual(
    [1, 2, 3].map(() => limit.take('a')),
    [0, 0, 0]
  )
  t.is(limit.take('a'), 0.5)
  now = 500
  t.is(limit.take('a'), 0)
  for (let n = 0; n < 1000; n++) limit.take(`other ${n}`)
  t.is(limit.size(), 100)
})

test('neighbours: an IPv4 address, a /64', (t) => {
  t.is(neighbourOf('::ffff:192.0.2.1'), '192.0.2.1')
  t.is(neighbourOf('2001:db8::1'), neighbourOf('2001:db8:0:0:ffff::2'))
  t.not(neighbourOf('2001:db8::1'), neighbourOf('2001:db8:0:1::1'))
  t.is(neighbourOf('::1'), '0:0:0:0')
})
