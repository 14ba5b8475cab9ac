import type { Run } from '../../command.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { askSuite } from '../../subjects/control.ts'

interface Listed {
  readonly evidence: readonly {
    readonly id: string
    readonly trace: string
    readonly name: string
    readonly bytes: number
    readonly by: string
    readonly deliveries: readonly { readonly participant: string; readonly state: string; readonly how: string }[]
  }[]
}

interface Links {
  readonly links: readonly {
    readonly participant: string
    readonly url: string
    readonly expiresAt: string
    readonly shown: boolean | null
  }[]
}

const shownAs = (shown: boolean | null): string => (shown === null ? 'cannot be shown' : shown ? 'shown' : 'refused')

export const run: Run = async (args, output) => {
  const trace = args.value('trace')
  const wanted = args.has('links') ? '/links' : trace === undefined ? '' : `?${new URLSearchParams({ trace })}`
  const answer = (await askSuite(args, `/v1/evidence${wanted}`)) as Listed | Links
  if (output.json) {
    await output.document(answer)
    return exitCodes.ok
  }
  const rows =
    'links' in answer
      ? answer.links.map(({ participant, shown, expiresAt, url }) => [participant, shownAs(shown), expiresAt, url])
      : answer.evidence.map(({ id, name, bytes, by, trace: of, deliveries }) => [
          id,
          name,
          String(bytes),
          by,
          of,
          deliveries.map(({ participant, state }) => (state === 'received' ? participant : `${participant} (${state})`)).join(' ')
        ])
  const head =
    'links' in answer ? ['participant', 'telephone', 'until', 'link'] : ['id', 'name', 'octets', 'from', 'trace', 'has it']
  if (rows.length === 0) output.talk('links' in answer ? 'no telephone has a link' : 'no evidence')
  else for (const line of table([head, ...rows], output.columns())) await output.line(printable(line))
  return exitCodes.ok
}
