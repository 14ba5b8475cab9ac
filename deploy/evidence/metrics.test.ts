import test from 'ava'
import type { Evidence } from '#webrtc'
import { emptyTotals } from '#webrtc'
import { evidenceMetrics } from './metrics.ts'

test('figures of evidence have states, ways and codes for labels and no names; all are there from the start', async (t) => {
  const totals = emptyTotals()
  totals.shared.page = 2
  totals.receipts.link = 3
  totals.refused['from http']['evidence.hash'] = 4
  const page = { participant: 'guardian-1 (secret name)', state: 'DEGRADED' }
  const evidence = {
    calls: () => [{ call: 'case (secret name)', conference: 'council', state: 'ACTIVE', pages: [page, page] }],
    kept: () => ({ items: 5, octets: 600 }),
    totals: () => ({ ...totals, sentBytes: 7, receivedBytes: 8, retries: 9, resumes: 10 })
  } as unknown as Evidence
  const registry = evidenceMetrics(() => evidence)
  await registry.metrics()
  const text = await registry.metrics()
  for (const line of [
    'evidence_calls{state="ACTIVE"} 1',
    'evidence_calls{state="FAILED"} 0',
    'evidence_sessions{state="DEGRADED"} 2',
    'evidence_sessions{state="CLOSED"} 0',
    'evidence_items 5',
    'evidence_kept_bytes 600',
    'evidence_shared_total{via="page"} 2',
    'evidence_shared_total{via="http"} 0',
    'evidence_receipts_total{how="link"} 3',
    'evidence_refusals_total{direction="from http",code="evidence.hash"} 4',
    'evidence_refusals_total{direction="to participant",code="evidence.hash"} 0',
    'evidence_transferred_bytes_total{direction="sent"} 7',
    'evidence_transferred_bytes_total{direction="received"} 8',
    'evidence_retries_total 9',
    'evidence_resumes_total 10'
  ])
    t.true(text.includes(`${line}\n`), line)
  t.false(text.includes('secret'))
  const off = await evidenceMetrics(() => null).metrics()
  t.true(off.includes('evidence_items 0\n'))
  t.true(off.includes('evidence_refusals_total{direction="from http",code="evidence.hash"} 0\n'))
})
