import { mkdir, open, readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import encodeQR from 'qr'
import { parseRegistry } from '#guard'
import { createAuthority, inviteClient, writeCrl } from '#kamailio'
import { makeFolder } from '#kernel'
import { dataFolder, type Run, registryPath } from '../../command.ts'
import { CommandError, systemCode, UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { authorityFolder, ledgerToTell, tell } from '../../subjects/experts.ts'
import { readInput } from '../../subjects/files.ts'
import { hazardList } from '../../subjects/hazards.ts'
import { type PhoneProfile, profileFiles, qrText } from '../../subjects/profile.ts'

const usualDays = 30

export const run: Run = async (args, output) => {
  const id = args.operands[0]!
  const days = args.wholeNumber('days', 1, 397) ?? usualDays
  const server = serverOf(args.value('server') ?? '127.0.0.1:5061')
  const path = registryPath(args)
  const party = parseRegistry((await readInput(path)).toString('utf8'), path, hazardList(args)).byId(id)
  if (party === undefined) throw new CommandError('cli.not-found', `nobody in ${path} has the id ${JSON.stringify(id)}`)
  const ledger = await ledgerToTell(args)
  const folder = resolve(args.value('out') ?? `invite-${id}`)
  await makeNew(folder)

  const now = Date.now()
  const authority = await createAuthority(authorityFolder(args))
  const { client, certificate, key } = await inviteClient(authority, { id, identity: party.uri, days }, now)
  await writeCrl(authority, now)
  const { serial, fingerprint, identity, notAfter } = client
  await tell(args, ledger, 'certificate_issued', { expertId: id, serial, fingerprint, identity, notAfter }, output)

  // the whole suite comes with it: loaded when everything else has gone well
  const { readCredentials } = await import('#suite')
  const { users } = await readCredentials(join(dataFolder(args), 'credentials.json'))
  const known = users[party.digestUser]
  const profile: PhoneProfile = {
    id,
    uri: party.uri,
    server,
    digest: {
      user: party.digestUser,
      realm: known?.realm ?? args.value('realm') ?? 'infrafabric',
      password: known?.password ?? null
    },
    certificate,
    key,
    ca: await readFile(args.value('ca') ?? authority.certificate, 'utf8'),
    expires: notAfter,
    srtp: args.has('srtp')
  }
  const code = qrText(profile)
  const svg = encodeQR(code, 'svg', { ecc: 'low' })
  const files = [...profileFiles(profile), ['invite.svg', svg]] as const
  for (const [name, content] of files) await writePrivate(join(folder, name), content)

  if (output.json) {
    await output.document({ ...client, folder, files: files.map(([name]) => name), demanded: party.certificateIdentity !== null })
    return exitCodes.ok
  }
  await output.line(`${id}: certificate ${serial} for ${printable(identity)}, good until ${notAfter}`)
  await output.line(`profile in ${printable(folder)}: ${files.map(([name]) => name).join(', ')}`)
  if (party.certificateIdentity === null)
    output.talk(`${id} may call without it: certificateIdentity: ${printable(identity)} in the registry demands it`)
  if (profile.digest.password === null) output.talk('the profile has no password: it is not known here')
  if (args.has('qr')) await output.line(encodeQR(code, 'ascii', { ecc: 'low' }).trimEnd())
  output.talk('the folder and the QR code hold the private key: hand them over in person, then remove them')
  return exitCodes.ok
}

function serverOf(text: string): PhoneProfile['server'] {
  const match = /^([A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(?::(\d{1,5}))?$/.exec(text)
  const port = Number(match?.[2] ?? 5061)
  if (match === null || port < 1 || port > 65_535) throw new UsageError('--server: expected HOST or HOST:PORT')
  return { host: match[1]!, port }
}

async function makeNew(folder: string): Promise<void> {
  makeFolder(dirname(folder), 0o777)
  try {
    await mkdir(folder, { mode: 0o700 })
  } catch (cause) {
    const why = systemCode(cause) === 'EEXIST' ? 'is there already' : `cannot be made (${systemCode(cause)})`
    throw new CommandError('cli.file.unwritable', `${folder} ${why}`, { cause })
  }
}

async function writePrivate(path: string, content: string): Promise<void> {
  makeFolder(dirname(path))
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(content)
  } finally {
    await file.close()
  }
}
