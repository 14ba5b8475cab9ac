/** Questions to the Domain Name System, by Node's resolver. */
import { promises as dns, lookup } from 'node:dns'
import { isIP } from 'node:net'
import { parseHostPort } from '../codec/uri.ts'
import { noRecords, type Question, type Records } from './resolution.ts'

export interface Answer {
  readonly records: Records
  /** How long it may be kept; null where the answer does not tell. */
  readonly ttlS: number | null
}

export interface NameService {
  /** Answers once; null when no server gave an answer. A name that is not there has an answer, with no records. */
  readonly ask: (question: Question, answered: (answer: Answer | null) => void) => void
  /** Questions under way are given up: null. */
  readonly close: () => void
}

export interface NameServiceConfig {
  /** Name servers, as `192.0.2.53`, `192.0.2.53:5353` or `[2001:db8::53]:53`. Default: those of the system. */
  readonly servers?: readonly string[]
  /** For each of two tries. Default 1500. */
  readonly timeoutMs?: number
}

const absent = new Set(['ENOTFOUND', 'ENODATA'])
const maxRecords = 64

export function createNameService(config: NameServiceConfig = {}): NameService {
  const resolver = new dns.Resolver({ timeout: config.timeoutMs ?? 1500, tries: 2 })
  if (config.servers !== undefined) resolver.setServers(config.servers)

  const addresses = async (name: string): Promise<Answer> => {
    const families = await Promise.allSettled([resolver.resolve4(name, { ttl: true }), resolver.resolve6(name, { ttl: true })])
    const found = families.flatMap((each) => (each.status === 'fulfilled' ? each.value.slice(0, maxRecords) : []))
    if (found.length > 0) {
      const ttlS = Math.min(...found.map(({ ttl }) => ttl))
      return { records: { ...noRecords, addresses: found.map(({ address }) => address) }, ttlS }
    }
    // The system knows more ways to a name than name servers: search domains, mDNS. Servers given by configuration are meant to be all.
    if (config.servers === undefined) return { records: { ...noRecords, addresses: await systemAddresses(name) }, ttlS: null }
    const failure = families.find((each) => each.status === 'rejected' && !isAbsent(each.reason))
    if (failure?.status === 'rejected') throw failure.reason
    return { records: noRecords, ttlS: null }
  }

  const find = async ({ type, name }: Question): Promise<Answer> => {
    if (type === 'ADDRESS') return addresses(name)
    if (type === 'SRV')
      return { records: { ...noRecords, srv: (await resolver.resolveSrv(name)).slice(0, maxRecords) }, ttlS: null }
    return { records: { ...noRecords, naptr: (await resolver.resolveNaptr(name)).slice(0, maxRecords) }, ttlS: null }
  }

  return {
    ask: (question, answered) => {
      find(question).then(answered, (error: unknown) => answered(isAbsent(error) ? { records: noRecords, ttlS: null } : null))
    },
    close: () => resolver.cancel()
  }
}

/** What is wrong with a configuration, each with its path; empty when nothing is. */
export function nameServiceProblems({ servers, timeoutMs }: NameServiceConfig): string[] {
  const problems: string[] = []
  if (servers?.length === 0) problems.push('servers: at least one, or none given')
  for (const [index, server] of (servers ?? []).entries()) {
    const where = parseHostPort(isIP(server) === 6 ? `[${server}]` : server)
    if (where === undefined || isIP(where.host) === 0) problems.push(`servers[${index}]: an address, or address:port`)
  }
  if (timeoutMs !== undefined && !(timeoutMs >= 1 && timeoutMs <= 60_000)) problems.push('timeoutMs: 1 to 60000')
  return problems
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && absent.has(String(error.code))
}

function systemAddresses(name: string): Promise<string[]> {
  return new Promise((resolve) => {
    lookup(name, { all: true }, (error, found) => resolve(error ? [] : found.slice(0, maxRecords).map(({ address }) => address)))
  })
}
