import { isTraceId } from '#kernel'
import type { Run } from '../../command.ts'
import { UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { askSuite } from '../../subjects/control.ts'

interface Ingest {
  readonly id: string
  readonly conference: string
  readonly traceId: string
  readonly state: string
  readonly reason: string | null
  readonly source: string | null
  readonly picture: string | null
  readonly encoded: number
  readonly dropped: number
  readonly delayMs: number
}

interface Publication {
  readonly conference: string
  readonly source: string
  readonly shown: string | null
  readonly sound: boolean
  readonly receivers: number
  readonly onProgram: boolean
  readonly onPreview: boolean
}

const heights = [480, 720, 1080]

/** Brings a source into a conference of the running suite. */
export const ingest: Run = async (args, output) => {
  const trace = args.value('trace')
  if (trace !== undefined && !isTraceId(trace)) throw new UsageError('--trace: expected 32 lowercase hex digits')
  const height = args.wholeNumber('height', 480, 1080)
  if (height !== undefined && !heights.includes(height)) throw new UsageError(`--height: expected one of ${heights.join(', ')}`)
  const to = args.value('to')
  const destination = to === undefined ? null : /^(\d{1,3}(?:\.\d{1,3}){3}):(\d{1,5})$/.exec(to)
  if (to !== undefined && destination === null) throw new UsageError('--to: expected an IPv4 address and a port, 192.0.2.7:5004')
  const codec = args.value('codec')
  if (codec !== undefined && codec !== 'h264' && codec !== 'h265') throw new UsageError('--codec: expected one of h264, h265')
  const [conference, expert] = [args.value('conference'), args.value('expert')]
  const started = (await askSuite(args, '/v1/ndi/ingests', {
    source: args.operands[0]!,
    ...(trace === undefined ? {} : { trace }),
    ...(conference === undefined ? {} : { conference }),
    ...(expert === undefined ? {} : { expert }),
    ...(height === undefined ? {} : { height }),
    ...(codec === undefined ? {} : { codec }),
    ...(destination === null ? {} : { to: { address: destination[1]!, port: Number(destination[2]) } }),
    ...(args.has('sound') ? { sound: true } : {})
  })) as Ingest
  if (output.json) await output.document({ ...started })
  else {
    output.talk(`recorded under trace ${started.traceId}; ifctl ndi streams shows how it does`)
    await output.line(`${started.id} comes into ${printable(started.conference)}`)
    if (destination !== null) {
      const { describeRtpOut } = await import('#media')
      output.talk('whoever receives the pictures there needs this description:')
      await output.line(describeRtpOut(codec ?? 'h264', { address: destination[1]!, port: Number(destination[2]) }).trimEnd())
    }
  }
  return exitCodes.ok
}

/** Makes a conference of the running suite an NDI source. */
export const publish: Run = async (args, output) => {
  const name = args.value('name')
  const path = `/v1/ndi/publications/${encodeURIComponent(args.operands[0]!)}`
  const published = (await askSuite(args, path, name === undefined ? {} : { name })) as Publication
  if (output.json) await output.document({ ...published })
  else await output.line(`on the air: ${printable(published.source)}`)
  return exitCodes.ok
}

/** Ends what `ingest` or `publish` began. */
export const stop: Run = async (args, output) => {
  const which = args.operands[0]!
  const path = /^\d+$/.test(which) ? `ingests/${which}` : `publications/${encodeURIComponent(which)}`
  await askSuite(args, `/v1/ndi/${path}/stop`, {})
  if (output.json) await output.document({ stopped: true })
  else await output.line('stopped')
  return exitCodes.ok
}

const tallyOf = ({ onProgram, onPreview }: Publication): string => (onProgram ? 'on air' : onPreview ? 'preview' : '-')

/** What comes in and goes out by NDI. */
export const streams: Run = async (args, output) => {
  const { ingests, publications } = (await askSuite(args, '/v1/ndi')) as {
    readonly ingests: readonly Ingest[]
    readonly publications: readonly Publication[]
  }
  if (output.json) {
    await output.document({ ingests, publications })
    return exitCodes.ok
  }
  if (ingests.length + publications.length === 0) output.talk('nothing comes in and nothing goes out')
  if (ingests.length > 0)
    for (const line of table([
      ['id', 'conference', 'state', 'source', 'picture', 'encoded', 'dropped', 'delay'],
      ...ingests.map(({ id, conference, state, reason, source, picture, encoded, dropped, delayMs }) => [
        id,
        conference,
        reason === null ? state : `${state} (${reason})`,
        source ?? '-',
        picture ?? '-',
        String(encoded),
        String(dropped),
        `${delayMs} ms`
      ])
    ]))
      await output.line(printable(line))
  if (publications.length > 0)
    for (const line of table([
      ['conference', 'source', 'shows', 'sound', 'receivers', 'tally'],
      ...publications.map((each) => [
        each.conference,
        each.source,
        each.shown ?? 'still picture',
        each.sound ? 'yes' : 'no',
        String(each.receivers),
        tallyOf(each)
      ])
    ]))
      await output.line(printable(line))
  return exitCodes.ok
}
