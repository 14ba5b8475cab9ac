/** Runs the commands of docs/tutorial-escalation.md against the suite, with SIPp as the expert's phone. */
import { execFile } from 'node:child_process'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { failureText, startSipp } from '#sipp'
import { cleanEnvironment, shim } from '../cli/testing/run.ts'
import { runSuite, temporaryFolder } from './testing/harness.ts'

const run = promisify(execFile)

test('the tutorial of an escalation does what it says', async (t) => {
  const page = await readFile(new URL('../docs/tutorial-escalation.md', import.meta.url), 'utf8')
  const blocks = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block]) => block!)
  const folder = await temporaryFolder(t)
  const phone = await startSipp({ scenario: 'uas-expert-stays', calls: 1, receiveTimeoutMs: 60_000, timeoutMs: 90_000 })
  t.teardown(() => phone.stop())
  await phone.ready
  const data = join(folder, 'data')
  await mkdir(data, { mode: 0o700 })
  const registry = /```yaml\n([\s\S]*?)```/.exec(page)![1]!
  await writeFile(join(data, 'registry.yaml'), registry.replace('203.0.113.20:5061;transport=tls', `127.0.0.1:${phone.port}`))
  const { suite, entriesOf, verify } = await runSuite(t, { data })
  const bin = join(folder, 'bin')
  await mkdir(bin)
  await symlink(shim, join(bin, 'ifctl'))
  const env = cleanEnvironment({ IF_DATA: data, PATH: `${bin}:${dirname(process.execPath)}:${process.env.PATH}` })
  const outputs: string[] = []
  for (const block of blocks) {
    const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', block], { cwd: folder, env })
    outputs.push(stdout)
  }
  t.regex(outputs[0]!, /expert-safety is connected as expert-safety-[0-9a-f]{8}/)
  t.regex(outputs[1]!, /expert 1 +expert-safety/)
  t.regex(outputs[2]!, /"status":"rejected","code":"escalate\.expert\.unknown"/)
  for (const event of ['escalation_requested', 'policy_decision', 'sip_invite_sent', 'sip_100_trying', 'BRIDGE_ESTABLISHED'])
    t.true(outputs[3]!.includes(event), event)
  const result = await phone.result
  t.is(result.outcome, 'passed', failureText(result) ?? '')
  t.is(entriesOf('TERMINATED').length, 1)
  t.is(suite.status().sip.active, 0)
  t.is((await verify()).verdict, 'valid')
})
