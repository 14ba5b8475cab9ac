/** What the council talks about: hazards, calls with what IF.guard decided, escalations under way. */
import type { CallInContext, CouncilContext, EscalationInContext } from '../../context.ts'
import { element, make } from './dom.ts'
import { guardText } from './words.ts'

const callStates: Readonly<Record<CallInContext['state'], string>> = {
  asking: 'asks to come in',
  ringing: 'rings',
  connected: 'in the conference',
  refused: 'refused',
  ended: 'over'
}

function call({ traceId, direction, expert, hazard, state, decision }: CallInContext): HTMLElement {
  const item = make('li', { 'data-trace': traceId, class: state })
  item.append(make('strong', {}, expert ?? 'somebody unknown'), ` ${direction === 'inbound' ? 'calls' : 'is called'}`)
  if (hazard !== null) item.append(make('span', { class: 'hazard' }, hazard))
  item.append(make('span', {}, callStates[state]), make('code', { title: 'trace id' }, traceId))
  if (decision !== null) {
    const verdict = decision.verdict === 'approve' ? 'IF.guard: approved' : `IF.guard: refused, ${guardText(decision.code)}`
    const reasons = decision.findings.map(({ policy, verdict: said, code }) =>
      make('li', { class: said, title: code }, `${policy}: ${guardText(code)}`)
    )
    item.append(make('details', { class: 'decision' }, make('summary', {}, verdict), make('ul', {}, ...reasons)))
  }
  return item
}

const escalationStates = { hunting: 'looking for an expert', connected: 'expert connected', ended: 'over' } as const

function escalation({ traceId, hazard, sender, state, result, experts, evidence, impaired }: EscalationInContext): HTMLElement {
  const item = make('li', { 'data-trace': traceId, class: state }, make('strong', {}, `${sender} escalates`))
  item.append(make('span', { class: 'hazard' }, hazard), make('span', {}, escalationStates[state]))
  if (state === 'ended' && result !== null) item.append(make('span', {}, result))
  item.append(make('code', { title: 'trace id' }, traceId))
  const asked = experts.map(({ expert, kind, state: of }) =>
    make('li', {}, `${expert}${kind === 'contrarian' ? ' (contrarian)' : ''}: ${of}`)
  )
  if (asked.length > 0) item.append(make('ul', {}, ...asked))
  for (const { bridge, target, state: of } of impaired)
    item.append(make('p', { class: 'impaired' }, `${bridge}${target === null ? '' : ` to ${target}`}: ${of}`))
  if (evidence.length > 0) item.append(make('p', {}, `Evidence: ${evidence.map(({ name }) => name).join(', ')}`))
  return item
}

export function showContext({ hazards, policy, calls, escalations }: CouncilContext): void {
  element('hazards').replaceChildren(
    ...(hazards.length === 0 ? ['No hazard is open.'] : hazards.map((hazard) => make('span', { class: 'hazard' }, hazard)))
  )
  // what somebody has opened to read stays open
  const opened = new Set(
    [...document.querySelectorAll<HTMLElement>('#calls li:has(details[open])')].map(({ dataset }) => dataset.trace)
  )
  element('calls').replaceChildren(...calls.map(call))
  for (const details of document.querySelectorAll('#calls details'))
    (details as HTMLDetailsElement).open = opened.has(details.closest<HTMLElement>('li[data-trace]')?.dataset.trace)
  element('escalations').replaceChildren(...escalations.map(escalation))
  const rules = element('policy')
  rules.textContent = `Rules in force: ${policy.engine}, ${policy.hash.slice(0, 12)}…`
  rules.title = policy.hash
}
