import test from 'ava'
import { manualClock } from '#kernel'
import { decision } from './testing/fakes.ts'
import { aliasesOf, arq, brq, drq, gatewayWith, grq, guid, openRasClient, rrq, urq } from './testing/ras-client.ts'
import { admit, reasonOf, room } from './testing/room.ts'

const loopback = (port: number) => ({ type: 'ipAddress', value: { ip: Buffer.from([127, 0, 0, 1]), port } })

test('discover, register, call, hang up, unregister: on the wire, in the record, with its price', async (t) => {
  const clock = manualClock()
  const { open, join, gatekeeper, events, asked } = await room(t, {
    clock,
    config: { timeToLiveS: { min: 60, max: 86_400 }, irrFrequencyS: 3600 }
  })
  const [alice, bob] = [await open(), await open()]
  const gcf = await alice.ask(grq(alice))
  t.is(gcf.type, 'gatekeeperConfirm')
  if (gcf.type === 'gatekeeperConfirm') t.deepEqual(gcf.value.rasAddress, loopback(gatekeeper.address.port) as never)
  const aliceId = await join(alice, 'alice', '1001')
  const bobId = await join(bob, 'bob', '1002')

  const acf = await admit(bob, bobId, 7, ['1001'], { bandWidth: 20_000 })
  t.is(acf.bandWidth, 20_000)
  t.deepEqual(acf.callModel, { type: 'direct' })
  t.deepEqual(acf.destCallSignalAddress, loopback(alice.address.port) as never)
  await admit(alice, aliceId, 7, ['1001'], { bandWidth: 20_000, answerCall: true })
  t.is(asked.length, 1, 'the called endpoint is part of a decision made already')
  t.is(asked[0]!.fromUri, 'sip:bob@council.example')
  t.is(asked[0]!.toUri, 'sip:1001@council.example')
  t.is(gatekeeper.bandwidthUsedBps(), 2_000_000)

  clock.advance(45 * 60_000)
  t.is((await bob.ask(drq(bob, bobId, 7))).type, 'disengageConfirm')
  t.is((await alice.ask(drq(alice, aliceId, 7))).type, 'disengageConfirm')
  t.deepEqual([gatekeeper.bandwidthUsedBps(), gatekeeper.calls().length], [0, 0])
  t.is((await alice.ask(urq(alice, aliceId))).type, 'unregistrationConfirm')
  t.is(reasonOf(await alice.ask(urq(alice, aliceId))), 'notCurrentlyRegistered')

  t.deepEqual(
    events.map(({ event }) => event),
    [
      'h323_endpoint_registered',
      'h323_endpoint_registered',
      'h323_arq_sent',
      'h323_acf_received',
      'h323_arq_sent',
      'h323_acf_received',
      'h323_call_complete'
    ]
  )
  const complete = events.at(-1)!
  t.is(complete.cost, '0.09095')
  t.is(complete.traceId, '07'.repeat(16))
  t.like(complete.payload, { duration_ms: 2_700_000, minutes: '45', bandwidth_mbps: '2', reason: 'disengaged', cost: '0.09095' })
})

test('RRQ: what is refused, and with which reason', async (t) => {
  const { open, join, gatekeeper } = await room(t, { config: { limits: { endpoints: 3, aliases: 3 } } })
  const [alice, other] = [await open(), await open()]
  const aliceId = await join(alice, 'alice', '1001')
  const reason = async (names: string[], more: Parameters<typeof rrq>[2]): Promise<string> =>
    reasonOf(await other.ask(rrq(other, names, more)))
  t.is(await reason(['1001'], {}), 'duplicateAlias')
  t.is(await reason(['x'], { protocolIdentifier: '0.0.8.1.2' }), 'invalidRevision')
  t.is(await reason(['x'], { gatekeeperIdentifier: 'another' }), 'discoveryRequired')
  t.is(await reason(['x'], { rasAddress: [] }), 'invalidRASAddress')
  t.is(
    await reason(['x'], { rasAddress: [{ type: 'ipAddress', value: { ip: Uint8Array.of(192, 0, 2, 1), port: 1719 } }] }),
    'invalidRASAddress'
  )
  t.is(await reason(['x'], { callSignalAddress: [] }), 'invalidCallSignalAddress')
  t.is(
    await reason(['x'], { callSignalAddress: [{ type: 'ipAddress', value: { ip: Uint8Array.of(224, 0, 1, 41), port: 1720 } }] }),
    'invalidCallSignalAddress'
  )
  t.is(await reason(['x'], { terminalType: { gatekeeper: {}, mc: false, undefinedNode: false } }), 'invalidTerminalType')
  t.is(await reason(['x'], { terminalAlias: [{ type: 'mobileUIM', value: { type: 'gsm-uim', value: {} } }] }), 'invalidAlias')
  t.is(await reason(['1', '2', '3', '4'], {}), 'invalidAlias')
  t.is(await reason(['x'], { keepAlive: true }), 'fullRegistrationRequired')
  t.is(await reason(['x'], { keepAlive: true, endpointIdentifier: aliceId }), 'fullRegistrationRequired', 'from another address')
  t.is(await reason(['x'], { additiveRegistration: null }), 'fullRegistrationRequired')
  await join(await open(), 'b')
  await join(await open(), 'c')
  t.is(await reason(['x'], {}), 'resourceUnavailable')
  t.is(gatekeeper.endpoints().length, 3)
})

test('RRQ: lightweight, with changed addresses, additive; an endpoint that begins anew is itself', async (t) => {
  const clock = manualClock()
  const { open, join, gatekeeper, events } = await room(t, { clock, config: { timeToLiveS: { min: 15, max: 60 } } })
  const [alice, moved] = [await open(), await open()]
  const id = await join(alice, 'alice')
  clock.advance(50_000)
  const light = await alice.ask(rrq(alice, [], { keepAlive: true, endpointIdentifier: id, timeToLive: 20 }))
  t.is(light.type === 'registrationConfirm' ? light.value.timeToLive : light.type, 20)
  const again = await alice.ask(rrq(alice, ['alice']))
  t.is(again.type === 'registrationConfirm' ? again.value.endpointIdentifier : again.type, id)
  const changed = await moved.ask(rrq(moved, ['alice', 'alice@council.example'], { endpointIdentifier: id }))
  t.is(changed.type === 'registrationConfirm' ? changed.value.endpointIdentifier : changed.type, id)
  const more = await moved.ask(rrq(moved, ['1001'], { endpointIdentifier: id, additiveRegistration: null }))
  t.deepEqual(
    more.type === 'registrationConfirm' && more.value.terminalAlias,
    aliasesOf('alice', 'alice@council.example', '1001')
  )
  t.is(gatekeeper.endpoints()[0]!.rasAddress, `127.0.0.1:${moved.address.port}`)
  const fewer = await moved.ask(urq(moved, id, { endpointAlias: aliasesOf('1001') }))
  t.is(fewer.type, 'unregistrationConfirm')
  t.deepEqual(gatekeeper.endpoints()[0]!.aliases, ['h323:alice', 'h323:alice@council.example'])
  t.deepEqual(
    events.map(({ payload }) => payload.changed),
    [false, true, true],
    'what changes nothing is not recorded again'
  )
})

test('a registration ends with its time to live, its calls with it, and the endpoint is told', async (t) => {
  const clock = manualClock()
  const { open, join, gatekeeper, events } = await room(t, { clock, config: { timeToLiveS: { min: 15, max: 30 } } })
  const [alice, bob] = [await open(), await open()]
  await join(alice, 'alice')
  const bobId = await join(bob, 'bob')
  await admit(bob, bobId, 1, ['alice'])
  clock.advance(29_000)
  t.is(gatekeeper.endpoints().length, 2)
  clock.advance(2000)
  t.is(gatekeeper.endpoints().length, 0)
  t.is(gatekeeper.bandwidthUsedBps(), 0)
  const told = await bob.next()
  t.is(told.type === 'unregistrationRequest' ? told.value.reason!.type : told.type, 'ttlExpired')
  t.like(events.at(-1), { event: 'h323_call_complete', payload: { reason: 'unregistered' } })
  t.is(reasonOf(await bob.ask(arq(bob, bobId, 2, ['alice']))), 'callerNotRegistered')
})

test('ARQ: what is refused, and with which reason, on the wire and in the record', async (t) => {
  const { open, join, events } = await room(t, {
    config: {
      bandwidth: { zone: 10_000, endpoint: 3000, call: 2000, least: 640 },
      prefixes: [{ prefix: '0900', allow: false }],
      limits: { callsPerEndpoint: 3 }
    },
    decide: async ({ toUri }) => decision(toUri.includes('forbidden') ? 'reject' : 'approve', toUri.includes('attack'))
  })
  const [alice, bob, other] = [await open(), await open(), await open()]
  const aliceId = await join(alice, 'alice', '10011')
  await join(other, 'forbidden', 'forbidden-attack')
  const bobId = await join(bob, 'bob')
  let call = 100
  const reason = async (names: string[], more: Parameters<typeof arq>[4] = {}): Promise<string> =>
    reasonOf(await bob.ask(arq(bob, bobId, ++call, names, more)))
  t.is(await reason(['nobody']), 'calledPartyNotRegistered')
  t.is(await reason(['1001']), 'incompleteAddress')
  t.is(await reason(['nobody', 'forbidden']), 'invalidPermission', 'decided on whom it leads to')
  t.is(await reason(['forbidden@council.example']), 'invalidPermission')
  t.is(await reason(['h323:0900123@council.example']), 'invalidPermission')
  t.is(await reason(['forbidden']), 'invalidPermission')
  t.is(await reason(['forbidden-attack']), 'securityDenial')
  t.is(await reason(['alice', 'bob']), 'aliasesInconsistent')
  t.is(await reason(['0900123']), 'invalidPermission')
  t.is(await reason(['alice'], { endpointIdentifier: 'nobody' }), 'callerNotRegistered')
  t.is(await reason(['alice'], { endpointIdentifier: aliceId }), 'invalidEndpointIdentifier')
  // 2000 of 5000 wanted, then 1000, then less than is worth a call
  t.is((await admit(bob, bobId, 1, ['alice'], { bandWidth: 5000 })).bandWidth, 2000)
  t.is((await admit(bob, bobId, 2, ['alice'], { bandWidth: 5000 })).bandWidth, 1000)
  t.is(await reason(['alice']), 'requestDenied')
  t.like(events.at(-1), {
    event: 'h323_arj_received',
    payload: { reason: 'requestDenied', available_bandwidth_bps: 0, guard: 'guard.approved' }
  })
  t.is(reasonOf(await other.ask(arq(other, bobId, 1, ['bob'], { answerCall: true }))), 'invalidEndpointIdentifier')
  t.is(
    reasonOf(await bob.ask(arq(bob, bobId, 1, ['alice'], { answerCall: true }))),
    'requestDenied',
    'the other role in its own call'
  )
})

test('a call identifier that is known lets in only whom the call was for', async (t) => {
  const { open, join } = await room(t)
  const [alice, bob, eve] = [await open(), await open(), await open()]
  const [aliceId, bobId, eveId] = [await join(alice, 'alice'), await join(bob, 'bob'), await join(eve, 'eve')]
  await admit(bob, bobId, 1, ['alice'])
  t.is(reasonOf(await eve.ask(arq(eve, eveId, 1, ['alice'], { answerCall: true }))), 'requestDenied')
  t.is(reasonOf(await eve.ask(arq(eve, eveId, 1, ['alice']))), 'requestDenied')
  t.is(reasonOf(await eve.ask(drq(eve, eveId, 1))), 'requestToDropOther')
  t.is(reasonOf(await eve.ask(drq(eve, bobId, 1))), 'securityDenial')
  t.is(reasonOf(await eve.ask(brq(eve, bobId, 1, 10))), 'securityDenial')
  t.is(reasonOf(await eve.ask(urq(eve, aliceId))), 'securityDenial')
  t.is((await admit(alice, aliceId, 1, ['alice'], { answerCall: true })).bandWidth, 1280)
})

test('gateways by longest prefix; the one that is almost full comes last', async (t) => {
  const { open, join, gatekeeper } = await room(t)
  const [near, far, caller] = [await open(), await open(), await open()]
  const registerGateway = async (client: typeof near, name: string, ...prefixes: string[]): Promise<string> => {
    const rcf = await client.ask(rrq(client, [name], { terminalType: gatewayWith(...prefixes) }))
    return rcf.type === 'registrationConfirm' ? rcf.value.endpointIdentifier : ''
  }
  const nearId = await registerGateway(near, 'near', '0033')
  await registerGateway(far, 'far', '00')
  const id = await join(caller, 'caller')
  const portFor = async (call: number): Promise<number> => {
    const { destCallSignalAddress } = await admit(caller, id, call, ['00331234'])
    return destCallSignalAddress.type === 'ipAddress' ? destCallSignalAddress.value.port : 0
  }
  t.is(await portFor(1), near.address.port)
  const rac = await near.ask({
    type: 'resourcesAvailableIndicate',
    value: {
      requestSeqNum: near.seq(),
      protocolIdentifier: '0.0.8.2250.0.7',
      endpointIdentifier: nearId,
      protocols: [],
      almostOutOfResources: true
    }
  })
  t.is(rac.type, 'resourcesAvailableConfirm')
  t.is(await portFor(2), far.address.port)
  t.is(gatekeeper.calls().length, 2)
})

test('BRQ: more, less, too much; the price follows the width', async (t) => {
  const clock = manualClock()
  const { open, join, gatekeeper, events } = await room(t, {
    clock,
    config: {
      bandwidth: { zone: 10_000, endpoint: 8000, call: 6000, least: 100 },
      timeToLiveS: { min: 60, max: 86_400 },
      irrFrequencyS: 3600
    }
  })
  const [alice, bob] = [await open(), await open()]
  await join(alice, 'alice')
  const bobId = await join(bob, 'bob')
  t.is(reasonOf(await bob.ask(brq(bob, 'nobody', 1, 100))), 'notBound')
  t.is(reasonOf(await bob.ask(brq(bob, bobId, 1, 100))), 'invalidConferenceID')
  await admit(bob, bobId, 1, ['alice'], { bandWidth: 2000 })
  clock.advance(60_000)
  t.is((await bob.ask(brq(bob, bobId, 1, 6000))).type, 'bandwidthConfirm')
  t.is(gatekeeper.bandwidthUsedBps(), 600_000)
  const brj = await bob.ask(brq(bob, bobId, 1, 6001))
  t.is(reasonOf(brj), 'insufficientResources')
  t.is(brj.type === 'bandwidthReject' && brj.value.allowedBandWidth, 6000)
  clock.advance(60_000)
  t.is((await bob.ask(drq(bob, bobId, 1))).type, 'disengageConfirm')
  t.deepEqual(
    events.slice(-4).map(({ event }) => event),
    ['h323_bandwidth_requested', 'h323_bandwidth_granted', 'h323_bandwidth_requested', 'h323_call_complete']
  )
  t.like(events.at(-1)!.payload, { minutes: '2', bandwidth_mbps: '0.4', cost: '0.00132' })
})

test('polls: a call that its endpoint does not name any more ends, and one whose endpoint is silent', async (t) => {
  const clock = manualClock()
  const { open, join, gatekeeper, events } = await room(t, {
    clock,
    config: { irrFrequencyS: 10, retries: 0, requestTimeoutMs: 1000 }
  })
  const [alice, bob] = [await open(), await open()]
  await join(alice, 'alice')
  const bobId = await join(bob, 'bob')
  await admit(bob, bobId, 1, ['alice'])
  await admit(bob, bobId, 2, ['alice'])
  clock.advance(10_200)
  const irq = await bob.next()
  t.is(irq.type, 'infoRequest')
  if (irq.type !== 'infoRequest') return
  const channel = { sendAddress: loopback(1), recvAddress: loopback(2) } as never
  bob.send({
    type: 'infoRequestResponse',
    value: {
      requestSeqNum: irq.value.requestSeqNum,
      endpointType: { terminal: {}, mc: false, undefinedNode: false },
      endpointIdentifier: bobId,
      rasAddress: loopback(bob.address.port) as never,
      callSignalAddress: [],
      perCallInfo: [
        {
          callReferenceValue: 2,
          conferenceID: guid(2),
          h245: channel,
          callSignaling: channel,
          callType: { type: 'pointToPoint' },
          bandWidth: 1280,
          callModel: { type: 'direct' },
          callIdentifier: { guid: guid(2) }
        }
      ]
    }
  })
  // an answered request after it: the response has been taken
  await bob.ask(grq(bob))
  t.deepEqual(
    gatekeeper.calls().map(({ call }) => call),
    ['02'.repeat(16)]
  )
  t.like(events.at(-1), { event: 'h323_call_complete', payload: { reason: 'vanished' } })
  clock.advance(25_000)
  t.deepEqual([gatekeeper.calls().length, gatekeeper.bandwidthUsedBps()], [0, 0])
  t.is(gatekeeper.endpoints().length, 2)
})

test('a repeated request gets the same answer and is not taken again', async (t) => {
  const { open, join, gatekeeper, asked } = await room(t)
  const [alice, bob] = [await open(), await open()]
  await join(alice, 'alice')
  const bobId = await join(bob, 'bob')
  const { rasMessage } = await import('../h225/pdus.ts')
  const octets = rasMessage.encode(arq(bob, bobId, 1, ['alice']))
  const first = await bob.askOctets(octets)
  t.deepEqual(await bob.askOctets(octets), first)
  t.is(asked.length, 1)
  t.is(gatekeeper.stats().repeated, 1)
  t.is(gatekeeper.calls().length, 1)
})

test('a slow decision: RIP, then the answer; a decision that never comes is a refusal', async (t) => {
  const waiting = Promise.withResolvers<void>()
  const { open, join } = await room(t, {
    config: { slowAfterMs: 20, guardTimeoutMs: 400 },
    decide: async ({ toUri }) => {
      if (toUri.includes('never')) return new Promise(() => {})
      await waiting.promise
      return decision('approve')
    }
  })
  const alice = await open()
  const id = await join(alice, 'alice', 'never')
  t.is((await alice.ask(arq(alice, id, 1, ['alice']))).type, 'requestInProgress')
  waiting.resolve()
  t.is((await alice.next()).type, 'admissionConfirm')
  t.is((await alice.ask(arq(alice, id, 2, ['never']))).type, 'requestInProgress')
  t.is(reasonOf(await alice.next()), 'resourceUnavailable')
})

test('no record, no call', async (t) => {
  const { open, join, gatekeeper } = await room(t, {
    record: async ({ event }) => {
      if (event === 'h323_acf_received') throw new Error('the ledger is gone')
    }
  })
  const alice = await open()
  const id = await join(alice, 'alice')
  t.is(reasonOf(await alice.ask(arq(alice, id, 1, ['alice']))), 'resourceUnavailable')
  t.deepEqual([gatekeeper.calls().length, gatekeeper.bandwidthUsedBps()], [0, 0])
})

test('routed calls: the ACF names the gatekeeper, and a call that came around it is sent there', async (t) => {
  const { open, join, gatekeeper } = await room(t, {
    config: { callModel: 'gatekeeperRouted', callSignalAddress: '127.0.0.1:1720' }
  })
  const [alice, bob] = [await open(), await open()]
  const aliceId = await join(alice, 'alice')
  const bobId = await join(bob, 'bob')
  const acf = await admit(bob, bobId, 1, ['alice'])
  t.deepEqual(acf.destCallSignalAddress, loopback(1720) as never)
  t.deepEqual(acf.callModel, { type: 'gatekeeperRouted' })
  t.is(gatekeeper.call('01'.repeat(16))!.destination, `127.0.0.1:${alice.address.port}`)
  t.is(reasonOf(await alice.ask(arq(alice, aliceId, 9, ['alice'], { answerCall: true }))), 'routeCallToGatekeeper')
})

test('calls dropped and endpoints unregistered from here', async (t) => {
  const { open, join, gatekeeper } = await room(t)
  const [alice, bob] = [await open(), await open()]
  await join(alice, 'alice')
  const bobId = await join(bob, 'bob')
  await admit(bob, bobId, 1, ['alice'])
  t.true(gatekeeper.drop('01'.repeat(16)))
  const request = await bob.next()
  t.is(request.type, 'disengageRequest')
  if (request.type !== 'disengageRequest') return
  bob.send({ type: 'disengageConfirm', value: { requestSeqNum: request.value.requestSeqNum } })
  await bob.ask(grq(bob))
  t.is(gatekeeper.calls().length, 0)
  t.false(gatekeeper.drop('01'.repeat(16)))
  t.true(gatekeeper.unregister(bobId))
  t.is((await bob.next()).type, 'unregistrationRequest')
  t.false(gatekeeper.unregister(bobId))
})

test('messages of later versions are answered with XRS to endpoints, NSM with nothing', async (t) => {
  const { open, join } = await room(t)
  const [alice, stranger] = [await open(), await openRasClient({ ip: '127.0.0.1', port: 9 })]
  t.teardown(stranger.close)
  await join(alice, 'alice')
  const unknown = { type: 'unknownExtension', index: 40, value: Uint8Array.of(0, 1, 2) } as const
  alice.send({
    type: 'nonStandardMessage',
    value: {
      requestSeqNum: 1,
      nonStandardData: {
        nonStandardIdentifier: { type: 'h221NonStandard', value: { t35CountryCode: 9, t35Extension: 0, manufacturerCode: 61 } },
        data: Uint8Array.of(1)
      }
    }
  })
  const xrs = await alice.ask(unknown)
  t.is(xrs.type, 'unknownMessageResponse')
  t.true(xrs.type === 'unknownMessageResponse' && xrs.value.messageNotUnderstood !== undefined)
})
