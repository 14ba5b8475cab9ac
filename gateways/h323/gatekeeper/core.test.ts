import test from 'ava'
import fc from 'fast-check'
import type { RasMessage } from '../h225/h225.ts'
import { rasMessage } from '../h225/pdus.ts'
import { captured } from '../testing/vectors.ts'
import { transportAddressOf } from './addresses.ts'
import { takeMessage } from './core.ts'
import { dropCall } from './requests/calling.ts'
import { type LegEvent, type LegState, legMachine, stepLeg } from './tables/calls.ts'
import { aliasesOf, guid } from './testing/ras-client.ts'
import { reasonOf } from './testing/room.ts'
import { simulate } from './testing/simulation.ts'

const flows = [
  '20-gk-direct-faststart',
  '21-gk-direct-nofs-tunnel',
  '22-gk-direct-nofs-h245tcp',
  '23-gk-routed-faststart',
  '26-gk-proxy-faststart',
  '30-gk-arj-called-party-not-registered',
  '31-gk-rrj-duplicate-alias',
  '40-gk-direct-asterisk-and-h323plus'
]
const gatekeeperPort = 1719

for (const flow of flows) {
  test(`real endpoints are answered as GnuGk answered them: ${flow}`, (t) => {
    const messages = captured().filter(({ cap, proto }) => cap === flow && proto === 'ras')
    const decoded = messages.map(({ hex, src, dst }) => ({ src, dst, message: rasMessage.decode(Buffer.from(hex, 'hex')) }))
    // the endpoints use the identifiers they were given then
    const given = decoded.flatMap(({ message }) =>
      message.type === 'registrationConfirm' && message.value.terminalAlias !== undefined
        ? [message.value.endpointIdentifier]
        : []
    )
    const identifiers = [...new Set(given)]
    const routed = decoded.some(
      ({ message }) => message.type === 'admissionConfirm' && message.value.callModel.type === 'gatekeeperRouted'
    )
    const simulation = simulate(
      { identifier: 'GnuGk-test', ...(routed && { callModel: 'gatekeeperRouted', callSignalAddress: '127.0.0.1:1721' }) },
      () => identifiers.shift() ?? 'one more than were given'
    )
    let compared = 0
    for (const { src, dst, message } of decoded) {
      if (dst !== gatekeeperPort || !('value' in message) || !('requestSeqNum' in message.value)) continue
      const { requestSeqNum } = message.value as { requestSeqNum: number }
      const expected = decoded.find(
        (other) =>
          other.src === gatekeeperPort &&
          other.dst === src &&
          (other.message as typeof message & { value: { requestSeqNum: number } }).value.requestSeqNum === requestSeqNum
      )
      simulation.receive(message, { ip: '127.0.0.1', port: src })
      simulation.settleAll()
      if (expected === undefined) continue
      t.is(reasonOf(simulation.answers.at(-1)!.message), reasonOf(expected.message), `${message.type} ${requestSeqNum}`)
      compared++
    }
    t.true(compared >= 4, `${compared}`)
    t.is(simulation.zone.bandwidth.zoneUsed() === 0, simulation.zone.calls.size === 0)
  })
}

test('every state of a leg, every event: what reserved gives back, and an ended leg stays so', (t) => {
  const events: LegEvent['type'][] = [
    'notHere',
    'granted',
    'confirmed',
    'refused',
    'dropAsked',
    'disengaged',
    'vanished',
    'unregistered'
  ]
  const holding: readonly LegState[] = ['confirming', 'admitted', 'dropping']
  for (const state of Object.keys(legMachine) as LegState[]) {
    for (const event of events) {
      const leg = { endpointId: 'e', answering: false, callReferenceValue: 1, state, bandwidth: 0, admittedAt: 0, heardAt: 0 }
      const effects = stepLeg(leg, event)
      if (effects === null) {
        t.is(leg.state, state)
        continue
      }
      t.is(effects.includes('reserve'), !holding.includes(state) && holding.includes(leg.state), `${state} ${event}`)
      t.is(effects.includes('release'), holding.includes(state) && leg.state === 'ended', `${state} ${event}`)
    }
  }
  t.deepEqual(legMachine.ended, {})
})

const protocolIdentifier = '0.0.8.2250.0.7'
const endpoints = ['a', 'b', 'c']
const addressOfEndpoint = (endpoint: number) => ({ ip: '127.0.0.1', port: 2000 + endpoint })

/** What can happen, in any order. */
const happening = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('arq'),
      endpoint: fc.nat(2),
      call: fc.nat(4),
      to: fc.nat(3),
      answers: fc.boolean(),
      bandwidth: fc.nat(3000)
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('brq'), endpoint: fc.nat(2), call: fc.nat(4), bandwidth: fc.nat(3000) })
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('drq'), endpoint: fc.nat(2), call: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('rrq', 'urq', 'irr'), endpoint: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('drop'), call: fc.nat(4) }) },
  { weight: 5, arbitrary: fc.record({ type: fc.constant('settle'), at: fc.nat(5), fails: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('pass'), ms: fc.integer({ min: 500, max: 20_000 }) }) }
)

test('property: whatever happens in whatever order, bandwidth is what the legs hold, within the limits, and in the end nothing is left', (t) => {
  let completed = 0
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 80 }), (happenings) => {
      let registered = 0
      const simulation = simulate(
        {
          bandwidth: { zone: 5000, endpoint: 4000, call: 2500, least: 100 },
          irrFrequencyS: 5,
          retries: 1,
          requestTimeoutMs: 1000,
          timeToLiveS: { min: 15, max: 60 }
        },
        () => `e${registered++}`
      )
      const { zone } = simulation
      let seq = 0
      const next = (): number => (seq++ % 65_535) + 1
      const idOf = (endpoint: number): string => zone.registrations.byAlias(`h323:${endpoints[endpoint]}`)?.endpointId ?? 'none'
      const send = (endpoint: number, message: unknown): void =>
        simulation.receive(message as RasMessage, addressOfEndpoint(endpoint))
      const place = (endpoint: number) => [transportAddressOf(addressOfEndpoint(endpoint))]
      const register = (endpoint: number): void =>
        send(endpoint, {
          type: 'registrationRequest',
          value: {
            requestSeqNum: next(),
            protocolIdentifier,
            discoveryComplete: true,
            callSignalAddress: place(endpoint),
            rasAddress: place(endpoint),
            terminalType: { terminal: {}, mc: false, undefinedNode: false },
            terminalAlias: aliasesOf(endpoints[endpoint]!),
            endpointVendor: { vendor: { t35CountryCode: 9, t35Extension: 0, manufacturerCode: 61 } }
          }
        })
      const ofCall = (call: number) => ({
        conferenceID: guid(call + 1),
        callReferenceValue: call,
        callIdentifier: { guid: guid(call + 1) }
      })
      endpoints.forEach((_, at) => {
        register(at)
      })
      simulation.settleAll()

      for (const happened of happenings) {
        const {
          type,
          endpoint = 0,
          call = 0,
          bandwidth: bandWidth = 0
        } = happened as { type: string; endpoint?: number; call?: number; bandwidth?: number }
        const base = { requestSeqNum: next(), endpointIdentifier: idOf(endpoint) }
        if (type === 'arq') {
          const { to, answers: answerCall } = happened as { to: number; answers: boolean }
          const destinationInfo = aliasesOf(endpoints[to] ?? 'nobody')
          const value = {
            ...base,
            ...ofCall(call),
            callType: { type: 'pointToPoint' },
            destinationInfo,
            srcInfo: [],
            bandWidth,
            activeMC: false,
            answerCall
          }
          send(endpoint, { type: 'admissionRequest', value })
        } else if (type === 'brq') send(endpoint, { type: 'bandwidthRequest', value: { ...base, ...ofCall(call), bandWidth } })
        else if (type === 'drq')
          send(endpoint, {
            type: 'disengageRequest',
            value: { ...base, ...ofCall(call), disengageReason: { type: 'normalDrop' } }
          })
        else if (type === 'urq')
          send(endpoint, { type: 'unregistrationRequest', value: { ...base, callSignalAddress: place(endpoint) } })
        else if (type === 'rrq') register(endpoint)
        else if (type === 'irr') {
          const asked = simulation.sent.findLast(
            ({ to, message }) => message.type === 'infoRequest' && to === `127.0.0.1:${2000 + endpoint}`
          )
          const requestSeqNum = asked?.message.type === 'infoRequest' ? asked.message.value.requestSeqNum : next()
          const endpointType = { terminal: {}, mc: false, undefinedNode: false }
          const [rasAddress] = place(endpoint)
          send(endpoint, {
            type: 'infoRequestResponse',
            value: { ...base, requestSeqNum, endpointType, rasAddress, callSignalAddress: [] }
          })
        } else if (type === 'drop')
          simulation.perform(dropCall(zone, Buffer.from(guid(call + 1)).toString('hex'), simulation.now))
        else if (type === 'settle') {
          const { at, fails } = happened as { at: number; fails: boolean }
          simulation.settle(Math.min(at, simulation.waiting() - 1), fails)
        } else simulation.pass((happened as { ms: number }).ms)

        const held = [...zone.calls.values()].map(({ legs }) =>
          Math.max(
            0,
            ...[...legs.values()].filter(({ state }) => state !== 'deciding' && state !== 'locating').map((leg) => leg.bandwidth)
          )
        )
        t.is(
          zone.bandwidth.zoneUsed(),
          held.reduce((sum, width) => sum + width, 0)
        )
        t.true(zone.bandwidth.zoneUsed() <= 5000)
      }

      simulation.settleAll()
      endpoints.forEach((_, at) => {
        const value = { requestSeqNum: next(), callSignalAddress: place(at), endpointIdentifier: idOf(at) }
        send(at, { type: 'unregistrationRequest', value })
      })
      simulation.settleAll()
      simulation.pass(20_000)
      t.deepEqual(
        [
          zone.bandwidth.zoneUsed(),
          zone.calls.size,
          zone.callsOf.size,
          zone.requests.size,
          zone.waiting,
          zone.registrations.size()
        ],
        [0, 0, 0, 0, 0, 0]
      )
      const count = (name: string): number => simulation.recorded.filter((event) => event === name).length
      t.is(count('h323_arq_sent') >= count('h323_arj_received'), true)
      t.true(count('h323_call_complete') <= count('h323_acf_received'))
      completed += count('h323_call_complete')
    }),
    { numRuns: 200 }
  )
  t.true(completed > 50, `${completed} calls`)
})

test('H.323 §7.2.3: an LRQ to all gatekeepers at once is answered by who knows, and refused by nobody', (t) => {
  const neighbour = { ip: '127.0.0.1', port: 4000 }
  const { zone, now } = simulate({ neighbours: [{ identifier: 'other', address: '127.0.0.1:4000', prefixes: [] }] }, () => 'e')
  const asked = (multicast: boolean, from = neighbour) => {
    const value = { requestSeqNum: 1, destinationInfo: aliasesOf('nobody'), replyAddress: transportAddressOf(from) }
    const origin = { from, key: '', size: 100, user: null, sendersId: null }
    return takeMessage(zone, { type: 'locationRequest', value }, origin, now, new Uint8Array(), multicast).map(({ type }) => type)
  }
  t.deepEqual(asked(false), ['answer'])
  t.deepEqual(asked(true), ['silence'])
  t.deepEqual(asked(true, { ip: '127.0.0.1', port: 4001 }), ['silence'])
})
