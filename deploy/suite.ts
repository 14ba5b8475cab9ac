/**
 * The suite: the one place where ledger, guard, media plane, SIP engine, application and edge are made and given to each other.
 */

import type { Escalator } from '#escalate'
import { createLog, errorCode, makeFolder, messageOf, newTraceId, systemClock } from '#kernel'
import type { MediaPlane, Recorder } from '#media'
import type { CallSnapshot } from '#sip'
import { createAnnouncer } from './announcer.ts'
import { startApplication } from './calls/application.ts'
import { type ExpertLabels, sipMetrics } from './calls/metrics.ts'
import { leftCalls, suiteComponent, suiteStarted, suiteStopped } from './calls/restart.ts'
import { startEmbeddedServer, useServer } from './calls/sip-server.ts'
import { callIdOfTrying } from './calls/trying.ts'
import { layoutOf } from './data/layout.ts'
import { lockData } from './data/lock.ts'
import { prepareData } from './data/prepare.ts'
import { startEmbeddedEdge } from './edge/edge.ts'
import { registryPollMs, watchRegistry } from './edge/registry-watch.ts'
import { callBridgeMetrics } from './escalation/call-bridges-metrics.ts'
import { bridgedCalls, type DialInBridges, retryBridge } from './escalation/dial-in-bridges.ts'
import { callsOverTls, directoryOf, startEscalation } from './escalation/escalation.ts'
import { type Part, parts } from './events.ts'
import type { RunningH323 } from './h323/h323.ts'
import { sipToH323 } from './h323/sip-bridge.ts'
import { startMedia } from './media/media.ts'
import { mediaMetrics } from './media/metrics.ts'
import { withPictures } from './media/telephone-pictures.ts'
import type { RunningNdi } from './ndi/ndi.ts'
import { partsMetrics } from './parts-metrics.ts'
import { pluginsMetrics, type RunningPlugins, startPlugins } from './plugins.ts'
import { recordConferences } from './record/conference-record.ts'
import { openGuard } from './record/guard.ts'
import { startLedger } from './record/ledger.ts'
import { createSequence } from './sequence.ts'
import { serveSuite } from './service.ts'
import { resolveSuiteConfig } from './settings/config.ts'
import type { SuiteConfig, SuiteSettings } from './settings/settings.ts'
import type { Suite, SuiteOptions, SuiteStatus } from './suite-types.ts'
import type { RunningWebRtc } from './webrtc/webrtc.ts'

export type { ControlFile } from './control.ts'
export { type Credentials, readCredentials } from './data/credentials.ts'
export type { DataLayout } from './data/layout.ts'
export type { PreparedData } from './data/prepare.ts'
export { type EdgeServer, startEdgeServer } from './edge/edge-server.ts'
export { type Part, parts, type SuiteEvent } from './events.ts'
export type { ConferenceView } from './media/conference-routes.ts'
export { loadSuiteConfig, resolveSuiteConfig } from './settings/config.ts'
export { settingsFromEnvironment } from './settings/environment.ts'
export type { SuiteConfig, SuiteSettings } from './settings/settings.ts'
export type { Address, CallPorts, Suite, SuiteOptions, SuiteStatus } from './suite-types.ts'

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
  const { emit, listen, tellPart, warn, tellRecording } = createAnnouncer(clock, log)
  if (options.onEvent !== undefined) listen(options.onEvent)
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
  let expertsNow: () => readonly ExpertLabels[] = () => []
  let plane: MediaPlane | null = null
  let escalator: Escalator | null = null
  let recording: Recorder | null = null
  let trying: (callId: string) => void = () => {}
  const mediaFigures = mediaMetrics(() => plane)
  const sipFigures = sipMetrics(
    config.hazards,
    () => callsNow(),
    () => expertsNow()
  )
  const partFigures = partsMetrics()
  listen(partFigures.take)
  let dialIns: DialInBridges | null = null
  const bridged = () => bridgedCalls(escalator, dialIns)
  const bridgeFigures = callBridgeMetrics(bridged)
  let plugins: RunningPlugins | null = null
  listen(bridgeFigures.take)
  listen(sipFigures.take)
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
      makeFolder(folder)
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
    () =>
      startLedger(config, layout, clock, log, async (parts) =>
        serveSuite(
          config,
          layout,
          parts,
          clock,
          log.child({ part: 'ledger-service' }),
          {
            media: () => plane,
            h323: () => h323,
            webrtc: () => webrtc,
            ndi: () => ndi,
            calls: () => callsNow(),
            escalator: () => escalator,
            recorder: () => recording,
            bridges: { list: bridged, retry: (...wanted) => retryBridge(escalator, dialIns, ...wanted) }
          },
          [
            partFigures.registry,
            sipFigures.registry,
            mediaFigures.registry,
            bridgeFigures.registry,
            await pluginsMetrics(() => plugins)
          ]
        )
      ),
    (running) => running.close()
  )
  const guard = await start(
    'guard',
    () => openGuard({ config, layout, witness, clock, log: log.child({ part: 'guard' }), emit, warn }),
    (running) => running.close()
  )
  expertsNow = () => guard.registry().parties.filter(({ role }) => role === 'expert')
  const { media, stages, recorder } = await start(
    'media',
    () => startMedia(config, layout, { witness, clock, log, onEvent: tellRecording }),
    (running) => running.close()
  )
  plane = media
  recording = recorder
  media.onLegEnd(mediaFigures.ended)
  recordConferences(media, { witness, log })
  const engine = await start(
    'sip-engine',
    () =>
      config.sip.server === null
        ? startEmbeddedServer(config.sip, layout.sipPort, adminSecret, {
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
  const left = leftCalls({ ledger, witness, warn })
  const telephones = withPictures(media, () => webrtc?.rooms ?? null)
  const meeting = sipToH323(() => h323, { conference: telephones, witness, clock, log: log.child({ part: 'bridge' }) })
  const browsers = config.webrtc.enabled
    ? (await import('./webrtc/sip-phones.ts')).sipOverWebSocket({
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
      const running = await startApplication(config, layout, {
        server: engine.admin,
        join: engine.join,
        ...(options.callPorts?.({ witness, guard }) ?? { witness, guard: sipFigures.timed(browsers?.guard ?? guard, clock) }),
        onResponse: sipFigures.response,
        registry: guard.registry,
        conference: browsers?.conference ?? meeting.conference,
        isPlace: meeting.isPlace,
        isInBrowser: browsers?.isInBrowser ?? null,
        openCalls: left.find,
        clock,
        log: log.child({ part: 'application' })
      })
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
        const { startH323 } = await import('./h323/h323.ts')
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
        const { startWebRtc } = await import('./webrtc/webrtc.ts')
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
    listen(webrtc.calls.take)
    listen(webrtc.evidence.take)
  }
  if (config.ndi.enabled) {
    const { ndiRuntime, startNdi } = await import('./ndi/ndi.ts')
    const runtime = await ndiRuntime(config, layout).catch((error: unknown) => {
      // the council meets without it
      warn(errorCode(error), `NDI is left out: ${messageOf(error)}`)
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
    listen((event) => {
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
  if (left.isComplete()) await tellOwn(suiteStarted)

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
              inside: null,
              applications: [app],
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
  const { escalator: calling, dialIns: dialled } = startEscalation(config, {
    application,
    registry: guard.registry,
    bridges: { h323: () => h323, webrtc: () => webrtc?.evidence.bridge ?? null, ndi: () => ndi?.bridge ?? null },
    left: left.byTrace,
    emit,
    witness,
    clock,
    log
  })
  dialIns = dialled
  listen(dialled.take)
  escalator = calling
  webrtc?.calls.follow(calling)

  const stopWatching = watchRegistry(guard, clock, registryPollMs, (change) => {
    if (!change.ok) return emit({ ...change, at: clock.now() })
    const told = (newUsers: readonly string[]) => emit({ ...change, at: clock.now(), newUsers })
    void webrtc?.council.registryChanged()
    if (edge === null) return told([])
    void edge.registryChanged().then((newUsers) => newUsers !== null && told(newUsers))
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
      ipv6: edge === null ? null : config.listen.address6,
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
    onEvent: listen,
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
