import type { Run } from '../../command.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { ledgerFolder, withLedger } from '../../subjects/ledger.ts'

export const run: Run = async (args, output) => {
  const rotated = await withLedger(ledgerFolder(args), (ledger) => ledger.rotateKey())
  if (output.json) await output.document(rotated)
  else {
    await output.line(printable(rotated.vkey))
    output.talk(`entry ${rotated.index} tells of it, under a head that both keys signed; the old private key is gone`)
    output.talk('seats watch for the new key once it stands in their --vkey file')
  }
  return exitCodes.ok
}
