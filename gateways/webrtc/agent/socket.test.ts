import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import test from 'ava'
import { WebSocketServer } from 'ws'
import { AgentSocket } from './socket.ts'

test('what does not speak the protocol is left, and tried again', async (t) => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  t.teardown(() => server.close())
  const states: string[] = []
  const taken: unknown[] = []
  const socket = new AgentSocket(new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`), null, {
    hello: () => ({ type: 'leave' }),
    take: (signal) => taken.push(signal),
    state: (state) => states.push(state),
    gaveUp: () => t.fail()
  })
  t.teardown(() => socket.close())
  const [first] = await once(server, 'connection')
  first.send('<html>')
  await once(first, 'close')
  const [second] = await once(server, 'connection')
  second.send(JSON.stringify({ type: 'notice', of: 'data', code: 'data.nobody' }))
  second.close()
  await once(second, 'close')
  t.deepEqual(taken, [{ type: 'notice', of: 'data', code: 'data.nobody' }])
  t.deepEqual(states.slice(0, 3), ['connected', 'lost', 'connected'])
})
