/** Where the octets of a log come from. Nothing that a source says is taken for true. */
import type { OfflineRate } from '../../export/offline-data.ts'
import { concat } from './octets.ts'

export const tileWidth = 256

/** Checkpoints, oldest first. */
export interface HistoryPage {
  readonly checkpoints: readonly string[]
  /** What the page before this one is asked by; null where there is none. */
  readonly previous: string | null
}

export interface LogSource {
  /** What models cost, as the keeper reckons. */
  readonly rates: () => Promise<readonly OfflineRate[]>
  /** Newest checkpoint: a signed note. */
  readonly checkpoint: () => Promise<string>
  /** Up to 256 entries, each behind its length. @see C2SP tlog-tiles */
  readonly bundle: (index: number, width: number) => Promise<Uint8Array>
  /** Up to 256 hashes of 32 octets; null for a source without tiles. */
  readonly tile: ((level: number, index: number, width: number) => Promise<Uint8Array>) | null
  /** Checkpoints published so far, page by page from the newest: the first page has each under which a key took over as well. */
  readonly history: (before: string | null) => Promise<HistoryPage>
}

/** The source did not give what was asked for. */
export class SourceError extends Error {
  /** HTTP status; 0 where there was no answer. */
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** `x001/x234/067`, and `.p/8` for a tile that is not full. @see C2SP tlog-tiles */
export function tilePath(index: number, width: number): string {
  const groups: string[] = []
  for (let rest = index; groups.length === 0 || rest > 0; rest = Math.floor(rest / 1000))
    groups.unshift(`${groups.length === 0 ? '' : 'x'}${String(rest % 1000).padStart(3, '0')}`)
  return `${groups.join('/')}${width === tileWidth ? '' : `.p/${width}`}`
}

const mostOctets = { note: 65_536, tile: 8192, bundle: tileWidth * 65_537, history: 16 << 20 }
const withinMs = 30_000
const mostTries = 8

/**
 * The log's own service, on the page's origin.
 *
 * @param token bearer token of an auditor
 */
export function httpSource(token: string, base = ''): LogSource {
  const ask = async (path: string, most: number): Promise<Uint8Array> => {
    for (let tries = 1; ; tries++) {
      let response: Response
      try {
        response = await fetch(base + path, {
          headers: { authorization: `Bearer ${token}` },
          signal: AbortSignal.timeout(withinMs),
          redirect: 'error',
          credentials: 'omit'
        })
      } catch {
        throw new SourceError(0, `No answer for ${path}.`)
      }
      if (response.ok) return readLimited(response, path, most)
      await response.body?.cancel()
      if (response.status !== 429 || tries === mostTries) throw new SourceError(response.status, messageOf(response.status, path))
      const seconds = Math.min(30, Math.max(1, Number(response.headers.get('retry-after')) || 1))
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
    }
  }
  const text = async (path: string, most: number) => new TextDecoder().decode(await ask(path, most))
  return {
    checkpoint: () => text('/checkpoint', mostOctets.note),
    bundle: (index, width) => ask(`/tile/entries/${tilePath(index, width)}`, mostOctets.bundle),
    tile: (level, index, width) => ask(`/tile/${level}/${tilePath(index, width)}`, mostOctets.tile),
    rates: async () => {
      const { rates } = parseJson(await text('/v1/rates', mostOctets.history))
      if (!Array.isArray(rates)) throw new SourceError(200, 'The rates are not of their form.')
      return rates as OfflineRate[]
    },
    history: async (before) => {
      const query = before === null ? '' : `?${new URLSearchParams({ before })}`
      const { checkpoints, previous } = parseJson(await text(`/v1/checkpoints${query}`, mostOctets.history))
      const notes = Array.isArray(checkpoints) ? checkpoints : [null]
      if (!notes.every((note) => typeof note === 'string') || (previous !== null && typeof previous !== 'string'))
        throw new SourceError(200, 'The history of checkpoints is not of its form.')
      return { checkpoints: notes, previous }
    }
  }
}

function parseJson(text: string): { readonly checkpoints?: unknown; readonly previous?: unknown; readonly rates?: unknown } {
  try {
    return Object(JSON.parse(text))
  } catch {
    return {}
  }
}

function messageOf(status: number, path: string): string {
  if (status === 401) return 'The token is not known to the service, or has been revoked.'
  if (status === 403) return 'This token is not for auditors.'
  if (status === 404) return `The service has nothing at ${path}.`
  return `The service answered ${status} for ${path}.`
}

async function readLimited(response: Response, path: string, most: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  try {
    const reader = response.body?.getReader()
    for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
      length += part.value.length
      if (length > most) throw new SourceError(200, `The answer for ${path} is longer than it can be.`)
      parts.push(part.value)
    }
  } catch (error) {
    throw error instanceof SourceError ? error : new SourceError(0, `The answer for ${path} broke off.`)
  }
  return concat(...parts)
}
