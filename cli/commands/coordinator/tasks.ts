import { type NewTask, type Task, type TaskState, taskStates } from '#coordinator'
import type { Run } from '../../command.ts'
import { type Arguments, CommandError, UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { readObject } from '../../line/json-option.ts'
import { readMoment } from '../../line/times.ts'
import { type Output, printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { readCapabilities } from '../../subjects/capabilities.ts'
import { refused, withPlugins } from '../../subjects/plugins.ts'

export const list: Run = async (args, output) => {
  const state = args.value('status') as TaskState | undefined
  if (state !== undefined && !taskStates.includes(state)) throw new UsageError(`--status: expected ${taskStates.join(', ')}`)
  const limit = args.wholeNumber('limit', 1, 10_000) ?? 1000
  return withPlugins(args, output, async ({ coordinator }) => {
    const tasks = await coordinator.list({ limit, ...(state === undefined ? {} : { state }) })
    await showTasks(tasks, output)
    return exitCodes.ok
  })
}

/** Tasks as a table, or one object a line. */
export async function showTasks(tasks: readonly Task[], output: Output): Promise<void> {
  if (output.json) for (const task of tasks) await output.document(task)
  else if (tasks.length === 0) output.talk('no task')
  else {
    const rows = tasks.map(({ id, state, priority, swarm, attempts, mostAttempts, title }) => [
      id,
      state,
      String(priority),
      swarm ?? '-',
      `${attempts}/${mostAttempts}`,
      title
    ])
    for (const line of table([['task', 'state', 'priority', 'swarm', 'attempts', 'title'], ...rows], output.columns()))
      await output.line(printable(line))
  }
}

export const add: Run = async (args, output) => {
  const task = newTask(args)
  return withPlugins(args, output, async ({ coordinator }) => {
    const added = await coordinator.add(task)
    if (output.json) await output.document(added)
    else await output.line(`${added.id} is pending, trace ${added.traceId}`)
    return exitCodes.ok
  })
}

function newTask(args: Arguments): NewTask {
  const requires = args.value('requires')
  const deadline = args.value('deadline')
  const input = args.value('input')
  const optional = {
    title: args.value('title'),
    priority: args.wholeNumber('priority', 0, 9),
    requires: requires === undefined ? undefined : readCapabilities(requires, '--requires'),
    dependsOn: args.value('depends-on')?.split(','),
    deadlineAt: deadline === undefined ? undefined : readMoment(deadline, 'deadline', Date.now()),
    estimate: args.value('estimate'),
    hazard: args.value('hazard'),
    mostAttempts: args.wholeNumber('attempts', 1, 100),
    input: input === undefined ? undefined : readObject(input, '--input'),
    traceId: args.value('trace'),
    parentTraceId: args.value('parent')
  }
  const given = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined))
  return { id: args.operands[0]!, ...given }
}

export const claim: Run = (args, output) => {
  const swarm = args.required('swarm')
  return withPlugins(args, output, async ({ coordinator }) => {
    const claimed = await coordinator.claim(args.operands[0]!, swarm)
    if (!claimed.ok) throw refused(claimed)
    const { task, fence, leaseUntil } = claimed
    if (output.json) await output.document({ task, swarm, fence, leaseUntil })
    else await output.line(`${task.id} is claimed by ${swarm}, fence ${fence}, until ${new Date(leaseUntil).toISOString()}`)
    return exitCodes.ok
  })
}

export const renew: Run = (args, output) =>
  ofOwner(args, output, async (coordinator, id, swarm, fence) => coordinator.renew(id, swarm, fence))

export const release: Run = (args, output) => {
  const swarm = args.required('swarm')
  const fence = args.wholeNumber('fence', 1, Number.MAX_SAFE_INTEGER) ?? null
  return withPlugins(args, output, async ({ coordinator }) =>
    showEnd(await coordinator.release(args.operands[0]!, swarm, fence), output)
  )
}

export const complete: Run = (args, output) => {
  const outcome = readObject(args.value('outcome') ?? '{}', '--outcome')
  return ofOwner(args, output, (coordinator, id, swarm, fence) =>
    coordinator.complete(id, swarm, fence, outcome, args.value('cost'))
  )
}

export const fail: Run = (args, output) =>
  ofOwner(args, output, (coordinator, id, swarm, fence) =>
    coordinator.fail(id, swarm, fence, args.value('reason') ?? 'not told', args.value('cost'))
  )

export const cancel: Run = (args, output) =>
  withPlugins(args, output, async ({ coordinator }) =>
    showEnd(await coordinator.cancel(args.operands[0]!, args.value('reason') ?? 'not told'), output)
  )

type Plugins = Parameters<Parameters<typeof withPlugins>[2]>[0]
type Ended = Awaited<ReturnType<Plugins['coordinator']['cancel']>>

function ofOwner(
  args: Arguments,
  output: Output,
  work: (coordinator: Plugins['coordinator'], id: string, swarm: string, fence: number) => Promise<Ended>
): Promise<number> {
  const swarm = args.required('swarm')
  const fence = args.wholeNumber('fence', 1, Number.MAX_SAFE_INTEGER)!
  return withPlugins(args, output, async ({ coordinator }) =>
    showEnd(await work(coordinator, args.operands[0]!, swarm, fence), output)
  )
}

async function showEnd(ended: Ended, output: Output): Promise<number> {
  if (!ended.ok) throw refused(ended)
  const { task } = ended
  if (output.json) await output.document(task)
  else await output.line(printable(`${task.id} is ${task.state}${task.reason === null ? '' : `: ${task.reason}`}`))
  return exitCodes.ok
}

export const status: Run = (args, output) =>
  withPlugins(args, output, async ({ coordinator }) => {
    const found = await coordinator.status(args.operands[0]!)
    if (found === null) throw new CommandError('coordinator.task-unknown', `there is no task ${args.operands[0]}`)
    const { task, dependencies, hindrance } = found
    if (output.json) {
      await output.document({ ...task, dependencies, hindrance })
      return exitCodes.ok
    }
    const { id, title, state, priority, requires, swarm, fence, leaseUntil, deadlineAt, estimate, hazard, traceId, reason } = task
    const time = (at: number | null) => (at === null ? null : new Date(at).toISOString())
    const needs = Object.entries(requires).map(([name, level]) => `${name} ${level}`)
    const rows: [string, string | number | null][] = [
      ['task', id],
      ['title', title],
      ['state', reason === null ? state : `${state}: ${reason}`],
      ['priority', priority],
      ['needs', needs.length === 0 ? null : needs.join(', ')],
      ['waits for', dependencies.length === 0 ? null : dependencies.map((each) => `${each.id} (${each.state})`).join(', ')],
      ['swarm', swarm === null ? null : `${swarm}, fence ${fence}, until ${time(leaseUntil)}`],
      ['attempts', `${task.attempts} of ${task.mostAttempts}`],
      ['deadline', time(deadlineAt)],
      ['estimate', estimate === null ? null : `${estimate} USD`],
      ['hazard', hazard],
      ['trace', traceId],
      ['can be claimed', hindrance === null ? 'yes' : `no: ${hindrance.reason}`]
    ]
    for (const line of table(
      rows.flatMap(([name, value]) => (value === null ? [] : [[name, String(value)]])),
      output.columns()
    ))
      await output.line(printable(line))
    return exitCodes.ok
  })
