import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { ReadRecording } from '#media/recording'
import type { Run } from '../../command.ts'
import { type Arguments, UsageError } from '../../line/arguments.ts'
import { type Output, printable } from '../../show/output.ts'
import { isServerAddress, keysGiven, ledgerPlace, withReader } from '../../subjects/ledger.ts'
import { readPolicy } from '../../subjects/proofs.ts'
import {
  batchEntries,
  checkExcerpt,
  checkRecording,
  exitCodeOf,
  provedEntry,
  type RecordingFault,
  type RecordingReport,
  recordingFolder,
  reportOf,
  type Trust
} from '../../subjects/recordings.ts'

export const run: Run = async (args, output) => {
  const { excerptFile } = await import('#media/recording')
  const named = args.operands[0]!
  const isFile = existsSync(named) && statSync(named).isFile()
  const report = isFile
    ? await checkVcon(readFileSync(named, 'utf8'), args.value('files'), await trustOf(args, output))
    : existsSync(excerptFile(named))
      ? await checkExcerpt(named, await trustOf(args, output))
      : await checkWhole(args, await recordingFolder(args, named))
  return tell(report, output)
}

/** Whose signature counts: keys that were given, else those beside the ledger: the first, and those that took over from it. */
async function trustOf(args: Arguments, output: Output): Promise<Trust> {
  const { ledgerFiles, noPolicy, parseVerifierKey } = await import('#ledger')
  const policy = (await readPolicy(args.value('policy'))) ?? noPolicy
  const given = args.value('vkey')
  const place = ledgerPlace(args)
  const { vkey: beside = null, keys: followers = null } = isServerAddress(place) ? {} : ledgerFiles(place)
  if (given === undefined && policy.logs.length === 0) {
    if (beside === null || !existsSync(beside)) throw new UsageError('--vkey is needed: whose signature should count?')
    output.talk(`public key taken from ${beside}: --vkey brings one that was kept elsewhere`)
  }
  const files = [beside, ...laterKeys(followers)].filter((file) => file !== null && existsSync(file))
  const keys = given === undefined ? (await Promise.all(files.map((file) => keysGiven(file!)))).flat() : await keysGiven(given)
  return { logs: keys.map((key) => parseVerifierKey(key)), policy }
}

const laterKeys = (folder: string | null): string[] =>
  folder === null || !existsSync(folder)
    ? []
    : readdirSync(folder)
        .filter((name) => name.endsWith('.vkey'))
        .map((name) => join(folder, name))

async function checkWhole(args: Arguments, folder: string): Promise<RecordingReport> {
  const { openRecording } = await import('#media/recording')
  const recording: ReadRecording = openRecording(folder)
  const entries = await withReader(ledgerPlace(args), (reader) => batchEntries(reader, recording.manifest))
  return checkRecording(recording, entries)
}

/** The signature, the proofs that it brings, and the files that it refers to, where they are given. */
async function checkVcon(text: string, files: string | undefined, trust: Trust): Promise<RecordingReport> {
  const { openVcon, strangeFiles } = await import('#media/recording')
  const { vcon, fingerprint } = openVcon(text)
  const faults: RecordingFault[] = []
  const attachments = (vcon.attachments ?? []) as readonly { readonly filename?: string; readonly body?: string }[]
  const proofs = attachments.filter(({ filename }) => filename?.endsWith('.tlog-proof') === true)
  for (const { body } of proofs) {
    const told = await provedEntry(body ?? '', trust)
    if ('verdict' in told) faults.push(told)
  }
  if (files !== undefined) for (const problem of strangeFiles(vcon, files)) faults.push({ verdict: 'altered', problem })
  const subject = typeof vcon.subject === 'string' ? vcon.subject : String(vcon.uuid)
  return reportOf(subject, proofs.length, faults, [`signed by the certificate with SHA-256 ${fingerprint}`])
}

async function tell(report: RecordingReport, output: Output): Promise<number> {
  const { verdict, recording, checked, faults, notes } = report
  if (output.json) await output.document(report)
  else {
    const all = `${verdict}: ${printable(recording)}, ${checked} checked`
    await output.line(output.paint(verdict === 'valid' ? 'green' : 'red', all))
    for (const { problem } of faults) await output.line(printable(problem))
    for (const note of notes) await output.line(output.paint('dim', printable(note)))
  }
  return exitCodeOf(verdict)
}
