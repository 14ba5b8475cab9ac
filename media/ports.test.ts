import { createSocket } from 'node:dgram'
import test, { type ExecutionContext } from 'ava'
import { PortPool, reclaimPorts, sharePorts } from './ports.ts'
import { nodeUdp } from './udp/node.ts'
import type { UdpLayer } from './udp/udp.ts'

const udp = nodeUdp()
const nothing = () => undefined
const poolOf = (min: number, max: number) => new PortPool(udp, sharePorts([min, max]), 1)

const address = '127.0.0.1'
let nextPort = 20_000 + (process.pid % 150) * 20

/** A range of `pairs` pairs that nobody uses. */
async function freeRange(pairs: number): Promise<[number, number]> {
  for (;;) {
    const min = nextPort
    nextPort += 2 * pairs
    const pool = poolOf(min, min + 2 * pairs - 1)
    const taken = await Promise.all(Array.from({ length: pairs }, () => pool.take(address, nothing, nothing).catch(() => null)))
    for (const pair of taken) if (pair !== null) pool.free(pair)
    await new Promise((resolve) => setTimeout(resolve, 20))
    if (taken.every((pair) => pair !== null)) return [min, min + 2 * pairs - 1]
  }
}

const take = async (t: ExecutionContext, pool: PortPool) => {
  const pair = await pool.take(address, nothing, nothing)
  t.is(pair.port % 2, 0)
  t.is(pair.rtp.port, pair.port)
  t.is(pair.rtcp.port, pair.port + 1)
  return pair
}

test.serial('an even port and the next, walking around the range, until none is left', async (t) => {
  const [min, max] = await freeRange(3)
  const pool = poolOf(min, max)
  const [a, b, c] = [await take(t, pool), await take(t, pool), await take(t, pool)]
  t.deepEqual([a.port, b.port, c.port], [min, min + 2, min + 4])
  t.true(pool.holds(min) && pool.holds(max))
  const error = await t.throwsAsync(pool.take(address, nothing, nothing))
  t.like(error, { code: 'conference.no-ports', message: '3 of 3 port pairs carry calls' })
  pool.free(b)
  t.false(pool.holds(min + 2))
  await new Promise((resolve) => setTimeout(resolve, 20))
  const again = await take(t, pool)
  t.is(again.port, min + 2)
  for (const pair of [a, again, c]) pool.free(pair)
})

test.serial('a range that begins odd or ends even gives whole pairs only', async (t) => {
  const [min] = await freeRange(2)
  const pool = poolOf(min + 1, min + 4)
  const only = await take(t, pool)
  t.is(only.port, min + 2)
  await t.throwsAsync(pool.take(address, nothing, nothing))
  pool.free(only)
})

test.serial('a pair of which another program has one is passed over', async (t) => {
  const [min, max] = await freeRange(2)
  const other = createSocket('udp4')
  t.teardown(() => void other.close())
  await new Promise<void>((resolve) => other.bind({ address, port: min + 1, exclusive: true }, resolve))
  const pool = poolOf(min, max)
  const pair = await take(t, pool)
  t.is(pair.port, min + 2)
  t.false(pool.holds(min))
  const error = await t.throwsAsync(pool.take(address, nothing, nothing))
  t.regex(error.message, /^1 of 2 port pairs carry calls; the others are another program’s, or .* \(ulimit -n\)$/)
  pool.free(pair)
})

test.serial('threads share a range; what a lost one held comes back, its descriptors closed', async (t) => {
  const [min, max] = await freeRange(3)
  const range = sharePorts([min, max])
  let descriptor = 100
  const fake: UdpLayer = {
    name: 'native',
    descriptor: -1,
    open: async (_address, port) => ({ port, descriptor: descriptor++, send: () => true, turn: () => undefined, close: nothing }),
    poll: nothing,
    turn: nothing,
    flush: nothing,
    close: nothing
  }
  const [one, other] = [new PortPool(fake, range, 1), new PortPool(fake, range, 2)]
  const kept = await one.take(address, nothing, nothing)
  for (let n = 0; n < 2; n++) await other.take(address, nothing, nothing)
  await t.throwsAsync(one.take(address, nothing, nothing), { code: 'conference.no-ports' })
  t.true(one.holds(min + 4) && other.holds(kept.port), 'each knows of the others')
  const closed: number[] = []
  reclaimPorts(range, 2, (number) => closed.push(number))
  t.deepEqual(closed, [102, 103, 104, 105])
  t.false(one.holds(min + 2))
  t.true(one.holds(kept.port))
  t.is((await one.take(address, nothing, nothing)).port, min + 2)
})
