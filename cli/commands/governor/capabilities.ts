import type { Run } from '../../command.ts'
import { type Arguments, CommandError, UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { withPlugins } from '../../subjects/plugins.ts'

export const list: Run = (args, output) =>
  withPlugins(args, output, async ({ coordinator }) => {
    const swarms = await coordinator.swarms()
    const names = [...new Set(swarms.flatMap(({ capabilities }) => Object.keys(capabilities)))].sort()
    const found = names.map((capability) => ({
      capability,
      swarms: swarms.flatMap(({ id, active, capabilities }) =>
        capabilities[capability] === undefined ? [] : [{ swarm: id, level: capabilities[capability], active }]
      )
    }))
    if (output.json) for (const each of found) await output.document(each)
    else if (found.length === 0) output.talk('no swarm has told of a capability')
    else {
      const rows = found.map(({ capability, swarms: able }) => [
        '  '.repeat(capability.split('.').length - 1) + capability,
        able.map(({ swarm, level, active }) => `${swarm} ${level}${active ? '' : ' (silent)'}`).join(', ')
      ])
      for (const line of table(rows, output.columns())) await output.line(printable(line))
    }
    return exitCodes.ok
  })

export const match: Run = (args, output) => {
  const threshold = readThreshold(args)
  return withPlugins(args, output, async ({ coordinator, governor }) => {
    const status = await coordinator.status(args.operands[0]!)
    if (status === null) throw new CommandError('coordinator.task-unknown', `there is no task ${args.operands[0]}`)
    const { task, readyAt } = status
    const matches = await governor.match(task, await coordinator.swarms(), {
      ...(threshold === undefined ? {} : { threshold }),
      readyAt
    })
    for (const { swarm, match: found, eligible, sure, asked, yields } of matches) {
      if (output.json) {
        const until = yields === null ? null : new Date(yields.until).toISOString()
        await output.document({ swarm: swarm.id, eligible, sure, asked, yieldsTo: yields?.to ?? null, until, ...found })
        continue
      }
      const score = output.paint(eligible ? 'green' : 'red', found.score.toFixed(3))
      await output.line(
        `${score}  ${swarm.id}: fit ${found.fit.toFixed(3)}, base ${found.base.toFixed(3)}, trust ${found.trust.toFixed(3)}`
      )
      for (const { capability, required, by, level, share, term } of found.terms) {
        const how = by === null ? 'nothing stands in for it' : `${by} ${level} × ${share.toFixed(2)} → ${term.toFixed(3)}`
        await output.line(printable(`         ${capability} ${required}: ${how}`))
      }
      if (eligible && yields !== null)
        await output.line(
          `         sure by ${sure.toFixed(3)}, ${asked.toFixed(3)} is asked for: ${yields.to} first, until ${new Date(yields.until).toISOString()}`
        )
    }
    if (!matches.some(({ eligible }) => eligible)) output.talk(`nobody reaches ${threshold ?? governor.threshold}`)
    return exitCodes.ok
  })
}

function readThreshold(args: Arguments): number | undefined {
  const text = args.value('threshold')
  if (text === undefined) return undefined
  if (!/^(?:0|1|0?\.\d{1,9}|1\.0{1,9})$/.test(text)) throw new UsageError('--threshold: expected a number from 0 to 1')
  return Number(text)
}

export const swarm: Run = (args, output) =>
  withPlugins(args, output, async ({ coordinator, governor }) => {
    const id = args.operands[0]!
    const found = await coordinator.swarm(id)
    if (found === null) throw new CommandError('coordinator.swarm-unknown', `there is no swarm ${id}`)
    const history = await governor.history(id)
    if (output.json) {
      await output.document({ swarm: id, capabilities: found.swarm.capabilities, history })
      return exitCodes.ok
    }
    const rows = Object.entries(found.swarm.capabilities).map(([name, level]) => [
      name,
      String(level),
      historyText(history[name])
    ])
    const others = Object.keys(history).filter((root) => found.swarm.capabilities[root] === undefined)
    for (const root of others) rows.push([root, '-', historyText(history[root])])
    for (const line of table([['capability', 'level', 'tasks completed'], ...rows], output.columns()))
      await output.line(printable(line))
    return exitCodes.ok
  })

const historyText = (history: { readonly ended: number; readonly completed: number } | undefined): string =>
  history === undefined ? '-' : `${history.completed} of ${history.ended}`
