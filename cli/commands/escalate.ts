import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { Readable } from 'node:stream'
import type { BridgeView, EscalationEvent, EscalationView, IfMessageInput } from '#escalate'
import type { Run } from '../command.ts'
import { type Arguments, CommandError, UsageError } from '../line/arguments.ts'
import { exitCodes } from '../line/exit-codes.ts'
import { type Output, printable } from '../show/output.ts'
import { table } from '../show/table.ts'
import { askSuite, followSuite, giveSuite } from '../subjects/control.ts'
import { readInput } from '../subjects/files.ts'
import { mediaTypeOf } from '../subjects/media-types.ts'

/** Exit code for what became of an escalation. */
const codes: Readonly<Record<NonNullable<EscalationView['result']>['status'], number>> = {
  connected: exitCodes.ok,
  rejected: exitCodes.escalationRejected,
  security_rejected: exitCodes.escalationAttack,
  failed: exitCodes.escalationFailed
}

const pathOf = (id: string): string => `/v1/escalations/${encodeURIComponent(id)}`

export const run: Run = async (args, output) => {
  const message = await readMessage(args)
  const key = args.value('key')
  const { escalation, created } = (await askSuite(
    args,
    '/v1/escalations',
    message,
    undefined,
    key === undefined ? {} : { 'idempotency-key': key }
  )) as { escalation: EscalationView; created: boolean }
  if (!created) output.talk('this key has escalated before: what follows is of then')
  else await shareEvidence(args, output, escalation.trace_id)
  if (args.has('detach')) {
    if (output.json) await output.document(escalation)
    else await output.line(escalation.id)
    return exitCodes.ok
  }
  output.talk(`escalation ${escalation.id}; to end it: ifctl escalate cancel ${escalation.id}`)
  const result = await follow(args, output, escalation.id)
  return result === null ? exitCodes.ok : codes[result.status]
}

export const list: Run = async (args, output) => {
  const { escalations } = (await askSuite(args, '/v1/escalations')) as { escalations: readonly EscalationView[] }
  if (output.json) {
    for (const each of escalations) await output.document(each)
    return exitCodes.ok
  }
  if (escalations.length === 0) output.talk('no escalation')
  else {
    const rows = escalations.map(({ id, created_at, hazard, state, result, bridge_state, legs }) => [
      id,
      created_at,
      hazard,
      state,
      result?.status ?? '-',
      bridge_state,
      legs.map(({ expert }) => expert ?? '-').join(' '),
      result?.code ?? ''
    ])
    for (const line of table(
      [['escalation', 'asked for', 'hazard', 'state', 'result', 'bridges', 'expert', ''], ...rows],
      output.columns()
    ))
      await output.line(printable(line))
  }
  return exitCodes.ok
}

export const show: Run = async (args, output) => {
  await display(output, (await askSuite(args, pathOf(args.operands[0]!))) as EscalationView)
  return exitCodes.ok
}

interface BridgedCall {
  readonly trace_id: string
  readonly expert: string
  readonly conference: string
  readonly state: BridgeView['state']
  readonly bridges: readonly BridgeView[]
}

export const bridges: Run = async (args, output) => {
  const { calls } = (await askSuite(args, '/v1/call-bridges')) as { calls: readonly BridgedCall[] }
  if (output.json) {
    for (const each of calls) await output.document(each)
    return exitCodes.ok
  }
  if (calls.length === 0) output.talk('no expert is connected')
  for (const { trace_id, expert, conference, state, bridges } of calls) {
    await output.line(printable(`${expert} in ${conference}, trace ${trace_id}: ${state}`))
    for (const bridge of bridges) await output.line(printable(`  ${describeBridge(bridge)}`))
  }
  return exitCodes.ok
}

export const retry: Run = async (args, output) => {
  const [id, bridge, target] = args.operands
  const wish = { bridge, ...(target === undefined ? {} : { target }) }
  const { bridges } = (await askSuite(args, `/v1/call-bridges/${encodeURIComponent(id!)}/retry`, wish)) as {
    bridges: readonly BridgeView[]
  }
  for (const each of bridges)
    if (output.json) await output.document(each)
    else await output.line(printable(describeBridge(each)))
  return exitCodes.ok
}

const holding =
  (on: boolean): Run =>
  async (args, output) => {
    await display(output, (await askSuite(args, `${pathOf(args.operands[0]!)}/hold`, { on })) as EscalationView)
    return exitCodes.ok
  }

export const hold = holding(true)
export const resume = holding(false)

export const cancel: Run = async (args, output) => {
  const escalation = (await askSuite(args, `${pathOf(args.operands[0]!)}/cancel?wait=ended`, {})) as EscalationView
  if (escalation.state !== 'ended') output.talk('cancelled, and not over yet: somebody has not answered that')
  await display(output, escalation)
  return exitCodes.ok
}

async function display(output: Output, escalation: EscalationView): Promise<void> {
  if (output.json) return output.document(escalation)
  const { trace_id, state, hazard, conference, result, legs, degraded, bridges } = escalation
  await output.line(printable(`${state}${degraded ? ', DEGRADED' : ''}: ${hazard}, into ${conference}, trace ${trace_id}`))
  if (result !== null) await output.line(printable(`${result.status} (${result.code}): ${result.reason}`))
  const rows = legs.flatMap(({ kind, branches }) =>
    branches.map((branch) => [
      `${kind} ${branch.branch}`,
      branch.expert,
      String(branch.attempt),
      branch.state,
      branch.sip_status === null ? '-' : String(branch.sip_status),
      branch.code ?? '',
      branch.call_id
    ])
  )
  if (rows.length > 0)
    for (const line of table([['call', 'expert', 'attempt', 'state', 'SIP', 'code', 'Call-ID'], ...rows], output.columns()))
      await output.line(printable(line))
  for (const bridge of bridges) await output.line(printable(describeBridge(bridge)))
}

const describeBridge = ({ bridge, target, state, skipped, reason }: BridgeView): string =>
  `${bridge}${target === null ? '' : ` to ${target}`}: ${skipped === null ? state : 'skipped'}${reason === null ? '' : ` (${skipped ?? reason})`}`

async function readMessage(args: Arguments): Promise<IfMessageInput> {
  const file = args.value('message')
  const hazard = args.operands[0]
  if (file !== undefined) {
    if (hazard !== undefined) throw new UsageError('--message: stands in place of a hazard')
    try {
      return JSON.parse((await readInput(file)).toString('utf8')) as IfMessageInput
    } catch (error) {
      if (error instanceof SyntaxError) throw new UsageError('--message: not JSON')
      throw error
    }
  }
  if (hazard === undefined) throw new UsageError('which hazard? (or --message FILE)')
  const trace = args.value('trace')
  const expert = args.value('expert')
  const specialisation = args.value('specialisation')
  const conference = args.value('conference')
  const summary = args.value('summary')
  const ringTimeout = args.wholeNumber('ring-timeout', 1, 180)
  return {
    performative: 'escalate',
    sender: args.value('sender') ?? 'ifctl',
    payload: {
      hazard,
      hunt: args.has('parallel') ? 'parallel' : 'sequential',
      contrarian: args.has('contrarian'),
      ndi_video_enabled: args.has('ndi-video'),
      evidence_files: await readEvidence(args.value('evidence')),
      ...(trace === undefined ? {} : { trace_id: trace }),
      ...(expert === undefined ? {} : { expert }),
      ...(specialisation === undefined ? {} : { specialisation }),
      ...(conference === undefined ? {} : { conference }),
      ...(summary === undefined ? {} : { summary }),
      ...(ringTimeout === undefined ? {} : { ring_timeout_s: ringTimeout })
    }
  }
}

/** The octets of what the message names: the council sees them as soon as an expert is there. The call does not depend on them. */
async function shareEvidence(args: Arguments, output: Output, trace: string): Promise<void> {
  const files = args.value('evidence')?.split(',') ?? []
  for (const file of files) {
    const query = new URLSearchParams({ trace, name: basename(file), media_type: mediaTypeOf(file) })
    try {
      const octets = await readInput(file)
      await giveSuite(args, `/v1/evidence?${query}`, { length: octets.length, stream: Readable.from([octets]) })
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      output.talk(`${basename(file)} is named, and not shared: ${error.message}`)
    }
  }
}

async function readEvidence(files: string | undefined): Promise<{ name: string; sha256: string; bytes: number }[]> {
  if (files === undefined) return []
  return Promise.all(
    files.split(',').map(async (file) => {
      const octets = await readInput(file)
      return { name: basename(file), sha256: createHash('sha256').update(octets).digest('hex'), bytes: octets.length }
    })
  )
}

/** Shows what happens until it is known what became of the escalation, or with --follow until it has ended. */
async function follow(args: Arguments, output: Output, id: string): Promise<EscalationView['result']> {
  const stop = new AbortController()
  const interrupt = (): void => stop.abort()
  let result: EscalationView['result'] = null
  let shown = Promise.resolve()
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt)
  output.whenGone(interrupt)
  try {
    await followSuite(
      args,
      `${pathOf(id)}/events`,
      (data) => {
        if (stop.signal.aborted) return
        const event = data as EscalationEvent
        shown = shown.then(() => (output.json ? output.document(event) : output.line(printable(describe(event)))))
        const isResult = event.type === 'result' && event.leg === 'expert'
        if (isResult || event.type === 'ended') result = event.result
        if (event.type === 'ended' || (isResult && !args.has('follow'))) stop.abort()
      },
      stop.signal
    )
    await shown
    return result
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  }
}

function describe(event: EscalationEvent): string {
  const at = event.at.slice(11, 23)
  const who = 'expert' in event ? `${event.leg === 'contrarian' ? 'contrarian ' : ''}${event.expert}` : ''
  switch (event.type) {
    case 'requested':
      return `${at}  escalation about ${event.hazard}, trace ${event.trace_id}`
    case 'calling':
      return `${at}  calling ${who}${event.attempt > 1 ? `, attempt ${event.attempt}` : ''}`
    case 'trying':
      return `${at}  ${who}: 100, on its way`
    case 'ringing':
      return `${at}  ${who}: ${event.sip_status}, ringing${event.early_media ? ', with early media' : ''}`
    case 'branch-failed':
      return `${at}  ${who}: ${event.reason} (${event.code})${event.again_in_ms === null ? '' : `, again in ${event.again_in_ms / 1000} s`}`
    case 'connected':
      return `${at}  ${who} is connected as ${event.participant}, ${event.codec ?? 'no codec'}, after ${event.setup_ms.toFixed(0)} ms`
    case 'result':
      return `${at}  ${event.leg}: ${event.result.status} (${event.result.code}): ${event.result.reason}`
    case 'bridge':
      return `${at}  ${describeBridge(event.bridge)}`
    case 'bridge-retried':
      return `${at}  ${event.bridge}${event.target === null ? '' : ` to ${event.target}`}: tried again, as ${event.by} wants it`
    case 'hung-up':
      return `${at}  ${who}: over after ${(event.duration_ms / 1000).toFixed(1)} s, ended by ${event.by} (${event.reason})`
    case 'ended':
      return `${at}  escalation over: ${event.result.status}`
  }
}
