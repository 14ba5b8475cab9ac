import test from 'ava'
import { ndiMetrics } from './metrics.ts'
import type { RunningNdi } from './ndi.ts'

const ingest = {
  id: '1',
  conference: 'council',
  traceId: '0'.repeat(32),
  state: 'ACTIVE',
  reason: null,
  source: 'STUDIO (secret name)',
  picture: null,
  received: 10,
  encoded: 7,
  skipped: 2,
  dropped: 1,
  delayMs: 125
} as const

test('figures have states and outcomes for labels, no names, and are zero without NDI', async (t) => {
  const running = {
    list: () => ({ ingests: [ingest], publications: [{ receivers: 2 }, { receivers: 1 }] }),
    ingests: { totals: () => ({ encoded: 107, skipped: 2, dropped: 1 }) }
  } as unknown as RunningNdi
  const text = await ndiMetrics(() => running).metrics()
  for (const line of [
    'ndi_ingests{state="ACTIVE"} 1',
    'ndi_ingests{state="FAILED"} 0',
    'ndi_publications 2',
    'ndi_publication_receivers 3',
    'ndi_ingest_delay_seconds 0.125',
    'ndi_pictures_total{outcome="encoded"} 107',
    'ndi_pictures_total{outcome="dropped"} 1'
  ])
    t.true(text.includes(`${line}\n`), line)
  t.false(text.includes('secret'))
  const off = await ndiMetrics(() => null).metrics()
  t.true(off.includes('ndi_publications 0\n'))
  t.true(off.includes('ndi_pictures_total{outcome="encoded"} 0\n'))
})
