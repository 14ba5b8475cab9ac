/** H.323 in the suite: the gatekeeper, asked like any caller of IF.guard and recorded in the same ledger. */
import { randomBytes } from 'node:crypto'
import { createGatekeeper, type Gatekeeper, openRedisStore, openSqliteStore, type RegistrationStore } from '#h323/gatekeeper'
import type { Clock, Guard, Log, Witness } from '#kernel'
import { formatDecimal, h323SessionCost, parseDecimal } from '#ledger'
import type { SuiteConfig } from './config.ts'
import type { DataLayout } from './data.ts'
import { ensureAccounts, readAccounts } from './h323-accounts.ts'

export interface H323Ports {
  readonly guard: Guard
  readonly witness: Witness
  readonly clock: Clock
  readonly log: Log
  /** Users of the registry: in development each gets an account. */
  readonly users: readonly string[]
}

/** H.323 as the suite runs it. */
export interface RunningH323 {
  readonly gatekeeper: Gatekeeper
  /** Entries that were told, by event: one of seven names. */
  readonly told: ReadonlyMap<string, number>
  readonly close: () => Promise<void>
}

/** Account of the suite's own conferences; no name of a registry. */
export const ownAccount = 'infrafabric-mcu'

/** H.225.0 counts bandwidth in units of 100 bit/s. */
const unitsPerKbit = 10

/**
 * Starts the gatekeeper.
 *
 * @throws {ConfigError} for accounts that cannot be used; whatever `createGatekeeper` and the store throw
 */
export async function startH323(config: SuiteConfig, layout: DataLayout, ports: H323Ports): Promise<RunningH323> {
  const { h323, conferences, listen } = config
  const { guard, witness, clock, log, users } = ports
  const accounts =
    config.profile === 'development' && h323.accounts === null
      ? await ensureAccounts(layout.h323Accounts, users)
      : await readAccounts(layout.h323Accounts)
  const own = {
    name: ownAccount,
    password: randomBytes(32).toString('base64url'),
    aliases: [...(conferences ?? [])],
    prefixes: h323.prefix === null ? [] : [h323.prefix]
  }
  const told = new Map<string, number>()
  const store = await openStore(config, layout, log)
  try {
    const gatekeeper = await createGatekeeper(
      {
        identifier: h323.identifier,
        bind: { ip: h323.address ?? listen.address, port: h323.ras },
        multicast: [...h323.multicast],
        domain: h323.domain,
        users: [...accounts, own].map(({ aliases, prefixes, ...account }) => ({
          ...account,
          aliases: [...aliases],
          prefixes: [...prefixes]
        })),
        bandwidth: {
          zone: h323.bandwidthKbps.zone * unitsPerKbit,
          endpoint: h323.bandwidthKbps.zone * unitsPerKbit,
          call: h323.bandwidthKbps.call * unitsPerKbit,
          least: 640
        }
      },
      {
        guard: asksForOurs(guard),
        witness: {
          record: (event) => {
            told.set(event.event, (told.get(event.event) ?? 0) + 1)
            return witness.record(event)
          }
        },
        log,
        clock,
        store,
        sessionCost: (mbitPerSecond, minutes) =>
          formatDecimal(h323SessionCost(parseDecimal(mbitPerSecond), parseDecimal(minutes)))
      }
    )
    return {
      gatekeeper,
      told,
      close: async () => {
        await gatekeeper.close()
        await store.close()
      }
    }
  } catch (error) {
    await store.close()
    throw error
  }
}

/** A call that our own conferences make is a call out: whom it is for has to be in the registry, not we. */
const asksForOurs = (guard: Guard): Guard => ({
  decide: (context, request) =>
    guard.decide(context, request.edge.authenticatedUser === ownAccount ? { ...request, direction: 'outbound' } : request)
})

async function openStore({ h323, application }: SuiteConfig, layout: DataLayout, log: Log): Promise<RegistrationStore> {
  if (h323.store.kind === 'sqlite') return openSqliteStore(layout.h323Registrations)
  const { host, port } = h323.store
  const failed = (error: Error): void => log.warn({ error: error.message }, 'store of registrations')
  return openRedisStore({ server: { host, port }, prefix: `h323:${h323.identifier}`, member: application, failed })
}
