/**
 * The page of those who have none: a list of a call's evidence behind a link that is good for a short time, for a telephone's screen. It is read only, and
 * runs no program.
 *
 *     /evidence/<facts>.<mac>/          the list
 *     /evidence/<facts>.<mac>/<id>      one file, whole or in part (RFC 9110 §14)
 *
 * The facts are call, participant and end of time; the MAC is HMAC-SHA256 by a key that lives as long as the service.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream'
import { z } from 'zod'
import type { Clock, Log } from '#kernel'
import type { Evidence } from './evidence.ts'
import { shownTypes } from './names.ts'
import type { EvidenceItem, EvidenceStore } from './store.ts'

export interface PageLinks {
  /** @returns path of a new link, and until when it is good */
  readonly make: (call: string, participant: string) => { readonly path: string; readonly expiresAt: number }
  /** Answers a request whose path begins with `/evidence/`. */
  readonly serve: (request: IncomingMessage, response: ServerResponse) => void
}

const factsSchema = z.tuple([z.string(), z.string(), z.number().int()])
const prefix = '/evidence/'
/** Files whose fetching is remembered. */
const mostFetched = 10_000

const headers = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
  'cross-origin-resource-policy': 'same-origin',
  'x-frame-options': 'DENY',
  'content-security-policy':
    "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
/** A file that is a page runs nothing, even where a browser shows it. */
const fileHeaders = { ...headers, 'content-security-policy': "default-src 'none'; sandbox" }

const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

const sizeOf = (bytes: number): string =>
  bytes < 1000
    ? `${bytes} octets`
    : bytes < 1_000_000
      ? `${(bytes / 1000).toFixed(1)} kB`
      : `${(bytes / 1_000_000).toFixed(1)} MB`

const listOf = (items: readonly EvidenceItem[], until: number): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Evidence</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:0 auto;padding:1rem}li{margin:0 0 1rem}img{max-width:100%;display:block}code{font-size:.75rem;overflow-wrap:anywhere}</style>
<h1>Evidence of this call</h1>
${
  items.length === 0
    ? '<p>Nothing has been shared yet. Look again later.</p>'
    : `<ul>${items
        .map(
          ({ id, name, mediaType, bytes, sha256, by }) =>
            `<li><a href="${id}" download="${escaped(name)}">${escaped(name)}</a> ${sizeOf(bytes)}, from ${escaped(by)}<br><code>SHA-256 ${sha256}</code>${
              shownTypes.has(mediaType) ? `<img src="${id}" alt="" loading="lazy">` : ''
            }</li>`
        )
        .join('')}</ul>`
}
<p>This link is good until ${new Date(until).toISOString().slice(0, 16).replace('T', ' ')} UTC.</p>
</html>
`

export function createPageLinks(
  evidence: Pick<Evidence, 'ofCall' | 'fetched'>,
  store: Pick<EvidenceStore, 'path'>,
  validMs: number,
  clock: Clock,
  log: Log
): PageLinks {
  const key = randomBytes(32)
  /** How far each participant has each file, from its beginning on. */
  const fetched = new Map<string, number>()
  const macOf = (facts: string) => createHmac('sha256', key).update(facts).digest('base64url')

  const read = (token: string) => {
    const [facts = '', mac = ''] = token.split('.')
    // compared as they are spelled: several texts decode to the same octets
    const given = Buffer.from(mac)
    const right = Buffer.from(macOf(facts))
    if (given.length !== right.length || !timingSafeEqual(given, right)) return null
    const [call, participant, expiresAt] = factsSchema.parse(JSON.parse(Buffer.from(facts, 'base64url').toString('utf8')))
    return clock.now() < expiresAt ? { call, participant, expiresAt } : null
  }

  return {
    make: (call, participant) => {
      const expiresAt = clock.now() + validMs
      const facts = Buffer.from(JSON.stringify([call, participant, expiresAt])).toString('base64url')
      return { path: `${prefix}${facts}.${macOf(facts)}/`, expiresAt }
    },
    serve: (request, response) => {
      const refuse = (status: number) => response.writeHead(status, { ...headers, 'content-length': 0 }).end()
      const [, token, id] = /^\/evidence\/([\w.-]{1,1024})\/([0-9a-f]{32})?$/.exec(request.url ?? '') ?? []
      const link = token === undefined ? null : read(token)
      const items = link === null ? null : evidence.ofCall(link.call)
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        refuse(405)
        return
      }
      if (link === null || items === null) {
        refuse(404)
        return
      }
      if (id === undefined) {
        const page = Buffer.from(listOf(items, link.expiresAt))
        response.writeHead(200, { ...headers, 'content-type': 'text/html; charset=utf-8', 'content-length': page.length })
        response.end(request.method === 'HEAD' ? undefined : page)
        return
      }
      const item = items.find((each) => each.id === id)
      if (item === undefined) {
        refuse(404)
        return
      }
      send(request, response, item, store.path(id), log, (from, end) => {
        const name = JSON.stringify([link.call, link.participant, id])
        const before = fetched.get(name) ?? 0
        if (from > before || end <= before) return
        if (fetched.size >= mostFetched) fetched.delete(fetched.keys().next().value!)
        fetched.set(name, end)
        if (end === item.bytes) evidence.fetched(link.call, link.participant, item)
      })
    }
  }
}

/** A file, whole or one part of it. @param sent told the octets from `from` to `end` when they have gone @see RFC 9110 §14.2, §15.3.7, §15.5.17 */
function send(
  request: IncomingMessage,
  response: ServerResponse,
  { name, mediaType, bytes, sha256 }: EvidenceItem,
  path: string,
  log: Log,
  sent: (from: number, end: number) => void
): void {
  const etag = `"${sha256}"`
  const given = request.headers.range
  const conditional = request.headers['if-range']
  const asked =
    given === undefined || (conditional !== undefined && conditional !== etag) ? null : /^bytes=(\d*)-(\d*)$/.exec(given)
  const common = {
    ...fileHeaders,
    'content-type': mediaType,
    'content-disposition': `attachment; filename="evidence"; filename*=UTF-8''${encodeURIComponent(name).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)}`,
    'accept-ranges': 'bytes',
    etag
  }
  let [from, to] = [0, bytes - 1]
  if (asked !== null && (asked[1] !== '' || asked[2] !== '')) {
    const [first, last] = [asked[1]!, asked[2]!]
    from = first === '' ? Math.max(0, bytes - Number(last)) : Number(first)
    to = first === '' || last === '' ? bytes - 1 : Math.min(Number(last), bytes - 1)
    if (from > to || from >= bytes) {
      response.writeHead(416, { ...headers, 'content-range': `bytes */${bytes}`, 'content-length': 0 }).end()
      return
    }
    response.writeHead(206, { ...common, 'content-length': to - from + 1, 'content-range': `bytes ${from}-${to}/${bytes}` })
  } else response.writeHead(200, { ...common, 'content-length': bytes })
  if (request.method === 'HEAD' || bytes === 0) {
    response.end()
    return
  }
  pipeline(createReadStream(path, { start: from, end: to }), response, (error) => {
    if (error !== null && error !== undefined)
      log.info({ code: (error as NodeJS.ErrnoException).code }, 'evidence was not fetched whole')
    else sent(from, to + 1)
  })
}
