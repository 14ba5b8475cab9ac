import test, { type ExecutionContext } from 'ava'
import type { RasMessage } from '../h225/h225.ts'
import { transportAddressOf } from './addresses.ts'
import { aliasesOf, arq, guid, openRasClient, type RasClient } from './testing/ras-client.ts'
import { admit, reasonOf, room } from './testing/room.ts'

/** A neighbour of the gatekeeper under test, played by the test. */
async function neighbour(t: ExecutionContext): Promise<RasClient> {
  const client = await openRasClient({ ip: '127.0.0.1', port: 9 })
  t.teardown(client.close)
  return client
}

const neighboursOf = (...clients: RasClient[]) =>
  clients.map(({ address }, at) => ({ identifier: `n${at}`, address: `${address.ip}:${address.port}` }))

const lrq = (client: RasClient, call: number, name: string, hopCount?: number): RasMessage => ({
  type: 'locationRequest',
  value: {
    requestSeqNum: client.seq(),
    destinationInfo: aliasesOf(name),
    replyAddress: transportAddressOf(client.address),
    callIdentifier: { guid: guid(call) },
    ...(hopCount !== undefined && { hopCount })
  }
})

const elsewhere = { type: 'ipAddress' as const, value: { ip: Buffer.from([192, 0, 2, 7]), port: 1720 } }

test('a called party of another zone: the neighbours are asked, the first that knows is taken', async (t) => {
  const [one, two] = [await neighbour(t), await neighbour(t)]
  const { open, join, gatekeeper } = await room(t, { config: { neighbours: neighboursOf(one, two), retries: 0 } })
  one.target(gatekeeper.address)
  two.target(gatekeeper.address)
  const alice = await open()
  const id = await join(alice, 'alice')
  alice.send(arq(alice, id, 1, ['far']))
  const [first, second] = [await one.next(), await two.next()]
  if (first.type !== 'locationRequest' || second.type !== 'locationRequest') return t.fail()
  t.is(first.value.hopCount, 5)
  t.deepEqual([...first.value.callIdentifier!.guid], [...guid(1)])
  one.send({
    type: 'locationReject',
    value: { requestSeqNum: first.value.requestSeqNum, rejectReason: { type: 'notRegistered' } }
  })
  two.send({
    type: 'locationConfirm',
    value: { requestSeqNum: second.value.requestSeqNum, callSignalAddress: elsewhere, rasAddress: elsewhere }
  })
  const acf = await alice.next()
  t.deepEqual(acf.type === 'admissionConfirm' && acf.value.destCallSignalAddress, elsewhere)
})

test('nobody knows: all say so, or nobody answers', async (t) => {
  const one = await neighbour(t)
  const { open, join, gatekeeper } = await room(t, {
    config: { neighbours: neighboursOf(one), retries: 0, requestTimeoutMs: 300 }
  })
  one.target(gatekeeper.address)
  const alice = await open()
  const id = await join(alice, 'alice')
  alice.send(arq(alice, id, 1, ['far']))
  const request = await one.next()
  if (request.type !== 'locationRequest') return t.fail()
  one.send({
    type: 'locationReject',
    value: { requestSeqNum: request.value.requestSeqNum, rejectReason: { type: 'notRegistered' } }
  })
  t.is(reasonOf(await alice.next()), 'calledPartyNotRegistered')
  t.is(reasonOf(await alice.ask(arq(alice, id, 2, ['far']))), 'calledPartyNotRegistered')
  t.is(gatekeeper.calls().length, 0)
})

test('LRQ: answered to neighbours, passed on with one hop less, never in a circle', async (t) => {
  const [one, two, stranger] = [await neighbour(t), await neighbour(t), await neighbour(t)]
  const { open, join, gatekeeper } = await room(t, { config: { neighbours: neighboursOf(one, two), retries: 0 } })
  for (const client of [one, two, stranger]) client.target(gatekeeper.address)
  const alice = await open()
  await join(alice, 'alice')
  t.is(reasonOf(await stranger.ask(lrq(stranger, 1, 'alice'))), 'invalidPermission')
  const lcf = await one.ask(lrq(one, 1, 'alice'))
  t.is(
    lcf.type === 'locationConfirm' && lcf.value.callSignalAddress.type === 'ipAddress' && lcf.value.callSignalAddress.value.port,
    alice.address.port
  )
  t.is(reasonOf(await one.ask(lrq(one, 2, 'far', 1))), 'hopCountExceeded')
  t.is(reasonOf(await one.ask(lrq(one, 2, 'far'))), 'hopCountExceeded')
  one.send(lrq(one, 3, 'far', 3))
  const passed = await two.next()
  if (passed.type !== 'locationRequest') return t.fail()
  t.is(passed.value.hopCount, 2)
  t.is(reasonOf(await two.ask(lrq(two, 3, 'far', 2))), 'requestDenied', 'it came back')
  two.send({
    type: 'locationConfirm',
    value: { requestSeqNum: passed.value.requestSeqNum, callSignalAddress: elsewhere, rasAddress: elsewhere }
  })
  const found = await one.next()
  t.deepEqual(found.type === 'locationConfirm' && found.value.callSignalAddress, elsewhere)
})

test('LRQ: who is named as the one to answer is answered, when a neighbour passes the request on', async (t) => {
  const [one, asker] = [await neighbour(t), await neighbour(t)]
  const { open, join, gatekeeper } = await room(t, { config: { neighbours: neighboursOf(one), retries: 0 } })
  one.target(gatekeeper.address)
  const alice = await open()
  await join(alice, 'alice')
  const passedOn = lrq(asker, 1, 'alice')
  one.send(passedOn)
  t.is((await asker.next()).type, 'locationConfirm')
  t.is(one.waiting(), 0)
})

test('answers count only from whom was asked', async (t) => {
  const [one, forger] = [await neighbour(t), await neighbour(t)]
  const { open, join, gatekeeper } = await room(t, { config: { neighbours: neighboursOf(one), retries: 0 } })
  one.target(gatekeeper.address)
  forger.target(gatekeeper.address)
  const alice = await open()
  const id = await join(alice, 'alice')
  alice.send(arq(alice, id, 1, ['far']))
  const request = await one.next()
  if (request.type !== 'locationRequest') return t.fail()
  const { requestSeqNum } = request.value
  forger.send({ type: 'locationConfirm', value: { requestSeqNum, callSignalAddress: elsewhere, rasAddress: elsewhere } })
  t.is((await admit(alice, id, 2, ['alice'])).bandWidth, 1280)
  one.send({ type: 'locationReject', value: { requestSeqNum, rejectReason: { type: 'notRegistered' } } })
  t.is(reasonOf(await alice.next()), 'calledPartyNotRegistered')
})
