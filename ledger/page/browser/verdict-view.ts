/** The strip at the top: what the audit came to, and why. */
import { h, replace, shown } from './dom.ts'
import type { Check, Progress, Report, Verdict } from './verdict.ts'

const words: Readonly<Record<Verdict, { readonly word: string; readonly tone: 'good' | 'warn' | 'bad' }>> = {
  valid: { word: 'Valid', tone: 'good' },
  unpinned: { word: 'Fits, key not compared', tone: 'warn' },
  altered: { word: 'Altered', tone: 'bad' },
  truncated: { word: 'Cut short', tone: 'bad' },
  forked: { word: 'Forked', tone: 'bad' },
  unwitnessed: { word: 'Not signed as it must be', tone: 'bad' },
  incomplete: { word: 'Incomplete', tone: 'bad' }
}
const marks: Readonly<Record<Check['state'], string>> = { good: '✓', warn: '!', bad: '✗', none: '–' }
const spokenStates: Readonly<Record<Check['state'], string>> = {
  good: 'good',
  warn: 'to be looked at',
  bad: 'bad',
  none: 'not known'
}

export interface Banner {
  readonly element: HTMLElement
  readonly busy: (busy: boolean) => void
  readonly progress: (progress: Progress) => void
  readonly show: (report: Report) => void
  readonly failed: (message: string) => void
}

export function createBanner(onCheck: () => void): Banner {
  const word = h('strong', { class: 'verdict-word' }, 'Checking')
  const summary = h('span', { class: 'verdict-summary' }, 'Every entry is hashed in this browser…')
  const bar = h('progress', { max: 1, value: 0, 'aria-label': 'Entries checked' })
  const again = h('button', { type: 'button', class: 'quiet', click: onCheck }, 'Check again')
  const checks = h('ul', { class: 'checks' })
  const details = h('details', { hidden: true }, h('summary', {}, 'What was checked'), checks)
  const element = h(
    'section',
    { class: 'verdict', 'data-verdict': 'checking', 'aria-label': 'Verdict' },
    h('div', { class: 'verdict-line' }, h('span', { role: 'status', 'aria-live': 'polite' }, word, ' ', summary), again),
    bar,
    details
  )
  const tone = (name: string, verdict: string) => {
    element.className = `verdict ${name}`
    element.dataset.verdict = verdict
  }
  return {
    element,
    busy: (busy) => {
      bar.hidden = !busy
      again.disabled = busy
      element.setAttribute('aria-busy', String(busy))
    },
    progress: ({ done, of }) => {
      bar.max = Math.max(1, of)
      bar.value = done
      if (element.dataset.verdict === 'checking')
        summary.textContent = `${done.toLocaleString('en')} of ${of.toLocaleString('en')} entries hashed in this browser…`
    },
    show: (report) => {
      const told = words[report.verdict]
      tone(told.tone, report.verdict)
      word.textContent = told.word
      summary.textContent = shown(report.summary)
      const faults = report.faults
        .slice(0, 20)
        .map((fault) =>
          h(
            'li',
            { class: 'bad', 'data-fault': fault.index },
            h('span', { class: 'mark', 'aria-hidden': 'true' }, '✗'),
            shown(fault.text)
          )
        )
      replace(
        checks,
        ...report.checks.map((check) =>
          h(
            'li',
            { class: check.state, 'data-check': check.name },
            h('span', { class: 'mark', role: 'img', 'aria-label': spokenStates[check.state] }, marks[check.state]),
            shown(check.text)
          )
        ),
        ...(faults.length > 1 ? faults : [])
      )
      details.hidden = false
      if (told.tone === 'bad') details.open = true
    },
    failed: (message) => {
      tone('bad', 'failed')
      word.textContent = 'Not checked'
      summary.textContent = shown(message)
    }
  }
}
