/** Certificates of the edge and of experts while the suite runs: whom the edge trusts, what was revoked, what runs out soon. */
import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Gauge, type Registry } from 'prom-client'
import {
  type Authority,
  type ClientCertificate,
  checkCertificate,
  clientFiles,
  type Edge,
  type EdgeConfig,
  listClients,
  renewCrlBelowDays,
  writeCrl
} from '#kamailio'
import { type Clock, errorCode, fileVersion, followTlsFiles, type Log, newTraceId, type Witness } from '#kernel'
import { writePrivateFile } from '../data/files.ts'
import type { DataLayout } from '../data/layout.ts'
import type { SuiteConfig } from '../settings/settings.ts'

/** Days left at which a certificate is told of, once each. */
const warnDays = [30, 7, 1] as const

const dayMs = 86_400_000
const checkMs = 6 * 3_600_000
const lookMs = 1_000

/** A certificate whose days are counted. */
export interface Dated {
  /** `server`, `authority`, or the registry id of an expert: safe as a metric label. */
  readonly name: string
  readonly serial: string
  readonly notBefore: number
  readonly notAfter: number
}

export interface Expiry extends Dated {
  /** Whole days left; negative once it has expired. */
  readonly daysLeft: number
  /** The least of {@link warnDays} that has been reached; 0 once it has expired. */
  readonly threshold: number
}

/**
 * Certificates that have reached a threshold. One that was issued for hardly longer than a threshold is not told of at it: a certificate for thirty days would be
 * from its beginning.
 */
export function expiring(certificates: readonly Dated[], nowMs: number): Expiry[] {
  return certificates.flatMap((certificate) => {
    const { notBefore, notAfter } = certificate
    const daysLeft = Math.floor((notAfter - nowMs) / dayMs)
    const lifeDays = (notAfter - notBefore) / dayMs
    const reached = warnDays.filter((days) => notAfter - nowMs < days * dayMs && lifeDays > 1.2 * days)
    const threshold = notAfter <= nowMs ? 0 : reached.length === 0 ? null : Math.min(...reached)
    return threshold === null ? [] : [{ ...certificate, daysLeft, threshold }]
  })
}

/** The newest good certificate of each expert: who has a new one is not warned of the old one. */
export function currentClients(clients: readonly ClientCertificate[]): Dated[] {
  const newest = new Map<string, Dated>()
  for (const { id, serial, notBefore, notAfter, revokedAt } of clients) {
    if (revokedAt !== null) newest.delete(id)
    else newest.set(id, { name: id, serial, notBefore: Date.parse(notBefore), notAfter: Date.parse(notAfter) })
  }
  return [...newest.values()]
}

/** Of the authorities of phones in a PEM file the one that expires first. @throws where a certificate in it cannot be read, or there is none */
export function firstToExpire(pem: string): Dated {
  const found = pem.match(/-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/gs) ?? ['']
  return found
    .map((each) => new X509Certificate(each))
    .map(({ serialNumber, validFromDate, validToDate }) => ({
      name: 'authority',
      serial: serialNumber,
      notBefore: validFromDate.getTime(),
      notAfter: validToDate.getTime()
    }))
    .reduce((first, each) => (each.notAfter < first.notAfter ? each : first))
}

type Trust = Pick<EdgeConfig['tls'], 'ca' | 'crl' | 'revoked'>

/** The authority that invites experts: in development the one of the data folder, in production one that `ifctl expert invite` made there. */
const authorityOf = ({ authority: dir }: DataLayout): Authority | null => {
  const authority: Authority = { dir, certificate: join(dir, 'ca.pem'), key: join(dir, 'ca.key') }
  return existsSync(authority.certificate) && existsSync(authority.key) ? authority : null
}

/**
 * Whom the edge trusts with client certificates, in files of its folder.
 *
 * A list of revocations has to be there for each authority (Kamailio then asks for it). Where the operator's has none, invited experts are not trusted: else
 * nobody could be kept out.
 */
export async function trustOf(
  config: SuiteConfig,
  layout: DataLayout,
  warn: (code: string, message: string) => void
): Promise<Trust> {
  const authority = authorityOf(layout)
  const clients = authority === null ? [] : await listClients(authority)
  const revoked = clients.filter(({ revokedAt }) => revokedAt !== null).map(({ fingerprint }) => fingerprint)
  const own = clientFiles({ dir: layout.authority }).crl
  if (config.certificates === null) return existsSync(own) ? { ca: layout.ca, crl: own, revoked } : { ca: layout.ca, revoked }
  if (config.certificates.crl === null) {
    if (clients.length > 0)
      warn(
        'suite.certificates.crl',
        'invited experts are not trusted: certificates.crl, the revocations of certificates.ca, is not given'
      )
    return { ca: layout.ca, revoked }
  }
  const joined = { ca: join(layout.edge, 'authorities.pem'), crl: join(layout.edge, 'revocations.pem') }
  const invites = authority !== null && existsSync(own) ? { ca: [authority.certificate], crl: [own] } : { ca: [], crl: [] }
  await writePrivateFile(joined.ca, await texts(layout.ca, ...invites.ca))
  await writePrivateFile(joined.crl, await texts(config.certificates.crl, ...invites.crl))
  return { ...joined, revoked }
}

const texts = async (...paths: readonly string[]): Promise<string> =>
  (await Promise.all(paths.map((path) => readFile(path, 'utf8')))).join('\n')

/** Makes the list of revocations where there is none or it runs out soon: one that has run out locks everybody out. */
export async function renewRevocations(layout: DataLayout, nowMs: number): Promise<void> {
  const authority = authorityOf(layout)
  if (authority === null) return
  const made = await stat(clientFiles(authority).crl).then(
    ({ mtimeMs }) => mtimeMs,
    () => Number.NEGATIVE_INFINITY
  )
  if (nowMs - made > (30 - renewCrlBelowDays) * dayMs) await writeCrl(authority, nowMs)
}

export interface CertificateWatchOptions {
  readonly config: SuiteConfig
  readonly layout: DataLayout
  readonly edge: Pick<Edge, 'reloadRevocations' | 'reloadCertificate'>
  /** Null where no ledger is in reach: the warnings stand alone. */
  readonly witness: Witness | null
  readonly figures: Registry
  readonly clock: Clock
  readonly log: Log
  readonly warn: (code: string, message: string) => void
}

/**
 * Brings what was revoked, and a certificate of the server or authorities that were replaced, to the edge within a few seconds, and tells of certificates that
 * run out: by log and event, in the ledger, and as the metric `certificate_days_left`. The ledger is told once of each threshold, whatever restarts there are
 * between.
 *
 * @returns how to stop watching, after the first look at all of them.
 */
export async function watchCertificates(options: CertificateWatchOptions): Promise<() => Promise<void>> {
  const { config, layout, edge, witness, figures, clock, log, warn } = options
  const traceId = newTraceId()
  const toldFile = join(layout.authority, 'expiry-told.json')
  let stopped = false
  let cancelLook = (): void => undefined
  let cancelCheck = (): void => undefined
  let work: Promise<unknown> = Promise.resolve()
  let known: string | null = null
  let isStart = true
  const { list, crl: ownRevocations } = clientFiles({ dir: layout.authority })
  const watched = [list, ownRevocations, layout.ca, ...(config.certificates?.crl == null ? [] : [config.certificates.crl])]

  const dated = async (): Promise<Dated[]> => {
    const server = checkCertificate(layout.certificate, clock.now())
    const { notBefore, notAfter, serial } = server
    const clients = currentClients(await listClients({ dir: layout.authority }))
    const own = { name: 'server', serial, notBefore: notBefore.getTime(), notAfter: notAfter.getTime() }
    return [own, firstToExpire(await readFile(layout.ca, 'utf8')), ...clients]
  }
  new Gauge({
    name: 'certificate_days_left',
    help: 'Days until the certificate of the edge (server) or the newest one of an expert expires',
    labelNames: ['certificate'] as const,
    registers: [figures],
    async collect() {
      this.reset()
      for (const { name, notAfter } of await dated().catch(() => []))
        this.set({ certificate: name }, Math.floor((notAfter - clock.now()) / dayMs))
    }
  })

  const check = async (): Promise<void> => {
    await renewRevocations(layout, clock.now())
    const told = await readTold(toldFile)
    let changed = false
    for (const { name, serial, daysLeft, threshold, notAfter } of expiring(await dated(), clock.now())) {
      const isFresh = threshold < (told[serial] ?? Number.POSITIVE_INFINITY)
      if (!isFresh && !isStart) continue
      const of =
        { server: 'the server certificate', authority: 'an authority of phones’ certificates' }[name] ??
        `the certificate of ${name}`
      const how = threshold === 0 ? 'has expired' : `expires in ${daysLeft} days`
      const code = { server: 'suite.certificate', authority: 'suite.certificate.authority' }[name] ?? 'suite.certificate.expert'
      warn(code, `${of} ${how}`)
      if (!isFresh) continue
      const payload = { certificate: name, serial, daysLeft, threshold, notAfter: new Date(notAfter).toISOString() }
      await witness?.record({ component: 'IF.guard', event: 'certificate_expiring', traceId, payload })
      told[serial] = threshold
      changed = true
    }
    isStart = false
    if (changed) await writePrivateFile(toldFile, `${JSON.stringify(told)}\n`)
  }
  const look = async (): Promise<void> => {
    const now = watched.map(fileVersion).join(', ')
    if (now === known) return
    const isFirst = known === null
    known = now
    if (isFirst) return
    const { revoked = [] } = await trustOf(config, layout, warn)
    await edge.reloadRevocations(revoked)
    log.info({ revoked: revoked.length }, 'authorities and revocations reached the edge')
  }
  const turn = (task: () => Promise<void>, code: string): Promise<void> => {
    const done = work.then(task).catch((error: unknown) => warn(code, `${code}: ${errorCode(error)}`))
    work = done
    return done
  }
  const lookOn = async (): Promise<void> => {
    await turn(look, 'suite.revocations')
    if (!stopped) cancelLook = clock.after(lookMs, () => void lookOn())
  }
  const checkOn = async (): Promise<void> => {
    await turn(check, 'suite.certificate.check')
    if (!stopped) cancelCheck = clock.after(checkMs, () => void checkOn())
  }
  const replaced = async (): Promise<void> => {
    await edge.reloadCertificate()
    const { serial, notAfter } = checkCertificate(layout.certificate, clock.now())
    const payload = { certificate: 'server', serial, notAfter: notAfter.toISOString() }
    await witness?.record({ component: 'IF.guard', event: 'certificate_replaced', traceId, payload })
    await turn(check, 'suite.certificate.check')
  }
  const stopFollowing = followTlsFiles(
    { certificate: layout.certificate, key: layout.certificateKey },
    { clock, log },
    replaced,
    (error) =>
      warn(
        'suite.certificate.refused',
        `the new server certificate is not taken, the one before stays in force: ${errorCode(error)}`
      )
  )
  await Promise.all([lookOn(), checkOn()])
  return async () => {
    stopped = true
    stopFollowing()
    cancelLook()
    cancelCheck()
    await work
    figures.removeSingleMetric('certificate_days_left')
  }
}

async function readTold(path: string): Promise<Record<string, number>> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch {
    return {}
  }
}
