import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { newTraceId, type WitnessEvent } from '#kernel'
import { appendItem, appendOnce, ledgerFiles } from '#ledger'
import type { Run } from '../../command.ts'
import { type Arguments, CommandError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { readObject } from '../../line/json-option.ts'
import { readInput } from '../../subjects/files.ts'
import { ledgerFolder } from '../../subjects/ledger.ts'

const newOrigin = 'infrafabric.local/witness'

export const run: Run = async (args, output) => {
  const event = await readEvent(args)
  const dir = ledgerFolder(args)
  const { vkey } = ledgerFiles(dir)
  if (!existsSync(vkey) && !args.has('create')) {
    throw new CommandError('cli.ledger.absent', `there is no ledger in ${dir}; --create makes one`)
  }
  const origin = existsSync(vkey) ? readFileSync(vkey, 'utf8').split('+')[0]! : (args.value('origin') ?? newOrigin)
  const item = appendItem(event, Date.now(), args.value('key') ?? newTraceId())
  const [place] = await appendOnce({ dir, origin }, [item], (code, message) => output.talk(`ifctl: ${message} (${code})`))
  if (output.json) await output.document({ ...place, traceId: event.traceId })
  else await output.line(`entry ${place!.index} of trace ${event.traceId}, hash ${place!.hash}`)
  return exitCodes.ok
}

/** Told again under its key, an entry is the same one. */
const traceOfKey = (key: string): string => createHash('sha256').update(key).digest('hex').slice(0, 32)

async function readEvent(args: Arguments): Promise<WitnessEvent> {
  const key = args.value('key')
  const erasable = args.value('erasable')
  const optional = {
    parentTraceId: args.value('parent'),
    tokensIn: args.wholeNumber('tokens-in', 0, Number.MAX_SAFE_INTEGER),
    tokensOut: args.wholeNumber('tokens-out', 0, Number.MAX_SAFE_INTEGER),
    cost: args.value('cost'),
    model: args.value('model'),
    erasable: erasable === undefined ? undefined : readObject(erasable, '--erasable')
  }
  return {
    event: args.required('event'),
    component: args.required('component'),
    traceId: args.value('trace') ?? (key === undefined ? newTraceId() : traceOfKey(key)),
    payload: readObject(
      args.value('payload') === '-' ? (await readInput('-')).toString('utf8') : (args.value('payload') ?? '{}'),
      '--payload'
    ),
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined))
  }
}
