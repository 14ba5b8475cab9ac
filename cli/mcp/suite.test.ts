import { spawn } from 'node:child_process'
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import test from 'ava'
import type { WitnessEvent } from '#kernel'
import { runSuite } from '../../deploy/testing/harness.ts'
import { cleanEnvironment, ifctl, shim, withFolder } from '../testing/run.ts'
import type { ToolResult } from './run-tool.ts'

const statelessMeta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {}
}

/** What of an answer these tests look at. */
interface Answer {
  readonly isError?: boolean
  readonly protocolVersion?: string
  readonly supportedVersions?: readonly string[]
  readonly resultType?: string
  readonly cacheScope?: string
  readonly ttlMs?: number
  readonly structuredContent: ToolResult
}

interface Told {
  readonly id: number | string | null
  readonly result?: Answer
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown }
}

/** A server spoken to line by line. */
function rawServer(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [shim, 'mcp', ...args], { env: cleanEnvironment(env), stdio: ['pipe', 'pipe', 'ignore'] })
  child.stdin.on('error', () => undefined)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  const next = async (): Promise<Told> => JSON.parse((await lines.next()).value ?? 'null')
  const write = (text: string): void => void child.stdin.write(text)
  return {
    child,
    ended,
    next,
    write,
    say: (message: object): void => write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`),
    close: async (): Promise<number | null> => {
      child.stdin.end()
      return ended
    }
  }
}

type ClientAnswer = Awaited<ReturnType<Client['callTool']>>
const structured = ({ structuredContent }: ClientAnswer) => structuredContent as ToolResult
const text = ({ content }: ClientAnswer) => (content as { text: string }[])[0]!.text

async function withClient(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  mode: 'auto' | 'legacy',
  use: (client: Client) => Promise<void>
): Promise<void> {
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } })
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [shim, 'mcp', ...args],
      env: cleanEnvironment(env),
      stderr: 'ignore'
    })
  )
  try {
    await use(client)
  } finally {
    await client.close()
  }
}

for (const mode of ['auto', 'legacy'] as const)
  test(`an independent client works with the tools: ${mode}`, async (t) => {
    await withFolder(async (folder) => {
      const data = join(folder, 'var')
      const log = ['witness', 'log', '--create', '--data', data, '--component', 'c', '--payload', '{"note":"read me"}']
      t.is((await ifctl([...log, '--event', 'E', '--trace', 'T'])).code, 0)
      await withClient(['--data', data], {}, mode, async (client) => {
        t.is(client.getNegotiatedProtocolVersion(), mode === 'auto' ? '2026-07-28' : '2025-11-25')
        const { tools } = await client.listTools()
        const query = tools.find(({ name }) => name === 'witness_query')!
        t.deepEqual(query.annotations, {
          readOnlyHint: true,
          destructiveHint: false,
          idempotentHint: true,
          openWorldHint: false
        })
        t.false(tools.find(({ name }) => name === 'coordinator_tasks_claim')!.annotations!.readOnlyHint)
        for (const name of [
          'witness_log',
          'up',
          'escalate',
          'guard_sign',
          'witness_token_add',
          'mcp',
          'governor_policy_validate'
        ])
          t.false(
            tools.some((tool) => tool.name === name),
            name
          )

        const found = await client.callTool({ name: 'witness_query', arguments: { trace: 'T', limit: 5 } })
        const { exitCode, data: entries } = structured(found)
        t.is(exitCode, 0)
        t.is((entries[0] as WitnessEvent).event, 'E')
        t.deepEqual((entries[0] as WitnessEvent).payload, { note: 'read me' })
        t.deepEqual(JSON.parse(text(found)), found.structuredContent)

        const verdict = await client.callTool({ name: 'witness_verify', arguments: {} })
        t.falsy(verdict.isError)
        t.is(structured(verdict).exitCode, 0)

        // what an agent does to the state is there for everybody, under the same rules
        const added = await client.callTool({ name: 'coordinator_tasks_add', arguments: { task: 'T-1', priority: 8 } })
        t.falsy(added.isError, JSON.stringify(added))
        const again = await client.callTool({ name: 'coordinator_tasks_add', arguments: { task: 'T-1' } })
        t.true(again.isError)
        t.regex(text(again), /T-1.*\(coordinator\./s)
        t.regex((await ifctl(['coordinator', 'tasks', 'status', 'T-1', '--data', data])).stdout, /pending/)
      })
    })
  })

test('arguments that are wrong are told by name, and nothing is run', async (t) => {
  await withFolder(async (folder) => {
    await withClient(['--data', folder], {}, 'auto', async (client) => {
      const wrong: readonly [tool: string, input: Record<string, unknown>, says: RegExp][] = [
        ['witness_trace', {}, /^trace is missing/],
        ['witness_query', { trcae: 'T' }, /^trcae: no argument of this tool; there are: trace, component/],
        ['witness_query', { data: '/etc' }, /^data: no argument/],
        ['witness_query', { ledger: '/etc' }, /^ledger: no argument/],
        ['witness_query', { component: 7 }, /^component: expected a string/],
        ['witness_query', { component: 'a\0b' }, /^component: holds a NUL/],
        ['witness_query', { component: 'a'.repeat(70_000) }, /^component: longer than/],
        ['witness_query', { follow: true }, /^follow: no argument/],
        ['witness_query', { follow_seconds: 3600 }, /^follow_seconds: expected a whole number from 1 to 60/],
        ['witness_trace', { trace: 'T', time: 'noon' }, /^time: expected one of offset, utc, local/],
        ['optimise_budget', { set: '500' }, /^set: no argument/],
        ['h323_calls', { drop: 'x' }, /^drop: no argument/],
        ['witness_verify', { bundle: '/etc/passwd' }, /^bundle: no argument/],
        ['witness_query', { limit: '-1' }, /--limit: expected a whole number[\s\S]*cli\.usage/],
        ['witness_trace', { trace: '--follow' }, /there is no ledger/]
      ]
      for (const [name, input, says] of wrong) {
        const told = await client.callTool({ name, arguments: input })
        t.true(told.isError, JSON.stringify([name, input]))
        t.regex(text(told), says)
      }
      await t.throwsAsync(client.callTool({ name: 'witness_log', arguments: { event: 'E', component: 'IF.guard' } }), {
        message: /unknown tool witness_log/
      })
    })
  })
})

test('files are named under one folder or not at all', async (t) => {
  await withFolder(async (folder) => {
    const files = join(folder, 'files')
    await mkdir(files)
    await writeFile(join(folder, 'secret.yaml'), 'version: 1\nsecret: 42\n')
    await writeFile(
      join(files, 'policy.yaml'),
      await readFile(new URL('../../plugins/governor/policy.example.yaml', import.meta.url))
    )
    await symlink(join(folder, 'secret.yaml'), join(files, 'link.yaml'))
    await withClient(['--data', join(folder, 'var'), '--files', files], {}, 'auto', async (client) => {
      const check = (file: string) => client.callTool({ name: 'governor_policy_validate', arguments: { file } })
      t.falsy((await check('policy.yaml')).isError)
      t.falsy((await check(join(files, 'policy.yaml'))).isError)
      for (const file of ['../secret.yaml', join(folder, 'secret.yaml'), 'link.yaml', '-', '/etc/passwd', '../nowhere/x']) {
        const told = await check(file)
        t.true(told.isError)
        t.regex(text(told), /^file: not a path under /, file)
      }
    })
  })
})

test('--read-only offers no tool that adds anything; an unknown folder of files is told', async (t) => {
  await withFolder(async (folder) => {
    await withClient(['--data', folder, '--read-only'], {}, 'auto', async (client) => {
      const { tools } = await client.listTools()
      t.true(tools.length > 30)
      t.true(tools.every(({ annotations }) => annotations!.readOnlyHint))
    })
    const refused = await ifctl(['mcp', '--data', folder, '--files', join(folder, 'nowhere')])
    t.is(refused.code, 1)
    t.regex(refused.stderr, /nowhere is no folder \(mcp\.files\)/)
  })
})

test('a command that follows ends after its time, and one that is cancelled at once, without an answer', async (t) => {
  await withFolder(async (folder) => {
    const log = (event: string) =>
      ifctl(['witness', 'log', '--create', '--data', folder, '--component', 'c', '--event', event, '--trace', 'T'])
    await log('before')
    const server = rawServer(['--data', folder])
    const call = (id: number, followSeconds: number) =>
      server.say({
        id,
        method: 'tools/call',
        params: { _meta: statelessMeta, name: 'witness_query', arguments: { trace: 'T', follow_seconds: followSeconds } }
      })
    call(1, 4)
    const found = await server.next()
    t.is(found.id, 1)
    t.is(found.result!.isError, undefined, JSON.stringify(found))
    t.deepEqual(
      found.result!.structuredContent.data.map((entry) => (entry as WitnessEvent).event),
      ['before']
    )

    const began = performance.now()
    call(2, 60)
    server.say({ id: 3, method: 'server/discover', params: { _meta: statelessMeta } })
    t.is((await server.next()).id, 3)
    server.say({ method: 'notifications/cancelled', params: { requestId: 2, reason: 'no more' } })
    server.say({ id: 4, method: 'server/discover', params: { _meta: statelessMeta } })
    t.is((await server.next()).id, 4)
    t.is(await server.close(), 0)
    t.true(performance.now() - began < 20_000)
  })
})

test('a command that takes too long is ended, and said to be', async (t) => {
  await withFolder(async (folder) => {
    await ifctl(['coordinator', 'tasks', 'list', '--data', folder])
    const server = rawServer(['--data', folder, '--timeout', '1'])
    const input = { iterations: 10_000 }
    server.say({
      id: 'slow',
      method: 'tools/call',
      params: { _meta: statelessMeta, name: 'coordinator_latency_benchmark', arguments: input }
    })
    const { result } = await server.next()
    t.true(result!.isError)
    t.is(result!.structuredContent.error?.code, 'mcp.timeout')
    t.is(await server.close(), 0)
  })
})

test('both eras of the protocol: versions, what belongs to which, and what is refused', async (t) => {
  await withFolder(async (folder) => {
    const server = rawServer(['--data', folder])
    const ask = async (id: number, method: string, params: object = {}): Promise<Told> => {
      server.say({ id, method, params })
      return server.next()
    }
    t.is((await ask(1, 'tools/list')).error!.code, -32602)
    t.is((await ask(2, 'ping')).error!.code, -32602)
    const wrong = await ask(3, 'server/discover', {
      _meta: { ...statelessMeta, 'io.modelcontextprotocol/protocolVersion': '1999-01-01' }
    })
    t.deepEqual(wrong.error, {
      code: -32022,
      message: 'unsupported protocol version',
      data: { supported: ['2026-07-28'], requested: '1999-01-01' }
    })
    t.is(
      (await ask(4, 'tools/list', { _meta: { ...statelessMeta, 'io.modelcontextprotocol/clientCapabilities': 1 } })).error!.code,
      -32602
    )
    const discovered = (await ask(5, 'server/discover', { _meta: statelessMeta })).result!
    t.deepEqual(discovered.supportedVersions, ['2026-07-28'])
    t.is(discovered.resultType, 'complete')
    t.is((await ask(6, 'ping', { _meta: statelessMeta })).error!.code, -32601)
    const listed = (await ask(7, 'tools/list', { _meta: statelessMeta })).result!
    t.is(listed.cacheScope, 'private')
    t.true(listed.ttlMs! > 0)
    t.is((await ask(8, 'initialize', { protocolVersion: '2024-11-05' })).result!.protocolVersion, '2025-11-25')
    t.is((await ask(9, 'initialize', { protocolVersion: '2025-06-18' })).result!.protocolVersion, '2025-06-18')
    t.deepEqual((await ask(10, 'ping')).result, {})
    t.is((await ask(11, 'tools/list')).result!.ttlMs, undefined)
    t.is((await ask(12, 'server/discover')).error!.code, -32601)
    t.is((await ask(13, 'initialize', {})).error!.code, -32602)
    t.is(await server.close(), 0)
  })
})

test('hostile input is refused line by line, and the next good line is answered', async (t) => {
  await withFolder(async (folder) => {
    const server = rawServer(['--data', folder])
    const nested = 200_000
    const hostile: readonly [line: string, code: number][] = [
      ['{"jsonrpc":"2.0","id":1,"method"', -32700],
      ['\u0000\u0001garbage', -32700],
      [`${'['.repeat(nested)}`, -32700],
      ['[]', -32600],
      ['[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600],
      ['"text"', -32600],
      ['null', -32600],
      ['{"id":1,"method":"ping"}', -32600],
      ['{"jsonrpc":"2.0","id":1}', -32600],
      ['{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600],
      ['{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600],
      [`{"jsonrpc":"2.0","id":"${'x'.repeat(300)}","method":"ping"}`, -32600],
      ['{"jsonrpc":"2.0","id":1,"method":7}', -32600],
      ['{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}', -32602],
      [`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"${'y'.repeat(2 << 20)}"}}`, -32600],
      ['{"jsonrpc":"2.0","id":1,"method":"__proto__","params":{"_meta":{}}}', -32602]
    ]
    for (const [line, code] of hostile) {
      server.write(`${line}\n`)
      const told = await server.next()
      t.is(told.error?.code, code, line.slice(0, 80))
    }
    // answers to what was never asked, notifications of any kind and empty lines are passed over
    server.write('\n\r\n{"jsonrpc":"2.0","id":9,"result":{}}\n{"jsonrpc":"2.0","method":"whatever"}\n')
    const call = (name: unknown, input: unknown) =>
      server.say({ id: 20, method: 'tools/call', params: { _meta: statelessMeta, name, arguments: input } })
    call('constructor', {})
    t.is((await server.next()).error!.code, -32602)
    call({}, {})
    t.is((await server.next()).error!.code, -32602)
    call('optimise_rates', [])
    t.true((await server.next()).result!.isError)
    // a flood: four run, 32 wait, the others are told to come later
    for (let id = 100; id < 150; id++)
      server.say({ id, method: 'tools/call', params: { _meta: statelessMeta, name: 'optimise_rates', arguments: {} } })
    const refused: Told[] = []
    for (let at = 0; at < 14; at++) refused.push(await server.next())
    t.is(refused.filter(({ error }) => error?.code === -32000).length, 14)
    t.is(await server.close(), 0)
  })
})

test('what asks the running suite has the token of its data folder, and no other way in', async (t) => {
  const { suite } = await runSuite(t, { edge: 'external', h323: { enabled: true, ras: 0, signalling: 0 } })
  const { folder } = suite.data
  await withClient(['--data', folder], {}, 'auto', async (client) => {
    const ask = () => client.callTool({ name: 'h323_endpoints', arguments: {} })
    const shown = await ask()
    t.falsy(shown.isError, text(shown))
    t.is(structured(shown).exitCode, 0)
    const control = join(folder, 'control.json')
    const good = await readFile(control, 'utf8')
    await writeFile(control, good.replace(/"token":"[^"]+"/, '"token":"0000"'))
    const refused = await ask()
    t.true(refused.isError)
    t.is(structured(refused).error?.code, 'cli.suite.refused')
    await rm(control)
    t.is(structured(await ask()).error?.code, 'cli.suite.absent')
  })
})
