/**
 * Makes what the containers of docker-compose.yml read: settings, registry, passwords, certificates, the secret between application and SIP server.
 *
 *     docker compose run --rm prepare --address 192.0.2.10 --allow 203.0.113.0/24
 *
 * What is there is left as it is: the files may be replaced by those of an operator.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, chown, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { isIPv4 } from 'node:net'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { stringify } from 'yaml'
import { parseRegistry } from '#guard'
import { createAuthority, issueCertificate, writeCrl } from '#kamailio'
import { defaultHazards } from '#kernel'
import { resolveSuiteConfig, type SuiteSettings } from '#suite'
import { digestSecret } from '../data/credentials.ts'
import { copyIfAbsent, ensureSecret } from '../data/layout.ts'
import { exampleRegistry } from '../data/prepare.ts'

const help = `Usage: node deploy/containers/prepare.ts --address ADDR --allow NETWORK… [options]

  --address ADDR   IPv4 address of this host that telephones reach
  --name NAME      host name by which they do, for the certificate
  --allow NETWORK  network of callers, 203.0.113.0/24; may be given again
  --out DIR        where the files go (var/compose)
  --help           this text
`

/** Addresses of docker-compose.yml. */
export const places = {
  edge: { outside: '172.30.1.10', inside: '172.30.0.10' },
  server: '172.30.0.20',
  application: '172.30.1.30'
} as const

/** Who runs the edge and the application in their containers: the user of the image. */
export const owner = 10_001

const realm = 'council'

/** Settings of edge and application, one file for both. */
export function settingsFor(address: string, networks: readonly string[]): SuiteSettings {
  const certificates = '/var/lib/infrafabric/certificates'
  return {
    profile: 'production',
    data: '/var/lib/infrafabric',
    edge: 'external',
    // both listen on this port and name this address; the address of its own each container has in its environment
    listen: { announced: address, tls: 5061 },
    edgeServer: { address: places.edge.inside, port: 5070, applications: [{ address: places.server, port: 5080 }] },
    trustedEdges: [places.edge.inside],
    sip: {
      address: places.server,
      udp: 5080,
      tcp: 5080,
      server: { host: '127.0.0.1', port: 9022, secretFile: '/run/secrets/drachtio_secret' }
    },
    escalation: { proxy: `sip:${places.edge.inside}:5070;transport=udp` },
    realm,
    registry: '/etc/infrafabric/registry.yaml',
    certificates: {
      certificate: `${certificates}/server.pem`,
      key: `${certificates}/server.key`,
      ca: `${certificates}/ca.pem`,
      crl: `${certificates}/crl.pem`
    },
    allowlist: networks.map((network) => ({ network, name: 'callers' })),
    media: { ports: [20_000, 20_399] },
    limits: { maxCalls: 100 },
    // for commands in the container, and its health
    ledger: { store: { kind: 'redis', url: 'redis://redis:6379' }, service: { enabled: true, port: 8620 } }
  }
}

/** Makes the files. @returns the passwords that were made, by user: they are kept nowhere */
export async function prepare(
  out: string,
  address: string,
  name: string | null,
  networks: readonly string[]
): Promise<Map<string, string>> {
  const settings = settingsFor(address, networks)
  resolveSuiteConfig('settings', settings)
  const inside = join(out, 'drachtio')
  const edge = join(out, 'edge')
  const shared = join(out, 'settings')
  for (const folder of [inside, edge, shared]) await mkdir(folder, { recursive: true, mode: 0o700 })
  const once = async (path: string, make: () => Promise<unknown>): Promise<void> => {
    if (!existsSync(path)) await make()
  }

  const registry = join(shared, 'registry.yaml')
  await copyIfAbsent(exampleRegistry, registry)
  const file = join(shared, 'suite.yaml')
  await once(file, () => writeFile(file, stringify(settings), { mode: 0o600 }))

  const passwords = new Map<string, string>()
  const credentials = join(edge, 'credentials.json')
  await once(credentials, async () => {
    const { parties } = parseRegistry(await readFile(registry, 'utf8'), registry, defaultHazards)
    for (const { digestUser } of parties) passwords.set(digestUser, randomBytes(16).toString('base64url'))
    const users = Object.fromEntries([...passwords].map(([user, password]) => [user, digestSecret(user, realm, password)]))
    await writeFile(credentials, `${JSON.stringify({ users }, null, 2)}\n`, { mode: 0o600 })
  })

  const experts = await createAuthority(join(out, 'certificates'), 'InfraFabric experts')
  await once(join(experts.dir, 'crl.pem'), () => writeCrl(experts, Date.now()))
  await once(join(experts.dir, 'server.pem'), () =>
    issueCertificate(experts, {
      name: 'server',
      commonName: 'InfraFabric edge',
      usage: 'server',
      subjectAltNames: [`IP:${address}`, ...(name === null ? [] : [`DNS:${name}`])]
    })
  )

  await ensureSecret(join(inside, 'secret'))
  const between = await createAuthority(inside, 'InfraFabric inside')
  await once(join(inside, 'server.pem'), () =>
    issueCertificate(between, {
      name: 'server',
      commonName: 'drachtio.internal',
      usage: 'server',
      subjectAltNames: ['DNS:drachtio.internal']
    })
  )
  const dh = join(inside, 'dh.pem')
  // RFC 7919 appendix A.1
  await once(dh, () =>
    promisify(execFile)('openssl', ['genpkey', '-genparam', '-algorithm', 'DH', '-pkeyopt', 'group:ffdhe2048', '-out', dh])
  )

  if (process.getuid?.() === 0) {
    for (const folder of [shared, edge, experts.dir]) await give(folder, owner)
    // the SIP server runs as root without capabilities: what it reads is root's; two of the files the application reads, too
    for (const each of await readdir(inside)) {
      const forBoth = ['secret', 'ca.pem'].includes(each)
      await chown(join(inside, each), 0, forBoth ? owner : 0)
      await chmod(join(inside, each), forBoth ? 0o640 : 0o600)
    }
  }
  return passwords
}

async function give(path: string, user: number): Promise<void> {
  await chown(path, user, user)
  if ((await stat(path)).isDirectory()) for (const each of await readdir(path)) await give(join(path, each), user)
}

async function main(): Promise<number> {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    options: { address: text, name: text, allow: { type: 'string', multiple: true }, out: text, help: { type: 'boolean' } }
  })
  if (values.help) {
    process.stdout.write(help)
    return 0
  }
  const { address, name = null, allow = [], out = 'var/compose' } = values
  if (address === undefined || !isIPv4(address) || allow.length === 0) {
    process.stderr.write(`expected --address and --allow\n\n${help}`)
    return 2
  }
  const passwords = await prepare(out, address, name, allow)
  if (passwords.size === 0) process.stdout.write('the passwords are those that were made before\n')
  for (const [user, password] of passwords) process.stdout.write(`${user} ${password}\n`)
  return 0
}

if (import.meta.main) process.exitCode = await main()
