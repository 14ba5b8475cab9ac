/** An endpoint: its listening socket, its registration, its calls. */
import { randomInt } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import { type CallContext, type EdgeFacts, errorCode, InfraFabricError, systemClock } from '#kernel'
import { defaultModes } from '../call/call.ts'
import { causes } from '../call/causes.ts'
import { releaseComplete } from '../call/messages.ts'
import type { Receivable } from '../control/capabilities.ts'
import { type Address, aliasOfKey, keyOfText, plainIp, uriOfKey } from '../gatekeeper/addresses.ts'
import type { EndpointType, SupportedPrefix, VendorIdentifier } from '../h225/h225.ts'
import { decodeQ931, encodeQ931, type Q931Message, userInformationOf } from '../q931/q931.ts'
import { type Channel, openChannel } from './channel.ts'
import type { Call, DialOptions, Endpoint, EndpointConfig, EndpointEvent, EndpointLimits } from './endpoint.ts'
import { LiveCall } from './live/live-call.ts'
import type { CallWorld, DialMore } from './live/world.ts'
import { gatekeeperAddress, openRegistrar, type Registrar } from './registrar.ts'
import { createSealing } from './sealing.ts'
import { type Target, targetOf } from './target.ts'

const defaultLimits: EndpointLimits = {
  calls: 200,
  pending: 50,
  messageOctets: 32_768,
  slowMs: 5000,
  messagesPerSecond: 100
}
const defaultBandwidthBps = 128_000
const defaultTimeToLiveS = 300
/** H.323 table 1: no MC, no MP; MCU with audio. */
const terminalTypes = { terminal: 50, gateway: 60, mcu: 190 } as const
/** United Kingdom of T.35 and no manufacturer of its list. */
const vendor: VendorIdentifier = {
  vendor: { t35CountryCode: 180, t35Extension: 0, manufacturerCode: 0 },
  productId: Buffer.from('InfraFabric'),
  versionId: Buffer.from('1')
}
/** What is told before the plane has opened a port for the call; what it then opens counts. */
const receivable: Receivable = { codecs: ['opus', 'G722', 'PCMU', 'PCMA', 'G729'], eventPayloadType: 101 }
const closeMs = 3000

/**
 * Starts an endpoint: it listens, and begins to register where there is a gatekeeper.
 *
 * @throws {InfraFabricError} `h323.endpoint.bind`, `h323.ras.bind`, `h323.endpoint.target` for a gatekeeper that is no address
 */
export async function createEndpoint(config: EndpointConfig): Promise<Endpoint> {
  const { log, guard, witness } = config
  const clock = config.clock ?? systemClock
  const limits = { ...defaultLimits, ...config.limits }
  const modes = { ...defaultModes, ...config.modes }
  const domain = config.domain ?? 'h323.invalid'
  const kind = config.kind ?? 'terminal'
  const aliases = config.aliases.map((alias) => aliasOfKey(keyOfText(alias)))
  const bandwidthOf = (bps: number): number => Math.ceil(bps / 100)
  const calls = new Set<LiveCall>()
  const listeners: ((call: Call) => void)[] = []
  const observers: ((event: EndpointEvent) => void)[] = []
  const pending = new Set<Socket>()
  let closing: Promise<void> | null = null
  let registrar: Registrar | null = null

  const tell = (event: EndpointEvent): void => {
    for (const observer of observers) observer(event)
  }
  const endpointType = endpointTypeOf(kind, config.prefixes ?? [])
  const server = createServer()
  const address = await listen(server, config.listen)
  const sealing = config.security === undefined ? null : createSealing(config.security, clock.now)

  const world: CallWorld = {
    clock,
    log,
    own: { aliases, endpointType, display: config.aliases.find((alias) => !/^[0-9*#,]+$/.test(alias)) ?? null },
    listen: address,
    limits,
    control: {
      terminalType: config.terminalType ?? terminalTypes[kind],
      random24: () => randomInt(0x100_0000),
      receivable,
      others: config.capabilities ?? [],
      isMc: kind === 'mcu',
      bothWays: false,
      passesOn: kind === 'mcu' || (config.capabilities ?? []).length > 0
    },
    openMedia: config.media,
    admit: config.gatekeeper == null ? null : (parts) => registrar!.admit(parts),
    judge: config.gatekeeper != null || guard === null ? null : judge,
    disengage: (call) => registrar?.disengage(call) ?? Promise.resolve(),
    endpointIdentifier: () => registrar?.endpointIdentifier() ?? null,
    record: async (event) => {
      await witness?.record({ ...event, component: 'IF.witness.h323' })
    },
    sealing,
    dial: (target, place, more) => placeCall(target, place, more).owner
  }

  /** IF.guard, where no gatekeeper asks it. */
  async function judge(
    context: CallContext,
    call: { readonly inbound: boolean; readonly from: string; readonly to: string; readonly address: Address | null }
  ): Promise<boolean> {
    const edge: EdgeFacts = {
      sourceAddress: call.inbound ? (call.address?.ip ?? '') : address.ip,
      transport: 'tcp',
      tlsVersion: null,
      tlsCipher: null,
      certificateIdentity: null,
      authenticatedUser: null,
      digestAlgorithm: null
    }
    const decision = await guard!.decide(context, {
      direction: call.inbound ? 'inbound' : 'outbound',
      method: 'SETUP',
      callId: context.traceId,
      cseq: 1,
      fromUri: uriOfKey(keyOfText(call.from), domain),
      toUri: uriOfKey(keyOfText(call.to), domain),
      claimedTraceId: null,
      hazard: null,
      signature: null,
      body: new Uint8Array(),
      edge,
      receivedAt: context.now()
    })
    if (decision.verdict === 'reject') context.log.info({ code: decision.code }, 'call rejected')
    return decision.verdict === 'approve'
  }

  server.on('connection', (socket) => {
    if (closing !== null || pending.size >= limits.pending) {
      socket.destroy()
      return
    }
    takeConnection(socket)
  })
  server.on('error', (error) => log.error({ code: errorCode(error) }, 'h323 listening socket'))

  function keep(call: LiveCall): void {
    calls.add(call)
    void call.owner.ended.then(() => calls.delete(call))
  }

  /** A connection that has to bring a SETUP. */
  function takeConnection(socket: Socket): void {
    pending.add(socket)
    let call: LiveCall | null = null
    const done = (): void => {
      pending.delete(socket)
      cancel()
    }
    const cancel = clock.after(limits.slowMs, () => {
      done()
      channel.end()
    })
    const channel: Channel = openChannel(
      socket,
      limits,
      {
        message: (payload) => {
          if (call !== null) {
            call.receive(payload)
            return
          }
          done()
          call = takeSetup(channel, decodeQ931(payload))
          if (call === null) channel.end()
        },
        closed: () => {
          done()
          call?.lost()
        }
      },
      clock,
      log
    )
  }

  /** @returns null for what is no call, answered where an answer is due */
  function takeSetup(channel: Channel, message: Q931Message): LiveCall | null {
    const body = userInformationOf(message)?.['h323-uu-pdu']
    const setup = body?.['h323-message-body']
    // the flag tells who chose the reference: a SETUP is never from the other side; 0 is that of no call (Q.931 §4.3)
    const isCall = !message.callReferenceFlag && message.callReference !== 0
    if (message.messageType !== 'setup' || setup?.type !== 'setup' || !isCall) {
      tell({ type: 'refused', reason: 'noSetup' })
      return null
    }
    if (sealing !== null && !sealing.isTrusted(message)) {
      refuse(channel, message, causes.rejected, 'securityDenied')
      return null
    }
    if (calls.size >= limits.calls) {
      refuse(channel, message, causes.congestion, 'full')
      return null
    }
    if (listeners.length === 0) {
      refuse(channel, message, causes.rejected, 'nobody')
      return null
    }
    const bandwidth = bandwidthOf(config.bandwidthBps ?? defaultBandwidthBps)
    const call = LiveCall.accept(world, channel, message, setup.value, body?.genericData ?? [], modes, bandwidth)
    keep(call)
    call.begin(message).then(
      (goesOn) => {
        if (goesOn) for (const listener of listeners) listener(call.owner)
      },
      (error: unknown) => {
        log.error({ code: errorCode(error) }, 'call not taken')
        call.release(causes.temporaryFailure)
      }
    )
    return call
  }

  function refuse(channel: Channel, message: Q931Message, cause: number, reason: string): void {
    const guid = userInformationOf(message)?.['h323-uu-pdu']['h323-message-body']
    const callIdentifier =
      guid?.type === 'setup' ? (guid.value.callIdentifier?.guid ?? guid.value.conferenceID) : Buffer.alloc(16)
    const identity = {
      callReference: message.callReference,
      callReferenceFlag: true,
      callIdentifier,
      conferenceId: callIdentifier
    }
    channel.send(encodeQ931(releaseComplete(identity, cause, { tunnelling: false })))
    tell({ type: 'refused', reason })
  }

  function placeCall(
    target: Target,
    place: { conference: string; participant: string; role: DialOptions['role'] },
    more: DialMore
  ): LiveCall {
    if (closing !== null) throw new InfraFabricError('h323.endpoint.closed', 'the endpoint is closed')
    if (calls.size >= limits.calls) throw new InfraFabricError('h323.endpoint.busy', `${limits.calls} calls are under way`)
    const { conference, participant, role } = place
    const call = LiveCall.dial(world, target, { conference, participant, role }, more)
    keep(call)
    return call
  }

  if (config.gatekeeper != null) {
    const { gatekeeper } = config
    try {
      registrar = await openRegistrar({
        gatekeeper: gatekeeper.address === null ? null : gatekeeperAddress(gatekeeper.address),
        identifier: gatekeeper.identifier ?? null,
        user: gatekeeper.user ?? null,
        timeToLiveS: gatekeeper.timeToLiveS ?? defaultTimeToLiveS,
        bindIp: config.listen.ip,
        callSignalAddress: address,
        aliases,
        endpointType,
        vendor,
        clock,
        log,
        onDisengage: ({ callIdentifier, callReference, conferenceId }) => {
          for (const call of calls) {
            const { reported } = call
            const isMeant =
              callIdentifier === null
                ? reported.callReference === callReference && Buffer.compare(reported.conferenceId, conferenceId) === 0
                : Buffer.compare(reported.callIdentifier, callIdentifier) === 0
            if (isMeant) call.release(causes.normal)
          }
        },
        onState: (state, reason) => {
          const endpointIdentifier = registrar?.endpointIdentifier() ?? null
          if (state === 'registered' && endpointIdentifier !== null) tell({ type: 'registered', endpointIdentifier })
          else if (state === 'rejected' || state === 'none') tell({ type: 'unregistered', reason: reason ?? state })
        },
        calls: () => [...calls].filter((call) => !call.isOver).map((call) => call.reported)
      })
    } catch (error) {
      server.close()
      throw error
    }
  }

  async function shut(): Promise<void> {
    const over = [...calls].map((call) => call.owner.ended)
    for (const call of calls) call.release()
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const cancel = clock.after(closeMs, resolve)
    await Promise.race([Promise.all(over), late])
    cancel()
    for (const socket of pending) socket.destroy()
    await registrar?.close()
    await new Promise<void>((closed) => server.close(() => closed()))
  }

  return {
    address,
    registration: () => registrar?.state() ?? 'none',
    registered: registrar?.registered ?? Promise.resolve(),
    calls: () => [...calls].map(({ owner }) => owner),
    onCall: (listener) => void listeners.push(listener),
    onEvent: (listener) => void observers.push(listener),
    dial: (target, options) =>
      placeCall(targetOf(target), options, {
        modes: { ...modes, ...options.modes },
        display: options.display ?? null,
        genericData: [...(config.genericData ?? []), ...(options.genericData ?? [])],
        bandwidth: bandwidthOf(options.bandwidthBps ?? config.bandwidthBps ?? defaultBandwidthBps),
        context: options.context ?? {}
      }).owner,
    close: () => {
      closing ??= shut()
      return closing
    }
  }
}

function endpointTypeOf(kind: NonNullable<EndpointConfig['kind']>, prefixes: readonly string[]): EndpointType {
  const supportedPrefixes: SupportedPrefix[] = prefixes.map((value) => ({ prefix: { type: 'dialedDigits', value } }))
  const protocol = [{ type: 'voice' as const, value: { supportedPrefixes } }]
  const base = { vendor, mc: kind === 'mcu', undefinedNode: false }
  if (kind === 'mcu') return { ...base, mcu: supportedPrefixes.length === 0 ? {} : { protocol } }
  if (kind === 'gateway' || supportedPrefixes.length > 0) return { ...base, gateway: { protocol } }
  return { ...base, terminal: {} }
}

/** @throws {InfraFabricError} `h323.endpoint.bind` */
async function listen(server: Server, { ip, port }: Address): Promise<Address> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, ip, () => {
        server.off('error', reject)
        resolve()
      })
    })
  } catch (cause) {
    throw new InfraFabricError('h323.endpoint.bind', `calls cannot be listened to on ${ip} port ${port}`, { cause })
  }
  const bound = server.address() as { readonly address: string; readonly port: number }
  return { ip: plainIp(bound.address), port: bound.port }
}
