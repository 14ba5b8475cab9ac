/**
 * The suite: the one place where ledger, guard, media plane, SIP engine, application and edge are made and given to each other.
 */

import { mkdir } from 'node:fs/promises'
import type { Registry } from 'prom-client'
import { createEscalator, type Escalator } from '#escalate'
import type { RunningGuard } from '#guard'
import { type Clock, createLog, errorCode, type Guard, type Log, newTraceId, systemClock, type Witness } from '#kernel'
import {
  createWitness,
  type Ledger,
  type LedgerService,
  type LocalWitness,
  openLedger,
  serveLedger,
  type Witnessing
} from '#ledger'
import { createMediaPlane, createStages, type MediaPlane, type Recorder, type RecorderEvent, type Stages } from '#media'
import { type CallSnapshot, type SipApplicationStats, startSipApplication } from '#sip'
import { callBridges } from './call-bridges.ts'
import { callBridgeMetrics } from './call-bridges-metrics.ts'
import type { CallBridgesAccess } from './call-bridges-routes.ts'
import { resolveSuiteConfig, type SuiteConfig, type SuiteSettings } from './config.ts'
import { newControlToken, removeControl, writeControl } from './control.ts'
import { type DataLayout, layoutOf } from './data.ts'
import { bridgedCalls, type DialInBridges, dialInBridges, retryBridge } from './dial-in-bridges.ts'
import { type EmbeddedEdge, startEmbeddedEdge } from './edge.ts'
import { calleeByUri, callsOverTls, directoryOf, escalateSettings, ownSigner, voucher } from './escalation.ts'
import { type Part, parts, type SuiteEvent } from './events.ts'
import { freeUdpRange } from './free-ports.ts'
import { openGuard } from './guard.ts'
import type { RunningH323 } from './h323.ts'
import { sipToH323 } from './h323-bridge.ts'
import { lockData } from './lock.ts'
import { mediaMetrics } from './media-metrics.ts'
import type { RunningNdi } from './ndi.ts'
import type { LeftOpen } from './open-calls.ts'
import { pluginsMetrics, type RunningPlugins, startPlugins } from './plugins.ts'
import { prepareData } from './prepare.ts'
import { startRecorder } from './recording.ts'
import { watchRegistry } from './registry-watch.ts'
import { closeLeftBridges, openCallsInLedger, suiteComponent, suiteStarted, suiteStopped } from './restart.ts'
import { createSequence } from './sequence.ts'
import { startEmbeddedServer, useServer } from './sip-server.ts'
import { withPictures } from './telephone-pictures.ts'
import { callIdOfTrying } from './trying.ts'
import type { RunningWebRtc } from './webrtc.ts'

export { loadSuiteConfig, resolveSuiteConfig, type SuiteConfig, type SuiteSettings, suiteSchema } from './config.ts'
export type { ControlFile } from './control.ts'
export { type Credentials, readCredentials } from './credentials.ts'
export { type DataLayout, layoutOf } from './data.ts'
export { environmentVariables, settingsFromEnvironment } from './environment.ts'
export { type Part, parts, type SuiteEvent } from './events.ts'
export { type PreparedData, prepareData } from './prepare.ts'

export interface Address {
  readonly address: string
  readonly port: number
}

export interface SuiteStatus {
  /** Wall clock of the start. */
  readonly since: number
  readonly parts: Readonly<Record<Part, 'running' | 'down'>>
  readonly calls: readonly CallSnapshot[]
  readonly sip: SipApplicationStats
  readonly ledger: {
    readonly size: number
    readonly pending: number
    readonly state: 'direct' | 'spooling'
    readonly witnessing: Witnessing
  }
  readonly registry: { readonly parties: number; readonly problems: readonly string[] }
  /** Whole days until the server certificate of the embedded edge expires; null with an external edge. */
  readonly certificateDaysLeft: number | null
}

/** A suite at work. */
export interface Suite {
  readonly config: SuiteConfig
  readonly addresses: {
    /** Of the embedded edge; null with an external one. */
    readonly tls: Address | null
    readonly udp: Address | null
    readonly tcp: Address | null
    /** Where the edge reaches the application's SIP server by UDP, and by TCP. */
    readonly app: Address
    readonly appTcp: Address
    /** Where the application reaches its SIP server; loopback only. */
    readonly admin: Address
    /** RAS of the gatekeeper; null where H.323 is off. */
    readonly ras: Address | null
    /** URL of the ledger's service; null where it is off. */
    readonly ledger: string | null
    /** URL of the council's page; null where browsers are off. */
    readonly council: string | null
  }
  readonly data: DataLayout
  /** Public key of the ledger, in the form auditors keep. */
  readonly vkey: string
  readonly status: () => SuiteStatus
  /** Calls experts out. */
  readonly escalator: Escalator
  readonly onEvent: (listener: (event: SuiteEvent) => void) => void
  /** Parts that tests and the demo look into. */
  readonly inside: {
    readonly media: MediaPlane
    readonly stages: Stages
    /** Null where recordings are off. */
    readonly recorder: Recorder | null
    readonly witness: LocalWitness
    readonly guard: RunningGuard
    readonly edge: EmbeddedEdge | null
    readonly h323: RunningH323 | null
    readonly webrtc: RunningWebRtc | null
    /** Null where NDI is off, or there is no runtime. */
    readonly ndi: RunningNdi | null
  }
  /** Ends calls with BYE, then stops every part in the reverse order of its start. Leaves no process, socket or timer. Idempotent. */
  readonly stop: () => Promise<void>
}

/** What the application asks for every call. */
export interface CallPorts {
  readonly witness: Witness
  readonly guard: Guard
}

export interface SuiteOptions {
  readonly log?: Log
  readonly clock?: Clock
  /** Told from the first part on, which {@link Suite.onEvent} is too late for. */
  readonly onEvent?: (event: SuiteEvent) => void
  /** What the application is given in place of ledger and guard, for benchmarks that take their cost away. They run all the same. */
  readonly callPorts?: (real: CallPorts) => CallPorts
}

const registryPollMs = 1000
const automaticMediaPorts = 2000
const spoolDeliveryMs = 5000

/**
 * Starts everything.
 *
 * @throws {ConfigError} for settings that cannot be used; {InfraFabricError} `suite.start.<part>` when a part does not start (its cause says why), after
 * those that had started were stopped again.
 */
export async function startSuite(settings: SuiteSettings, options: SuiteOptions = {}): Promise<Suite> {
  const config = resolveSuiteConfig('suite', settings)
  const clock = options.clock ?? systemClock
  const log = options.log ?? createLog({ name: 'suite', level: config.logLevel })
  const since = clock.now()
  const listeners = new Set<(event: SuiteEvent) => void>()
  if (options.onEvent !== undefined) listeners.add(options.onEvent)
  const emit = (event: SuiteEvent) => {
    for (const listener of listeners) {
      try {
        listener(event)
      } catch (error) {
        log.error({ error: String(error) }, 'a listener failed')
      }
    }
  }
  const tellPart = (part: Part, state: 'started' | 'stopped' | 'lost' | 'restarted', detail: string | null = null) =>
    emit({ type: 'part', at: clock.now(), part, state, detail })
  const warn = (code: string, message: string) => {
    log.warn({ code }, message)
    emit({ type: 'warning', at: clock.now(), code, message })
  }
  const tellRecording = (event: RecorderEvent) => {
    if (event.type !== 'started' && event.type !== 'stopped' && event.type !== 'failed') return
    const { type: state, recording, conference } = event
    const seconds = event.type === 'started' ? 0 : event.seconds
    const reason = event.type === 'started' ? null : event.type === 'stopped' ? event.reason : event.code
    emit({ type: 'recording', at: clock.now(), recording, conference, state, seconds, reason })
  }
  const down = new Set<Part>([
    ...(config.edge === 'external' ? (['edge'] as const) : []),
    ...(config.h323.enabled ? [] : (['h323'] as const)),
    ...(config.webrtc.enabled ? [] : (['webrtc'] as const)),
    ...(config.ndi.enabled ? [] : (['ndi'] as const))
  ])
  let h323: RunningH323 | null = null
  let webrtc: RunningWebRtc | null = null
  let ndi: RunningNdi | null = null
  let callsNow: () => readonly CallSnapshot[] = () => []
  let plane: MediaPlane | null = null
  let escalator: Escalator | null = null
  let recording: Recorder | null = null
  let trying: (callId: string) => void = () => {}
  const mediaFigures = mediaMetrics(() => plane)
  let dialIns: DialInBridges | null = null
  const bridged = () => bridgedCalls(escalator, dialIns)
  const bridgeFigures = callBridgeMetrics(bridged)
  let plugins: RunningPlugins | null = null
  listeners.add(bridgeFigures.take)
  const sequence = createSequence(log)
  const start = <T>(part: Part, begin: () => Promise<T>, stop: (running: T) => Promise<void>): Promise<T> =>
    sequence.start(
      part,
      async () => {
        const running = await begin()
        tellPart(part, 'started')
        return running
      },
      async (running) => {
        down.add(part)
        await stop(running)
        tellPart(part, 'stopped')
      }
    )

  const { layout, adminSecret, made } = await start(
    'data',
    async () => {
      const { folder, lock } = layoutOf(config)
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const unlock = await lockData(lock)
      try {
        return { ...(await prepareData(config, clock.now())), unlock }
      } catch (error) {
        await unlock()
        throw error
      }
    },
    ({ unlock }) => unlock()
  )
  if (made.length > 0) log.info({ made }, 'data folder prepared')

  const { ledger, witness, service } = await start(
    'ledger',
    async () => {
      const opened = await openLedger({
        dir: layout.ledger,
        origin: config.origin,
        store: config.ledger.store,
        log: log.child({ part: 'ledger' })
      })
      const made = await createWitness({ ledger: opened, spoolDir: layout.spool, clock, log: log.child({ part: 'witness' }) })
      try {
        const served = await serve(
          config,
          layout,
          { ledger: opened, witness: made },
          clock,
          log.child({ part: 'ledger-service' }),
          {
            h323: () => h323,
            webrtc: () => webrtc,
            ndi: () => ndi,
            calls: () => callsNow(),
            escalator: () => escalator,
            recorder: () => recording,
            bridges: { list: bridged, retry: (...wanted) => retryBridge(escalator, dialIns, ...wanted) }
          },
          [mediaFigures.registry, bridgeFigures.registry, await pluginsMetrics(() => plugins)]
        )
        return { ledger: opened, witness: made, service: served }
      } catch (error) {
        await made.close()
        await opened.close()
        throw error
      }
    },
    async (running) => {
      if (running.service !== null) await removeControl(layout.control)
      await running.service?.close()
      await running.witness.close()
      await running.ledger.close()
    }
  )
  const guard = await start(
    'guard',
    () => openGuard({ config, layout, witness, clock, log: log.child({ part: 'guard' }), emit, warn }),
    (running) => running.close()
  )
  const { media, stages, recorder } = await start(
    'media',
    async () => {
      const media = await createMediaPlane({
        address: config.listen.address,
        portRange: config.media.ports ?? (await freeUdpRange(config.listen.address, automaticMediaPorts)),
        jitterTargetMs: config.media.jitterTargetMs,
        mediaTimeoutMs: config.media.timeoutMs,
        maxParticipants: config.media.maxParticipants,
        threads: config.media.threads,
        voices: config.media.voices,
        limits: config.media.limits,
        srtp: config.media.srtp,
        ice: config.media.ice,
        log: log.child({ part: 'media' })
      })
      try {
        const ports = { plane: media, witness, clock, log: log.child({ part: 'recorder' }) }
        const recorder = await startRecorder({ config, layout, ...ports, onEvent: tellRecording })
        return { media, stages: createStages(media, clock), recorder }
      } catch (error) {
        await media.close()
        throw error
      }
    },
    async (running) => {
      await running.recorder?.close()
      running.stages.close()
      await running.media.close()
    }
  )
  plane = media
  recording = recorder
  media.onLegEnd(mediaFigures.ended)
  const engine = await start(
    'sip-engine',
    () =>
      config.sip.server === null
        ? startEmbeddedServer(config.sip, adminSecret, {
            // 100 Trying is not shown to applications, and belongs in the record.
            onWire: ({ direction, bytes }) => {
              const callId = direction === 'in' ? callIdOfTrying(bytes) : null
              if (callId !== null) trying(callId)
            },
            log: log.child({ part: 'sip-engine' })
          })
        : useServer(config.sip, config.sip.server),
    (running) => running.close()
  )
  const { app, appTcp } = engine
  /** The ledger holds everything earlier runs told. */
  let complete = false
  /** Calls that an earlier run left. */
  let left: readonly LeftOpen[] = []
  const telephones = withPictures(media, () => webrtc?.rooms ?? null)
  const meeting = sipToH323(() => h323, { conference: telephones, witness, clock, log: log.child({ part: 'bridge' }) })
  const browsers = config.webrtc.enabled
    ? (await import('./webrtc-sip.ts')).sipOverWebSocket({
        rooms: () => webrtc?.rooms ?? null,
        conference: meeting.conference,
        guard,
        witness,
        realm: config.realm,
        clock,
        log: log.child({ part: 'webrtc' })
      })
    : null
  const application = await start(
    'application',
    async () => {
      const sign = await ownSigner(layout.escalationKey, clock)
      const vouch = await voucher(config.escalation, clock)
      const running = await startSipApplication(
        {
          drachtio: engine.admin,
          trustedEdges: config.trustedEdges,
          application: config.application,
          conferences: config.conferences,
          hazards: config.hazards,
          failClosed: config.failClosed,
          sessionExpiresSeconds: config.sessionExpiresSeconds,
          setupTimeoutMs: config.setupTimeoutMs,
          maxCalls: config.limits.maxCalls,
          maxCallsPerExpert: config.escalation.callsPerExpert,
          proxy: config.escalation.proxy,
          domain: config.escalation.domain,
          number: config.escalation.number
        },
        {
          ...(options.callPorts?.({ witness, guard }) ?? { witness, guard: browsers?.guard ?? guard }),
          conference: browsers?.conference ?? meeting.conference,
          isPlace: meeting.isPlace,
          log: log.child({ part: 'application' }),
          clock,
          sign,
          ...(vouch === null ? {} : { vouch }),
          ...(browsers === null ? {} : { describesFirst: browsers.isInBrowser }),
          ...(config.escalation.transfer === 'never'
            ? {}
            : { transferTo: (uri) => calleeByUri(guard.registry(), uri, callsOverTls(config)) }),
          roleOf: (id) => guard.registry().byId(id)?.role ?? 'expert',
          ...(config.restart === 'hang-up' ? {} : { takeUp: (uri) => calleeByUri(guard.registry(), uri, callsOverTls(config)) }),
          openCalls: async (name) => {
            try {
              await witness.flush(spoolDeliveryMs)
              complete = true
              const open = await openCallsInLedger(ledger.reader, name)
              await closeLeftBridges(witness, open)
              left = open
              return open
            } catch (error) {
              warn(
                'suite.open-calls.unknown',
                `the ledger is out of reach (${errorCode(error)}): calls of an earlier run are closed at the next start`
              )
              return []
            }
          }
        }
      )
      running.onEvent(emit)
      trying = running.trying
      callsNow = running.calls
      return running
    },
    (running) => running.close()
  )
  if (config.h323.enabled) {
    h323 = await start(
      'h323',
      async () => {
        const { startH323 } = await import('./h323.ts')
        const directory = () => directoryOf(guard.registry(), callsOverTls(config))
        const { parties } = guard.registry()
        return startH323(config, layout, {
          guard,
          witness,
          clock,
          log: log.child({ part: 'h323' }),
          users: parties.map(({ digestUser }) => digestUser),
          media,
          stages,
          partyOf: (user) => guard.registry().parties.find(({ digestUser }) => digestUser === user),
          experts: parties.filter(({ role }) => role === 'expert').map(({ id }) => id),
          expertOf: (id) => directory().byId(id),
          callsOut: application.callsOut
        })
      },
      (running) => running.close()
    )
  }
  if (browsers !== null) {
    webrtc = await start(
      'webrtc',
      async () => {
        const { startWebRtc } = await import('./webrtc.ts')
        return startWebRtc(config, {
          media,
          stages,
          guard,
          sip: browsers,
          witness,
          clock,
          log: log.child({ part: 'webrtc' }),
          evidenceFolder: layout.evidence,
          showOn: application.showText,
          terminals: (conference) => h323?.viewers(conference) ?? [],
          screens: h323 === null ? null : { present: h323.mcu.show, onPresentationEnd: h323.mcu.onPresentationEnd }
        })
      },
      (running) => running.close()
    )
    listeners.add(webrtc.calls.take)
    listeners.add(webrtc.evidence.take)
  }
  if (config.ndi.enabled) {
    const { ndiRuntime, startNdi } = await import('./ndi.ts')
    const runtime = await ndiRuntime(config, layout).catch((error: unknown) => {
      // the council meets without it
      warn(errorCode(error), `NDI is left out: ${error instanceof Error ? error.message : error}`)
      down.add('ndi')
      return null
    })
    const ports = { media, stages, witness, clock, log: log.child({ part: 'ndi' }) }
    if (runtime !== null)
      ndi = await start(
        'ndi',
        () => startNdi(runtime, config, layout, ports),
        (running) => running.close()
      )
    listeners.add((event) => {
      if (event.type === 'ended') ndi?.callEnded(event.traceId)
    })
  }
  const ownTraceId = newTraceId()
  const tellOwn = async (event: string) => {
    try {
      await witness.record({
        component: suiteComponent,
        event,
        traceId: ownTraceId,
        payload: {
          application: config.application,
          profile: config.profile,
          policies: [...guard.policies],
          hazards: [...guard.hazards]
        }
      })
    } catch (error) {
      warn('suite.unrecorded', `${event} could not be recorded (${errorCode(error)})`)
    }
  }
  if (complete) await tellOwn(suiteStarted)

  const edge =
    config.edge === 'external'
      ? null
      : await start(
          'edge',
          () =>
            startEmbeddedEdge({
              config,
              layout,
              guard,
              witness,
              figures: mediaFigures.registry,
              application: app,
              webSocketOrigins: webrtc === null ? null : originsOf(config, webrtc.council.url),
              clock,
              log: log.child({ part: 'edge' }),
              warn,
              onState: (state, detail) => {
                if (state === 'lost') down.add('edge')
                else down.delete('edge')
                tellPart('edge', state === 'lost' ? 'lost' : 'restarted', detail)
              }
            }),
          (running) => running.stop()
        )
  if (edge?.webSocket != null) browsers?.attach(edge.webSocket.seats, edge.webSocket.url)
  if (edge !== null) application.routeCallsOut(`sip:${edge.inside.address}:${edge.inside.port};transport=udp`)
  const bridges = callBridges(
    { terminals: config.escalation.terminals, ...config.escalation.bridges },
    { h323: () => h323, webrtc: () => webrtc?.evidence.bridge ?? null, ndi: () => ndi?.bridge ?? null, clock }
  )
  const calling = createEscalator(escalateSettings(config), {
    calls: application.callsOut,
    directory: () => directoryOf(guard.registry(), callsOverTls(config)),
    witness,
    log: log.child({ part: 'escalation' }),
    clock,
    bridges: bridges.begin
  })
  const dialled = dialInBridges(config.escalation.bridges.dialIn, {
    calls: application.calls,
    isExpert: (id) => guard.registry().byId(id)?.role === 'expert',
    bridges: bridges.begin,
    left: (traceId) => {
      const { parentTraceId, bridges: had = [] } = left.find((call) => call.traceId === traceId) ?? {}
      return { ...(parentTraceId === undefined ? {} : { parentTraceId }), bridges: bridges.again(had) }
    },
    emit,
    witness,
    clock,
    log: log.child({ part: 'bridges' })
  })
  dialIns = dialled
  listeners.add(dialled.take)
  calling.events.subscribe((event) => {
    if (event.type === 'bridge')
      emit({ type: 'call-bridge', at: clock.now(), traceId: event.trace_id, previous: event.previous, ...event.bridge })
  })
  escalator = calling
  webrtc?.calls.follow(calling)

  const stopWatching = watchRegistry(guard, clock, registryPollMs, (change) => {
    if (!change.ok) return emit({ ...change, at: clock.now() })
    const told = (newUsers: readonly string[]) => emit({ ...change, at: clock.now(), newUsers })
    void webrtc?.council.registryChanged()
    if (edge === null) return told([])
    edge
      .registryChanged()
      .then(told, (error: unknown) => warn('suite.credentials', `credentials not renewed: ${errorCode(error)}`))
  })

  const swept = startPlugins(config, layout, { ledger, clock, warn })
  plugins = swept

  let stopped: Promise<void> | null = null
  const stop = async () => {
    stopWatching()
    await swept.close()
    await calling.close()
    await application.drain()
    await dialled.close()
    await tellOwn(suiteStopped)
    await sequence.stop()
  }

  return {
    config,
    addresses: {
      tls: edge?.addresses.tls ?? null,
      udp: edge?.addresses.udp ?? null,
      tcp: edge?.addresses.tcp ?? null,
      app: { address: app.address, port: app.port },
      appTcp: { address: appTcp.address, port: appTcp.port },
      admin: { address: engine.admin.host, port: engine.admin.port },
      ras: h323 === null ? null : { address: h323.gatekeeper.address.ip, port: h323.gatekeeper.address.port },
      ledger: service?.url ?? null,
      council: webrtc?.council.url ?? null
    },
    data: layout,
    vkey: ledger.vkey,
    status: () => ({
      since,
      parts: Object.fromEntries(parts.map((part) => [part, down.has(part) ? 'down' : 'running'])) as SuiteStatus['parts'],
      calls: application.calls(),
      sip: application.stats(),
      ledger: { size: ledger.size(), pending: witness.pending(), state: witness.state(), witnessing: ledger.witnessing() },
      registry: { parties: guard.registry().parties.length, problems: guard.registryProblems() },
      certificateDaysLeft: edge?.certificateDaysLeft() ?? null
    }),
    escalator: calling,
    onEvent: (listener) => void listeners.add(listener),
    inside: { media, stages, recorder, witness, guard, edge, h323, webrtc, ndi },
    stop: () => {
      stopped ??= stop()
      return stopped
    }
  }
}

/** Pages whose scripts may speak SIP over a WebSocket: the council's own, and those of the configuration. */
const originsOf = ({ webrtc: { sip } }: SuiteConfig, council: string): readonly string[] => [
  new URL(council).origin,
  ...(sip?.origins ?? [])
]

/** Parts that start after the service and are asked through it; null until they run. */
interface RunningParts {
  readonly h323: () => RunningH323 | null
  readonly webrtc: () => RunningWebRtc | null
  readonly ndi: () => RunningNdi | null
  readonly calls: () => readonly CallSnapshot[]
  readonly escalator: () => Escalator | null
  readonly recorder: () => Recorder | null
  readonly bridges: CallBridgesAccess
}

async function serve(
  { profile, conferences, ledger: { service } }: SuiteConfig,
  layout: DataLayout,
  { ledger, witness }: { readonly ledger: Ledger; readonly witness: LocalWitness },
  clock: Clock,
  log: Log,
  { h323, webrtc, ndi, calls, escalator, recorder, bridges }: RunningParts,
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
    { recordingRoutes },
    { webRtcRoutes },
    { ndiRoutes },
    { ndiMetrics },
    { callBridgesRoutes },
    { evidenceRoutes },
    { evidenceMetrics }
  ] = await Promise.all([
    import('./h323-routes.ts'),
    import('./h323-metrics.ts'),
    import('./escalation-routes.ts'),
    import('./recording-routes.ts'),
    import('./webrtc-routes.ts'),
    import('./ndi-routes.ts'),
    import('./ndi-metrics.ts'),
    import('./call-bridges-routes.ts'),
    import('./evidence-routes.ts'),
    import('./evidence-metrics.ts')
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
