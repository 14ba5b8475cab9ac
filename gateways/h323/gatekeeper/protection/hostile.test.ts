import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import test from 'ava'
import { rasMessage } from '../../h225/pdus.ts'
import { captured } from '../../testing/vectors.ts'
import { startBench } from '../testing/fakes.ts'
import { grq, rrq } from '../testing/ras-client.ts'
import { room } from '../testing/room.ts'
import { createAnswers } from './answers.ts'
import { createLimiter } from './limiter.ts'

/** Sends datagrams one after another and adds up what comes back. */
async function pelt(port: number, datagrams: Iterable<Uint8Array>): Promise<{ sent: number; received: number; worst: number }> {
  const socket = createSocket('udp4')
  let received = 0
  let last = 1
  let worst = 0
  socket.on('message', ({ length }) => {
    received += length
    worst = Math.max(worst, length / last)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  let sent = 0
  let count = 0
  for (const octets of datagrams) {
    sent += octets.length
    last = octets.length
    socket.send(octets, port, '127.0.0.1')
    // lets the gatekeeper take it, and its answer come
    if (++count % 8 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await new Promise((resolve) => setTimeout(resolve, 50))
  socket.close()
  return { sent, received, worst }
}

const vectors = captured()
  .filter(({ proto }) => proto === 'ras')
  .map(({ hex }) => Buffer.from(hex, 'hex'))
/** One of each kind and length. */
const distinct = [...new Map(vectors.map((octets) => [`${octets[0]} ${octets.length}`, octets])).values()]

const isMessage = (octets: Uint8Array): boolean => {
  try {
    rasMessage.decode(octets)
    return true
  } catch {
    return false
  }
}

const generous = { perAddress: 100_000, burst: 100_000, strangers: 1_000_000 }

test('every vector truncated anywhere: no answer to what is no message, and the gatekeeper goes on', async (t) => {
  const { gatekeeper, open } = await room(t, { config: { limits: generous } })
  const cut = distinct.flatMap((octets) => Array.from({ length: octets.length }, (_, at) => octets.subarray(0, at)))
  const garbage = cut.filter((octets) => !isMessage(octets))
  t.true(garbage.length > 1000)
  t.is((await pelt(gatekeeper.address.port, garbage)).received, 0)
  t.true(gatekeeper.stats().undecodable > 0)
  const alice = await open()
  t.is((await alice.ask(grq(alice))).type, 'gatekeeperConfirm')
})

test('every vector with bits flipped, from a stranger: bounded answers, no crash', async (t) => {
  const { gatekeeper, open } = await room(t, { config: { limits: generous, rasAddresses: 'match' } })
  const flipped = distinct.flatMap((octets) =>
    Array.from({ length: Math.min(octets.length, 120) }, (_, at) => {
      const copy = Buffer.from(octets)
      copy[at]! ^= 1 << (at % 8)
      return copy
    })
  )
  const { sent, received } = await pelt(gatekeeper.address.port, flipped)
  t.true(received <= 2 * sent, `${received} for ${sent}`)
  const alice = await open()
  t.is((await alice.ask(grq(alice))).type, 'gatekeeperConfirm')
})

test('an answer to a stranger is in proportion to the request: what is longer loses its alternates, or is not sent', async (t) => {
  const alternateGatekeepers = Array.from({ length: 8 }, (_, at) => ({
    identifier: `another gatekeeper ${at}`,
    address: `192.0.2.${at}:1719`,
    priority: at
  }))
  const { gatekeeper, open } = await room(t, { config: { alternateGatekeepers } })
  const stranger = await open()
  const request = rasMessage.encode(grq(stranger))
  const answer = await stranger.askOctets(request)
  t.true(answer.length <= Math.max(96, 2 * request.length))
  const gcf = rasMessage.decode(answer)
  t.true(gcf.type === 'gatekeeperConfirm' && gcf.value.alternateGatekeeper === undefined)
  const known = await open()
  await known.ask(rrq(known, ['alice']))
  const full = await known.ask(grq(known))
  t.true(full.type === 'gatekeeperConfirm' && full.value.alternateGatekeeper?.length === 8)
  t.is(gatekeeper.stats().amplifying, 0)
})

test('a flood of one address is dropped and counted; too large a datagram too', async (t) => {
  const { gatekeeper, open } = await room(t, { config: { limits: { perAddress: 1, burst: 20, datagram: 300 } } })
  const client = await open()
  await pelt(gatekeeper.address.port, [Buffer.alloc(301)])
  const requests = Array.from({ length: 200 }, () => rasMessage.encode(grq(client)))
  await pelt(gatekeeper.address.port, requests)
  const { answers, flooded, oversized } = gatekeeper.stats()
  t.is(oversized, 1)
  t.true(answers <= 25, `${answers}`)
  t.true(flooded >= 150, `${flooded}`)
})

test('forged sources: tables stay small, and few are answered', (t) => {
  const limiter = createLimiter(10, 20, 1000)
  for (let n = 0; n < 50_000; n++) limiter.take(`192.0.${n >> 8}.${n & 255}`, n / 100)
  t.true(limiter.size() <= 1000)
  const strangers = createLimiter(2000, 2000, 1)
  const taken = Array.from({ length: 50_000 }, (_, n) => strangers.take('', n / 100)).filter(Boolean).length
  t.true(taken <= 2000 + 1000 + 1, `${taken} of 50,000 in half a second`)
  const answers = createAnswers(30_000, 1000)
  for (let n = 0; n < 20_000; n++) answers.begin(`${n}`, n)
  t.true(answers.size() <= 1001)
  t.is(answers.of('5', 20_000), null)
})

test('a configuration that cannot be used is refused with every problem', async (t) => {
  const error = await t.throwsAsync(
    startBench({
      config: { callModel: 'gatekeeperRouted', timeToLiveS: { min: 60, max: 30 }, bind: { ip: '0.0.0.0', port: 0 } }
    }),
    { code: 'config.invalid' }
  )
  for (const part of ['callSignalAddress', 'timeToLiveS', 'advertise']) t.true(error!.message.includes(part))
})
