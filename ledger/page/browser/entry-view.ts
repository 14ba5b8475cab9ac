/** One entry: its JSON, its hash and how it is proved. */
import { h, shown, told } from './dom.ts'
import type { EntryView } from './protocol.ts'

/** JSON over several lines, its parts by kind. Nothing in it is markup. */
function pretty(value: unknown, indent = ''): (Node | string)[] {
  const deeper = `${indent}  `
  if (Array.isArray(value)) {
    if (value.length === 0) return ['[]']
    return ['[\n', ...value.flatMap((item, at) => [at === 0 ? '' : ',\n', deeper, ...pretty(item, deeper)]), `\n${indent}]`]
  }
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
    if (members.length === 0) return ['{}']
    return [
      '{\n',
      ...members.flatMap(([name, member], at) => [
        at === 0 ? '' : ',\n',
        deeper,
        told(JSON.stringify(name), { class: 'json-name' }),
        ': ',
        ...pretty(member, deeper)
      ]),
      `\n${indent}}`
    ]
  }
  const kind = typeof value === 'string' ? 'json-text' : 'json-value'
  return [told(JSON.stringify(value), { class: kind })]
}

const jsonBlock = (value: unknown, label: string): HTMLElement =>
  h('pre', { class: 'json', tabindex: 0, 'aria-label': label, dir: 'ltr' }, pretty(value))

/** Offers text as a file. */
export function download(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/plain' }))
  const link = h('a', { href: url, download: name })
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}

export interface EntryLinks {
  readonly trace: (id: string) => void
  readonly entry: (index: number) => void
}

export function entryView({ text, entry, proof, payload, faults }: EntryView, links: EntryLinks): HTMLElement {
  const button = (label: string, click: () => void, props = {}) =>
    h('button', { type: 'button', class: 'quiet', click, ...props }, label)
  const fact = (name: string, ...value: (Node | string)[]) => [h('dt', {}, name), h('dd', {}, ...value)]
  return h(
    'div',
    { class: 'entry' },
    ...faults.map((fault) => h('p', { class: 'fault', role: 'alert' }, shown(fault.text))),
    h(
      'dl',
      { class: 'entry-facts' },
      fact('Event', told(entry.event)),
      fact('Component', told(entry.component)),
      fact('Time', shown(entry.time)),
      fact('Trace', told(entry.trace_id, { class: 'mono' })),
      entry.parent_trace_id === undefined ? [] : fact('Under', told(entry.parent_trace_id, { class: 'mono' })),
      proof === null ? [] : fact('Hash', h('span', { class: 'mono', id: 'entry-hash' }, proof.leaf)),
      fact('Entry before', h('span', { class: 'mono' }, shown(entry.prev)))
    ),
    h(
      'p',
      { class: 'buttons' },
      button('Ladder of this trace', () => links.trace(entry.trace_id)),
      entry.index > 0 && button('Entry before', () => links.entry(entry.index - 1)),
      button('Entry after', () => links.entry(entry.index + 1))
    ),
    isSame(text, entry) ? jsonBlock(entry, 'The entry as JSON') : h('pre', { class: 'json', tabindex: 0 }, shown(text)),
    payload === null
      ? null
      : h(
          'section',
          {},
          h('h3', {}, 'Payload beside the log'),
          h(
            'p',
            { class: payload.good ? 'good-text' : 'fault' },
            payload.good ? 'It is the one that the entry committed to.' : 'It is not the one that the entry committed to.'
          ),
          h('pre', { class: 'json', tabindex: 0 }, shown(payload.text))
        ),
    h('h3', {}, 'Inclusion proof'),
    proof === null
      ? h('p', {}, 'This entry is not under the checkpoint.')
      : h(
          'section',
          { 'data-proof': proof.good ? 'good' : 'bad' },
          h(
            'p',
            { class: proof.good ? 'good-text' : 'fault' },
            proof.good
              ? `Checked in this browser: with ${proof.hashes.length} hashes, leaf ${proof.index} of ${proof.size.toLocaleString('en')} leads to the signed root.`
              : 'The way from this entry does not lead to the signed root.'
          ),
          h(
            'details',
            {},
            h('summary', {}, `${proof.hashes.length} hashes, the leaf’s sibling first`),
            h('ol', { class: 'hashes mono' }, ...proof.hashes.map((hash) => h('li', {}, hash))),
            h('p', { class: 'mono hashes' }, `root ${proof.root}`)
          ),
          h(
            'p',
            { class: 'buttons' },
            button('Save the proof (C2SP tlog-proof)', () => download(`entry-${proof.index}.tlog-proof`, proof.text))
          )
        )
  )
}

/** Whether the text is the JSON of this entry: what cannot be read as an entry is shown as it is. */
function isSame(text: string, entry: EntryView['entry']): boolean {
  try {
    return (JSON.parse(text) as { index?: unknown }).index === entry.index
  } catch {
    return false
  }
}
