/** The SIP server runs as a process of its own, as the C++ drachtio-server does, and is lost while an expert is in the council. */
import { writeFile } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { failureText, startSipp } from '#sipp'
import type { SuiteSettings } from '#suite'
import { ifctl, start } from '../../cli/testing/run.ts'
import { freeTcpPort, freeUdpPort } from '../edge/free-ports.ts'
import { answeringExpert, hasBaresip } from '../testing/baresip.ts'
import { terminal } from '../testing/h323.ts'
import { folderWithExpert, type RunningSuite, runSuite, until } from '../testing/harness.ts'
import { hears } from '../testing/sound.ts'

const withPhone = hasBaresip ? test.serial : test.serial.skip
const loopback = '127.0.0.1'

/** A SIP server as a process that can be killed and started anew on the same ports, and the settings of a suite that works through it. */
async function killableServer(t: ExecutionContext, folder: string) {
  const secretFile = join(folder, 'secret-of-applications')
  await writeFile(secretFile, 'of applications\n', { mode: 0o600 })
  const udp = await freeUdpPort(loopback)
  const [tcp, admin] = [await freeTcpPort(loopback), await freeTcpPort(loopback)]
  let child: ReturnType<typeof start> | null = null
  const kill = () => void child?.kill('SIGKILL')
  t.teardown(kill)
  const run = async () => {
    const listen = `udp:${loopback}:${udp},tcp:${loopback}:${tcp}`
    child = start(['sip-server', '--json', '--listen', listen, '--admin', `${loopback}:${admin}`, '--secret-file', secretFile])
    let told = ''
    child.stdout.on('data', (text) => {
      told += text
    })
    await until(() => told.includes('"ready"'))
  }
  await run()
  const settings = (adminPort = admin): SuiteSettings['sip'] => ({
    udp,
    tcp,
    server: { host: loopback, port: adminPort, secretFile }
  })
  return { settings, admin, kill, run }
}

const escalate = async (t: ExecutionContext, { suite, entriesOf }: RunningSuite) => {
  const escalated = await ifctl(['escalate', 'safety', '--trace', 'case-42', '--data', suite.data.folder])
  t.is(escalated.code, 0, escalated.stderr + escalated.stdout)
  await until(() => entriesOf('CONNECTED').length === 1)
}

withPhone('the SIP server is killed and started anew: the expert is in the council again, and so are the bridges', async (t) => {
  const expert = await answeringExpert(t, 1700)
  const data = await folderWithExpert(t, `sip:expert-safety@${loopback}:${expert.sipPort}`, { guardians: ['guardian-1'] })
  const server = await killableServer(t, data)
  const h323 = { enabled: true, ras: await freeUdpPort(loopback), signalling: 0, router: 0 }
  const running = await runSuite(t, { data, sip: server.settings(), h323 })
  const { suite, entriesOf, verify } = running
  const room = await terminal(t, running, 'guardian-1', 440)
  room.answerAll()
  await escalate(t, running)
  const bridged = (state: string) =>
    entriesOf('BRIDGE_STATE_CHANGED').filter(
      ({ component, payload }) => component === 'IF.bridge.call' && payload.bridge === 'h323' && payload.state === state
    )
  await until(() => bridged('ACTIVE').length === 1)

  server.kill()
  const terminated = () => entriesOf('TERMINATED').filter(({ component }) => component === 'IF.proxy')
  await until(() => terminated().length === 1 && bridged('CLOSED').length === 1)
  const [lost] = terminated()
  t.like(lost, { payload: { hungUpBy: 'sip-server', reason: 'signalling-lost' } })
  t.is(suite.status().sip.active, 0)

  await server.run()
  await until(() => suite.status().sip.takenUp === 1 && bridged('ACTIVE').length === 2, 20_000)
  t.true(await hears(room.phone, 1700), 'the room hears the expert again')
  t.like(entriesOf('INVITE').at(-1), { parent_trace_id: 'case-42', payload: { takesUp: lost!.trace_id } })
  t.like(bridged('ACTIVE').at(-1), { parent_trace_id: 'case-42', payload: { target: 'guardian-1', takesUp: lost!.trace_id } })

  await expert.hangup()
  await until(() => terminated().length === 2 && bridged('CLOSED').length === 2)
  t.like(terminated()[1], { payload: { hungUpBy: 'callee' } })
  t.is((await verify()).verdict, 'valid')
})

test.serial('where calls are not taken up, a phone does not stay in a call that lost its SIP server', async (t) => {
  const phone = await startSipp({ scenario: 'uas-expert', calls: 1, receiveTimeoutMs: 60_000, timeoutMs: 70_000 })
  t.teardown(() => phone.stop())
  await phone.ready
  const data = await folderWithExpert(t, `sip:expert-safety@${loopback}:${phone.port}`)
  const server = await killableServer(t, data)
  const running = await runSuite(t, { data, sip: server.settings(), restart: 'hang-up' })
  await escalate(t, running)
  server.kill()
  await until(() => running.entriesOf('TERMINATED').length === 1)
  await server.run()
  const result = await phone.result
  t.is(result.outcome, 'passed', failureText(result) ?? '')
})

withPhone('only the connection to the SIP server breaks, as when a relay dies: the call goes on over the next', async (t) => {
  const expert = await answeringExpert(t, 1700)
  const data = await folderWithExpert(t, `sip:expert-safety@${loopback}:${expert.sipPort}`)
  const server = await killableServer(t, data)
  const sockets: Socket[] = []
  const relay = createServer((near) => {
    const far = connect(server.admin, loopback)
    for (const socket of [near, far]) sockets.push(socket.on('error', () => undefined))
    near.pipe(far).pipe(near)
  })
  await new Promise<void>((resolve) => relay.listen(0, loopback, resolve))
  t.teardown(() => {
    relay.close()
    for (const socket of sockets) socket.destroy()
  })
  const running = await runSuite(t, { data, sip: server.settings((relay.address() as { port: number }).port) })
  const { suite, entriesOf, verify } = running
  await escalate(t, running)
  for (const socket of sockets.splice(0)) socket.destroy()
  await until(() => suite.status().sip.takenUp === 1, 20_000)
  t.is(suite.status().sip.active, 1)
  await expert.hangup()
  await until(() => entriesOf('TERMINATED').length === 2)
  t.like(entriesOf('TERMINATED')[1], { payload: { hungUpBy: 'callee' } })
  t.is((await verify()).verdict, 'valid')
})

withPhone(
  'a terminal’s call to an expert ends with the SIP server: the expert is hung up on, and not left alone in their conference',
  async (t) => {
    const expert = await answeringExpert(t, 1700)
    const data = await folderWithExpert(t, `sip:expert-safety@${loopback}:${expert.sipPort}`, { guardians: ['guardian-1'] })
    const server = await killableServer(t, data)
    const h323 = { enabled: true, ras: await freeUdpPort(loopback), signalling: 0, router: 0 }
    const running = await runSuite(t, { data, sip: server.settings(), h323 })
    const room = await terminal(t, running, 'guardian-1', 440)
    await room.call('expert-safety')
    await until(() => running.entriesOf('CONNECTED').length === 1)
    server.kill()
    await until(() => room.endpoint.calls().length === 0, 10_000, 'the terminal is not released')
    await server.run()
    await expert.next('CALL_CLOSED', 15_000)
    t.is(running.suite.status().sip.takenUp, 0)
    t.is(running.entriesOf('CONNECTED').length, 1)
  }
)
