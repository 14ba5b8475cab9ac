import test from 'ava'
import fc from 'fast-check'
import { causeOfReason, causeOfSip, causeOfStatus, reasonOfCause, statusOfCause } from './causes.ts'

const rows = [
  [1, 404],
  [3, 404],
  [17, 486],
  [18, 408],
  [19, 480],
  [21, 403],
  [22, 410],
  [27, 502],
  [28, 484],
  [31, 480],
  [34, 503],
  [47, 503],
  [57, 403],
  [65, 488],
  [79, 501],
  [102, 504],
  [111, 500],
  [127, 500],
  // by class: another lack of resources, anything else
  [44, 503],
  [99, 500]
] as const
for (const [cause, status] of rows)
  test(`cause ${cause} is status ${status}`, (t) => {
    t.is(statusOfCause(cause), status)
  })

const back = [
  [302, 23],
  [400, 41],
  [403, 21],
  [404, 1],
  [408, 102],
  [410, 22],
  [418, 31],
  [480, 18],
  [484, 28],
  [486, 17],
  [487, 16],
  [488, 65],
  [502, 38],
  [503, 41],
  [504, 102],
  [600, 17],
  [603, 21],
  [604, 1],
  [606, 65],
  [699, 21],
  [580, 127]
] as const
for (const [status, cause] of back)
  test(`status ${status} is cause ${cause}`, (t) => {
    t.is(causeOfStatus(status), cause)
  })

test('property: every cause has a final status, every final status a cause', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 127 }), fc.integer({ min: 300, max: 699 }), (cause, status) => {
      t.true(statusOfCause(cause) >= 400 && statusOfCause(cause) < 700)
      t.true(causeOfStatus(status) >= 1 && causeOfStatus(status) <= 127)
    })
  )
})

test('busy, unknown, rejected and incompatible come through both ways as what they are', (t) => {
  for (const status of [404, 486, 403, 410, 484, 488, 501, 504]) t.is(statusOfCause(causeOfStatus(status)), status)
})

test('a Reason header speaks before the status', (t) => {
  t.is(causeOfSip(480, 'Q.850;cause=17;text="User busy"'), 17)
  t.is(causeOfSip(480, 'SIP;cause=600, Q.850 ; text="a" ;cause=21'), 21)
  t.is(causeOfSip(486, 'SIP;cause=200;text="Call completed elsewhere"'), 17)
  t.is(causeOfSip(486, undefined), 17)
  for (const bad of ['', 'Q.850', 'Q.850;cause=0', 'Q.850;cause=128', 'Q.850;cause=1x', 'Q.8500;cause=17'])
    t.is(causeOfReason(bad), null, bad)
})

test('property: what is written as Reason is read again', (t) => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 127 }), (cause) => causeOfReason(reasonOfCause(cause)) === cause))
  t.pass()
})
