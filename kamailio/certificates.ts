/**
 * Certificates for development and tests, made with the openssl command: EC P-256, an authority of our own. Production brings its own.
 *
 * @see RFC 5922 (SIP URIs in subjectAltName)
 */
import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { InfraFabricError, makeFolder } from '#kernel'

const run = promisify(execFile)
const dayMs = 86_400_000

/** Runs openssl to its end. @throws {InfraFabricError} `edge.certificate.failed` with its last words */
export async function openssl(...args: string[]): Promise<void> {
  try {
    await run('openssl', args, { timeout: 20_000, maxBuffer: 1 << 20 })
  } catch (error) {
    const detail = error instanceof Error && 'stderr' in error ? String(error.stderr).trim().split('\n').at(-1) : String(error)
    throw new InfraFabricError('edge.certificate.failed', `openssl ${args[0]}: ${detail}`, { cause: error })
  }
}

async function newKey(path: string): Promise<void> {
  await openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', path)
  await chmod(path, 0o600)
}

/** An authority in a folder: `ca.pem` and `ca.key`. */
export interface Authority {
  readonly dir: string
  /** Certificate of the authority. */
  readonly certificate: string
  readonly key: string
}

/** Makes an authority in `dir`, or gives the one that is there. */
export async function createAuthority(dir: string, name = 'InfraFabric development'): Promise<Authority> {
  const authority: Authority = { dir, certificate: join(dir, 'ca.pem'), key: join(dir, 'ca.key') }
  if (existsSync(authority.certificate) && existsSync(authority.key)) return authority
  makeFolder(dir)
  await newKey(authority.key)
  await openssl(
    ...[
      'req',
      '-x509',
      '-new',
      '-sha256',
      '-key',
      authority.key,
      '-days',
      '3650',
      '-subj',
      `/CN=${name}`,
      '-out',
      authority.certificate
    ],
    ...['-addext', 'keyUsage=critical,keyCertSign,cRLSign']
  )
  return authority
}

export interface CertificateRequest {
  /** Base of the file names: `<name>.pem`, `<name>.key`. */
  readonly name: string
  readonly commonName: string
  readonly usage: 'server' | 'client'
  /** subjectAltName entries: `DNS:edge.example`, `IP:127.0.0.1`, `URI:sip:expert@example`. */
  readonly subjectAltNames?: readonly string[]
  /** Default: an hour ago, and 365 days from now. */
  readonly notBefore?: Date
  readonly notAfter?: Date
  /** Folder for the files. Default: the authority's. */
  readonly into?: string
}

export interface IssuedCertificate {
  readonly certificate: string
  readonly key: string
}

const nameForm = /^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}$/
const altNameForm = /^(?:DNS|IP|URI):[\x21-\x2b\x2d-\x7e]{1,200}$/

/** `YYYYMMDDHHMMSSZ`, as openssl wants it. */
export const asn1Time = (date: Date) => `${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`

/** Issues a certificate. What was under that name is replaced at once, never half. @throws {InfraFabricError} `edge.certificate.request`, `edge.certificate.failed` */
export async function issueCertificate(authority: Authority, request: CertificateRequest): Promise<IssuedCertificate> {
  const { name, commonName, usage, subjectAltNames = [] } = request
  if (!nameForm.test(name) || !nameForm.test(commonName) || !subjectAltNames.every((entry) => altNameForm.test(entry))) {
    throw new InfraFabricError(
      'edge.certificate.request',
      `not a certificate that can be asked for: ${JSON.stringify({ name, commonName, subjectAltNames })}`
    )
  }
  const into = request.into ?? authority.dir
  const issued: IssuedCertificate = { certificate: join(into, `${name}.pem`), key: join(into, `${name}.key`) }
  const work = await mkdtemp(join(tmpdir(), 'certificate-'))
  try {
    const at = (file: string) => join(work, file)
    const extensions = [
      'basicConstraints=critical,CA:FALSE',
      'keyUsage=critical,digitalSignature',
      `extendedKeyUsage=${usage}Auth`,
      ...(subjectAltNames.length === 0 ? [] : [`subjectAltName=${subjectAltNames.join(',')}`])
    ]
    await writeFile(at('index'), '')
    await writeFile(
      at('serial'),
      `${Date.now().toString(16).padStart(12, '0')}${Math.floor(Math.random() * 2 ** 32)
        .toString(16)
        .padStart(8, '0')}\n`
    )
    await writeFile(
      at('ca.conf'),
      [
        '[ca]\ndefault_ca=this\n[this]',
        `database=${at('index')}`,
        `serial=${at('serial')}`,
        `new_certs_dir=${work}`,
        `certificate=${authority.certificate}`,
        `private_key=${authority.key}`,
        'default_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\n[extensions]',
        ...extensions,
        ''
      ].join('\n')
    )
    await newKey(at('key'))
    await openssl('req', '-new', '-sha256', '-key', at('key'), '-subj', `/CN=${commonName}`, '-out', at('request'))
    await openssl(
      ...[
        'ca',
        '-batch',
        '-notext',
        '-config',
        at('ca.conf'),
        '-extensions',
        'extensions',
        '-in',
        at('request'),
        '-out',
        at('certificate')
      ],
      ...['-startdate', asn1Time(request.notBefore ?? new Date(Date.now() - 3_600_000))],
      ...['-enddate', asn1Time(request.notAfter ?? new Date(Date.now() + 365 * dayMs))]
    )
    await moveInto(at('key'), issued.key)
    await moveInto(at('certificate'), issued.certificate)
    return issued
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Across file systems, too: copied beside the target, then renamed. */
const moveInto = async (source: string, target: string): Promise<void> => replaceFile(target, readFileSync(source, 'utf8'))

/** Puts a private file in place of what was there, at once and never half. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const beside = `${path}.${process.pid}.new`
  await writeFile(beside, text, { mode: 0o600, flush: true })
  await rename(beside, path)
}

export interface CertificateCheck {
  /** Whole days until it expires; negative once it has. */
  readonly daysLeft: number
  readonly notBefore: Date
  readonly notAfter: Date
  /** Hexadecimal. */
  readonly serial: string
  readonly state: 'good' | 'expiring' | 'expired' | 'notYetValid'
}

/** Fewer days than this are worth a warning. */
const warnBelowDays = 30

/** Reads a certificate's dates. @throws {InfraFabricError} `edge.certificate.unreadable` */
export function checkCertificate(path: string, nowMs: number): CertificateCheck {
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(readFileSync(path))
  } catch (error) {
    throw new InfraFabricError('edge.certificate.unreadable', `${path} is no certificate that can be read`, { cause: error })
  }
  const notAfter = certificate.validToDate
  const daysLeft = Math.floor((notAfter.getTime() - nowMs) / dayMs)
  const state =
    notAfter.getTime() <= nowMs
      ? 'expired'
      : certificate.validFromDate.getTime() > nowMs
        ? 'notYetValid'
        : daysLeft < warnBelowDays
          ? 'expiring'
          : 'good'
  return { daysLeft, notBefore: certificate.validFromDate, notAfter, serial: certificate.serialNumber, state }
}
