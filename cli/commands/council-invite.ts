import type { Run } from '../command.ts'
import { askSuite } from '../control.ts'
import { exitCodes } from '../exit-codes.ts'

export const run: Run = async (args, output) => {
  const conference = args.value('conference') ?? 'council'
  const path = `/v1/council/${encodeURIComponent(conference)}/seats`
  const seat = (await askSuite(args, path, { party: args.operands[0]! })) as { readonly url: string; readonly expiresAt: string }
  if (output.json) await output.document({ party: args.operands[0]!, conference, ...seat })
  else {
    output.talk(`whoever has this link takes the seat, until ${seat.expiresAt}`)
    await output.line(seat.url)
  }
  return exitCodes.ok
}
