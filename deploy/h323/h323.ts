/** H.323 in the suite: gatekeeper, routed signalling, conferences. Its calls are asked of IF.guard and recorded in the ledger like any other. */
import { randomBytes } from 'node:crypto'
import type { BridgeFloor } from '#bridge'
import {
  createGatekeeper,
  type Gatekeeper,
  keyOfText,
  nameOfKey,
  openRedisStore,
  openSqliteStore,
  type RegistrationStore
} from '#h323/gatekeeper'
import { type AdmittedCaller, conferenceMedia, createMcu, type H323Call, type Invitation, type Mcu, traceOf } from '#h323/mcu'
import { createRouter, type Router } from '#h323/routing'
import {
  type Callee,
  type CallsOut,
  type Clock,
  errorCode,
  type Guard,
  type Log,
  type ParticipantRole,
  type Witness
} from '#kernel'
import { formatDecimal, h323SessionCost, parseDecimal } from '#ledger'
import { createPictures, type MediaPlane, type Stages } from '#media'
import type { DataLayout } from '../data/layout.ts'
import { freeUdpRange } from '../edge/free-ports.ts'
import { recordingGuard } from '../record/guard.ts'
import type { SuiteConfig } from '../settings/settings.ts'
import { ensureAccounts, readAccounts } from './accounts.ts'
import { bridgeFloor, callExpert } from './sip-bridge.ts'

export interface H323Ports {
  readonly guard: Guard
  readonly witness: Witness
  readonly clock: Clock
  readonly log: Log
  /** Users of the registry: in development each gets an account. */
  readonly users: readonly string[]
  readonly media: MediaPlane
  readonly stages: Stages
  /** Registry id and role of an account's user; undefined for nobody's. */
  readonly partyOf: (user: string) => { readonly id: string; readonly role: ParticipantRole } | undefined
  /** Experts who can be called by SIP, under their ids. */
  readonly experts: readonly string[]
  readonly expertOf: (id: string) => Callee | undefined
  readonly callsOut: CallsOut
}

/** H.323 as the suite runs it. */
export interface RunningH323 {
  readonly gatekeeper: Gatekeeper
  readonly mcu: Mcu
  /** Null where calls go directly. */
  readonly router: Router | null
  /**
   * Calls a registered terminal into a conference of the configuration.
   *
   * @returns null when nobody has registered the alias, or there is no such conference
   */
  readonly invite: (conference: string, target: string, parentTraceId?: string) => Invitation | null
  /** Whether whoever has registered the alias is in the conference by H.323. */
  readonly isPresent: (conference: string, target: string) => boolean
  /** Terminals in a conference, for texts: null where one takes none. */
  readonly viewers: (conference: string) => readonly {
    readonly participant: string
    readonly show: (text: string) => Promise<boolean | null>
  }[]
  /** An alias of each terminal that a Guardian of the registry has registered. */
  readonly guardians: () => readonly string[]
  /** Whether somebody else than the suite has registered this name. */
  readonly isTerminal: (name: string) => boolean
  /** Entries that were told, by event: one of seven names. */
  readonly told: ReadonlyMap<string, number>
  readonly close: () => Promise<void>
}

/** Account of the suite's own conferences; no name of a registry. */
const ownAccount = 'infrafabric-mcu'

/** Four for each of 100 terminals. */
const automaticVideoPorts = 400
/** How long an expert's phone may ring. */
const expertRingMs = 60_000
/** H.225.0 counts bandwidth in units of 100 bit/s. */
const unitsPerKbit = 10

/**
 * Starts router, gatekeeper and MCU.
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
  const named = [...(conferences ?? []), ...ports.experts.filter((id) => !conferences?.includes(id))]
  const own = {
    name: ownAccount,
    password: randomBytes(32).toString('base64url'),
    aliases: named,
    prefixes: h323.prefix === null ? [] : [h323.prefix]
  }
  const ip = h323.address ?? listen.address
  const told = new Map<string, number>()
  const opened: (() => Promise<void>)[] = []
  const close = async (): Promise<void> => {
    for (const each of opened.splice(0).reverse()) await each()
  }
  let gatekeeper: Gatekeeper | null = null
  try {
    const store = await openStore(config, layout, log)
    opened.push(store.close)
    const router =
      h323.routing === 'direct'
        ? null
        : await createRouter({
            listen: { ip, port: h323.router },
            admitted: (call) => (gatekeeper === null ? null : admittedRoute(gatekeeper, call)),
            lost: (call) => void gatekeeper?.drop(call),
            log: log.child({ part: 'h323-router' }),
            clock
          })
    if (router !== null) opened.push(router.close)
    const running = await createGatekeeper(
      {
        identifier: h323.identifier,
        bind: { ip, port: h323.ras },
        multicast: [...h323.multicast],
        domain: h323.domain,
        ...(router === null
          ? {}
          : { callModel: 'gatekeeperRouted', callSignalAddress: `${router.address.ip}:${router.address.port}` }),
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
        guard: recordingGuard(asksForOurs(guard), witness, config.failClosed),
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
    gatekeeper = running
    opened.push(running.close)
    const pictures = createPictures(ports.media, {
      address: ip,
      portRange: h323.videoPorts ?? (await freeUdpRange(ip, automaticVideoPorts)),
      stages: ports.stages,
      log: log.child({ part: 'h323-pictures' }),
      clock
    })
    opened.push(async () => pictures.close())
    const floor = bridgeFloor(ports.media)
    const mcu = await createMcu({
      pictures,
      aliases: named,
      ...(h323.prefix === null ? {} : { prefixes: [h323.prefix] }),
      gatekeeper: {
        address: `${running.address.ip}:${running.address.port}`,
        identifier: h323.identifier,
        user: { name: own.name, password: own.password }
      },
      listen: { ip, port: h323.signalling },
      domain: h323.domain,
      media: conferenceMedia(ports.media),
      floor: ports.media,
      guard: null,
      witness,
      log: log.child({ part: 'h323-mcu' }),
      clock,
      conferenceOf: (called) => conferenceOf(config, called),
      callerOf: (call) => callerOf(running, call, ports.partyOf),
      elsewhere: (call, caller, stats) => callsExpert(ports, floor, call, caller, stats)
    })
    opened.push(mcu.close)
    await mcu.endpoint.registered
    const isTerminal = (name: string): boolean =>
      running.endpoints().some(({ aliases, user }) => user !== ownAccount && aliases.includes(keyOfText(name)))
    const partyAt = (target: string) => {
      const found = running.endpoints().find(({ aliases, user }) => user !== ownAccount && aliases.includes(keyOfText(target)))
      return found?.user == null ? undefined : ports.partyOf(found.user)
    }
    const terminalsIn = (conference: string) =>
      (mcu.conferences().find((each) => each.conference === conference)?.terminals ?? []).filter(
        ({ protocol }) => protocol === 'h323'
      )
    const isPresent: RunningH323['isPresent'] = (conference, target) =>
      terminalsIn(conference).some(({ name }) => name === partyAt(target)?.id)
    const viewers: RunningH323['viewers'] = (conference) =>
      terminalsIn(conference).map(({ participant }) => ({
        participant,
        // H.245 acknowledges no user input: what was sent counts as shown
        show: async (text) => (mcu.showText(conference, participant, text) ? true : null)
      }))
    const invite: RunningH323['invite'] = (conference, target, parentTraceId) => {
      const party = partyAt(target)
      if (party === undefined || conferences?.includes(conference) === false) return null
      const trace = parentTraceId === undefined ? {} : { parentTraceId }
      return mcu.invite(conference, target, { name: party.id, role: party.role, ...trace })
    }
    const guardians = (): string[] =>
      running.endpoints().flatMap(({ aliases, user }) => {
        const isGuardian = user !== null && user !== ownAccount && ports.partyOf(user)?.role === 'guardian'
        return isGuardian ? aliases.slice(0, 1).map(nameOfKey) : []
      })
    return { gatekeeper: running, mcu, router, invite, isPresent, viewers, guardians, isTerminal, told, close }
  } catch (error) {
    await close()
    throw error
  }
}

type Called = H323Call['called']

const nameOf = (alias: Called[number]): string => ('value' in alias && typeof alias.value === 'string' ? alias.value : '')

/** A conference by its name, or by its number behind the prefix: the first of the list is 1. Where any name is one, the number is its name. */
function conferenceOf({ conferences, h323 }: SuiteConfig, called: Called): string | null {
  for (const name of called.map(nameOf)) {
    if (conferences?.includes(name)) return name
    if (h323.prefix === null || !/^\d+$/.test(name) || !name.startsWith(h323.prefix)) continue
    const number = name.slice(h323.prefix.length)
    const found = conferences === null ? number : conferences[Number(number) - 1]
    if (found !== undefined && found !== '') return found
  }
  return null
}

/** Who has a call, by what the gatekeeper has verified: not by what a SETUP says. */
function callerOf(gatekeeper: Gatekeeper, id: string, partyOf: H323Ports['partyOf']): AdmittedCaller | null {
  const leg = gatekeeper.call(id)?.legs.find(({ answering }) => !answering)
  const user = gatekeeper.endpoints().find(({ endpointId }) => endpointId === leg?.endpoint)?.user ?? null
  const party = user === null ? undefined : partyOf(user)
  return party === undefined ? null : { name: party.id, role: party.role }
}

function callsExpert(
  { expertOf, callsOut, witness, log }: H323Ports,
  floor: BridgeFloor,
  call: H323Call,
  caller: AdmittedCaller,
  stats: Parameters<NonNullable<Parameters<typeof createMcu>[0]['elsewhere']>>[2]
): boolean {
  const callee = call.called.map((alias) => expertOf(nameOf(alias))).find((found) => found !== undefined)
  if (callee === undefined) return false
  const ports = { calls: callsOut, floor, witness, log, ringTimeoutMs: expertRingMs }
  callExpert(ports, { call, parentTraceId: traceOf(call.genericData), stats }, caller, callee).catch((error: unknown) => {
    log.error({ traceId: call.traceId, code: errorCode(error) }, 'a call to an expert failed')
    call.release()
  })
  return true
}

/** Where the router takes a call: whom the gatekeeper admitted it to, from whom it admitted it. */
function admittedRoute(gatekeeper: Gatekeeper, id: string): { destination: string; callers: readonly string[] } | null {
  const call = gatekeeper.call(id)
  const leg = call?.legs.find(({ answering, state }) => !answering && state === 'admitted')
  if (call === null || leg === undefined || call.destination === null) return null
  const caller = gatekeeper.endpoints().find(({ endpointId }) => endpointId === leg.endpoint)
  return caller === undefined ? null : { destination: call.destination, callers: caller.signalAddresses }
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
