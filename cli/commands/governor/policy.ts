import { type PolicyFile, readPolicy } from '#governor'
import { ConfigError } from '#kernel'
import type { Run } from '../../command.ts'
import { type Arguments, CommandError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { type Output, printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { readInput } from '../../subjects/files.ts'
import { withPlugins } from '../../subjects/plugins.ts'

/** Gives the file to `use`, or tells every problem of it. */
async function withFile(path: string, output: Output, use: (file: PolicyFile) => Promise<number>): Promise<number> {
  let file: PolicyFile
  try {
    file = await readPolicy((await readInput(path)).toString('utf8'), path)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    if (output.json) await output.document({ valid: false, problems: error.problems })
    else for (const problem of error.problems) await output.line(`${printable(path)}: ${printable(problem)}`)
    return exitCodes.failure
  }
  return use(file)
}

export const validate: Run = (args, output) => {
  const path = args.operands[0]!
  return withFile(path, output, async ({ rules, hash }) => {
    if (output.json) await output.document({ valid: true, policy: hash, rules: rules.length, problems: [] })
    else await output.line(`${printable(path)}: good, ${rules.length} rules, ${hash}`)
    return exitCodes.ok
  })
}

export const apply: Run = (args, output) =>
  withFile(args.operands[0]!, output, (file) =>
    withPlugins(args, output, async ({ governor }) => {
      const { version, hash, rules } = await governor.applyPolicy(file)
      if (output.json) await output.document({ version, policy: hash, rules: rules.length })
      else await output.line(`version ${version} is in force: ${rules.length} rules, ${hash}`)
      return exitCodes.ok
    })
  )

export const list: Run = (args, output) =>
  withPlugins(args, output, async ({ governor }) => {
    const versions = await governor.policyVersions()
    if (output.json)
      for (const { version, hash, appliedAt, rules, patience } of versions)
        await output.document({
          version,
          policy: hash,
          appliedAt: new Date(appliedAt).toISOString(),
          inForce: version === versions[0]!.version,
          rules,
          patience: patience ?? null
        })
    else if (versions.length === 0) output.talk('no policy was applied: every claim is permitted by it')
    else {
      const rows = versions.map(({ version, appliedAt, rules, hash }, at) => [
        at === 0 ? `${version} in force` : String(version),
        new Date(appliedAt).toISOString(),
        rules.map(({ name }) => name).join(', '),
        hash.slice(0, 16)
      ])
      for (const line of table([['version', 'applied', 'rules', 'hash'], ...rows], output.columns()))
        await output.line(printable(line))
    }
    return exitCodes.ok
  })

export const test: Run = (args, output) => {
  const swarm = args.required('swarm')
  const id = args.required('task')
  const path = args.value('file')
  if (path === undefined) return judged(args, output, id, swarm, null)
  return withFile(path, output, (file) => judged(args, output, id, swarm, file))
}

function judged(args: Arguments, output: Output, id: string, swarm: string, file: PolicyFile | null): Promise<number> {
  return withPlugins(args, output, async ({ coordinator, governor }) => {
    const task = await coordinator.task(id)
    if (task === null) throw new CommandError('coordinator.task-unknown', `there is no task ${id}`)
    if ((await coordinator.swarm(swarm)) === null)
      throw new CommandError('coordinator.swarm-unknown', `there is no swarm ${swarm}`)
    const { verdict, rule, reason, rules } = await governor.testPolicy(task, swarm, file?.rules)
    if (output.json) await output.document({ task: id, swarm, verdict, rule, reason, rules })
    else {
      const rows = rules.map(({ rule: name, conditions, applies, denies }) => [
        denies ? output.paint('red', 'denies') : applies ? 'within' : '-',
        name,
        Object.entries(conditions)
          .map(([condition, holds]) => `${condition} ${holds ? 'yes' : 'no'}`)
          .join(', ')
      ])
      if (rows.length > 0) for (const line of table(rows, output.columns())) await output.line(printable(line))
      const why = rule === null ? '' : `, by ${rule}${reason === null ? '' : `: ${reason}`}`
      await output.line(printable(`${verdict}${why}`))
    }
    return verdict === 'permit' ? exitCodes.ok : exitCodes.failure
  })
}
