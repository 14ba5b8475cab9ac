/** Runs the commands of docs/tutorial-escalation.md against the suite, with SIPp as the expert's phone. */
import test from 'ava'
import { failureText } from '#sipp'
import { openTutorial } from './testing/tutorial.ts'

test('the tutorial of an escalation does what it says', async (t) => {
  const { suite, entriesOf, verify, expert, blocks, play } = await openTutorial(t, 'tutorial-escalation.md', 'uas-expert-stays')
  const outputs: string[] = []
  for (let block = 0; block < blocks; block++) outputs.push(await play(block))
  t.regex(outputs[0]!, /expert-safety is connected as expert-safety-[0-9a-f]{8}/)
  t.regex(outputs[1]!, /expert 1 +expert-safety/)
  t.regex(outputs[2]!, /"status":"rejected","code":"escalate\.expert\.unknown"/)
  for (const event of ['escalation_requested', 'policy_decision', 'sip_invite_sent', 'sip_100_trying', 'BRIDGE_ESTABLISHED'])
    t.true(outputs[3]!.includes(event), event)
  const result = await expert.result
  t.is(result.outcome, 'passed', failureText(result) ?? '')
  t.is(entriesOf('TERMINATED').length, 1)
  t.is(suite.status().sip.active, 0)
  t.is((await verify()).verdict, 'valid')
})
