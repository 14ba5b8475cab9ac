/** The edge alone, for application servers elsewhere: what `ifctl edge` runs. */
import { Registry as Figures } from 'prom-client'
import { createGuard } from '#guard'
import { ConfigError, createLog, type Log, makeFolder, systemClock } from '#kernel'
import { layoutOf } from '../data/layout.ts'
import { lockData } from '../data/lock.ts'
import type { SuiteEvent } from '../events.ts'
import type { SuiteConfig } from '../settings/settings.ts'
import { type EmbeddedEdge, startEmbeddedEdge } from './edge.ts'
import { registryPollMs, watchRegistry } from './registry-watch.ts'

/** Kamailio, running for application servers elsewhere. */
export interface EdgeServer extends Pick<EmbeddedEdge, 'addresses' | 'inside' | 'certificateDaysLeft'> {
  readonly stop: () => Promise<void>
}

/**
 * Runs Kamailio on the settings of the suite that it stands before. Of the data folder it needs the certificates and the credentials; it follows these, the
 * registry and revocations while it runs. What callers are refused is told to the application servers, which record it.
 *
 * @param log default: one of the configuration's `logLevel`, on stderr
 * @param onEvent what `ifctl` shows: warnings, a part lost or restarted, the registry taken or refused
 * @throws {ConfigError} without `edgeServer`, and as {@link createGuard}; {@link startEmbeddedEdge} on the others
 */
export async function startEdgeServer(
  config: SuiteConfig,
  { log = createLog({ name: 'edge', level: config.logLevel }), onEvent }: { log?: Log; onEvent: (event: SuiteEvent) => void }
): Promise<EdgeServer> {
  const { edgeServer } = config
  if (edgeServer === null) throw new ConfigError('settings', ['edgeServer: expected where application servers are'])
  const clock = systemClock
  const layout = layoutOf(config)
  const warn = (code: string, message: string): void => {
    log.warn({ code }, message)
    onEvent({ type: 'warning', at: clock.now(), code, message })
  }
  for (const folder of [layout.folder, layout.authority, layout.edge]) makeFolder(folder)
  const unlock = await lockData(layout.lock)
  const undo: (() => unknown)[] = [unlock]
  const stop = async (): Promise<void> => {
    for (const each of undo.splice(0).reverse()) await each()
  }
  try {
    const guard = await createGuard({ registryPath: layout.registry, hazards: config.hazards, clock, log })
    undo.push(guard.close)
    const edge = await startEmbeddedEdge({
      config,
      layout,
      guard,
      inside: { address: edgeServer.address, port: edgeServer.port },
      applications: edgeServer.applications,
      witness: null,
      figures: new Figures(),
      webSocketOrigins: null,
      clock,
      log,
      warn,
      onState: (state, detail) =>
        onEvent({ type: 'part', at: clock.now(), part: 'edge', state: state === 'lost' ? 'lost' : 'restarted', detail })
    })
    undo.push(edge.stop)
    undo.push(
      watchRegistry(guard, clock, registryPollMs, (change) => {
        onEvent(change.ok ? { ...change, at: clock.now(), newUsers: [] } : { ...change, at: clock.now() })
        if (change.ok) void edge.registryChanged()
      })
    )
    return { addresses: edge.addresses, inside: edge.inside, certificateDaysLeft: edge.certificateDaysLeft, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
