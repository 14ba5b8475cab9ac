/** The ledger's HTTP service, with the routes and figures of every part. */
import type { Registry } from 'prom-client'
import type { Escalator } from '#escalate'
import type { Clock, Log } from '#kernel'
import { type Ledger, type LedgerService, type LocalWitness, serveLedger } from '#ledger'
import type { MediaPlane, Recorder } from '#media'
import type { CallSnapshot } from '#sip'
import { newControlToken, writeControl } from './control.ts'
import type { DataLayout } from './data/layout.ts'
import type { CallBridgesAccess } from './escalation/call-bridges-routes.ts'
import type { RunningH323 } from './h323/h323.ts'
import type { RunningNdi } from './ndi/ndi.ts'
import type { SuiteConfig } from './settings/settings.ts'
import type { RunningWebRtc } from './webrtc/webrtc.ts'

/** Parts that start after the service and are asked through it; null until they run. */
export interface RunningParts {
  readonly media: () => MediaPlane | null
  readonly h323: () => RunningH323 | null
  readonly webrtc: () => RunningWebRtc | null
  readonly ndi: () => RunningNdi | null
  readonly calls: () => readonly CallSnapshot[]
  readonly escalator: () => Escalator | null
  readonly recorder: () => Recorder | null
  readonly bridges: CallBridgesAccess
}

/** @returns null where the service is off */
export async function serveSuite(
  { profile, conferences, ledger: { service } }: SuiteConfig,
  layout: DataLayout,
  { ledger, witness }: { readonly ledger: Ledger; readonly witness: LocalWitness },
  clock: Clock,
  log: Log,
  { media, h323, webrtc, ndi, calls, escalator, recorder, bridges }: RunningParts,
  registries: readonly Registry[]
): Promise<LedgerService | null> {
  if (!(service.enabled ?? profile === 'development')) return null
  const { address, port, tls } = service
  const certificate = tls === null ? {} : { tls: { certificatePath: tls.certificate, keyPath: tls.key } }
  const { reader, append } = ledger
  const [
    { h323Routes },
    { h323Metrics },
    { escalationRoutes },
    { conferenceRoutes },
    { recordingRoutes },
    { webRtcRoutes },
    { ndiRoutes },
    { ndiMetrics },
    { callBridgesRoutes },
    { evidenceRoutes },
    { evidenceMetrics }
  ] = await Promise.all([
    import('./h323/routes.ts'),
    import('./h323/metrics.ts'),
    import('./escalation/routes.ts'),
    import('./media/conference-routes.ts'),
    import('./media/recording-routes.ts'),
    import('./webrtc/routes.ts'),
    import('./ndi/routes.ts'),
    import('./ndi/metrics.ts'),
    import('./escalation/call-bridges-routes.ts'),
    import('./evidence/routes.ts'),
    import('./evidence/metrics.ts')
  ])
  const ownToken = newControlToken()
  const running = await serveLedger({
    dir: layout.ledger,
    reader,
    append,
    address,
    port,
    clock,
    log,
    witnesses: ledger,
    spooled: witness.pending,
    ...certificate,
    routes: [
      ...conferenceRoutes({ media, h323, witness, log }),
      ...h323Routes(h323),
      ...escalationRoutes(escalator, clock),
      ...callBridgesRoutes(bridges),
      ...recordingRoutes(recorder),
      ...webRtcRoutes(webrtc, conferences),
      ...evidenceRoutes(() => webrtc()?.evidence ?? null),
      ...ndiRoutes(ndi, calls, conferences)
    ],
    registries: [h323Metrics(h323), ndiMetrics(ndi), evidenceMetrics(() => webrtc()?.evidence ?? null), ...registries],
    ownToken
  })
  await writeControl(layout.control, { url: running.url, token: ownToken, certificate: tls?.certificate ?? null })
  return running
}
