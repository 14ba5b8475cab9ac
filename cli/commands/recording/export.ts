import { existsSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ReadRecording } from '#media/recording'
import type { Run } from '../../command.ts'
import { type Arguments, CommandError, UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { type Output, printable } from '../../show/output.ts'
import { ledgerPlace, withReader } from '../../subjects/ledger.ts'
import { proveEntry, readPolicy } from '../../subjects/proofs.ts'
import { batchEntries, recordingFolder, recordingsFolder } from '../../subjects/recordings.ts'

const formats = ['wav', 'vcon'] as const

export const run: Run = async (args, output) => {
  const { exportWave, openRecording, waveChannels } = await import('#media/recording')
  const format = formats.find((each) => each === args.required('format'))
  if (format === undefined) throw new UsageError(`--format: expected one of ${formats.join(', ')}`)
  const out = resolve(args.required('out'))
  if (existsSync(out)) throw new CommandError('cli.file.exists', `${out} is there already`)
  const recording = openRecording(await recordingFolder(args, args.operands[0]!))
  if (format === 'vcon') return exportVcon(recording, out, args, output)
  const octets = exportWave(recording, out)
  const channels = waveChannels(recording)
  if (output.json) await output.document({ recording: recording.manifest.id, channels, octets, file: out })
  else await output.line(`${channels.join(', ')}: ${channels.length} channels in ${printable(out)}`)
  return exitCodes.ok
}

async function exportVcon(recording: ReadRecording, out: string, args: Arguments, output: Output): Promise<number> {
  const { buildVcon, readRecordingSigner, signVcon } = await import('#media/recording')
  const url = args.value('url') ?? null
  const place = ledgerPlace(args)
  const policy = await readPolicy(args.value('policy'))
  const proofs = await withReader(place, async (reader) => {
    const made: { batch: number; text: string }[] = []
    for (const [batch, { entry }] of await batchEntries(reader, recording.manifest))
      made.push({ batch, text: (await proveEntry(reader, place, entry.index, policy)).text })
    return made
  })
  const signer = args.has('unsigned') ? null : readRecordingSigner(recordingsFolder(args))
  const domain = args.value('domain') ?? (url === null ? 'localhost' : new URL(url).hostname)
  const vcon = buildVcon(recording, { url, domain, proofs, nowMs: Date.now() })
  const text = JSON.stringify(signer === null ? vcon : signVcon(vcon, signer))
  writeFileSync(out, `${text}\n`, { mode: 0o600, flag: 'wx' })
  const facts = { recording: recording.manifest.id, uuid: vcon.uuid, signer: signer?.fingerprint ?? null, proofs: proofs.length }
  if (output.json) await output.document({ ...facts, file: out })
  else await output.line(`vCon ${String(vcon.uuid)}${signer === null ? ', unsigned' : ''}: ${printable(out)}`)
  return exitCodes.ok
}
