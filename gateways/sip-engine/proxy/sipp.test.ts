import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { silentLog } from '#kernel'
import { failureText, type SippOptions, startSipp } from '#sipp'
import { createSipServer } from '../sip-engine.ts'
import { connectSrf, type ProxyResults, type TestSrf } from '../testing/srf.ts'

/** SIPp calls SIPp through the proxy of a real application. */

const scenario = (name: string): string => fileURLToPath(new URL(`sipp/${name}.xml`, import.meta.url))

async function proxyWith(t: ExecutionContext, setup: (srf: TestSrf) => void) {
  const server = await createSipServer({
    listen: [
      { transport: 'udp', address: '127.0.0.1', port: 0 },
      { transport: 'tcp', address: '127.0.0.1', port: 0 }
    ],
    admin: { address: '127.0.0.1', port: 0, secret: 'cymru' },
    log: silentLog
  })
  const { srf } = await connectSrf(server.adminPort, setup)
  t.teardown(async () => {
    srf.disconnect()
    await server.close()
  })
  const run = async (options: SippOptions) => {
    const process = await startSipp({
      timeoutMs: 15_000,
      receiveTimeoutMs: 6000,
      ...options,
      scenario: scenario(options.scenario)
    })
    t.teardown(() => process.stop())
    if (options.target === undefined) await process.ready
    return process
  }
  return {
    server,
    srf,
    caller: async (name: string, options: Partial<SippOptions> = {}) => {
      const { port } = server.addresses[options.transport === 'tcp' ? 1 : 0]!
      const process = await run({ scenario: name, target: { host: '127.0.0.1', port }, service: 'bob', ...options })
      const result = await process.result
      t.is(result.outcome, 'passed', failureText(result) ?? undefined)
    },
    callee: async (name: string, options: Partial<SippOptions> = {}) => {
      const process = await run({ scenario: name, ...options })
      return {
        port: process.port,
        ended: async () => {
          const result = await process.result
          t.is(result.outcome, 'passed', failureText(result) ?? undefined)
        }
      }
    }
  }
}

for (const [from, to] of [
  ['udp', 'udp'],
  ['tcp', 'tcp'],
  ['udp', 'tcp']
] as const) {
  test.serial(`calls through the proxy from ${from} to ${to}, and their BYE along the recorded route`, async (t) => {
    const calls = 10
    const results: ProxyResults[] = []
    let destination = ''
    const s = await proxyWith(t, (srf) =>
      srf.invite(async (request) => void results.push(await srf.proxyRequest(request, destination, { remainInDialog: true })))
    )
    const callee = await s.callee('uas-behind-proxy', { transport: to, calls })
    destination = `sip:127.0.0.1:${callee.port};transport=${to}`
    await s.caller('uac-through-proxy', { transport: from, calls, rate: 20 })
    await callee.ended()
    t.is(results.length, calls)
    for (const { connected, finalStatus, responses } of results) {
      t.true(connected)
      t.is(finalStatus, 200)
      t.deepEqual(
        responses.map(({ address, port, msgs }) => [address, port, msgs.map(({ status }) => status)]),
        [['127.0.0.1', callee.port, [200]]]
      )
    }
    t.like(s.server.stats(), { proxied: 0, dialogs: 0, defects: 0, malformed: 0 })
  })
}

test.serial('a busy target, then one that answers', async (t) => {
  let destinations: string[] = []
  const results: ProxyResults[] = []
  const s = await proxyWith(t, (srf) =>
    srf.invite(async (request) => void results.push(await srf.proxyRequest(request, destinations, { remainInDialog: true })))
  )
  const [busy, free] = [await s.callee('uas-busy'), await s.callee('uas-behind-proxy')]
  destinations = [`sip:127.0.0.1:${busy.port}`, `sip:127.0.0.1:${free.port}`]
  await s.caller('uac-through-proxy')
  await Promise.all([busy.ended(), free.ended()])
  t.is(results[0]!.finalStatus, 200)
  t.deepEqual(
    results[0]!.responses.flatMap(({ msgs }) => msgs.map(({ status }) => status)),
    [486, 200]
  )
})

test.serial('two callees answer at once: both answers reach the caller, both get their ACK', async (t) => {
  let destinations: string[] = []
  const s = await proxyWith(t, (srf) =>
    srf.invite((request) => void srf.proxyRequest(request, destinations, { remainInDialog: true, forking: 'simultaneous' }))
  )
  const callees = [await s.callee('uas-answers-alone'), await s.callee('uas-answers-alone')]
  destinations = callees.map(({ port }) => `sip:127.0.0.1:${port}`)
  await s.caller('uac-two-answers')
  for (const { ended } of callees) await ended()
})
