import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { generateKeyPair } from '#guard'
import { checkCertificate, createAuthority, issueCertificate } from '#kamailio'
import type { SuiteConfig } from '../settings/settings.ts'
import { writePrivateFile } from './files.ts'
import { copyIfAbsent, type DataLayout, ensureSecret, layoutOf, makeFolders } from './layout.ts'

/** A data folder that is ready. */
export interface PreparedData {
  readonly layout: DataLayout
  readonly adminSecret: string
  /** What was made because it was not there. */
  readonly made: readonly string[]
}

/** Path of the registry that a first start begins with. */
export const exampleRegistry: string = fileURLToPath(new URL('../../plugins/guard/experts.example.yaml', import.meta.url))

/**
 * Makes what a first start needs and is not there. Idempotent; nothing that exists is changed.
 *
 * Development gets the example registry, a CA of its own and a server certificate, which is issued anew when it is about to expire. Production is given
 * its registry and certificates: making them up would let strangers in.
 *
 * @param nowMs wall clock, milliseconds since 1970.
 */
export async function prepareData(config: SuiteConfig, nowMs: number): Promise<PreparedData> {
  const layout = layoutOf(config)
  const made: string[] = []
  await makeFolders(layout)
  if (config.profile === 'development' && (await copyIfAbsent(exampleRegistry, layout.registry))) made.push(layout.registry)
  if (config.certificates === null && config.edge === 'embedded' && (await prepareCertificates(config, layout, nowMs)))
    made.push(layout.certificate)
  const adminSecret = await ensureSecret(layout.adminSecret)
  if (config.escalation.key === null && !existsSync(layout.escalationKey)) {
    await writePrivateFile(layout.escalationKey, generateKeyPair().privateKey)
    made.push(layout.escalationKey)
  }
  return { layout, adminSecret, made }
}

async function prepareCertificates(config: SuiteConfig, layout: DataLayout, nowMs: number): Promise<boolean> {
  const authority = await createAuthority(layout.authority)
  const { address, address6 } = config.listen
  const addresses = [...new Set(['127.0.0.1', address, ...(address6 === null ? [] : [address6])])]
  if (existsSync(layout.certificate) && existsSync(layout.certificateKey)) {
    const { state } = checkCertificate(layout.certificate, nowMs)
    const certificate = new X509Certificate(await readFile(layout.certificate))
    if (state === 'good' && addresses.every((each) => certificate.checkIP(each) !== undefined)) return false
  }
  await issueCertificate(authority, {
    name: 'server',
    commonName: 'InfraFabric edge',
    usage: 'server',
    subjectAltNames: ['DNS:localhost', ...addresses.map((each) => `IP:${each}`)]
  })
  return true
}
