/** Escalations over HTTP, held against what their documents say. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import test, { type ExecutionContext } from 'ava'
import { createEscalator, type EscalationEvent, type EscalationView } from '#escalate'
import { type CallBridge, silentLog, startBridgeSession, systemClock } from '#kernel'
import { openTestLedger } from '../../ledger/testing/fixtures.ts'
import { openTestService } from '../../ledger/testing/service.ts'
import { fakeCalls } from '../../plugins/escalate/testing/fake-calls.ts'
import { until } from '../testing/harness.ts'
import { callBridgesRoutes } from './call-bridges-routes.ts'
import { bridgedCalls, retryBridge } from './dial-in-bridges.ts'
import { escalationRoutes } from './routes.ts'

const message = (payload: object = {}) => ({
  performative: 'escalate',
  sender: 'agent',
  payload: { hazard: 'safety', ...payload }
})

async function start(t: ExecutionContext, { running = true } = {}) {
  const calls = fakeCalls()
  const expert = {
    id: 'expert-safety',
    uri: 'sip:expert-safety@external.advisor',
    contact: 'sip:expert-safety@192.0.2.7;transport=tls',
    specialisations: ['safety'],
    contrarian: false
  }
  let opened = 0
  /** Declines once, and rings for ever the next time. */
  const declined: CallBridge = {
    name: 'h323',
    target: 'guardian-1',
    open: () => {
      const decline = async () => ({ ok: false, reason: 'h323.cause.21' }) as const
      const ring = (signal: AbortSignal) =>
        new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(new Error('given up'))))
      const once = opened++ === 0 ? decline : ring
      return { ok: true, session: startBridgeSession(once, { clock: systemClock, log: silentLog }) }
    }
  }
  const escalator = createEscalator(
    { mostOpen: 3 },
    {
      calls,
      log: silentLog,
      directory: () => ({ byId: (id) => (id === expert.id ? expert : undefined), bySpecialisation: () => [expert] }),
      witness: { record: async () => ({ state: 'spooled' }) },
      bridges: () => [declined]
    }
  )
  t.teardown(() => escalator.close())
  const ledger = await openTestLedger(t)
  const service = await openTestService(t, ledger, {
    routes: [
      ...escalationRoutes(() => (running ? escalator : null), systemClock),
      ...callBridgesRoutes({
        list: () => bridgedCalls(escalator, null),
        retry: (...wanted) => retryBridge(escalator, null, ...wanted)
      })
    ]
  })
  const post = (
    path: string,
    body: unknown,
    headers: Record<string, string> = {},
    role: Parameters<typeof service.ask>[1] = 'escalator'
  ) =>
    service.ask(path, role, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body)
    })
  return { ...service, post, calls, escalator }
}

interface Operation {
  readonly operationId: string
  readonly responses: Record<string, { content: Record<string, { schema?: object }> }>
}
interface OpenApi {
  readonly openapi: string
  readonly paths: Record<string, Record<string, Operation>>
  readonly components: object
}

test('every answer is as the OpenAPI document says', async (t) => {
  const { ask, post, calls, escalator } = await start(t)
  const document = (await (await ask('/openapi.json', null)).json()) as OpenApi
  const { valid, errors } = await new Validator().validate(structuredClone(document) as never)
  t.true(valid, JSON.stringify(errors))
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  ajv.addSchema({ $id: 'doc', components: document.components })
  const seen = new Set<string>()
  const check = async (path: string, method: 'get' | 'post', response: Response, status: number): Promise<unknown> => {
    t.is(response.status, status, path)
    const operation = document.paths[path]![method]!
    const mediaType = response.headers.get('content-type')!.split(';')[0]!
    const answer = operation.responses[status]?.content[mediaType]
    t.truthy(answer, `${path}: ${status} ${mediaType} is not in the document`)
    if (answer!.schema === undefined) return response.body?.cancel()
    const schema = JSON.parse(JSON.stringify(answer!.schema).replaceAll('"#/components/', '"doc#/components/'))
    const validate = ajv.compile(schema)
    const body = await response.json()
    t.true(validate(body), `${path} ${status}: ${JSON.stringify(validate.errors)}`)
    if (status === 200) seen.add(operation.operationId)
    return body
  }
  const all = '/v1/escalations'
  const one = '/v1/escalations/{id}'
  const key = { 'idempotency-key': 'k1' }
  const made = (await check(all, 'post', await post(all, message(), key), 200)) as {
    created: boolean
    escalation: EscalationView
  }
  t.true(made.created)
  const { id } = made.escalation
  t.like(await check(all, 'post', await post(all, message(), key), 200), { created: false, escalation: { id } })
  await check(all, 'post', await post(all, message({ expert: 'expert-safety' }), key), 409)
  await check(all, 'post', await post(all, { performative: 'inform' }), 400)
  await check(all, 'post', await post(all, '{'), 400)
  await check(all, 'post', await post(all, message({ hazard: 'x'.repeat(9_000_000) })), 413)
  await check(all, 'post', await post(all, message(), {}, 'producer'), 403)
  await check(all, 'post', await post(all, message(), {}, null), 401)
  await check(`${all}`, 'get', await ask(all, 'escalator'), 200)
  await check(one, 'get', await ask(`${all}/${id}`, 'escalator'), 200)
  await check(one, 'get', await ask(`${all}/${'0'.repeat(32)}`, 'escalator'), 404)
  await check(one, 'get', await ask(`${all}/..%2f`, 'escalator'), 400)
  calls.calls[0]!.answer()
  await escalator.result(id)
  t.like(await check(one, 'get', await ask(`${all}/${id}`, 'escalator'), 200), {
    state: 'connected',
    result: { status: 'connected' }
  })
  await check(`${one}/hold`, 'post', await post(`${all}/${id}/hold`, { on: true }), 200)
  await check(`${one}/hold`, 'post', await post(`${all}/${id}/hold`, { on: 1 }), 400)
  const retry = '/v1/call-bridges/{call}/retry'
  const again = (call: string, body: object) => post(`/v1/call-bridges/${call}/retry`, body)
  const { calls: bridged } = (await check('/v1/call-bridges', 'get', await ask('/v1/call-bridges', 'escalator'), 200)) as {
    calls: { trace_id: string }[]
  }
  t.like(bridged, [{ escalation: id, state: 'FAILED' }])
  const h323 = { bridge: 'h323', target: 'guardian-1' }
  t.like(await check(retry, 'post', await again(id, h323), 200), { bridges: [{ target: 'guardian-1', state: 'CONNECTING' }] })
  t.regex(((await check(retry, 'post', await again(id, h323), 409)) as { detail: string }).detail, /bridge\.not-failed/)
  await check(retry, 'post', await again(id, { bridge: 'ndi' }), 404)
  await check(retry, 'post', await again('0'.repeat(32), h323), 404)
  await check(retry, 'post', await again('x', h323), 400)
  await check(retry, 'post', await again(id, { bridge: 'smoke' }), 400)
  for (let n = 0; n < 2; n++) await post(all, message())
  await check(all, 'post', await post(all, message()), 503)
  await check(`${one}/cancel`, 'post', await post(`${all}/${id}/cancel`, {}), 200)
  await check(`${one}/cancel`, 'post', await post(`${all}/${'0'.repeat(32)}/cancel`, {}), 404)
  await escalator.ended(id)
  t.regex(((await check(retry, 'post', await again(id, h323), 409)) as { detail: string }).detail, /bridge\.call-over/)
  const waiting = post(`${all}?wait=result`, message({ expert: 'nobody' }))
  t.like(await check(all, 'post', await waiting, 200), { escalation: { result: { code: 'escalate.expert.unknown' } } })
  await check('/v1/asyncapi', 'get', await ask('/v1/asyncapi', null), 200)
  await check(`${one}/events`, 'get', await ask(`${all}/${id}/events`, 'escalator'), 200)
  await check('/v1/escalation-events', 'get', await ask('/v1/escalation-events', 'escalator'), 200)
  const ours = Object.entries(document.paths)
    .filter(([path]) => /escalation|asyncapi|call-bridges/.test(path))
    .flatMap(([, path]) => Object.values(path).map(({ operationId }) => operationId))
  for (const operation of ours.filter((each) => !each.startsWith('follow'))) t.true(seen.has(operation), operation)
})

test('before the suite has started, nobody is called', async (t) => {
  const { post, calls } = await start(t, { running: false })
  const response = await post('/v1/escalations', message())
  t.is(response.status, 503)
  t.is(response.headers.get('retry-after'), '1')
  t.is(calls.calls.length, 0)
})

/** Reads a stream to its end. */
async function eventsOf(response: Response): Promise<EscalationEvent[]> {
  return (await response.text())
    .split('\n\n')
    .filter((part) => part.startsWith('id: '))
    .map((part) => {
      const [id, event, data] = part.split('\n').map((line) => line.slice(line.indexOf(': ') + 2))
      const parsed = JSON.parse(data!) as EscalationEvent
      if (String(parsed.id) !== id || parsed.type !== event) throw new Error(part)
      return parsed
    })
}

test('the stream is as the AsyncAPI document says, and goes on behind the last event a client has', async (t) => {
  const { ask, post, calls, escalator } = await start(t)
  const document = await (await ask('/v1/asyncapi', null)).json()
  const path = createRequire(import.meta.url).resolve('@asyncapi/specs/schemas/3.0.0-without-$id.json')
  const schema = JSON.parse(readFileSync(path, 'utf8'))
  const ajv = new Ajv({ strict: false, validateFormats: false })
  const good = ajv.compile(schema)
  t.true(good(document), JSON.stringify(good.errors))
  const messages = (document as { components: { messages: Record<string, { payload: object }> } }).components.messages

  const made = (await (await post('/v1/escalations', message())).json()) as { escalation: EscalationView }
  const address = `/v1/escalations/${made.escalation.id}/events`
  const streamed = ask(address, 'escalator').then(eventsOf)
  const call = calls.calls[0]!
  call.progress({ type: 'trying' })
  call.progress({ type: 'ringing', status: 183, earlyMedia: true })
  call.answer()
  const bridgeOf = () => escalator.get(made.escalation.id)!.bridges[0]
  await until(() => bridgeOf()?.state === 'FAILED')
  t.true(escalator.retryBridge(made.escalation.id, 'h323', null, 'anna').ok)
  call.hangUp()
  const events = await streamed
  t.deepEqual(
    events.map(({ type }) => type),
    [
      ['requested', 'calling', 'trying', 'ringing', 'connected', 'result', 'bridge', 'bridge'],
      ['bridge-retried', 'bridge', 'hung-up', 'bridge', 'ended']
    ].flat()
  )
  for (const event of events) {
    const validate = ajv.compile(messages[event.type]!.payload)
    t.true(validate(event), `${event.type}: ${JSON.stringify(validate.errors)}`)
  }
  const again = await eventsOf(await ask(address, 'escalator', { headers: { 'last-event-id': String(events[4]!.id) } }))
  t.deepEqual(
    again.map(({ id }) => id),
    events.slice(5).map(({ id }) => id)
  )
  t.is((await ask(address, 'escalator', { headers: { 'last-event-id': 'x' } })).status, 400)
  t.is((await ask(address, 'auditor')).status, 403)
})
