/** The suite is killed while an expert is in the council: the next one closes the record and hangs up on the phone. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { failureText, startSipp } from '#sipp'
import { ifctl } from '../cli/testing/run.ts'
import { runSuite, temporaryFolder } from './testing/harness.ts'

test('a phone that was called out does not stay in a call in which nobody is left', async (t) => {
  const data = join(await temporaryFolder(t), 'data')
  await mkdir(data, { mode: 0o700 })
  const phone = await startSipp({ scenario: 'uas-expert', calls: 1, receiveTimeoutMs: 60_000, timeoutMs: 70_000 })
  t.teardown(() => phone.stop())
  await phone.ready
  await writeFile(
    join(data, 'registry.yaml'),
    [
      'experts:',
      '  - id: expert-safety',
      '    uri: sip:expert-safety@external.advisor',
      '    organisation: Advisory',
      '    specialisations: [safety]',
      '    digestUser: expert-safety',
      `    contact: sip:expert-safety@127.0.0.1:${phone.port}`,
      ''
    ].join('\n')
  )
  const child = fork(
    fileURLToPath(new URL('./testing/suite-process.ts', import.meta.url)),
    [JSON.stringify({ data, listen: { tls: 0 } })],
    { execArgv: ['--disable-warning=ExperimentalWarning'] }
  )
  t.teardown(() => void child.kill('SIGKILL'))
  await once(child, 'message')
  const escalated = await ifctl(['escalate', 'safety', '--trace', 'case-42'], { env: { IF_DATA: data } })
  t.is(escalated.code, 0, escalated.stderr + escalated.stdout)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const { suite, entriesOf, verify } = await runSuite(t, { data })
  const result = await phone.result
  t.is(result.outcome, 'passed', failureText(result) ?? '')
  t.is(suite.status().sip.closedAfterRestart, 1)
  t.like(entriesOf('TERMINATED')[0], { payload: { reason: 'application-restart', byeFollows: true } })
  t.is((await verify()).verdict, 'valid')
})
