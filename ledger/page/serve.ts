/** The auditor's page, beside the service that it reads. */
import { createHash } from 'node:crypto'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { pageDocument, pageParts } from './bundle.ts'

interface Part {
  readonly mediaType: string
  readonly octets: Buffer
}

interface Page {
  readonly document: Buffer
  readonly etag: string
  /** By path: each bears the hash of what it holds. */
  readonly parts: ReadonlyMap<string, Part>
}

const hashOf = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex').slice(0, 20)

async function makePage(): Promise<Page> {
  const { script, style } = await pageParts()
  const [scriptPath, stylePath] = [`/page/${hashOf(script)}.js`, `/page/${hashOf(style)}.css`]
  const document = pageDocument(
    `<link rel="stylesheet" href="${stylePath}">`,
    `<script id="program" src="${scriptPath}"></script>`
  )
  return {
    document: Buffer.from(document),
    etag: `"${hashOf(document)}"`,
    parts: new Map([
      [scriptPath, { mediaType: 'text/javascript; charset=utf-8', octets: Buffer.from(script) }],
      [stylePath, { mediaType: 'text/css; charset=utf-8', octets: Buffer.from(style) }]
    ])
  }
}

/**
 * Puts the page at `/`. It is made when it is first asked for; the service's headers hold for it, Content-Security-Policy among them: no script, style
 * or connection but to the service itself, in no frame.
 */
export async function registerPage(app: FastifyInstance): Promise<void> {
  let made: Promise<Page> | null = null
  const page = (): Promise<Page> => {
    made ??= makePage().catch((error: unknown) => {
      made = null
      throw error
    })
    return made
  }
  app.get('/', { config: { operation: 'getPage' }, exposeHeadRoute: true }, async (request, reply) => {
    const { document, etag } = await page()
    reply.header('cache-control', 'no-cache').header('etag', etag)
    if (request.headers['if-none-match'] === etag) return reply.code(304).send()
    return reply.header('content-type', 'text/html; charset=utf-8').send(document)
  })
  app.get(
    '/page/:name',
    { config: { operation: 'getPagePart' }, exposeHeadRoute: true },
    async (request, reply): Promise<FastifyReply> => {
      const found = (await page()).parts.get(request.url)
      if (found === undefined) {
        reply.callNotFound()
        return reply
      }
      const { mediaType, octets } = found
      return reply.header('cache-control', 'public, max-age=31536000, immutable').header('content-type', mediaType).send(octets)
    }
  )
}
