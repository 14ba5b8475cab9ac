import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { z } from 'zod'
import { ConfigError, errorCode, silentLog } from '#kernel'
import { digestSecret, ensureCredentials, readCredentials } from '../data/credentials.ts'
import { createSequence } from '../sequence.ts'
import { loadSuiteConfig, resolveSuiteConfig } from './config.ts'
import { environmentVariables, settingsFromEnvironment } from './environment.ts'
import { suiteSchema } from './settings.ts'

const folders: string[] = []
test.after.always(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
})
const folder = async () => {
  const made = await mkdtemp(join(tmpdir(), 'suite config '))
  folders.push(made)
  return made
}

test('without settings the suite runs for development on loopback', (t) => {
  t.like(resolveSuiteConfig('none'), {
    data: 'var',
    profile: 'development',
    listen: { address: '127.0.0.1', tls: 5061, udp: null, tcp: null },
    conferences: ['council'],
    failClosed: ['policy_decision', 'INVITE']
  })
})

test('later settings win, one by one, and the result cannot be changed', (t) => {
  const config = resolveSuiteConfig(
    'test',
    { listen: { tls: 6000, udp: 6001 } },
    { listen: { tls: 0 }, media: { ports: [20000, 20100] } }
  )
  t.deepEqual(config.listen, { address: '127.0.0.1', announced: null, address6: null, tls: 0, udp: 6001, tcp: null })
  t.deepEqual(config.media.ports, [20000, 20100])
  t.throws(() => Object.assign(config.listen, { tls: 1 }))
})

test('every problem is named at once', (t) => {
  const error = t.throws(
    () =>
      resolveSuiteConfig('test', { listen: { tls: 70_000 }, hazards: ['No'], typo: 1 } as never, { profile: 'staging' as never }),
    { instanceOf: ConfigError }
  )
  t.deepEqual(
    error.problems.map((problem) => problem.split(':')[0]).sort(),
    ['(root)', 'hazards.0', 'listen.tls', 'profile'].sort()
  )
})

test('settings that contradict each other are named', (t) => {
  const error = t.throws(
    () => resolveSuiteConfig('test', { profile: 'production', media: { ports: [100, 101] }, listen: { tls: 5061, tcp: 5061 } }),
    { instanceOf: ConfigError }
  )
  t.is(error.problems.length, 5)
  const identity = { key: 'stir.pem', certificateUrl: 'https://cert.example.org/sti.pem', attestation: 'A' as const }
  t.throws(() => resolveSuiteConfig('test', { escalation: { identity } }), { message: /expected escalation\.number/ })
})

test('a file is read and overridden; one that cannot be read says so', async (t) => {
  const file = join(await folder(), 'suite.yaml')
  await writeFile(file, 'realm: council.example\nlisten:\n  tls: 7000\n')
  t.like(await loadSuiteConfig(file, { listen: { tls: 7001 } }), { realm: 'council.example', listen: { tls: 7001 } })
  await writeFile(file, 'realm: [')
  await t.throwsAsync(loadSuiteConfig(file), { instanceOf: ConfigError })
  await writeFile(file, '- a list\n')
  await t.throwsAsync(loadSuiteConfig(file), { instanceOf: ConfigError })
  await t.throwsAsync(loadSuiteConfig(`${file}.absent`), { instanceOf: ConfigError, message: /cannot be read/ })
})

test('the production example is a configuration that can be used', async (t) => {
  const config = await loadSuiteConfig(new URL('./production.example.yaml', import.meta.url).pathname)
  t.is(config.profile, 'production')
  t.deepEqual(
    config.allowlist?.map(({ network }) => network),
    ['203.0.113.0/24', '198.51.100.0/24', '192.0.2.0/24']
  )
})

test('the environment sets what it names, and a name that sets nothing is a mistake', (t) => {
  t.deepEqual(settingsFromEnvironment({ IF_DATA: '/data', IF_TLS_PORT: '0', IF_UDP_PORT: 'off', PATH: '/bin', IF_REALM: '' }), {
    data: '/data',
    listen: { tls: 0, udp: null }
  })
  const error = t.throws(() => settingsFromEnvironment({ IF_TLS_PORT: 'many', IF_DATTA: 'x' }), { instanceOf: ConfigError })
  t.deepEqual(error.problems, ['IF_TLS_PORT: expected a port number or off, got "many"', 'IF_DATTA: sets nothing'])
})

test('HA1 has the value that RFC 7616 §3.9.1 and RFC 2617 §3.5 compute from', (t) => {
  const { ha1Md5, ha1Sha256 } = digestSecret('Mufasa', 'testrealm@host.com', 'Circle Of Life')
  t.is(ha1Md5, '939e7578ed9e3c518a452acee763bce9')
  t.is(ha1Sha256.length, 64)
})

test('users without credentials get them once; the file is private', async (t) => {
  const file = join(await folder(), 'credentials.json')
  const first = await ensureCredentials(file, 'realm', ['a', 'b'])
  t.deepEqual(first.added, ['a', 'b'])
  t.is((await stat(file)).mode & 0o777, 0o600)
  const second = await ensureCredentials(file, 'realm', ['a', 'b', 'c'])
  t.deepEqual(second.added, ['c'])
  t.deepEqual(second.credentials.users.a, first.credentials.users.a)
  t.deepEqual(await readCredentials(file), second.credentials)
  t.deepEqual((await ensureCredentials(file, 'other realm', ['a'])).added, ['a'], 'credentials are bound to their realm')
})

test('a credentials file with problems is refused without showing secrets', async (t) => {
  const file = join(await folder(), 'credentials.json')
  await writeFile(file, JSON.stringify({ users: { a: { realm: 'r', ha1Md5: 'top-secret', ha1Sha256: 'x' } } }))
  const error = await t.throwsAsync(readCredentials(file), { instanceOf: ConfigError })
  t.notRegex(error.message, /top-secret/)
})

test('parts stop in the reverse order, and one that fails to start takes those before it down and is named', async (t) => {
  const order: string[] = []
  const part = (name: string) =>
    [name, async () => void order.push(`start ${name}`), async () => void order.push(`stop ${name}`)] as const
  const sequence = createSequence(silentLog)
  await sequence.start(...part('a'))
  await sequence.start('b', part('b')[1], async () => {
    order.push('stop b')
    throw new Error('stuck')
  })
  const error = await t.throwsAsync(
    sequence.start(
      'c',
      async () => {
        throw new Error('port in use')
      },
      async () => undefined
    )
  )
  t.is(errorCode(error), 'suite.start.c')
  t.regex(error!.message, /port in use/)
  t.deepEqual(order, ['start a', 'start b', 'stop b', 'stop a'])
  await sequence.stop()
  t.is(order.length, 4)
})

test('the README shows every setting with its default and every variable', async (t) => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  interface Node {
    readonly properties?: Readonly<Record<string, Node>>
    readonly anyOf?: unknown
    readonly default?: unknown
    readonly description?: string
  }
  const rows = (node: Node, path: string): string[] =>
    Object.entries(node.properties ?? {}).flatMap(([key, value]) => {
      const at = path === '' ? key : `${path}.${key}`
      if (value.properties !== undefined && value.anyOf === undefined) return rows(value, at)
      return `| \`${at}\` | ${value.default === undefined ? '' : `\`${JSON.stringify(value.default)}\``} | ${value.description} |`
    })
  for (const row of rows(z.toJSONSchema(suiteSchema, { io: 'input' }) as Node, '')) t.true(readme.includes(row), row)
  for (const name of Object.keys(environmentVariables)) t.true(readme.includes(`\`${name}\``), name)
})
