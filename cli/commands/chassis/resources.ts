import { defaultLimits, type Limits, type Sandbox } from '#chassis'
import type { Run } from '../../command.ts'
import { UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import type { Output } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { untilTold, withChassis } from '../../subjects/chassis.ts'
import { limitsOf } from './sandbox.ts'

async function showLimits(limits: Limits, output: Output): Promise<void> {
  if (output.json) return output.document(limits)
  const rows = [
    ['memory', `${limits.memoryMb} MiB`],
    ['share of a processor', `${limits.cpuPercent} %`],
    ['deadline', `${limits.deadlineMs / 1000} s`],
    ['host calls', String(limits.hostCalls)],
    ['log kept', `${limits.logOctets} octets`],
    ['output', `${limits.outputOctets} octets`],
    ['written to directories', `${limits.writtenOctets} octets`]
  ]
  for (const line of table(rows, output.columns())) await output.line(line)
}

export const limits: Run = (args, output) =>
  withChassis(args, output, async (chassis) => {
    const id = args.operands[0]
    await showLimits(id === undefined ? defaultLimits : (await chassis.sandbox(id)).limits, output)
    return exitCodes.ok
  })

export const set: Run = (args, output) => {
  const changes = limitsOf(args)
  if (Object.keys(changes).length === 0) throw new UsageError('nothing to change: give --cpu, --memory or --deadline')
  return withChassis(args, output, async (chassis) => {
    await showLimits((await chassis.setLimits(args.operands[0]!, changes)).limits, output)
    return exitCodes.ok
  })
}

const columns = ['sandbox', 'runs', 'cpu ms', 'wall ms', 'pages', 'host calls', 'log octets', 'dropped']

const rowOf = ({ id, totals }: Sandbox): string[] => [
  id,
  ...[totals.runs, totals.cpuMs, totals.wallMs, totals.pages, totals.hostCalls, totals.logOctets, totals.logOctetsDropped].map(
    String
  )
]

export const usage: Run = (args, output) =>
  withChassis(args, output, (chassis, store) =>
    untilTold(async (signal) => {
      const id = args.operands[0]
      const found = id === undefined ? await chassis.sandboxes() : [await chassis.sandbox(id)]
      if (output.json) for (const { id: sandbox, totals } of found) await output.document({ sandbox, ...totals })
      else for (const line of table([columns, ...found.map(rowOf)], output.columns())) await output.line(line)
      if (!args.has('follow')) return exitCodes.ok
      for await (const { at, topic, data } of store.watch({ after: 'newest', pattern: `sandbox.ended.${id ?? '*'}`, signal })) {
        const sandbox = topic.split('.')[2]!
        if (output.json) await output.document({ at, sandbox, ...data })
        else await output.line(`${new Date(at).toISOString()} ${sandbox} ${data.outcome} ${JSON.stringify(data.usage ?? {})}`)
      }
      return exitCodes.ok
    })
  )
