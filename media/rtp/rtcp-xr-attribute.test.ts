import test from 'ava'
import fc from 'fast-check'
import { extendedReportLine, noReports, readWantedReports } from './rtcp-xr-attribute.ts'

const all = { loss: true, duplicates: true, jitter: true }

test('RFC 3611 §5.1: what is asked for', (t) => {
  t.deepEqual(readWantedReports(['a=rtcp-xr:voip-metrics']), { summary: null, voip: true })
  t.deepEqual(readWantedReports(['a=rtcp-xr:stat-summary']), { summary: all, voip: false })
  t.deepEqual(readWantedReports(['a=rtcp-xr:pkt-loss-rle=80 stat-summary=loss,TTL rcvr-rtt=all:200']), {
    summary: { loss: true, duplicates: false, jitter: false },
    voip: false
  })
  t.deepEqual(readWantedReports([extendedReportLine]), { summary: all, voip: true })
})

test('what is not known, or not there, asks for nothing', (t) => {
  for (const line of ['a=rtcp-xr:', 'a=rtcp-xr', 'a=rtcp:4000', 'a=rtcp-xr:voip', 'a=rtcp-xr:stat-summary=;'])
    t.deepEqual(readWantedReports([line]), noReports)
  fc.assert(
    fc.property(fc.string(), (text) => {
      t.notThrows(() => readWantedReports([`a=rtcp-xr:${text}`]))
    })
  )
})
