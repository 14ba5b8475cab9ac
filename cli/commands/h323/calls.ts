import type { Run } from '../../command.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { askSuite } from '../../subjects/control.ts'

interface Listed {
  readonly calls: readonly {
    readonly call: string
    readonly from: string
    readonly to: string
    readonly startedAt: string | null
    readonly bandwidthBps: number
    readonly legs: readonly { readonly state: string }[]
  }[]
  readonly bandwidthBps: number
}

export const run: Run = async (args, output) => {
  const drop = args.value('drop')
  if (drop !== undefined) {
    await askSuite(args, `/v1/h323/calls/${encodeURIComponent(drop)}/drop`, {})
    if (output.json) await output.document({ dropped: drop })
    else output.talk('its endpoints are asked to leave it')
    return exitCodes.ok
  }
  const listed = (await askSuite(args, '/v1/h323/calls')) as Listed
  if (output.json) {
    await output.document(listed)
    return exitCodes.ok
  }
  const rows = listed.calls.map(({ call, from, to, startedAt, bandwidthBps, legs }) => [
    from,
    to,
    startedAt?.slice(11, 19) ?? '-',
    `${bandwidthBps / 1000} kbit/s`,
    legs.map(({ state }) => state).join(' '),
    call
  ])
  if (rows.length === 0) output.talk('no calls')
  else
    for (const line of table([['from', 'to', 'since', 'bandwidth', 'legs', 'call'], ...rows], output.columns()))
      await output.line(printable(line))
  return exitCodes.ok
}
