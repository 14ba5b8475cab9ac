/** drachtio-srf's own tests against the engine: all of them, as they pass against the C++ server. About a minute, most of it their ACK timeout of 32 s. */
import test from 'ava'
import { endsWithAnswer, outsideOf, readDockerRun, servicesOf } from './compose.ts'
import { runSrfSuite } from './run.ts'

test("drachtio-srf's own suite passes whole", async (t) => {
  t.timeout(240_000)
  const { tape, mocha, status, output } = await runSrfSuite(220_000)
  const tail = output.split('\n').slice(-60).join('\n')
  t.notRegex(output, /unshare: .*(?:not permitted|failed)/i, 'namespaces are needed: run the tests as root')
  t.deepEqual(tape, { passed: 78, failed: 0 }, tail)
  t.deepEqual(mocha, { passed: 52, failed: 0 }, tail)
  t.is(status, 0, tail)
})

test('the compose file is read as far as it is needed', (t) => {
  const file = `
version: '2'
services:
  server:
    image: x
    command: drachtio --contact "sip:*;transport=udp"
    ports: ["9061:9022/tcp"]
    networks: { testbed: { ipv4_address: 172.29.0.10 } }
  phone:
    image: y
    command: sipp -sf /tmp/uas.xml
    networks: { testbed: { ipv4_address: 172.29.0.13 } }`
  t.deepEqual(servicesOf(file), [
    { name: 'server', command: ['drachtio', '--contact', 'sip:*;transport=udp'], address: '172.29.0.10', adminPort: 9061 },
    { name: 'phone', command: ['sipp', '-sf', '/tmp/uas.xml'], address: '172.29.0.13', adminPort: null }
  ])
})

test('a scenario that ends with an answer is told from one that ends with a request, or waits', (t) => {
  const send = (words: string) => `<send retrans="500"> <![CDATA[\n\n ${words}\n]]> </send> <!-- <recv request="BYE"/> -->`
  const wait = '<recv response="200"> </recv>'
  t.true(endsWithAnswer(`<scenario>${wait}${send('SIP/2.0 200 OK')}</scenario>`))
  t.false(endsWithAnswer(`<scenario>${wait}${send('ACK sip:a@b SIP/2.0')}</scenario>`))
  t.false(endsWithAnswer(`<scenario>${send('SIP/2.0 200 OK')}${wait}</scenario>`))
  t.false(endsWithAnswer(`<scenario>${send('SIP/2.0 200 OK')}<recv request="BYE"/></scenario>`))
  t.false(endsWithAnswer('<scenario/>'))
})

test('a docker command is turned into the one it would have run', (t) => {
  const words =
    'run --rm --net n --name callee -v /here/scenarios:/tmp/scenarios drachtio/sipp sipp -sf /tmp/scenarios/uas.xml -m 1'.split(
      ' '
    )
  const run = readDockerRun(words)
  t.is(run.name, 'callee')
  t.deepEqual(outsideOf(run), ['sipp', '-sf', '/here/scenarios/uas.xml', '-m', '1'])
  t.throws(() => readDockerRun(['exec', 'x']), { message: /only run is known/ })
  t.throws(() => readDockerRun(['run', '--privileged', 'x']), { message: /not known/ })
})
