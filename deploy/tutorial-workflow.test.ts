/** Runs the commands of docs/tutorial-workflow.md against the suite, with SIPp as the expert's phone. */
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { failureText } from '#sipp'
import { openTutorial } from './testing/tutorial.ts'

const trace = 'case-44'
const patienceMs = 30_000

test('the tutorial of the workflow does what it says: task, budget, sandbox and call are one trace', async (t) => {
  const { suite, entriesOf, entries, verify, expert, play } = await openTutorial(t, 'tutorial-workflow.md', 'uas-expert', {
    EXAMPLE: fileURLToPath(new URL('../plugins/chassis/example', import.meta.url))
  })
  const told = async (event: string): Promise<void> => {
    for (const until = Date.now() + patienceMs; entriesOf(event).length === 0 && Date.now() < until; ) await pause(50)
    t.is(entriesOf(event).length, 1, event)
  }

  t.regex(await play(0), /T-1 is pending, trace case-44/)
  const chosen = await play(1)
  t.regex(chosen, /^alpha +0\.9|alpha.*1\.000/m)
  t.regex(chosen, /refused: beta cannot do it/)
  t.regex(chosen, /T-1 is claimed by alpha, fence 1/)
  const ran = await play(2)
  t.regex(ran, /reward rose while the task failed, 2 times in 4 steps, last at step 4/)
  t.regex(ran, /\{"steps":4,"suspicious":2,"escalated":true\}/)
  await told('CONNECTED')
  t.regex(await play(3), /expert 1 +expert-safety/)
  await told('TERMINATED')
  const completed = await play(4)
  t.regex(completed, /T-1 is complete/)
  t.regex(completed, /from the ledger +0\.\d+, the same/)
  const shown = await play(5)
  for (const event of [
    'task_added',
    'budget_reserved',
    'task_matched',
    'task_claimed',
    'sandbox_created',
    'sandbox_started',
    'hazard_raised',
    'escalation_requested',
    'policy_decision',
    'hazard_escalated',
    'sandbox_ended',
    'sip_invite_sent',
    'CONNECTED',
    'BRIDGE_ESTABLISHED',
    'TERMINATED',
    'budget_settled',
    'task_completed'
  ])
    t.regex(shown, new RegExp(` ${event}\\b`), event)
  const order = [
    'task_added',
    'task_claimed',
    'sandbox_created',
    'hazard_raised',
    'escalation_requested',
    'CONNECTED',
    'task_completed'
  ]
  // a call has a trace of its own, which hangs under the one that asked for it
  const under = new Set<string>([trace])
  for (const { trace_id, parent_trace_id } of entries())
    if (parent_trace_id !== undefined && under.has(parent_trace_id)) under.add(trace_id)
  const own = entries().filter(({ trace_id }) => under.has(trace_id))
  const places = order.map((event) => own.findIndex((entry) => entry.event === event))
  t.deepEqual(
    places,
    [...places].sort((a, b) => a - b)
  )
  t.false(places.includes(-1))
  const [raised] = entriesOf('hazard_escalated')
  t.is(raised!.payload.escalation, entriesOf('escalation_requested')[0]!.payload.escalation)
  const result = await expert.result
  t.is(result.outcome, 'passed', failureText(result) ?? '')
  t.is(suite.status().sip.active, 0)
  t.is((await verify()).verdict, 'valid')
})
