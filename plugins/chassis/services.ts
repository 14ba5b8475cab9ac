/**
 * Services whose secrets sandboxes have used without ever seeing them.
 *
 *     {"council-key": {"kind": "hmac-sha256", "secret": "…"},
 *      "mail": {"kind": "http", "origin": "https://mail.example", "header": "authorization", "secret": "Bearer …"}}
 */
import { createHmac } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { ConfigError, InfraFabricError } from '#kernel'

export type Service =
  | { readonly kind: 'hmac-sha256'; readonly secret: string }
  | { readonly kind: 'http'; readonly origin: string; readonly header: string; readonly secret: string }

export type Services = ReadonlyMap<string, Service>

const maxFileOctets = 256 << 10
const maxAnswerOctets = 64 << 10
const httpTimeoutMs = 10_000
export const servicePattern = /^[a-z0-9][a-z0-9.-]{0,63}$/

function problemOf(name: string, service: Record<string, unknown> | null): string | null {
  if (!servicePattern.test(name)) return `${JSON.stringify(name).slice(0, 80)}: expected a name of 1-64 characters of a-z 0-9 . -`
  // shorter ones could be found by trying, and blotting them out of answers would blot out other things
  if (typeof service?.secret !== 'string' || service.secret.length < 8) return `${name}: secret: expected at least 8 characters`
  if (service.kind === 'hmac-sha256') return null
  if (service.kind !== 'http') return `${name}: kind: expected hmac-sha256 or http`
  if (typeof service.header !== 'string' || !/^[a-z0-9-]{1,64}$/.test(service.header))
    return `${name}: header: expected a-z 0-9 -`
  const url = typeof service.origin === 'string' && URL.canParse(service.origin) ? new URL(service.origin) : null
  if (url === null || url.origin !== service.origin || !/^https?:$/.test(url.protocol))
    return `${name}: origin: expected https://HOST`
  const loopback = /^(127\.\d+\.\d+\.\d+|\[::1\]|localhost)$/.test(url.hostname)
  return url.protocol === 'https:' || loopback ? null : `${name}: origin: plain HTTP only to this machine`
}

/**
 * Reads the file of services; no services where there is none.
 *
 * @throws {ConfigError} @throws {InfraFabricError} `chassis.services` when others than its owner can read it
 */
export function readServices(path: string): Services {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return new Map()
  if ((stat.mode & 0o077) !== 0)
    throw new InfraFabricError(
      'chassis.services',
      `${path} holds secrets: expected a file that its owner alone can read (chmod 600)`
    )
  if (stat.size > maxFileOctets) throw new ConfigError(path, [`${stat.size} octets: expected at most ${maxFileOctets}`])
  let read: unknown
  try {
    read = JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    // what the parser says may quote the file
    throw new ConfigError(path, ['no JSON'])
  }
  if (typeof read !== 'object' || read === null || Array.isArray(read))
    throw new ConfigError(path, ['expected an object of services'])
  const entries = Object.entries(read as Record<string, Record<string, unknown> | null>)
  const problems = entries.flatMap(([name, service]) => problemOf(name, service) ?? [])
  if (problems.length > 0) throw new ConfigError(path, problems)
  return new Map(entries as unknown as [string, Service][])
}

/** Blots out a secret wherever an answer repeats it, as servers do that show what they were sent. */
function withoutSecret(answer: Buffer, secret: string): Buffer {
  const out = Buffer.from(answer)
  const sought = Buffer.from(secret)
  for (let at = out.indexOf(sought); at >= 0; at = out.indexOf(sought, at + sought.length)) out.fill(0x2a, at, at + sought.length)
  return out
}

interface HttpRequest {
  readonly method: string
  readonly path: string
  readonly body?: string
}

function httpRequest(request: Buffer): HttpRequest | null {
  try {
    const { method = 'GET', path, body } = JSON.parse(request.toString())
    const known = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].includes(method)
    const local = typeof path === 'string' && path.length <= 2048 && /^\/(?![/\\])/.test(path)
    return known && local && (body === undefined || typeof body === 'string') ? { method, path, body } : null
  } catch {
    return null
  }
}

async function read(response: Response): Promise<Buffer | null> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response.body ?? []) {
    length += part.length
    if (length > maxAnswerOctets) return null
    parts.push(part)
  }
  return Buffer.concat(parts)
}

/**
 * Uses a service: `hmac-sha256` answers the 32 octets over the request; `http` takes `{"method","path","body"}`, sends it to the service's own origin with
 * its secret, follows no redirection, and answers `{"status","body"}`.
 *
 * @returns null when the request is none, or cannot be served
 */
export async function useService(service: Service, request: Buffer): Promise<Buffer | null> {
  if (service.kind === 'hmac-sha256') return createHmac('sha256', service.secret).update(request).digest()
  const asked = httpRequest(request)
  if (asked === null) return null
  const url = new URL(asked.path, service.origin)
  if (url.origin !== service.origin) return null
  try {
    const response = await fetch(url, {
      method: asked.method,
      headers: { [service.header]: service.secret },
      body: asked.method === 'GET' ? null : (asked.body ?? null),
      redirect: 'manual',
      signal: AbortSignal.timeout(httpTimeoutMs)
    })
    const body = await read(response)
    if (body === null) return null
    const answer = JSON.stringify({ status: response.status, body: withoutSecret(body, service.secret).toString() })
    return Buffer.from(answer)
  } catch {
    return null
  }
}
