import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { type ExecutionContext } from 'ava'
import { finished, ifctl, start, withFolder } from '../testing/run.ts'

interface Up {
  readonly data: string
  readonly child: ChildProcessWithoutNullStreams
  /** What `--json` shows, object by object. */
  readonly next: (type: string) => Promise<Record<string, unknown>>
}

/** Brings the suite up behind an edge that this test plays, and takes it down with `signal`. */
async function withSuite(
  t: ExecutionContext,
  folder: string,
  signal: NodeJS.Signals,
  use: (up: Up) => Promise<void>
): Promise<void> {
  const data = join(folder, 'data')
  const config = join(folder, 'suite.yaml')
  await writeFile(config, 'edge: external\n')
  const child = start(['up', '--config', config, '--json'], { IF_DATA: data })
  t.teardown(() => child.kill('SIGKILL'))
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (type: string): Promise<Record<string, unknown>> => {
    for (;;) {
      const { value, done } = await lines.next()
      if (done) throw new Error(`ended before ${type}: ${stderr}`)
      const event = JSON.parse(value)
      if (event.type === type) return event
    }
  }
  await use({ data, child, next })
  child.kill(signal)
  while (!(await lines.next()).done);
  if (child.exitCode === null) await once(child, 'close')
  t.is(child.exitCode, 0, stderr)
  t.regex(stderr, /^stopping: /m)
}

function invite(callId: string, port: number, fromUri: string): Buffer {
  const lines = [
    'INVITE sip:council-safety@127.0.0.1 SIP/2.0',
    `Via: SIP/2.0/UDP 127.0.0.1:${port};branch=z9hG4bK${callId};rport`,
    'Max-Forwards: 70',
    `From: <${fromUri}>;tag=1`,
    'To: <sip:council-safety@127.0.0.1>',
    `Call-ID: ${callId}`,
    'CSeq: 1 INVITE',
    `Contact: <sip:caller@127.0.0.1:${port}>`,
    'X-IF-Edge-Source: 203.0.113.9',
    'X-IF-Edge-Transport: tls',
    'X-IF-Edge-TLS-Version: TLSv1.3',
    'X-IF-Edge-TLS-Cipher: TLS_AES_256_GCM_SHA384',
    'X-IF-Edge-User: expert-ethics',
    'X-IF-Edge-Digest: SHA-256',
    'X-IF-Edge-Layers: pike,allowlist,tls,digest,rate',
    'Content-Length: 0'
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
}

/** Sends an INVITE as the edge would and returns the status of its final answer, acknowledged. */
async function call(address: { address: string; port: number }, callId: string, fromUri: string): Promise<number> {
  const socket = createSocket('udp4')
  try {
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    const { port } = socket.address()
    socket.send(invite(callId, port, fromUri), address.port, address.address)
    for (;;) {
      const [message] = (await once(socket, 'message')) as [Buffer]
      const status = Number(/^SIP\/2\.0 (\d{3})/.exec(message.toString())?.[1])
      if (status < 200) continue
      const tag = /^To:.*;tag=([^;\s]+)/im.exec(message.toString())?.[1]
      const ack = invite(callId, port, fromUri)
        .toString()
        .replaceAll('INVITE', 'ACK')
        .replace(/^To: .*$/m, `$&;tag=${tag}`)
      socket.send(ack, address.port, address.address)
      return status
    }
  } finally {
    socket.close()
  }
}

test('up tells its parts and addresses, shows calls, and its record explains them', async (t) => {
  await withFolder((folder) =>
    withSuite(t, folder, 'SIGINT', async ({ data, next }) => {
      t.is((await next('part')).state, 'started')
      const ready = (await next('ready')) as { addresses: { app: { address: string; port: number } }; vkey: string }
      t.is(await call(ready.addresses.app, 'stranger-1', 'sip:mallory@external.advisor'), 403)
      t.like(await next('rejected'), { callId: 'stranger-1', layer: 'policy', code: 'guard.registered.unknown', security: false })
      const explained = await ifctl(['guard', 'explain', 'stranger-1', '--data', data, '--json'])
      t.like(JSON.parse(explained.stdout), {
        callId: 'stranger-1',
        verdict: 'rejected',
        decidedBy: 'policy',
        code: 'guard.registered.unknown'
      })
      t.deepEqual(
        JSON.parse(explained.stdout).layers.map(({ state }: { state: string }) => state),
        ['passed', 'passed', 'passed', 'passed', 'passed', 'decided', 'not reached']
      )
      t.is(await call(ready.addresses.app, 'thief-1', 'sip:expert-safety@external.advisor'), 403)
      t.like(await next('rejected'), { callId: 'thief-1', code: 'guard.registered.identity-mismatch', security: true })
      const thief = await ifctl(['guard', 'explain', 'thief-1', '--data', data, '--json'])
      t.like(JSON.parse(thief.stdout), { verdict: 'security_rejected', decidedBy: 'policy', expertId: 'expert-safety' })
      t.is((await ifctl(['witness', 'key', '--data', data])).stdout.trim(), ready.vkey)
      t.is((await ifctl(['witness', 'verify', '--data', data, '--vkey', ready.vkey])).code, 0, 'while the suite writes')
      t.is((await ifctl(['guard', 'registry', 'list', '--data', data])).code, 0)
    })
  )
})

test('SIGTERM ends it cleanly too, and it comes up again on the same data', async (t) => {
  await withFolder(async (folder) => {
    const keys: unknown[] = []
    for (let time = 0; time < 2; time++)
      await withSuite(t, folder, 'SIGTERM', async ({ next }) => void keys.push((await next('ready')).vkey))
    t.is(keys[0], keys[1])
    t.is((await ifctl(['witness', 'verify', '--data', join(folder, 'data')])).code, 0)
  })
})

test('it tells how to dial in: a command that makes a phone for its edge', async (t) => {
  await withFolder(async (folder) => {
    const [config, data] = [join(folder, 'suite.yaml'), join(folder, 'data')]
    await writeFile(config, 'listen: { tls: 0 }\n')
    const child = start(['up', '--config', config, '--data', data])
    t.teardown(() => child.kill('SIGKILL'))
    let shown = ''
    await new Promise<void>((told) =>
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        shown += text
        if (shown.includes('MD5 only')) told()
      })
    )
    const [, server] = /SIP over TLS +(\S+)/.exec(shown)!
    t.true(
      shown.includes(
        `sip:council-safety@external.advisor as expert-safety@external.advisor, user expert-safety, over TLS by ${server}\n`
      )
    )
    t.true(shown.includes(`in ${join(data, 'credentials.json')}\n`))
    const [, command] = /a phone +ifctl (.+)/.exec(shown)!
    const invited = await ifctl([...command!.split(' '), '--out', join(folder, 'phone')])
    t.is(invited.code, 0, invited.stderr)
    t.regex(
      await readFile(join(folder, 'phone', 'baresip', 'accounts'), 'utf8'),
      new RegExp(`outbound="sip:${server};transport=tls"`)
    )
    const ended = finished(child)
    child.kill('SIGTERM')
    t.is((await ended).code, 0)
  })
})

test('when the reader of its status goes away the suite ends in order', async (t) => {
  await withFolder(async (data) => {
    const config = join(data, 'suite.yaml')
    await writeFile(config, 'edge: external\n')
    const child = start(['up', '--config', config, '--data', data])
    t.teardown(() => child.kill('SIGKILL'))
    child.stdout.once('data', () => child.stdout.destroy())
    const { code } = await finished(child)
    t.is(code, 0)
    t.is((await ifctl(['witness', 'verify', '--data', data])).code, 0)
  })
})

test('a configuration with mistakes is refused with all of them', async (t) => {
  await withFolder(async (data) => {
    const config = join(data, 'suite.yaml')
    await writeFile(config, 'edge: nowhere\nlimits: {callsPerMinute: 0}\n')
    const { code, stdout, stderr } = await ifctl(['up', '--config', config, '--data', join(data, 'data')])
    t.is(code, 1)
    t.is(stdout, '')
    t.regex(stderr, /^ifctl: 2 problems \(config\.invalid\)\n {2}edge: .+\n {2}limits\.callsPerMinute: .+\n$/)
    const absent = await ifctl(['up', '--config', join(data, 'absent.yaml')])
    t.is(absent.code, 1)
    const environment = await ifctl(['up'], { env: { IF_DTAA: 'x' } })
    t.is(environment.code, 1)
    t.regex(environment.stderr, /IF_DTAA: sets nothing/)
  })
})
