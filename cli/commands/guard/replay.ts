import { join, resolve } from 'node:path'
import { type KeptRules, keptRules, type Replay, readRules, replay } from '#guard'
import { dataFolder, type Run } from '../../command.ts'
import { CommandError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { type Output, printable } from '../../show/output.ts'
import { readInput } from '../../subjects/files.ts'
import { ledgerPlace, type StoredEntry, withReader } from '../../subjects/ledger.ts'

export const run: Run = async (args, output) => {
  const id = args.operands[0]!
  const folder = resolve(args.value('policies') ?? join(dataFolder(args), 'policies'))
  const instead = await rulesInstead(args.value('rules'))
  const decisions = await withReader(ledgerPlace(args), async (reader) => {
    const read = async (filter: Parameters<typeof reader.query>[0]) => await reader.query({ ...filter, event: 'policy_decision' })
    if (/^\d{1,15}$/.test(id)) return await read(entryFrom(Number(id))).then((found) => found.filter(numbered(Number(id))))
    const ofTrace = await read({ trace: id })
    return ofTrace.length > 0 ? ofTrace : await read({ callId: id })
  })
  if (decisions.length === 0)
    throw new CommandError('cli.not-found', `no decision of IF.guard has the number, trace or Call-ID ${JSON.stringify(id)}`)
  let all: number = exitCodes.ok
  for (const { entry } of decisions) {
    const found = await replay(entry.payload, (hash) => instead ?? keptRules(folder, hash))
    if (found === null)
      throw new CommandError('cli.replay.no-receipt', `entry ${entry.index} has no receipt: it was written by an earlier version`)
    if (found.state !== 'same') all = found.state === 'differs' ? exitCodes.replayDiffers : exitCodes.failure
    if (output.json) await output.document({ entry: entry.index, ...found })
    else await show(entry.index, found, instead !== null, output)
  }
  return all
}

const entryFrom = (index: number) => ({ limit: 1, ...(index === 0 ? {} : { afterIndex: index - 1 }) })

const numbered =
  (index: number) =>
  ({ entry }: StoredEntry): boolean =>
    entry.index === index

/** Rules to ask in place of those that decided. */
async function rulesInstead(path: string | undefined): Promise<KeptRules | null> {
  if (path === undefined) return null
  const { text, schema } = readRules((await readInput(path)).toString('utf8'), path)
  return { text, schema }
}

const tones = { same: 'green', differs: 'yellow', impossible: 'red' } as const

async function show(index: number, found: Replay, isOther: boolean, output: Output): Promise<void> {
  const { state, recorded, replayed, causes, policy, input } = found
  const said = ({ verdict, code, rule }: Replay['recorded']): string =>
    `${verdict} ${code}${rule === null ? '' : ` (rule ${rule})`}`
  const words = { same: 'the same verdict', differs: 'another verdict', impossible: 'cannot be made again' }
  await output.line(`entry ${index}: ${output.paint(tones[state], words[state])}: ${printable(said(replayed ?? recorded))}`)
  if (state === 'differs') await output.line(`  recorded: ${printable(said(recorded))}`)
  for (const cause of causes) await output.line(`  ${printable(cause)}`)
  await output.line(`  input ${input}`)
  await output.line(isOther ? `  asked: other rules than ${policy}` : `  rules ${policy}`)
}
