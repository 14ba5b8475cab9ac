/**
 * Client certificates of experts: short-lived, revocable, kept in a list beside the authority that issues them. Their private keys are not kept.
 *
 *     ca.pem, ca.key     the authority
 *     clients.json       every certificate issued, and which are revoked
 *     crl.pem            the same for Kamailio (RFC 5280 §5), made anew from the list
 */
import { createHash, X509Certificate } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { errorCode, InfraFabricError } from '#kernel'
import { type Authority, asn1Time, issueCertificate, openssl, replaceFile } from './certificates.ts'

/** A certificate that was issued. Times in ISO 8601, UTC. */
export interface ClientCertificate {
  /** Registry id of the expert. */
  readonly id: string
  /** SAN URI: what reaches IF.guard as the certificate's identity. */
  readonly identity: string
  /** Hexadecimal, as X.509 has it. */
  readonly serial: string
  /** SHA-256 of its PEM text, 64 hex digits: what Kamailio knows it by while a connection is open. */
  readonly fingerprint: string
  readonly notBefore: string
  readonly notAfter: string
  readonly revokedAt: string | null
  readonly reason: string | null
}

export interface InviteRequest {
  readonly id: string
  /** SIP URI of the expert. */
  readonly identity: string
  readonly days: number
}

export interface Invite {
  readonly client: ClientCertificate
  /** PEM texts; the key is nowhere else. */
  readonly certificate: string
  readonly key: string
}

const dayMs = 86_400_000
/** CRLs are good for so long, and made anew when fewer days are left: a list that ran out locks everybody out. */
const crlDays = 30
export const renewCrlBelowDays = 20
const mostClients = 100_000

export const clientFiles = (authority: Pick<Authority, 'dir'>) => ({
  list: join(authority.dir, 'clients.json'),
  crl: join(authority.dir, 'crl.pem')
})

/**
 * Every certificate issued, the oldest first; empty when none was.
 *
 * @throws {InfraFabricError} `edge.clients.unreadable`
 */
export async function listClients(authority: Pick<Authority, 'dir'>): Promise<readonly ClientCertificate[]> {
  const { list } = clientFiles(authority)
  try {
    const { clients } = JSON.parse(await readFile(list, 'utf8')) as { clients: readonly ClientCertificate[] }
    if (!Array.isArray(clients) || clients.length > mostClients) throw new Error('not a list')
    return clients
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return []
    throw new InfraFabricError('edge.clients.unreadable', `${list} cannot be read`, { cause })
  }
}

const keepClients = (authority: Authority, clients: readonly ClientCertificate[]): Promise<void> =>
  replaceFile(clientFiles(authority).list, `${JSON.stringify({ clients }, null, 2)}\n`)

const lockWaitMs = 10_000
const staleLockMs = 60_000

/**
 * Lets one process at a time change the list: an invite must not undo a revocation that was made meanwhile. A lock that a killed process left behind is
 * taken away after a minute.
 *
 * @throws {InfraFabricError} `edge.clients.locked`
 */
async function alone<T>({ dir }: Authority, change: () => Promise<T>): Promise<T> {
  const lock = join(dir, 'clients.lock')
  for (let waitedMs = 0; ; waitedMs += 50) {
    try {
      await mkdir(lock)
      break
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error
      const since = await stat(lock).then(({ mtimeMs }) => mtimeMs, Date.now)
      if (Date.now() - since > staleLockMs) await rm(lock, { recursive: true, force: true })
      else if (waitedMs >= lockWaitMs) throw new InfraFabricError('edge.clients.locked', `${lock} is held by another process`)
      else await pause(50)
    }
  }
  try {
    return await change()
  } finally {
    await rm(lock, { recursive: true, force: true })
  }
}

/**
 * Issues a certificate to an expert and notes it down. Certificates issued before stay good until they are revoked.
 *
 * @param nowMs wall clock, milliseconds since 1970.
 * @throws {InfraFabricError} `edge.certificate.request`, `edge.certificate.failed`
 */
export async function inviteClient(authority: Authority, { id, identity, days }: InviteRequest, nowMs: number): Promise<Invite> {
  const into = await mkdtemp(join(tmpdir(), 'invite-'))
  try {
    const issued = await issueCertificate(authority, {
      name: 'client',
      commonName: id,
      usage: 'client',
      subjectAltNames: [`URI:${identity}`],
      notBefore: new Date(nowMs - 3_600_000),
      notAfter: new Date(nowMs + days * dayMs),
      into
    })
    const certificate = await readFile(issued.certificate, 'utf8')
    const x509 = new X509Certificate(certificate)
    const client: ClientCertificate = {
      id,
      identity,
      serial: x509.serialNumber,
      fingerprint: createHash('sha256').update(x509.toString()).digest('hex'),
      notBefore: x509.validFromDate.toISOString(),
      notAfter: x509.validToDate.toISOString(),
      revokedAt: null,
      reason: null
    }
    await alone(authority, async () => keepClients(authority, [...(await listClients(authority)), client]))
    return { client, certificate: x509.toString(), key: await readFile(issued.key, 'utf8') }
  } finally {
    await rm(into, { recursive: true, force: true })
  }
}

/**
 * Revokes certificates and makes the CRL anew.
 *
 * @param which all of an expert, or the one with this serial.
 * @returns those that were good until now
 */
export async function revokeClients(
  authority: Authority,
  which: { readonly id: string } | { readonly serial: string },
  reason: string,
  nowMs: number
): Promise<readonly ClientCertificate[]> {
  const revokedAt = new Date(nowMs).toISOString()
  const isMeant = (client: ClientCertificate): boolean =>
    client.revokedAt === null && ('id' in which ? client.id === which.id : client.serial === which.serial.toUpperCase())
  return alone(authority, async () => {
    const clients = await listClients(authority)
    const after = clients.map((client) => (isMeant(client) ? { ...client, revokedAt, reason } : client))
    await keepClients(authority, after)
    await writeCrl(authority, nowMs)
    return after.filter((client, at) => client !== clients[at])
  })
}

/** Makes the CRL of the authority from the list. Expired certificates stay in it for as long as they are in the list. */
export async function writeCrl(authority: Authority, nowMs: number): Promise<void> {
  const clients = await listClients(authority)
  const work = await mkdtemp(join(tmpdir(), 'crl-'))
  try {
    const at = (file: string) => join(work, file)
    const lines = clients.map(({ serial, notAfter, revokedAt }) => {
      const state = revokedAt === null ? 'V' : 'R'
      const revoked = revokedAt === null ? '' : shortTime(revokedAt)
      return [state, shortTime(notAfter), revoked, serial, 'unknown', '/CN=client'].join('\t')
    })
    await writeFile(at('index'), lines.map((line) => `${line}\n`).join(''))
    await writeFile(at('index.attr'), 'unique_subject = no\n')
    await writeFile(at('number'), `${nowMs.toString(16).padStart(12, '0')}\n`)
    await writeFile(
      at('ca.conf'),
      [
        '[ca]\ndefault_ca=this\n[this]',
        `database=${at('index')}`,
        `crlnumber=${at('number')}`,
        `certificate=${authority.certificate}`,
        `private_key=${authority.key}`,
        'default_md=sha256\ncrl_extensions=extensions\n[extensions]\nauthorityKeyIdentifier=keyid',
        ''
      ].join('\n')
    )
    const from = new Date(nowMs - 3_600_000)
    const to = new Date(nowMs + crlDays * dayMs)
    await openssl(
      ...['ca', '-gencrl', '-config', at('ca.conf'), '-out', at('crl')],
      ...['-crl_lastupdate', asn1Time(from), '-crl_nextupdate', asn1Time(to)]
    )
    await replaceFile(clientFiles(authority).crl, await readFile(at('crl'), 'utf8'))
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** `YYMMDDHHMMSSZ`, as openssl keeps times in its index; years before 2050. */
const shortTime = (iso: string): string => asn1Time(new Date(iso)).slice(2)
