/** IF.guard in the suite: rules that change while it runs, receipts and their replay, Identity headers of callers. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { createGuard, defaultRules, signIdentity } from '#guard'
import { silentLog, systemClock } from '#kernel'
import { startSuite } from '#suite'
import { ifctl } from '../../cli/testing/run.ts'
import { openPhone } from '../../gateways/sip/testing/phone.ts'
import { openStirAuthority, serveHttps } from '../../plugins/guard/testing/stir-authority.ts'
import { edgeHeaders, runSuite, temporaryFolder, until } from '../testing/harness.ts'

const closed = '\n@id("closed") @code("guard.rule.closed") @reason("closed for today") forbid (principal, action, resource);\n'

test.serial(
  'rules change while the suite runs; every change is recorded, and past decisions are made again from their receipts',
  async (t) => {
    const folder = await temporaryFolder(t)
    const rules = join(folder, 'rules.cedar')
    await writeFile(rules, defaultRules())
    const { suite, events, phone, rtp, entriesOf, verify } = await runSuite(t, { edge: 'external', guard: { rules } })
    const sound = await rtp()
    const call = async (): Promise<number> => {
      const expert = await phone('expert-safety')
      const answer = await expert.invite({ sdp: sound.sdp(), headers: () => edgeHeaders('expert-safety') })
      if (answer.status === 200) await answer.bye()
      return answer.status
    }
    t.is(await call(), 200)

    await writeFile(rules, defaultRules() + closed)
    await until(() => events.some((event) => event.type === 'rules' && event.ok))
    t.is(await call(), 403)
    await writeFile(rules, 'forbid everything')
    await until(() => events.some((event) => event.type === 'rules' && !event.ok))
    t.is(await call(), 403, 'the rules before it stay')
    await until(() => entriesOf('policy_decision').length === 3)

    const loaded = entriesOf('policy_loaded').map(({ payload }) => payload)
    t.is(loaded.length, 2)
    t.like(loaded[0], { previous: null, engine: 'guard-rules/1' })
    t.is(loaded[1]!.previous, loaded[0]!.policy)
    t.like(entriesOf('policy_refused')[0]!.payload, { policy: loaded[1]!.policy })
    t.regex(String((entriesOf('policy_refused')[0]!.payload.problems as string[])[0]), /^line 1: expected \(/)

    const [first, second] = entriesOf('policy_decision')
    const replayed = async (id: string, ...more: string[]) => {
      const { code, stdout } = await ifctl(['guard', 'replay', id, '--data', suite.data.folder, '--json', ...more])
      return { code, ...JSON.parse(stdout) }
    }
    t.like(await replayed(first!.trace_id), {
      code: 0,
      state: 'same',
      recorded: { verdict: 'approve' },
      policy: loaded[0]!.policy
    })
    t.like(await replayed(String(second!.index)), {
      code: 0,
      state: 'same',
      recorded: { verdict: 'reject', code: 'guard.rule.closed', rule: 'closed' },
      policy: loaded[1]!.policy
    })
    await writeFile(rules, defaultRules() + closed)
    t.like(await replayed(first!.trace_id, '--rules', rules), {
      code: 16,
      state: 'differs',
      replayed: { verdict: 'reject', code: 'guard.rule.closed' }
    })
    const missing = await ifctl(['guard', 'replay', first!.trace_id, '--data', suite.data.folder, '--policies', folder])
    t.is(missing.code, 1)
    t.regex(missing.stdout, /are not kept here/)
    t.is((await ifctl(['guard', 'replay', 'nobody', '--data', suite.data.folder])).code, 1)

    const { stdout } = await ifctl(['guard', 'explain', second!.trace_id, '--data', suite.data.folder])
    t.regex(stdout, /^rejected at layer policy: closed for today \(guard\.rule\.closed\)$/m)
    t.regex(stdout, /^decided +by rule closed \(guard-rules\/1\)$/m)
    t.true(stdout.includes(String(loaded[1]!.policy)))
    const shown = await ifctl(['guard', 'policy', 'show', String(loaded[1]!.policy), '--data', suite.data.folder])
    t.is(shown.stdout.trim(), (defaultRules() + closed).trim())
    t.is((await verify()).verdict, 'valid')
  }
)

test.serial('Identity headers: verified, refused with the statuses of RFC 8224, and never fetched from inside', async (t) => {
  const data = await temporaryFolder(t)
  const authority = openStirAuthority()
  t.teardown(authority.remove)
  const root = authority.issue('root', { extensions: ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign'] })
  const provider = authority.forNumbers('provider', root, { providers: ['1234'] })
  const web = authority.issue('web', { issuer: root, extensions: ['subjectAltName=DNS:cert.example.org'] })
  const { port, close } = await serveHttps(web, (_request, response) => response.end(provider.pem))
  t.teardown(close)
  const registry = await readFile(new URL('../../plugins/guard/experts.example.yaml', import.meta.url), 'utf8')
  const registryPath = join(data, 'registry.yaml')
  await writeFile(registryPath, registry.replace('sip:expert-safety@external.advisor', 'sip:+12155551212@external.advisor'))
  const demands = `${defaultRules()}
    @id("vouched") @code("guard.identity.missing") @reason("nobody vouches for the number")
    forbid (principal == Party::"expert-safety", action, resource) unless { ["A", "B"].contains(context.identity.attestation) };`
  const rulesPath = join(data, 'rules.cedar')
  await writeFile(rulesPath, demands)
  const anchors = join(data, 'anchors.pem')
  await writeFile(anchors, root.pem)

  // the guard of the suite asks the public Internet only; the one that answers here asks this test
  const guard = await createGuard({
    registryPath,
    rulesPath,
    identity: {
      anchors: root.pem,
      hosts: ['cert.example.org'],
      ports: [port],
      tlsAuthorities: root.pem,
      resolve: async () => ['127.0.0.1'],
      mayAsk: () => true
    },
    clock: systemClock,
    log: silentLog
  })
  t.teardown(guard.close)
  let own = true
  const suite = await startSuite(
    { data, edge: 'external', logLevel: 'silent', guard: { rules: rulesPath, identity: { anchors } } },
    {
      log: silentLog,
      callPorts: (real) => ({
        ...real,
        guard: { decide: (context, request) => (own ? guard : real.guard).decide(context, request) }
      })
    }
  )
  t.teardown(() => suite.stop())
  const user = guard.registry().byId('expert-safety')!
  const phone = await openPhone({ uri: user.uri, port: suite.addresses.appTcp.port })
  t.teardown(phone.close)
  const certificateUrl = `https://cert.example.org:${port}/sti.pem`
  const call = async (identity: (vouched: { fromUri: string; toUri: string }) => string | null): Promise<string> => {
    const answer = await phone.invite({
      sdp: 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n',
      headers: ({ fromUri, toUri }) => {
        const value = identity({ fromUri, toUri })
        return { ...edgeHeaders('expert-safety'), ...(value === null ? {} : { Identity: value }) }
      }
    })
    if (answer.status === 200) await answer.bye()
    return answer.response.start
  }
  const vouch =
    (attestation: 'A' | 'C', ageMs = 0, key = provider.key) =>
    (named: { fromUri: string; toUri: string }) =>
      signIdentity({ key, certificateUrl }, { ...named, attestation }, Date.now() - ageMs)
  t.is(await call(vouch('A')), 'SIP/2.0 200 OK')
  t.is(await call(vouch('C')), 'SIP/2.0 428 Use Identity Header')
  t.is(await call(() => null), 'SIP/2.0 428 Use Identity Header')
  t.is(await call(() => 'rubbish'), 'SIP/2.0 438 Invalid Identity Header')
  t.is(await call(vouch('A', 0, root.key)), 'SIP/2.0 438 Invalid Identity Header')
  t.is(await call(vouch('A', 70_000)), 'SIP/2.0 403 Stale Date')
  t.is(await call((named) => vouch('A')({ ...named, toUri: 'sip:somebody@else.example' })), 'SIP/2.0 438 Invalid Identity Header')
  t.is(await call((named) => `rubbish, ${vouch('A')(named)}`), 'SIP/2.0 200 OK')
  own = false
  t.is(await call(vouch('A')), 'SIP/2.0 436 Bad Identity Info', 'this port, and this address, are not asked')
})
