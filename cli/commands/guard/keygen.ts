import { open } from 'node:fs/promises'
import { generateKeyPair } from '#guard'
import type { Run } from '../../command.ts'
import { CommandError, systemCode } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'

export const run: Run = async (args, output) => {
  const path = args.required('out')
  const { keyId, publicKey, privateKey } = generateKeyPair()
  await writeNew(path, privateKey)
  if (output.json) await output.document({ keyId, publicKey, privateKeyFile: path })
  else {
    await output.line(`keyId: ${keyId}`)
    await output.line(`publicKey: ${publicKey}`)
    output.talk(`private key in ${printable(path)}; the publicKey belongs into the registry`)
  }
  return exitCodes.ok
}

/** Never overwrites: a private key that is gone cannot be made again. */
async function writeNew(path: string, text: string): Promise<void> {
  try {
    const file = await open(path, 'wx', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (cause) {
    const why = systemCode(cause) === 'EEXIST' ? 'is there already' : `cannot be written (${systemCode(cause)})`
    throw new CommandError('cli.file.unwritable', `${path} ${why}`, { cause })
  }
}
