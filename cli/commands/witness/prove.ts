import { writeFile } from 'node:fs/promises'
import type { LedgerEntry, TlogProofResult } from '#ledger'
import type { Run } from '../../command.ts'
import { type Arguments, CommandError, systemCode, UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { type Output, printable } from '../../show/output.ts'
import { readInput } from '../../subjects/files.ts'
import { keysGiven, ledgerPlace, withReader } from '../../subjects/ledger.ts'
import { proveEntry, readPolicy } from '../../subjects/proofs.ts'

export const run: Run = async (args, output) => {
  const file = args.value('check')
  const [entry] = args.operands
  if ((file === undefined) === (entry === undefined)) throw new UsageError('either <entry> or --check is needed')
  if (file !== undefined) return check(file, args, output)
  const index = /^\d{1,15}$/.test(entry!) ? Number(entry) : null
  if (index === null) throw new UsageError(`expected the number of an entry, got ${JSON.stringify(entry)}`)
  return prove(index, args, output)
}

async function prove(index: number, args: Arguments, output: Output): Promise<number> {
  const place = ledgerPlace(args)
  const policy = await readPolicy(args.value('policy'))
  const made = await withReader(place, (reader) => proveEntry(reader, place, index, policy))
  if (!made.published)
    output.talk('no published head covers this entry yet: the proof stands under the newest head, which no witness has cosigned')
  const out = args.value('out')
  if (out !== undefined) await write(out, made.text)
  if (output.json) {
    const { published, origin, size, text } = made
    await output.document({ index, published, origin, size, ...(out === undefined ? { proof: text } : { file: out }) })
  } else if (out === undefined) await output.line(made.text.replace(/\n$/, ''))
  else await output.line(`proof of entry ${index} under a head of ${made.size} entries in ${printable(out)}`)
  return exitCodes.ok
}

async function write(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text)
  } catch (cause) {
    throw new CommandError('cli.file.unwritable', `${path} cannot be written (${systemCode(cause)})`, { cause })
  }
}

async function check(file: string, args: Arguments, output: Output): Promise<number> {
  const { checkTlogProof, entryLine, noPolicy, parseTlogProof, parseVerifierKey } = await import('#ledger')
  const given = args.value('vkey')
  const policy = await readPolicy(args.value('policy'))
  const logs = given === undefined ? [] : (await keysGiven(given)).map((key) => parseVerifierKey(key))
  if (logs.length === 0 && (policy === null || policy.logs.length === 0)) {
    throw new UsageError('--vkey, or a --policy that names the log, is needed: whose signature should count?')
  }
  const proof = parseTlogProof((await readInput(file)).toString('utf8'))
  const leafFile = args.value('leaf')
  const leaf = leafFile === undefined ? proof.extra : await readInput(leafFile)
  if (leaf === undefined) throw new UsageError('the proof does not bring its entry: give the octets of the entry with --leaf')
  const result = checkTlogProof(proof, { logs, policy: policy ?? noPolicy }, leaf)
  const { origin, size } = proof.note.checkpoint
  const cosigned = Object.fromEntries(result.cosigned)
  if (output.json) {
    const { good, included, logSigned, quorum } = result
    await output.document({ good, included, logSigned, quorum, cosigned, index: proof.index, origin, size, entry: entryOf(leaf) })
  } else {
    await output.line(output.paint(result.good ? 'green' : 'red', verdict(result, proof.index, size, origin)))
    for (const [name, timeS] of result.cosigned) {
      await output.line(`cosigned by ${printable(name)} at ${new Date(timeS * 1000).toISOString()}`)
    }
    const entry = entryOf(leaf)
    if (result.good && entry !== null) await output.line(printable(entryLine({ entry })))
  }
  return result.good ? exitCodes.ok : result.included ? exitCodes.unwitnessed : exitCodes.altered
}

/** The entry that a leaf is; null where it is something else, as in a log of others. */
function entryOf(leaf: Uint8Array): LedgerEntry | null {
  try {
    const entry: LedgerEntry = JSON.parse(Buffer.from(leaf).toString('utf8'))
    return entry?.v === 1 && typeof entry.time === 'string' && typeof entry.payload === 'object' ? entry : null
  } catch {
    return null
  }
}

function verdict({ good, included, logSigned }: TlogProofResult, index: number, size: number, origin: string): string {
  const log = printable(origin)
  if (good) return `good: entry ${index} is in ${log}, under a head of ${size} entries`
  if (!included) return `altered: this entry is not entry ${index} of the ${size} under the head`
  if (!logSigned) return `unwitnessed: no trusted key of ${log} signed the head`
  return `unwitnessed: the head has no quorum of cosignatures`
}
