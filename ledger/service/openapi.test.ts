import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv2020 } from 'ajv/dist/2020.js'
import test from 'ava'
import type { Brought } from '#ledger'
import { eventNumber, items, openTestLedger } from '../testing/fixtures.ts'
import { openTestService } from '../testing/service.ts'

interface Operation {
  readonly operationId: string
  readonly parameters: readonly { readonly name: string; readonly in: string }[]
  readonly responses: Readonly<Record<string, { readonly content: Readonly<Record<string, { readonly schema?: unknown }>> }>>
}
interface OpenApi {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> }
}

const posted = (body: unknown): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body)
})
const entry = { key: 'k', ...eventNumber(1) }

/** Path asked, path in the document, role, request. */
const requests: readonly (readonly [
  path: string,
  told: string,
  role: 'auditor' | 'producer' | 'admin' | null,
  init?: RequestInit
])[] = [
  ['/checkpoint', '/checkpoint', null],
  ['/tile/0/000.p/3', '/tile/{level}/{place}', null],
  ['/tile/0/000', '/tile/{level}/{place}', null],
  ['/tile/entries/000.p/3', '/tile/entries/{place}', 'auditor'],
  ['/tile/entries/000.p/3', '/tile/entries/{place}', 'producer'],
  ['/v1/entries', '/v1/entries', 'auditor'],
  ['/v1/entries?limit=1', '/v1/entries', 'auditor'],
  ['/v1/entries?limit=none', '/v1/entries', 'auditor'],
  ['/v1/entries', '/v1/entries', null],
  ['/v1/entries', '/v1/entries', 'producer', posted({ entries: [entry] })],
  ['/v1/entries', '/v1/entries', 'producer', posted({ entries: [{ ...entry, event: '' }] })],
  ['/v1/entries', '/v1/entries', 'producer', { ...posted('x'), headers: { 'content-type': 'text/plain' } }],
  ['/v1/entries/0', '/v1/entries/{index}', 'auditor'],
  ['/v1/entries/9999', '/v1/entries/{index}', 'auditor'],
  ['/v1/traces/none', '/v1/traces/{id}', 'auditor'],
  [`/v1/traces/${entry.traceId}`, '/v1/traces/{id}', 'auditor'],
  ['/v1/proof/inclusion?index=1&size=3', '/v1/proof/inclusion', 'auditor'],
  ['/v1/proof/inclusion', '/v1/proof/inclusion', 'auditor'],
  ['/v1/proof/consistency?from=1&to=3', '/v1/proof/consistency', 'auditor'],
  ['/v1/proof/consistency?from=3&to=1', '/v1/proof/consistency', 'auditor'],
  ['/v1/proof/tlog?index=0', '/v1/proof/tlog', 'auditor'],
  ['/v1/witness/head', '/v1/witness/head', null],
  ['/v1/witness/cosignatures', '/v1/witness/cosignatures', null, posted({ note: 'taken' })],
  ['/v1/witness/cosignatures', '/v1/witness/cosignatures', null, posted({ note: 'late' })],
  ['/v1/witness/cosignatures', '/v1/witness/cosignatures', null, posted({ note: 'refused' })],
  ['/v1/checkpoints', '/v1/checkpoints', 'auditor'],
  ['/v1/keys', '/v1/keys', 'auditor'],
  ['/v1/rates', '/v1/rates', 'auditor'],
  ['/v1/cost', '/v1/cost', 'auditor'],
  ['/v1/cost?groupBy=moon', '/v1/cost', 'auditor'],
  ['/healthz', '/healthz', null],
  ['/metrics', '/metrics', 'admin'],
  ['/v1/entries/follow', '/v1/entries/follow', 'auditor']
]

test('the document is good OpenAPI, and every answer of every route is as it says', async (t) => {
  const ledger = await openTestLedger(t)
  const witnesses = {
    ...ledger,
    bring: async (note: string) => note as Brought,
    witnessing: () => ({ ...ledger.witnessing(), waiting: 'a head' })
  }
  const { ask } = await openTestService(t, ledger, { witnesses })
  await ledger.append(items(0, 3), 1)
  while ((await ask('/checkpoint', null)).status !== 200) await new Promise((resolve) => setTimeout(resolve, 20))
  const document = (await (await ask('/openapi.json', null)).json()) as OpenApi
  t.is(document.openapi, '3.1.1')
  const { valid, errors } = await new Validator().validate(structuredClone(document) as never)
  t.true(valid, JSON.stringify(errors))

  for (const [path, operations] of Object.entries(document.paths))
    for (const { operationId, parameters } of Object.values(operations))
      t.deepEqual(
        parameters.filter((each) => each.in === 'path').map(({ name }) => name),
        [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!),
        operationId
      )

  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  ajv.addSchema({ $id: 'doc', components: document.components })
  /** References are to the document's components, wherever they stand. */
  const rooted = (schema: unknown): object => JSON.parse(JSON.stringify(schema).replaceAll('"#/components/', '"doc#/components/'))
  const answered = new Set<string>()
  for (const [path, told, role, init] of requests) {
    const response = await ask(path, role, init)
    const operation = document.paths[told]?.[(init?.method ?? 'GET').toLowerCase()]
    t.truthy(operation, told)
    const mediaType = response.headers.get('content-type')!
    const answer = operation!.responses[response.status]?.content[mediaType]
    t.truthy(answer, `${path}: ${response.status} ${mediaType} is not in the document`)
    if (answer!.schema !== undefined) {
      const validate = ajv.compile(rooted(answer!.schema))
      t.true(validate(await response.json()), `${path} ${response.status}: ${JSON.stringify(validate.errors)}`)
    } else await response.body?.cancel()
    if (response.status === 200) answered.add(operation!.operationId)
  }
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path).map(({ operationId }) => operationId))
  t.deepEqual([...answered].sort(), operations.sort())
})
