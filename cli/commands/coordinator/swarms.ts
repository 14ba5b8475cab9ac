import type { Run } from '../../command.ts'
import { CommandError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { readCapabilities } from '../../subjects/capabilities.ts'
import { withPlugins } from '../../subjects/plugins.ts'
import { showTasks } from './tasks.ts'

const unknown = (id: string) => new CommandError('coordinator.swarm-unknown', `there is no swarm ${id}`)
const ago = (ms: number) => `${Math.round(ms / 1000)} s ago`
const capabilityText = (capabilities: Readonly<Record<string, number>>): string =>
  Object.entries(capabilities)
    .map(([name, level]) => `${name}:${level}`)
    .join(',')

export const add: Run = (args, output) => {
  const given = args.value('capabilities')
  const capabilities = given === undefined ? {} : readCapabilities(given, '--capabilities')
  const heartbeat = args.wholeNumber('heartbeat', 1, 3600)
  return withPlugins(args, output, async ({ coordinator }) => {
    const swarm = await coordinator.registerSwarm(
      args.operands[0]!,
      capabilities,
      heartbeat === undefined ? undefined : 1000 * heartbeat
    )
    if (output.json) await output.document(swarm)
    else await output.line(`${swarm.id} is known`)
    return exitCodes.ok
  })
}

export const heartbeat: Run = (args, output) =>
  withPlugins(args, output, async ({ coordinator }) => {
    const swarm = await coordinator.heartbeat(args.operands[0]!)
    if (swarm === null) throw unknown(args.operands[0]!)
    if (output.json) await output.document(swarm)
    return exitCodes.ok
  })

export const list: Run = (args, output) =>
  withPlugins(args, output, async ({ coordinator }) => {
    const swarms = (await coordinator.swarms()).filter(({ active }) => active || !args.has('active'))
    if (output.json) for (const swarm of swarms) await output.document(swarm)
    else if (swarms.length === 0) output.talk('no swarm')
    else {
      const now = Date.now()
      const rows = swarms.map(({ id, active, heardAt, capabilities }) => [
        id,
        active ? 'active' : 'silent',
        ago(now - heardAt),
        capabilityText(capabilities)
      ])
      for (const line of table([['swarm', 'state', 'heard', 'capabilities'], ...rows], output.columns()))
        await output.line(printable(line))
    }
    return exitCodes.ok
  })

export const status: Run = (args, output) =>
  withPlugins(args, output, async ({ coordinator }) => {
    const found = await coordinator.swarm(args.operands[0]!)
    if (found === null) throw unknown(args.operands[0]!)
    if (output.json) await output.document(found)
    else {
      const { swarm, active, silentMs, tasks } = found
      const rows = [
        ['swarm', swarm.id],
        ['state', active ? 'active' : 'silent: it claims nothing'],
        ['heard', `${ago(silentMs)}, promised each ${swarm.heartbeatMs / 1000} s`],
        ['capabilities', capabilityText(swarm.capabilities)],
        ['holds', tasks.map(({ id }) => id).join(', ') || 'nothing']
      ]
      for (const line of table(rows, output.columns())) await output.line(printable(line))
    }
    return exitCodes.ok
  })

export const tasks: Run = (args, output) =>
  withPlugins(args, output, async ({ coordinator }) => {
    const found = await coordinator.swarm(args.operands[0]!)
    if (found === null) throw unknown(args.operands[0]!)
    await showTasks(found.tasks, output)
    return exitCodes.ok
  })
