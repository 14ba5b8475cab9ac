/** docker-compose.yml and the image against the project: what a mistake in them would break that a text shows. They are run by `npm run containers`. */
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { parseDocument } from 'yaml'
import { z } from 'zod'
import { commands } from '../../cli/commands.ts'
import { loadSuiteConfig } from '../settings/config.ts'
import { environmentVariables, settingsFromEnvironment } from '../settings/environment.ts'
import { owner, places, prepare } from './prepare.ts'

const text = z.string().min(1)
const duration = z.string().regex(/^\d+(?:ms|s|m|h)$/)
const names = z.array(text)
const serviceSchema = z.strictObject({
  image: z.string().regex(/^[a-z0-9./-]+:(?:[A-Za-z0-9._-]+|\$\{[A-Z_]+:-[A-Za-z0-9._-]+\})$/, 'expected an image with a tag'),
  build: z.strictObject({ context: z.literal('.'), dockerfile: text }).optional(),
  profiles: names.optional(),
  entrypoint: names.optional(),
  command: names.optional(),
  user: z
    .string()
    .regex(/^\d+:\d+$/)
    .optional(),
  init: z.literal(true),
  read_only: z.literal(true).optional(),
  tmpfs: names.optional(),
  environment: z.record(z.string().regex(/^[A-Z_]+$/), text).optional(),
  volumes: names.optional(),
  secrets: names.optional(),
  networks: z.record(text, z.strictObject({ ipv4_address: z.ipv4().optional(), aliases: names.optional() })).optional(),
  network_mode: z
    .string()
    .regex(/^(?:none|service:.+)$/)
    .optional(),
  ports: z.array(z.string().regex(/^\$\{HOST_ADDRESS:-0\.0\.0\.0\}:[\d-]+:[\d-]+\/(?:tcp|udp)$/)).optional(),
  depends_on: z
    .record(text, z.strictObject({ condition: z.enum(['service_started', 'service_healthy', 'service_completed_successfully']) }))
    .optional(),
  healthcheck: z
    .strictObject({
      test: z.tuple([z.enum(['CMD', 'CMD-SHELL'])], text),
      interval: duration,
      timeout: duration,
      retries: z.number().int().positive(),
      start_period: duration.optional()
    })
    .optional(),
  restart: z.enum(['no', 'always', 'on-failure', 'unless-stopped']),
  security_opt: names,
  cap_drop: names,
  cap_add: names.optional(),
  logging: z.strictObject({ driver: text, options: z.record(text, text) }),
  stop_grace_period: duration.optional()
})
const schema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9_-]*$/),
  'x-hardened': z.unknown(),
  'x-suite': z.unknown(),
  services: z.record(text, serviceSchema),
  networks: z.record(text, z.unknown()),
  volumes: z.record(text, z.unknown()),
  secrets: z.record(text, z.strictObject({ file: text }))
})

/** What is published, without the address where it is. */
const portsOf = (ports: readonly string[] = []): string[] =>
  ports.map((each) => each.replace(/^\$\{HOST_ADDRESS:-0\.0\.0\.0\}:/, ''))
const root = new URL('../../', import.meta.url).pathname

async function readCompose() {
  const document = parseDocument(await readFile(join(root, 'docker-compose.yml'), 'utf8'), { merge: true })
  if (document.errors.length > 0) throw document.errors[0]!
  return schema.parse(document.toJS())
}

test('every service is well formed, names only what the file defines, and has no more rights than it needs', async (t) => {
  const compose = await readCompose()
  for (const [name, service] of Object.entries(compose.services)) {
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      t.true(other in compose.services, `${name} depends on ${other}`)
      if (condition === 'service_healthy')
        t.truthy(compose.services[other]!.healthcheck, `${other}: somebody waits for its health`)
    }
    for (const network of Object.keys(service.networks ?? {})) t.true(network in compose.networks, `${name}: network ${network}`)
    for (const secret of service.secrets ?? []) t.true(secret in compose.secrets, `${name}: secret ${secret}`)
    for (const volume of service.volumes ?? []) {
      const [source] = volume.split(':')
      t.true(/^\./.test(source!) || source! in compose.volumes, `${name}: volume ${source}`)
    }
    t.true(
      (service.networks === undefined) !== (service.network_mode === undefined),
      `${name}: in a network, or in that of another`
    )
    t.deepEqual(service.cap_drop, ['ALL'])
    t.is(service.cap_add !== undefined, name === 'prepare', `${name}: capabilities`)
    if (service.image.startsWith('infrafabric-telephony:')) t.true(service.read_only, name)
  }
  const open = Object.entries(compose.services).filter(([, { ports = [] }]) => ports.length > 0)
  t.deepEqual(open.map(([name]) => name).sort(), ['application-network', 'edge'], 'nothing else is reached from outside')
})

test('what is run is there: commands, scripts, variables', async (t) => {
  const { services } = await readCompose()
  for (const [name, { image, entrypoint, command = [], environment = {} }] of Object.entries(services)) {
    if (!image.startsWith('infrafabric-telephony:')) continue
    if (entrypoint === undefined)
      t.true(
        commands.some(({ words }) => words.join(' ') === command[0]),
        `${name}: ifctl ${command[0]}`
      )
    else if (entrypoint[0] === 'node') t.true(existsSync(join(root, entrypoint[1]!)), `${name}: ${entrypoint[1]}`)
    for (const variable of Object.keys(environment)) t.true(variable in environmentVariables, `${name}: ${variable}`)
  }
  const { build } = services.prepare!
  const dockerfile = await readFile(join(root, build!.dockerfile), 'utf8')
  t.true(dockerfile.includes(`useradd --uid ${owner} `), 'the image has the user to whom the files are given')
  for (const [, source] of dockerfile.matchAll(/^COPY (?!--from)(\S+)(?: \S+)* \S+$/gm))
    t.true(existsSync(join(root, source!)), source)
})

test('what prepare makes can be used by both, and fits the file; it changes nothing that is there', async (t) => {
  const out = await mkdtemp(join(tmpdir(), 'compose-'))
  t.teardown(() => rm(out, { recursive: true, force: true }))
  const passwords = await prepare(out, '192.0.2.10', 'sip.council.example', ['203.0.113.0/24'])
  t.true(passwords.size > 3)
  const { services, secrets } = await readCompose()
  const file = join(out, 'settings/suite.yaml')
  const environment = (name: string) => settingsFromEnvironment(services[name]!.environment ?? {})
  const application = await loadSuiteConfig(file, environment('application'))
  const edge = await loadSuiteConfig(file, environment('edge'), { edge: 'embedded' })

  const { edge: onBoth, application: app, drachtio } = services
  const addressOf = (service: string, network: string): string => services[service]!.networks![network]!.ipv4_address!
  t.is(edge.listen.address, addressOf('edge', 'outside'))
  t.is(edge.listen.announced, '192.0.2.10')
  t.is(edge.edgeServer!.address, addressOf('edge', 'inside'))
  t.deepEqual(application.trustedEdges, [edge.edgeServer!.address])
  t.is(application.escalation.proxy, `sip:${edge.edgeServer!.address}:${edge.edgeServer!.port};transport=udp`)
  t.is(application.listen.address, addressOf('application-network', 'outside'))
  t.is(application.listen.address, places.application)
  const { address, udp, server } = application.sip
  t.deepEqual(edge.edgeServer!.applications, [{ address, port: udp }])
  t.is(address, addressOf('drachtio', 'inside'))
  t.true(drachtio!.command!.at(-1)!.includes(`sip:${address}:${udp};`))
  t.is(services['application-tls']!.entrypoint![3], `${server!.host}:${server!.port}`)
  t.deepEqual(
    portsOf(services['application-network']!.ports),
    [application.media.ports!.join('-')].map((range) => `${range}:${range}/udp`)
  )
  t.deepEqual(portsOf(onBoth!.ports), [`${edge.listen.tls}:${edge.listen.tls}/tcp`])
  t.true(
    application.media.ports![1] - application.media.ports![0] + 1 >= 2 * application.limits.maxCalls,
    'RTP and RTCP for each call'
  )
  t.true(app!.healthcheck!.test.join().includes(`:${application.ledger.service.port}/`))
  t.is(new URL((application.ledger.store as { url: string }).url).hostname in services, true)
  for (const { file } of Object.values(secrets)) t.true(existsSync(join(out, file.replace('./var/compose/', ''))), file)
  for (const name of ['certificates', 'settings', 'edge', 'drachtio']) t.true((await readdir(join(out, name))).length > 0, name)

  const before = await readFile(file, 'utf8')
  t.is((await prepare(out, '192.0.2.11', null, ['203.0.113.0/24'])).size, 0)
  t.is(await readFile(file, 'utf8'), before)
})
