/** What the `expert` commands share: the authority that issues their certificates, and the record of what it did. */
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Authority } from '#kamailio'
import { errorCode, type JsonObject, newTraceId } from '#kernel'
import { appendItem } from '#ledger'
import { dataFolder } from '../command.ts'
import { type Arguments, CommandError } from '../line/arguments.ts'
import type { Output } from '../show/output.ts'
import { askSuite } from './control.ts'
import { appendTo, existingLedger, ledgerFolder } from './ledger.ts'

/** Folder of the authority. */
export const authorityFolder = (args: Arguments): string => join(dataFolder(args), 'certificates')

/** The authority that is there. @throws {CommandError} `cli.authority.absent` */
export function existingAuthority(args: Arguments): Authority {
  const dir = authorityFolder(args)
  const authority: Authority = { dir, certificate: join(dir, 'ca.pem'), key: join(dir, 'ca.key') }
  if (!existsSync(authority.certificate) || !existsSync(authority.key))
    throw new CommandError('cli.authority.absent', `there is no authority in ${dir}: nobody was invited yet`)
  return authority
}

/** Folder of the ledger to record in; null where there is none yet. @throws {CommandError} what opening it throws, for another reason */
export async function ledgerToTell(args: Arguments): Promise<string | null> {
  const folder = ledgerFolder(args)
  try {
    await existingLedger(folder)
    return folder
  } catch (error) {
    if (error instanceof CommandError && error.code === 'cli.ledger.absent' && args.value('ledger') === undefined) return null
    throw error
  }
}

/** Records what was done with a certificate: in the ledger, or through the suite that has the right to write there for itself (Redis). */
export async function tell(
  args: Arguments,
  folder: string | null,
  event: string,
  payload: JsonObject,
  output: Output
): Promise<void> {
  if (folder === null) return output.talk('there is no ledger in the data folder yet: this is not recorded')
  const told = { event, component: 'IF.guard', traceId: newTraceId(), payload }
  const key = randomUUID()
  try {
    await appendTo(folder, [appendItem(told, Date.now(), key)], output)
  } catch (error) {
    if (errorCode(error) !== 'ledger.store.not-leader') throw error
    await askSuite(args, '/v1/entries', { entries: [{ key, ...told }] })
  }
}
