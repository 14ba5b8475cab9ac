/**
 * The OpenAPI document, made of the routes themselves.
 *
 * @see OpenAPI 3.1.1
 */
import { z } from 'zod'
import { problemMediaType } from './problem.ts'
import type { Route } from './route.ts'
import { problemAnswer } from './schemas.ts'

type Schema = Readonly<Record<string, unknown>>

const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): Schema => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    io,
    reused: 'inline',
    unrepresentable: 'any'
  })
  return rest
}

/** A JSON schema names its own definitions by pointers from its root; in the document they stand under `components`. */
function lifted(schema: Schema, name: string, components: Record<string, unknown>): Schema {
  const { $defs, ...rest } = schema as { $defs?: Record<string, unknown> }
  const rename = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(rename)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [
        key,
        key === '$ref' && typeof inner === 'string'
          ? inner.replace(/^#\/\$defs\//, `#/components/schemas/${name}_`)
          : rename(inner)
      ])
    )
  }
  for (const [key, definition] of Object.entries($defs ?? {})) components[`${name}_${key}`] = rename(definition)
  return rename(rest) as Schema
}

function parameters(schema: z.ZodType | null, where: 'query' | 'path'): Schema[] {
  if (schema === null) return []
  const { properties = {}, required = [] } = schemaOf(schema, 'input') as {
    properties?: Record<string, Schema>
    required?: string[]
  }
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: where,
    required: where === 'path' || required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema: rest
  }))
}

/** Those of a path that no schema reads: its handler does, as of tiles, whose place has slashes in it. */
const unread = (path: string, read: readonly Schema[]): Schema[] =>
  [...path.matchAll(/\{(\w+)\}/g)]
    .map(([, name]) => name)
    .filter((name) => !read.some((each) => each.name === name))
    .map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } }))

const statusTexts: Readonly<Record<number, string>> = {
  400: 'The request cannot be read; `errors` tells what is wrong',
  401: 'No token, or none that is known',
  403: 'The token has another role',
  404: 'Not there',
  409: 'Too late, or refused; `detail` tells why',
  413: 'The body is too large',
  415: 'The body is of another media type',
  422: 'No good cosignature of a witness of the policy',
  429: 'Too many requests; Retry-After tells when to ask again',
  500: 'The request failed',
  503: 'Out of service for now; Retry-After tells when to ask again'
}

export function openApiDocument(routes: readonly Route[], version: string): Schema {
  const components: Record<string, unknown> = { Problem: schemaOf(problemAnswer, 'output') }
  const paths: Record<string, Record<string, unknown>> = {}
  for (const {
    method,
    path,
    operation,
    summary,
    access,
    alsoFor,
    takesOctets,
    query,
    params,
    body,
    answers,
    statuses
  } of routes) {
    const problems = [
      ...(query === null && params === null && body === null ? [] : [400]),
      ...(access === 'anybody' ? [] : [401, 403]),
      ...statuses,
      ...(body === null && takesOctets === undefined ? [] : [413, 415]),
      429,
      500
    ]
    const content = Object.fromEntries(
      Object.entries(answers).map(([mediaType, schema]) => [
        mediaType,
        schema === null ? {} : { schema: lifted(schemaOf(schema, 'output'), operation, components) }
      ])
    )
    const ofPath = parameters(params, 'path')
    paths[path] ??= {}
    paths[path][method.toLowerCase()] = {
      operationId: operation,
      summary,
      security: access === 'anybody' ? [] : [{ bearer: [] }],
      'x-role': access,
      ...(alsoFor === undefined ? {} : { 'x-role-also': alsoFor }),
      parameters: [...ofPath, ...unread(path, ofPath), ...parameters(query, 'query')],
      ...(takesOctets === undefined ? {} : { requestBody: { required: true, content: { 'application/octet-stream': {} } } }),
      ...(body === null
        ? {}
        : {
            requestBody: {
              required: true,
              content: { 'application/json': { schema: lifted(schemaOf(body, 'input'), `${operation}Body`, components) } }
            }
          }),
      responses: {
        200: { description: 'Done', content },
        ...Object.fromEntries(
          [...new Set(problems)].map((status) => [
            status,
            {
              description: statusTexts[status],
              content: { [problemMediaType]: { schema: { $ref: '#/components/schemas/Problem' } } }
            }
          ])
        )
      }
    }
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Witness ledger',
      version,
      description:
        'An append-only log that anybody can check. Tiles and checkpoints are those of C2SP tlog-tiles; errors are problem details of RFC 9457.'
    },
    paths,
    components: {
      schemas: components,
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'Roles: producer, auditor, escalator, admin' } }
    }
  }
}
