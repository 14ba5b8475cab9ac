import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { LogPart, Sandbox, SandboxState, ScopedDirectory } from '#chassis'
import type { Coordinator, Task } from '#coordinator'
import type { Run } from '../../command.ts'
import { type Arguments, CommandError, UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { type Output, printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { untilTold, withChassis } from '../../subjects/chassis.ts'

/** @returns limits that the command line changes */
export function limitsOf(args: Arguments) {
  const cpuPercent = args.wholeNumber('cpu', 1, 100)
  const memoryMb = args.wholeNumber('memory', 1, 1024)
  const deadline = args.wholeNumber('deadline', 1, 3600)
  return {
    ...(cpuPercent === undefined ? {} : { cpuPercent }),
    ...(memoryMb === undefined ? {} : { memoryMb }),
    ...(deadline === undefined ? {} : { deadlineMs: 1000 * deadline })
  }
}

function directoriesOf(args: Arguments, option: string, writable: boolean): ScopedDirectory[] {
  const given = args.value(option)
  if (given === undefined) return []
  return given.split(',').map((item) => {
    const equals = item.indexOf('=')
    if (equals < 1 || equals === item.length - 1) throw new UsageError(`--${option}: expected /NAME=DIR`)
    return { name: item.slice(0, equals), path: resolve(item.slice(equals + 1)), writable }
  })
}

function readInput(path: string): Buffer {
  try {
    return readFileSync(path === '-' ? 0 : path)
  } catch (cause) {
    throw new CommandError('chassis.file', `${path} cannot be read`, { cause })
  }
}

async function show(sandboxes: readonly Sandbox[], output: Output): Promise<void> {
  if (output.json) {
    for (const sandbox of sandboxes) await output.document(sandbox)
    return
  }
  const rows = sandboxes.map(({ id, swarm, state, module, limits, totals, last }) => [
    id,
    swarm,
    output.paint(state === 'running' ? 'green' : 'dim', state),
    module?.slice(0, 12) ?? '-',
    `${limits.memoryMb} MiB, ${limits.cpuPercent} %, ${limits.deadlineMs / 1000} s`,
    String(totals.runs),
    last === null ? '-' : `${last.outcome}${last.code === null ? '' : ` ${last.code}`}`
  ])
  for (const line of table([['sandbox', 'swarm', 'state', 'module', 'limits', 'runs', 'last run'], ...rows], output.columns()))
    await output.line(printable(line))
}

/** The task that a sandbox is for. @throws {CommandError} `chassis.task` unless the swarm has claimed it */
async function heldTask(coordinator: Coordinator, id: string, swarm: string): Promise<Task> {
  const task = (await coordinator.status(id))?.task ?? null
  if (task === null) throw new CommandError('chassis.task', `there is no task ${id}`)
  if (task.state !== 'claimed' || task.swarm !== swarm)
    throw new CommandError('chassis.task', `${swarm} has not claimed ${id}: it is ${task.state}`)
  return task
}

export const create: Run = (args, output) => {
  const swarm = args.required('swarm')
  const limits = limitsOf(args)
  const wasm = args.value('wasm')
  const traceId = args.value('trace')
  const directories = [...directoriesOf(args, 'read-only', false), ...directoriesOf(args, 'read-write', true)]
  const module = wasm === undefined ? undefined : readInput(wasm)
  const named = args.value('task')
  if (named !== undefined && traceId !== undefined) throw new UsageError('--task: its trace is that of the sandbox')
  return withChassis(args, output, async (chassis, _, coordinator) => {
    const task = named === undefined ? null : await heldTask(coordinator, named, swarm)
    const hazards = args.value('may-raise')?.split(',') ?? (task?.hazard == null ? [] : [task.hazard])
    const sandbox = await chassis.create({
      id: args.operands[0] ?? `box-${randomBytes(4).toString('hex')}`,
      swarm,
      limits,
      directories,
      hazards,
      ...(task === null ? {} : { task: task.id, traceId: task.traceId }),
      ...(module === undefined ? {} : { module }),
      ...(traceId === undefined ? {} : { traceId })
    })
    await show([sandbox], output)
    return exitCodes.ok
  })
}

const states: readonly string[] = ['created', 'running', 'stopped']

export const list: Run = (args, output) => {
  const status = args.value('status')
  if (status !== undefined && !states.includes(status)) throw new UsageError(`--status: expected ${states.join(', ')}`)
  return withChassis(args, output, async (chassis) => {
    const found = await chassis.sandboxes(status as SandboxState | undefined)
    if (found.length === 0 && !output.json) output.talk('there are no sandboxes')
    else await show(found, output)
    return exitCodes.ok
  })
}

export const start: Run = (args, output) => {
  const path = args.value('input')
  const input = path === undefined ? new Uint8Array(0) : readInput(path)
  const out = args.value('out')
  return withChassis(args, output, (chassis) =>
    untilTold(async (signal) => {
      const result = await chassis.start(args.operands[0]!, {
        args: args.value('args')?.split(',') ?? [],
        input,
        signal,
        log: (stream, octets) => {
          if (!output.json) (stream === 1 ? process.stdout : process.stderr).write(octets)
        }
      })
      const { outcome, code, message, usage } = result
      if (out !== undefined) writeFileSync(out, result.output)
      if (output.json) await output.document({ outcome, code, message, usage, output: result.output.toString('base64') })
      if (outcome === 'exit' && code === 0) return exitCodes.ok
      const how = outcome === 'exit' ? `it ended with ${code}` : (message ?? outcome)
      throw new CommandError(`chassis.run.${outcome}`, printable(how))
    })
  )
}

export const stop: Run = (args, output) =>
  withChassis(args, output, async (chassis) => {
    const id = args.operands[0]!
    if (!(await chassis.stop(id))) throw new CommandError('chassis.stopped', `${id} does not run`)
    return exitCodes.ok
  })

export const destroy: Run = (args, output) =>
  withChassis(args, output, async (chassis) => {
    await chassis.destroy(args.operands[0]!)
    return exitCodes.ok
  })

async function showLog(part: LogPart, output: Output): Promise<void> {
  if (output.json) return output.document(part)
  for (const line of part.text.replace(/\n$/, '').split('\n'))
    await output.line(`${new Date(part.at).toISOString()} ${part.stream === 2 ? 'err' : 'out'} ${printable(line)}`)
}

export const logs: Run = (args, output) =>
  withChassis(args, output, (chassis) =>
    untilTold(async (signal) => {
      const id = args.operands[0]!
      const following = args.has('follow') ? chassis.followLogs(id, signal) : null
      for (const part of await chassis.logs(id)) await showLog(part, output)
      if (following !== null) for await (const part of following) await showLog(part, output)
      return exitCodes.ok
    })
  )
