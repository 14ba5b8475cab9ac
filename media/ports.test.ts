import { createSocket } from 'node:dgram'
import test, { type ExecutionContext } from 'ava'
import { PortPool } from './ports.ts'

const address = '127.0.0.1'
let nextPort = 20_000 + (process.pid % 150) * 20

/** A range of `pairs` pairs that nobody uses. */
async function freeRange(pairs: number): Promise<[number, number]> {
  for (;;) {
    const min = nextPort
    nextPort += 2 * pairs
    const pool = new PortPool(address, [min, min + 2 * pairs - 1])
    const taken = await Promise.all(Array.from({ length: pairs }, () => pool.take().catch(() => null)))
    for (const pair of taken) if (pair !== null) pool.free(pair)
    await new Promise((resolve) => setTimeout(resolve, 20))
    if (taken.every((pair) => pair !== null)) return [min, min + 2 * pairs - 1]
  }
}

const take = async (t: ExecutionContext, pool: PortPool) => {
  const pair = await pool.take()
  t.is(pair.port % 2, 0)
  t.is(pair.rtp.address().port, pair.port)
  t.is(pair.rtcp.address().port, pair.port + 1)
  return pair
}

test.serial('an even port and the next, walking around the range, until none is left', async (t) => {
  const [min, max] = await freeRange(3)
  const pool = new PortPool(address, [min, max])
  const [a, b, c] = [await take(t, pool), await take(t, pool), await take(t, pool)]
  t.deepEqual([a.port, b.port, c.port], [min, min + 2, min + 4])
  t.true(pool.holds(min) && pool.holds(max))
  const error = await t.throwsAsync(pool.take())
  t.like(error, { code: 'conference.no-ports' })
  pool.free(b)
  t.false(pool.holds(min + 2))
  await new Promise((resolve) => setTimeout(resolve, 20))
  const again = await take(t, pool)
  t.is(again.port, min + 2)
  for (const pair of [a, again, c]) pool.free(pair)
})

test.serial('a range that begins odd or ends even gives whole pairs only', async (t) => {
  const [min] = await freeRange(2)
  const pool = new PortPool(address, [min + 1, min + 4])
  const only = await take(t, pool)
  t.is(only.port, min + 2)
  await t.throwsAsync(pool.take())
  pool.free(only)
})

test.serial('a pair of which another program has one is passed over', async (t) => {
  const [min, max] = await freeRange(2)
  const other = createSocket('udp4')
  t.teardown(() => void other.close())
  await new Promise<void>((resolve) => other.bind({ address, port: min + 1, exclusive: true }, resolve))
  const pool = new PortPool(address, [min, max])
  const pair = await take(t, pool)
  t.is(pair.port, min + 2)
  t.false(pool.holds(min))
  pool.free(pair)
})
