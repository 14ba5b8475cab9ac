import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { silentLog } from '#kernel'
import { type LedgerEntry, ledgerFiles, readEntries, type Verification, verifyLedger } from '#ledger'
import { RtpPhone, type RtpPhoneOptions, sine } from '#media'
import { readCredentials, type Suite, type SuiteEvent, type SuiteOptions, type SuiteSettings, startSuite } from '#suite'
import { openPhone, type Phone, type PhoneOptions } from '../../gateways/sip/testing/phone.ts'

/** What an external edge would vouch for: for suites without Kamailio. */
export const edgeHeaders = (user: string): Record<string, string> => ({
  'X-IF-Edge-Source': '127.0.0.1',
  'X-IF-Edge-Transport': 'tls',
  'X-IF-Edge-TLS-Version': 'TLSv1.3',
  'X-IF-Edge-User': user,
  'X-IF-Edge-Digest': 'SHA-256',
  'X-IF-Edge-Layers': 'pike,allowlist,tls,digest,rate'
})

/** A new empty folder that goes with the test. */
export async function temporaryFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'suite '))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A data folder whose registry has one expert, for safety, and some Guardians. @param contact where the expert is called out */
export async function folderWithExpert(
  t: ExecutionContext,
  contact: string,
  { host = 'external.advisor', guardians = [] }: { readonly host?: string; readonly guardians?: readonly string[] } = {}
): Promise<string> {
  const data = join(await temporaryFolder(t), 'data')
  await mkdir(data, { mode: 0o700 })
  const seats = guardians.map((id) => `  - { id: ${id}, uri: "sip:${id}@council.local", digestUser: ${id} }`)
  const lines = [
    'experts:',
    '  - id: expert-safety',
    `    uri: sip:expert-safety@${host}`,
    '    organisation: Advisory',
    '    specialisations: [safety]',
    '    digestUser: expert-safety',
    `    contact: ${contact}`,
    ...(seats.length === 0 ? [] : ['guardians:', ...seats])
  ]
  await writeFile(join(data, 'registry.yaml'), `${lines.join('\n')}\n`)
  return data
}

export interface RunningSuite {
  readonly suite: Suite
  readonly events: SuiteEvent[]
  readonly entries: () => LedgerEntry[]
  readonly entriesOf: (event: string) => LedgerEntry[]
  readonly verify: () => Promise<Verification>
  /** A registered user's phone, through the edge. */
  readonly phone: (id: string, options?: Partial<PhoneOptions>) => Promise<Phone>
  readonly rtp: (options?: RtpPhoneOptions) => Promise<RtpPhone>
}

/** A suite on free ports in a folder of its own, gone with the test. */
export async function runSuite(
  t: ExecutionContext,
  settings: SuiteSettings = {},
  options: Pick<SuiteOptions, 'callPorts'> = {}
): Promise<RunningSuite> {
  const events: SuiteEvent[] = []
  const data = settings.data ?? (await temporaryFolder(t))
  const suite = await startSuite(
    {
      listen: { tls: 0 },
      logLevel: 'silent',
      ...settings,
      limits: { requestsPer10s: 1000, callsPerMinute: 100, ...settings.limits },
      data
    },
    { ...options, log: silentLog, onEvent: (event) => events.push(event) }
  )
  t.teardown(() => suite.stop())
  const files = ledgerFiles(suite.data.ledger)
  const entries = () => readEntries(files.database)
  return {
    suite,
    events,
    entries,
    entriesOf: (event) => entries().filter((entry) => entry.event === event),
    verify: () => verifyLedger(files.database, { vkey: suite.vkey, publishedPath: files.published }),
    phone: async (id, options = {}) => {
      const user = suite.inside.guard.registry().byId(id)!
      const tls = suite.addresses.tls
      const credentials = tls === null ? { users: {} } : await readCredentials(suite.data.credentials)
      const phone = await openPhone({
        uri: user.uri,
        digestUser: user.digestUser,
        port: tls?.port ?? suite.addresses.appTcp.port,
        ...(tls === null
          ? {}
          : { ca: await readFile(suite.data.ca, 'utf8'), password: credentials.users[user.digestUser]!.password! }),
        ...options
      })
      t.teardown(phone.close)
      return phone
    },
    rtp: async (options = {}) => {
      const phone = await RtpPhone.open(options)
      t.teardown(() => phone.close())
      return phone
    }
  }
}

/** A tone of 2 s that joins up with itself. */
export const tone = (frequencyHz: number): Int16Array => sine(8000, frequencyHz, -12, 16_000)

/** Waits until something is so, at most `timeoutMs`. */
export async function until(what: () => boolean | Promise<boolean>, timeoutMs = 10_000, why = 'waited in vain'): Promise<void> {
  for (const deadline = Date.now() + timeoutMs; !(await what()); ) {
    if (Date.now() > deadline) throw new Error(why)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
