import { mkdtemp, readFile, rm } from 'node:fs/promises'
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
