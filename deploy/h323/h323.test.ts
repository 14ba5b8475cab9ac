/** The gatekeeper in the suite: accounts, IF.guard, the ledger, and what operators see of it. */
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { parse } from 'yaml'
import type { ControlFile } from '#suite'
import { arq, brq, drq, openRasClient, type RasClient, rrq } from '../../gateways/h323/gatekeeper/testing/ras-client.ts'
import { reasonOf } from '../../gateways/h323/gatekeeper/testing/room.ts'
import { askSealed } from '../../gateways/h323/gatekeeper/testing/sealing.ts'
import { durable, startRedis } from '../../ledger/testing/redis-server.ts'
import { freeTcpPort } from '../edge/free-ports.ts'
import { type RunningSuite, runSuite, temporaryFolder, until } from '../testing/harness.ts'
import { type H323Account, readAccounts } from './accounts.ts'

const settings = { edge: 'external', h323: { enabled: true, ras: 0, signalling: 0 } } as const

/** A registered endpoint: asks with the token of its account. */
async function join323(t: ExecutionContext, { suite }: RunningSuite, name: string) {
  const { address, port } = suite.addresses.ras!
  const client: RasClient = await openRasClient({ ip: address, port })
  t.teardown(client.close)
  const { accounts } = parse(await readFile(suite.data.h323Accounts, 'utf8')) as { accounts: H323Account[] }
  const { password } = accounts.find((account) => account.name === name)!
  let answer = await askSealed(client, rrq(client, [name]), { password, sendersID: name })
  while (answer.type === 'requestInProgress') answer = await client.next()
  if (answer.type !== 'registrationConfirm') throw new Error(reasonOf(answer))
  const id = answer.value.endpointIdentifier
  return {
    client,
    id,
    ask: (message: Parameters<typeof askSealed>[1]) => askSealed(client, message, { password, sendersID: id })
  }
}

/** Asks the service as a command on this machine does. */
async function control({ suite }: RunningSuite) {
  const { url, token } = JSON.parse(await readFile(suite.data.control, 'utf8')) as ControlFile
  return async (path: string, body?: object) => {
    const response = await fetch(`${url}${path}`, {
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) })
    })
    const text = await response.text()
    return { status: response.status, text, json: () => JSON.parse(text) }
  }
}

test('registrations are kept on a Redis server where the settings say so', async (t) => {
  const port = await freeTcpPort('127.0.0.1')
  const redis = await startRedis(durable, port)
  t.teardown(redis.stop)
  const store = { kind: 'redis', host: '127.0.0.1', port } as const
  const running = await runSuite(t, { ...settings, h323: { ...settings.h323, store } })
  await join323(t, running, 'guardian-1')
  t.regex(await redis.ask('DBSIZE'), /^:[1-9]/)
  const { endpoints } = (await (await control(running))('/v1/h323/endpoints')).json()
  t.true(endpoints.some(({ user }: { user: string }) => user === 'guardian-1'))
})

test('a room calls another: guarded, admitted, priced, in the ledger, and seen by operators', async (t) => {
  const running = await runSuite(t, settings)
  const { suite, entriesOf, verify } = running
  const [one, two] = [await join323(t, running, 'guardian-1'), await join323(t, running, 'guardian-2')]
  const ask = await control(running)
  const { endpoints } = (await ask('/v1/h323/endpoints')).json()
  t.deepEqual(
    endpoints
      .map(({ aliases, kind, user }: Record<string, unknown>) => ({ aliases, kind, user }))
      .filter(({ kind }: { kind: string }) => kind === 'terminal'),
    ['guardian-1', 'guardian-2'].map((user) => ({ aliases: [`h323:${user}`], kind: 'terminal', user }))
  )
  t.is((await one.ask(arq(one.client, one.id, 7, ['guardian-2'], { bandWidth: 20_000 }))).type, 'admissionConfirm')
  t.is((await one.ask(brq(one.client, one.id, 7, 40_000))).type, 'bandwidthConfirm')
  const { calls, bandwidthBps } = (await ask('/v1/h323/calls')).json()
  t.like(calls[0], { from: 'sip:guardian-1@council.local', to: 'sip:guardian-2@council.local', bandwidthBps: 4_000_000 })
  t.is(bandwidthBps, 4_000_000)
  t.is((await one.ask(drq(one.client, one.id, 7))).type, 'disengageConfirm')
  await until(() => suite.inside.h323!.told.get('h323_call_complete') === 1)
  await suite.inside.witness.flush(10_000)
  const seen = [
    'h323_endpoint_registered',
    'h323_arq_sent',
    'h323_acf_received',
    'h323_bandwidth_requested',
    'h323_bandwidth_granted',
    'h323_call_complete'
  ]
  t.deepEqual(
    seen.map((event) => entriesOf(event).length),
    // the conferences of the suite are an endpoint too
    [3, 1, 1, 1, 1, 1]
  )
  t.like(entriesOf('h323_acf_received')[0]!.payload, { guard: 'guard.approved' })
  const decided = entriesOf('policy_decision')[0]!.payload as { receipt: { facts: { request: object } } }
  t.like(decided, { verdict: 'approve', code: 'guard.approved' })
  t.like(decided.receipt.facts.request, { method: 'ARQ', from: 'sip:guardian-1@council.local' })
  const { cost, payload } = entriesOf('h323_call_complete')[0]!
  t.regex(cost ?? '', /^0\.0005\d*$/)
  t.like(payload, { cost })
  const metrics = (await ask('/metrics')).text
  t.regex(metrics, /^h323_endpoints\{kind="terminal"\} 2$/m)
  t.regex(metrics, /^h323_conference_participants\{protocol="h323"\} 0$/m)
  t.regex(metrics, /^h323_events_total\{event="h323_acf_received"\} 1$/m)
  t.regex(metrics, /^ledger_entries \d+$/m)
  t.is((await ask(`/v1/h323/endpoints/${two.id}/unregister`, {})).status, 200)
  t.is((await ask(`/v1/h323/endpoints/${two.id}/unregister`, {})).status, 404)
  t.is((await ask('/v1/h323/calls/00/drop', {})).status, 404)
  t.is((await verify()).verdict, 'valid')
  t.is((await stat(suite.data.control)).mode & 0o777, 0o600)
  await suite.stop()
  await t.throwsAsync(stat(suite.data.control), { code: 'ENOENT' })
})

test('who is not in the registry is not admitted, and whose password is wrong does not get in', async (t) => {
  const data = await temporaryFolder(t)
  const accounts = join(data, 'accounts.yaml')
  await writeFile(
    accounts,
    'accounts: [{ name: stranger, password: secret, aliases: ["77"] }, { name: guardian-1, password: other }]\n',
    {
      mode: 0o600
    }
  )
  const { suite, entriesOf } = await runSuite(t, { ...settings, data, h323: { ...settings.h323, accounts } })
  const { address, port } = suite.addresses.ras!
  const client = await openRasClient({ ip: address, port })
  t.teardown(client.close)
  const wrong = await askSealed(client, rrq(client, ['guardian-1']), { password: 'guessed', sendersID: 'guardian-1' })
  t.is(reasonOf(wrong), 'securityDenial')
  const stranger = await askSealed(client, rrq(client, ['stranger', '77']), { password: 'secret', sendersID: 'stranger' })
  if (stranger.type !== 'registrationConfirm') throw new Error(reasonOf(stranger))
  const id = stranger.value.endpointIdentifier
  let refused = await askSealed(client, arq(client, id, 1, ['stranger']), { password: 'secret', sendersID: id })
  // a busy machine: the answer takes longer
  while (refused.type === 'requestInProgress') refused = await client.next()
  t.is(reasonOf(refused), 'invalidPermission')
  await until(() => entriesOf('h323_arj_received').length === 1)
  t.like(entriesOf('h323_arj_received')[0]!.payload, { reason: 'invalidPermission', guard: 'guard.registered.unknown' })
})

test('accounts that others may read, or that are none, are refused with every problem and no password', async (t) => {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'accounts.yaml')
  await writeFile(file, 'accounts: []\n', { mode: 0o644 })
  await t.throwsAsync(readAccounts(file), { message: /0600/ })
  const bad = join(folder, 'bad.yaml')
  await writeFile(bad, 'accounts: [{ name: a, password: hunter2, prefixes: [x] }, { name: "" }]\n', { mode: 0o600 })
  const error = await t.throwsAsync(readAccounts(bad))
  t.false(/hunter2/.test(error!.message))
  t.regex(error!.message, /accounts\.0\.prefixes\.0/)
  t.regex(error!.message, /accounts\.1\.password/)
})
