import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { silentLog } from '#kernel'
import { createSipServer } from './sip-engine.ts'
import { connectSrf, type TestSrf } from './testing/srf.ts'

/** SIPp as an independent peer, in both directions. */

const sdp = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n'

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function sipp(
  t: ExecutionContext,
  args: readonly string[],
  scenario?: string
): Promise<{ port: number; done: Promise<{ code: number | null; output: string }> }> {
  const dir = mkdtempSync(join(tmpdir(), 'sip-engine-sipp-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const port = await freePort()
  const file = join(dir, 'scenario.xml')
  if (scenario !== undefined) writeFileSync(file, scenario)
  const child = spawn(
    'sipp',
    [
      ...args,
      ...(scenario === undefined ? [] : ['-sf', file]),
      '-i',
      '127.0.0.1',
      '-p',
      `${port}`,
      '-nostdin',
      '-timeout',
      '20',
      '-timeout_error',
      '-trace_err',
      '-error_file',
      join(dir, 'errors.log')
    ],
    { cwd: dir, env: { ...process.env, TERM: 'dumb' } }
  )
  let output = ''
  child.stdout.on('data', (chunk) => {
    output = (output + chunk).slice(-4000)
  })
  child.stderr.on('data', (chunk) => {
    output = (output + chunk).slice(-4000)
  })
  t.teardown(() => child.kill('SIGKILL'))
  return { port, done: new Promise((resolve) => child.on('close', (code) => resolve({ code, output }))) }
}

async function engineWith(t: ExecutionContext, setup: (srf: TestSrf) => void) {
  const engine = await createSipServer({
    listen: [
      { transport: 'udp', address: '127.0.0.1', port: 0 },
      { transport: 'tcp', address: '127.0.0.1', port: 0 }
    ],
    admin: { address: '127.0.0.1', port: 0, secret: 'cymru' },
    log: silentLog
  })
  const { srf } = await connectSrf(engine.adminPort, setup)
  t.teardown(async () => {
    srf.disconnect()
    await engine.close()
  })
  return { engine, srf, udp: `127.0.0.1:${engine.addresses[0]!.port}`, tcp: `127.0.0.1:${engine.addresses[1]!.port}` }
}

const answering = (srf: TestSrf): void =>
  srf.invite((request, response) => void srf.createUAS(request, response, { localSdp: sdp }).catch(() => undefined))

for (const [name, options] of [
  ['UDP', []],
  ['one TCP connection', ['-t', 't1']],
  ['a TCP connection for each call', ['-t', 'tn', '-max_socket', '200']]
] as const) {
  test.serial(`SIPp calls over ${name}: 60 calls, none fails`, async (t) => {
    const { engine, udp, tcp } = await engineWith(t, answering)
    const caller = await sipp(t, [options.length === 0 ? udp : tcp, '-sn', 'uac', '-m', '60', '-r', '60', '-d', '20', ...options])
    const { code, output } = await caller.done
    t.is(code, 0, output)
    t.is(engine.stats().dialogs, 0)
    t.is(engine.stats().malformed, 0)
  })
}

test.serial('SIPp answers calls of an application, and hangs up none', async (t) => {
  const { engine, srf } = await engineWith(t, () => undefined)
  const callee = await sipp(t, ['-sn', 'uas', '-m', '10'])
  await Promise.all(
    Array.from({ length: 10 }, async () => {
      const dialog = await srf.createUAC(`sip:bob@127.0.0.1:${callee.port}`, { localSdp: sdp })
      await dialog.destroy()
    })
  )
  const { code, output } = await callee.done
  t.is(code, 0, output)
  t.is(engine.stats().dialogs, 0)
})

const head = (method: string, cseq: string, branch: string, to: string): string => `
${method} sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=${branch}
From: sipp <sip:sipp@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>${to}
Call-ID: [call_id]
CSeq: ${cseq} ${method}
Contact: <sip:sipp@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Length: 0
`
const send = (text: string, retransmit = ''): string => `<send${retransmit}><![CDATA[${text}\n]]></send>`
const scenario = (steps: string): string =>
  `<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="test">\n${steps}\n</scenario>\n`

test.serial('a caller whose ACK comes late, after two more 200, has its call', async (t) => {
  const { engine, udp } = await engineWith(t, answering)
  const caller = await sipp(
    t,
    [udp, '-m', '3'],
    scenario(
      [
        send(head('INVITE', '1', '[branch]', ''), ' retrans="500"'),
        '<recv response="100" optional="true"/><recv response="200"/><pause milliseconds="1800"/>',
        send(head('ACK', '1', '[branch]', '[peer_tag_param]')),
        send(head('BYE', '2', '[branch]', '[peer_tag_param]'), ' retrans="500"'),
        '<recv response="200"/>'
      ].join('\n')
    )
  )
  const { code, output } = await caller.done
  t.is(code, 0, output)
  t.is(engine.stats().retransmissionsSent, 6)
  t.is(engine.stats().ackTimeouts, 0)
})

test.serial('a caller that cancels while it rings gets 200 and 487', async (t) => {
  const { engine, udp } = await engineWith(t, (srf) => srf.invite((_, response) => response.send(180)))
  const caller = await sipp(
    t,
    [udp, '-m', '5'],
    scenario(
      [
        send(head('INVITE', '1', 'z9hG4bK-[call_number]-x', ''), ' retrans="500"'),
        '<recv response="100" optional="true"/><recv response="180"/>',
        send(head('CANCEL', '1', 'z9hG4bK-[call_number]-x', ''), ' retrans="500"'),
        '<recv response="200"/><recv response="487"/>',
        send(head('ACK', '1', 'z9hG4bK-[call_number]-x', '[peer_tag_param]'))
      ].join('\n')
    )
  )
  const { code, output } = await caller.done
  t.is(code, 0, output)
  t.is(engine.stats().dialogs, 0)
})
