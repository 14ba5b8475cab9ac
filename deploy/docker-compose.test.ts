/** docker-compose.yml against the rules of the Compose Specification that a mistake in it would break. */
import { readFile } from 'node:fs/promises'
import test from 'ava'
import { parseDocument } from 'yaml'
import { z } from 'zod'
import { resolveSuiteConfig } from './settings/config.ts'

const text = z.string().min(1)
const duration = z.string().regex(/^\d+(?:ms|s|m|h)$/)
const names = z.array(text)
const serviceSchema = z.strictObject({
  image: z.string().regex(/^[a-z0-9./-]+:(?:[A-Za-z0-9._-]+|\$\{[A-Z_]+:-[A-Za-z0-9._-]+\})$/, 'expected an image with a tag'),
  command: names.optional(),
  working_dir: z.string().startsWith('/').optional(),
  environment: z.record(z.string().regex(/^[A-Z_]+$/), text).optional(),
  env_file: z.array(z.strictObject({ path: text, required: z.boolean() })).optional(),
  volumes: names.optional(),
  secrets: names.optional(),
  networks: z.record(text, z.strictObject({ ipv4_address: z.ipv4().optional(), aliases: names.optional() })).optional(),
  network_mode: z
    .string()
    .regex(/^service:/)
    .optional(),
  ports: z.array(z.string().regex(/^[\d-]+:[\d-]+\/(?:tcp|udp)$/)).optional(),
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
  services: z.record(text, serviceSchema),
  networks: z.record(text, z.unknown()),
  volumes: z.record(text, z.unknown()),
  secrets: z.record(text, z.strictObject({ file: text }))
})

const file = new URL('../docker-compose.yml', import.meta.url)

test('every service is well formed, and names only what the file defines', async (t) => {
  const document = parseDocument(await readFile(file, 'utf8'), { merge: true })
  t.deepEqual(document.errors, [])
  const compose = schema.parse(document.toJS())
  for (const [name, service] of Object.entries(compose.services)) {
    for (const other of Object.keys(service.depends_on ?? {})) {
      t.true(other in compose.services, `${name} depends on ${other}`)
      if (service.depends_on![other]!.condition === 'service_healthy')
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
  }
  const open = Object.entries(compose.services).filter(([, { ports = [] }]) => ports.length > 0)
  t.deepEqual(open.map(([name]) => name).sort(), ['application', 'edge'], 'nothing else is reached from outside')
})

test('the settings that the README gives for it can be used', async (t) => {
  const readme = await readFile(new URL('./README.md', import.meta.url), 'utf8')
  const yaml = /```yaml\n(# var\/compose\/suite\.yaml[\s\S]*?)```/.exec(readme)![1]!
  const config = resolveSuiteConfig('suite.yaml', parseDocument(yaml).toJS())
  t.deepEqual(config.sip.server, { host: '127.0.0.1', port: 9022, secretFile: '/var/lib/infrafabric/drachtio.secret' })
  t.deepEqual(config.trustedEdges, ['172.30.0.10'])
})
