/** Fetches certificates from addresses that callers name, without becoming their tool. */
import { Resolver } from 'node:dns/promises'
import { request } from 'node:https'
import { isIP } from 'node:net'
import type { Clock } from '#kernel'
import { isPublicAddress } from './addresses.ts'

export interface FetchRules {
  /** Hosts that may be asked, in lower case; null for any, which is safe for us but lets callers choose whom we ask. */
  readonly hosts: readonly string[] | null
  /** Default: 443 and 8443. */
  readonly ports?: readonly number[]
  /** Whole time of resolving, connecting and reading, milliseconds. Default 800. */
  readonly timeoutMs?: number
  /** Default 65,536. */
  readonly maxOctets?: number
  /** Authorities of the servers, PEM; default: those of Node. */
  readonly tlsAuthorities?: string
  /** Addresses of a host. Default: asked of the system's name servers. */
  readonly resolve?: (host: string) => Promise<readonly string[]>
  /** Which addresses may be asked. Default: those of the public Internet. */
  readonly mayAsk?: (address: string) => boolean
}

/** What came of it. `maxAgeSeconds` is what the server says of caching, null when it says nothing. */
export type Fetched =
  | { readonly ok: true; readonly text: string; readonly maxAgeSeconds: number | null }
  | { readonly ok: false; readonly reason: string }

const defaults = { ports: [443, 8443], timeoutMs: 800, maxOctets: 65_536 } as const

/** Not by `dns.lookup`, which keeps a thread of the process's pool waiting for name servers that a caller may have chosen. */
async function systemResolve(host: string): Promise<readonly string[]> {
  const resolver = new Resolver({ timeout: 500, tries: 1 })
  const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
}

/** Why a URL may not be asked; null when it may. */
export function refusedUrl(text: string, { hosts, ports = defaults.ports }: Pick<FetchRules, 'hosts' | 'ports'>): string | null {
  if (!URL.canParse(text)) return 'not a URL'
  const url = new URL(text)
  if (url.protocol !== 'https:') return 'only https is asked'
  if (url.username !== '' || url.password !== '') return 'a URL with credentials is not asked'
  if (isIP(url.hostname.replace(/^\[|\]$/g, '')) !== 0) return 'an address in place of a name is not asked'
  if (!ports.includes(url.port === '' ? 443 : Number(url.port))) return 'this port is not asked'
  if (hosts !== null && !hosts.includes(url.hostname.toLowerCase())) return 'this host is not among those that are asked'
  return null
}

/**
 * GET of one URL. All addresses of the name have to be allowed, and the connection goes to one that was looked at: the name is not resolved a second time.
 * Redirects are not followed.
 *
 * @returns never throws and never rejects
 */
export async function fetchText(text: string, rules: FetchRules, clock: Clock, signal: AbortSignal): Promise<Fetched> {
  const refusal = refusedUrl(text, rules)
  if (refusal !== null) return { ok: false, reason: refusal }
  const { timeoutMs = defaults.timeoutMs, resolve = systemResolve, mayAsk = isPublicAddress } = rules
  const over = new AbortController()
  const cancel = clock.after(timeoutMs, () => over.abort(new Error(`no answer within ${timeoutMs} ms`)))
  const either = AbortSignal.any([signal, over.signal])
  try {
    const url = new URL(text)
    const addresses = await until(resolve(url.hostname), either)
    if (addresses.length === 0) return { ok: false, reason: 'the name has no address' }
    if (!addresses.every((address) => isIP(address) !== 0 && mayAsk(address)))
      return { ok: false, reason: 'the name leads to an address that is not asked' }
    return await get(url, addresses[0]!, rules, either)
  } catch (error) {
    const reason =
      error instanceof Error ? (either.aborted ? String(either.reason?.message ?? 'given up') : error.message) : 'failed'
    return { ok: false, reason: reason.slice(0, 200) }
  } finally {
    cancel()
  }
}

function until<T>(wanted: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => reject(new Error('given up'))
    if (signal.aborted) return aborted()
    signal.addEventListener('abort', aborted, { once: true })
    wanted.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted))
  })
}

function get(url: URL, address: string, rules: FetchRules, signal: AbortSignal): Promise<Fetched> {
  const { maxOctets = defaults.maxOctets, tlsAuthorities } = rules
  const { promise, resolve, reject } = Promise.withResolvers<Fetched>()
  const asked = request(
    url,
    {
      agent: false,
      headers: { accept: 'application/pem-certificate-chain, application/x-pem-file, */*;q=0.1' },
      lookup: (_host, options, found) => {
        const family = isIP(address)
        if (options.all === true) found(null, [{ address, family }])
        else found(null, address, family)
      },
      maxHeaderSize: 16_384,
      minVersion: 'TLSv1.2',
      signal,
      ...(tlsAuthorities === undefined ? {} : { ca: tlsAuthorities })
    },
    (response) => {
      const end = (fetched: Fetched): void => {
        resolve(fetched)
        asked.destroy()
      }
      if (response.statusCode !== 200) return end({ ok: false, reason: `answered with ${response.statusCode}` })
      const chunks: Buffer[] = []
      let octets = 0
      response.on('data', (chunk: Buffer) => {
        octets += chunk.length
        if (octets > maxOctets) return end({ ok: false, reason: `larger than ${maxOctets} octets` })
        chunks.push(chunk)
      })
      response.on('end', () =>
        end({
          ok: true,
          text: Buffer.concat(chunks).toString('latin1'),
          maxAgeSeconds: maxAge(response.headers['cache-control'])
        })
      )
      response.on('error', reject)
    }
  )
  asked.on('error', reject)
  asked.end()
  return promise
}

function maxAge(header: string | undefined): number | null {
  if (header === undefined) return null
  if (/(?:^|,)\s*no-(?:store|cache)\b/i.test(header)) return 0
  const match = /(?:^|,)\s*max-age=(\d{1,9})(?:\s*(?:,|$))/i.exec(header)
  return match === null ? null : Number(match[1])
}
