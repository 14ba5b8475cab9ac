import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { parse } from 'yaml'
import { z } from 'zod'
import { ConfigError, InfraFabricError, silentLog } from '#kernel'
import { createSipServer, importDrachtioConf, loadSipServer, type SettingsOverrides } from '../sip-engine.ts'
import { importConf } from './drachtio-conf.ts'
import { parseListen, settingsSchema } from './schema.ts'
import { parseXml } from './xml.ts'

/** A folder with these files; gone after the test. */
function folder(t: ExecutionContext, files: Readonly<Record<string, string>>): (name: string) => string {
  const path = mkdtempSync(join(tmpdir(), 'sip-server-'))
  t.teardown(() => rmSync(path, { recursive: true }))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text)
  return (name) => join(path, name)
}

async function problems(file: string | null, overrides?: SettingsOverrides): Promise<readonly string[]> {
  try {
    await loadSipServer(file, overrides)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}

test('a settings file: short and long listeners, defaults, the secret from a file beside it', async (t) => {
  const at = folder(t, {
    'server.yaml': `
listen:
  - udp:127.0.0.1:5060
  - tcp:[::1]:5062
  - { transport: ws, address: 0.0.0.0, port: 80, advertise: sip.example.com, origins: [https://phone.example.com] }
admin: { secretFile: secret }
timers: { t1Ms: 250 }
limits: { transport: { datagram: 4096 }, applications: 4 }
options: { cdrs: true, spam: { userAgents: [scanner] }, outbound: [{ url: 'http://127.0.0.1:8080/' }] }
dns: { servers: [127.0.0.53] }
metrics: { port: 9090 }
capture: { address: 127.0.0.1, agentId: 7 }
`,
    secret: 'cymru\nnot this\n'
  })
  const { config, settings } = await loadSipServer(at('server.yaml'))
  t.deepEqual(config, {
    listen: [
      { transport: 'udp', address: '127.0.0.1', port: 5060 },
      { transport: 'tcp', address: '::1', port: 5062 },
      {
        transport: 'ws',
        address: '0.0.0.0',
        port: 80,
        advertise: 'sip.example.com',
        webSocket: { origins: ['https://phone.example.com'] }
      }
    ],
    admin: { address: '127.0.0.1', port: 9022, secret: 'cymru' },
    timers: { t1Ms: 250 },
    limits: { transport: { datagram: 4096 }, applications: 4 },
    options: {
      cdrs: true,
      spam: { userAgents: ['scanner'], toUsers: [], fromUsers: [] },
      outbound: [{ method: '*', url: 'http://127.0.0.1:8080/' }]
    },
    dns: { servers: ['127.0.0.53'] },
    metrics: { address: '127.0.0.1', port: 9090 },
    capture: { address: '127.0.0.1', port: 9060, transport: 'udp', agentId: 7 }
  })
  t.is(settings.logLevel, 'info')
})

test('the command line stands over the file; a server starts from it', async (t) => {
  const at = folder(t, { 'server.yaml': 'listen: [udp:127.0.0.1:5060]\nadmin: { secret: a, port: 1 }\n', secret: 'b' })
  const overrides = { listen: 'udp:127.0.0.1:0, tcp:127.0.0.1:0', admin: '127.0.0.1:0', secretFile: at('secret') }
  for (const file of [at('server.yaml'), null]) {
    const { config } = await loadSipServer(file, overrides)
    t.is(config.listen.length, 2)
    t.deepEqual(config.admin, { address: '127.0.0.1', port: 0, secret: 'b' })
    const server = await createSipServer({ ...config, log: silentLog })
    t.true(server.adminPort > 0)
    await server.close()
  }
})

test('every problem at once, each with its path', async (t) => {
  const at = folder(t, {
    'types.yaml': `
listen: [udp, { transport: sctp, address: 127.0.0.1, port: 70000 }]
admin: { prot: 1 }
timers: { t9Ms: 1, t1Ms: -1 }
capture: { address: x }
logLevel: loud
`,
    'values.yaml': `
listen:
  - udp:0.0.0.0:5060
  - tls:127.0.0.1:5061
  - { transport: tcp, address: localhost, port: 5060, tls: { key: no.pem, cert: [no.pem] } }
admin: { secret: a, secretFile: nowhere, tls: { port: 1, key: no.pem, cert: no.pem } }
options: { outbound: [{ url: nowhere }] }
dns: { servers: [name] }
`,
    'broken.yaml': 'listen: [\nadmin: }\n',
    'list.yaml': '- a\n',
    'empty.yaml': ''
  })
  const paths = async (name: string, overrides?: SettingsOverrides): Promise<string[]> =>
    (await problems(at(name), overrides)).map((each) => each.split(': ', 1)[0]!).sort()
  t.deepEqual(await paths('types.yaml', { admin: 'nine' }), [
    '--admin',
    'admin',
    'capture.agentId',
    'listen[0]',
    'listen[1].port',
    'listen[1].transport',
    'logLevel',
    'timers',
    'timers.t1Ms'
  ])
  t.deepEqual(await paths('values.yaml'), [
    'admin.secret',
    'admin.tls',
    'dns.servers[0]',
    'listen[0].advertise',
    'listen[1].tls',
    'listen[2].address',
    'listen[2].tls',
    'options.outbound[0].url'
  ])
  t.regex((await problems(at('broken.yaml')))[0]!, /line 2/)
  t.deepEqual(await paths('list.yaml'), ['expected settings by name'])
  t.deepEqual(await paths('empty.yaml'), ['listen'])
  t.deepEqual(await paths('missing.yaml'), ['cannot be read (ENOENT)'])
  t.deepEqual(await problems(null, { listen: 'udp:127.0.0.1:5060' }), ['admin.secret: needed, or secretFile'])
  const nowhere = await problems(null, { listen: 'udp:127.0.0.1:5060', secretFile: at('nowhere') })
  t.regex(nowhere[0]!, /^--secret-file: .* cannot be read \(ENOENT\)$/)
})

test('what a reload does not take over is named', async (t) => {
  const at = folder(t, {
    a: 'listen: [udp:127.0.0.1:5060]\nadmin: { secret: a }\nlogLevel: info\n',
    b: 'listen: [udp:127.0.0.1:5061]\nadmin: { secret: a }\nlogLevel: debug\nuserAgent: x\n'
  })
  const before = await loadSipServer(at('a'))
  t.deepEqual(before.needRestart(await loadSipServer(at('b'))).sort(), ['listen', 'userAgent'])
  t.deepEqual(before.needRestart(await loadSipServer(at('a'))), [])
})

test('the README has a row for every setting', (t) => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const documented = (settings: object, path: string): void => {
    for (const [name, each] of Object.entries(settings)) {
      t.true(readme.includes(`\n| \`${path}${name}\` |`), path + name)
      if (each.type === 'object' && name !== 'tls' && !JSON.stringify(each).includes('"exclusiveMinimum"')) {
        documented(each.properties, `${path}${name}.`)
      }
    }
  }
  const { properties } = z.toJSONSchema(settingsSchema, { unrepresentable: 'any' })
  t.true(Object.keys(properties!).length > 8)
  documented(properties!, '')
})

test('short listeners', (t) => {
  t.deepEqual(parseListen('UDP:[::1]:0'), { transport: 'udp', address: '::1', port: 0 })
  for (const text of ['udp', 'udp:127.0.0.1', 'udp:::1:5060', 'udp:127.0.0.1:x', ':127.0.0.1:1', 'udp:[::1:5']) {
    t.is(parseListen(text), undefined, text)
  }
})

const conf = `<?xml version="1.0"?>
<drachtio>
  <!-- comment -->
  <admin port="9022" tls-port="9023" tcp-keepalive="45" secret="cymru">127.0.0.1</admin>
  <sip>
    <contacts>
      <contact external-ip="198.51.100.7" local-net="10.0.0.0/8">sip:*;transport=udp,tcp</contact>
      <contact dns-names="a.example,b.example">sips:10.1.1.1:443;transport=wss</contact>
      <contact>sips:[2001:db8::1]</contact>
      <contact>sip:10.1.1.1:5070;maddr=1.2.3.4</contact>
      <contact>not an address</contact>
      <contact>sip:10.1.1.1;transport=sctp</contact>
    </contacts>
    <tls>
      <key-file>/k</key-file>
      <cert-file>/c</cert-file>
      <chain-file>/ch</chain-file>
      <dh-param>/dh</dh-param>
      <min-tls-version>1.1</min-tls-version>
    </tls>
    <timers><t1>100</t1><t2>x</t2><t1x64>32000</t1x64></timers>
    <udp-mtu>4096</udp-mtu>
    <outbound-proxy>sip:10.10.10.1</outbound-proxy>
    <capture-server port="9061" hep-version="2" id="101">10.9.9.9</capture-server>
    <unheard-of colour="red"><deeper/></unheard-of>
    <spammers action="reject">
      <header name="User-Agent"><value>sipcli</value><value>scanner</value></header>
      <header name="To"><value>sipvicious</value></header>
      <header name="Subject"><value>x</value></header>
      <header><value>y</value></header>
    </spammers>
    <user-agent-options-auto-respond>JsSIP</user-agent-options-auto-respond>
  </sip>
  <request-handlers>
    <request-handler sip-method="invite" http-method="post" verify-peer="true">https://example.com/route</request-handler>
    <request-handler>tls://10.1.1.2:3000</request-handler>
    <request-handler>ftp://example.com</request-handler>
  </request-handlers>
  <cdrs>true</cdrs>
  <monitoring><prometheus port="9090">127.0.0.1</prometheus></monitoring>
  <logging>
    <console/>
    <syslog><address>logs</address><port>514</port></syslog>
    <loglevel>warning</loglevel>
  </logging>
</drachtio>
`

test('drachtio.conf.xml: what has a counterpart is taken over', (t) => {
  const { settings } = importConf(conf)
  const wide = { address: '0.0.0.0', port: 5060, advertise: '198.51.100.7' }
  t.deepEqual(settings, {
    listen: [
      { transport: 'udp', ...wide },
      { transport: 'tcp', ...wide },
      'wss:10.1.1.1:443',
      'tls:[2001:db8::1]:5061',
      'udp:10.1.1.1:5070',
      'tcp:10.1.1.1:5070'
    ],
    admin: { address: '127.0.0.1', port: 9022, secret: 'cymru', tls: { port: 9023, key: '/k', cert: ['/c', '/ch'] } },
    options: {
      spam: { userAgents: ['sipcli', 'scanner'], toUsers: ['sipvicious'], fromUsers: [] },
      answerOptionsOf: ['JsSIP'],
      outbound: [
        { method: 'INVITE', url: 'https://example.com/route', httpMethod: 'POST', verify: true },
        { method: '*', url: 'tls://10.1.1.2:3000', verify: false }
      ],
      cdrs: true
    },
    tls: { key: '/k', cert: ['/c', '/ch'], verifyServer: false },
    timers: { t1Ms: 100 },
    limits: { transport: { datagram: 4096 } },
    capture: { address: '10.9.9.9', port: 9061, agentId: 101 },
    metrics: { address: '127.0.0.1', port: 9090 },
    logLevel: 'warn'
  })
})

test('drachtio.conf.xml: everything else is named with its line, nothing is dropped in silence', (t) => {
  const { notes } = importConf(conf)
  t.deepEqual(
    notes.map(({ line, path }) => `${line} ${path}`),
    [
      '4 admin@tcp-keepalive',
      '7 sip/contacts/contact@local-net',
      '8 sip/contacts/contact@dns-names',
      '10 sip/contacts/contact',
      '11 sip/contacts/contact',
      '12 sip/contacts/contact',
      '14 sip/tls',
      '18 sip/tls/dh-param',
      '19 sip/tls/min-tls-version',
      '21 sip/timers/t2',
      '21 sip/timers/t1x64',
      '23 sip/outbound-proxy',
      '24 sip/capture-server@hep-version',
      '25 sip/unheard-of',
      '26 sip/spammers@tcp-action',
      '29 sip/spammers/header@name',
      '30 sip/spammers/header',
      '37 request-handlers/request-handler',
      '43 logging/syslog'
    ]
  )
  const bare = importConf('<drachtio><sip><contact>sip:*</contact></sip></drachtio>')
  t.deepEqual(
    bare.notes.map(({ path }) => path),
    ['sip/contact', 'drachtio']
  )
  t.deepEqual(importConf('<drachtio><sip><contact>sip:*</contact></sip></drachtio>', '192.0.2.1').settings.listen, [
    'udp:192.0.2.1:5060',
    'tcp:192.0.2.1:5060'
  ])
  t.true(importConf('<other/>').notes.some(({ text }) => text.startsWith('unknown element')))
})

test('drachtio.conf.xml: the YAML is what the server reads, with the notes as comments', async (t) => {
  const source =
    '<drachtio><admin port="0" secret="a: #b">127.0.0.1</admin><sip><contact>sip:127.0.0.1:0</contact></sip><x/></drachtio>'
  const { yaml, settings } = await importDrachtioConf(source, { source: 'drachtio.conf.xml\nadmin: evil' })
  t.deepEqual(parse(yaml), settings)
  t.regex(yaml, /^# From drachtio\.conf\.xml admin: evil\.\n#\n# To look at:\n# {3}line 1, x: unknown element\n\n/)
  const at = folder(t, { 'server.yaml': yaml })
  const { config } = await loadSipServer(at('server.yaml'))
  t.is(config.admin?.secret, 'a: #b')
  const server = await createSipServer({ ...config, log: silentLog })
  await server.close()
})

test('XML: no document type, no entity but the five, no endless nesting; faults have their line', (t) => {
  const refused = (source: string): string =>
    t.throws<InfraFabricError>(() => parseXml(source), { code: 'sip-engine.xml' }).message
  t.regex(refused('<!DOCTYPE d [<!ENTITY a "b">]>\n<d>&a;</d>'), /^line 1: a document type/)
  t.regex(refused('<!DOCTYPE d SYSTEM "file:///etc/passwd"><d/>'), /document type/)
  t.regex(refused('<d>\n\n&a;</d>'), /^line 3: undefined entity/)
  t.regex(refused('<d>\n<e></d>'), /^line 2: unexpected close tag/)
  t.regex(refused('<d>'.repeat(100)), /too many elements/)
  t.regex(refused('x'.repeat(2_000_000)), /too large/)
  refused('')
  refused('<d a="1" a="2"/>')
  t.is(parseXml('<d>&lt;<![CDATA[&a;]]>&#65;</d>').text, '<&a;A')
})

test('XML: any text is read or refused with a line', (t) => {
  const mutated = fc
    .tuple(fc.nat(conf.length - 1), fc.string({ maxLength: 4 }), fc.nat(20))
    .map(([at, text, cut]) => conf.slice(0, at) + text + conf.slice(at + cut))
  fc.assert(
    fc.property(mutated, (source) => {
      try {
        importConf(source)
        return true
      } catch (error) {
        return error instanceof InfraFabricError && /^line \d+: /.test(error.message)
      }
    }),
    { numRuns: 500 }
  )
  t.pass()
})
