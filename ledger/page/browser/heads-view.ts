/** The checkpoints: what the log has signed so far, and how each grew from the one before. */
import type { Context, View } from './app.ts'
import { type History, timeText } from './audit.ts'
import { failIn, h, replace, shown, told } from './dom.ts'
import { download } from './entry-view.ts'
import type { Head } from './verdict.ts'

const marks = { good: '✓', warn: '!', bad: '✗', none: '–' } as const

export function headsView(first: Context): View {
  let asked = 0
  const result = h('div', { class: 'heads' })

  const card = (head: Head) =>
    h(
      'details',
      { class: `head-card ${head.state}`, 'data-size': head.size, 'data-state': head.state },
      h(
        'summary',
        {},
        h('span', { class: 'mark', 'aria-hidden': 'true' }, marks[head.state]),
        h('span', { class: 'head-size' }, `${head.size.toLocaleString('en')} entries`),
        h('span', { class: 'head-time' }, shown((head.lastEntry ?? '').replace('T', ' ').replace('Z', ''))),
        h('span', { class: 'mono head-root' }, `${head.root.slice(0, 16)}…`),
        h(
          'span',
          { class: 'head-signed' },
          head.witnesses.length === 0
            ? `${head.signedBy.length} signed`
            : `${head.witnesses.filter(({ timeS }) => timeS !== null).length} of ${head.witnesses.length} cosigned`
        )
      ),
      h('p', {}, shown(head.text)),
      h(
        'dl',
        { class: 'entry-facts' },
        h('dt', {}, 'Root'),
        h('dd', { class: 'mono' }, head.root),
        h('dt', {}, 'Signed by'),
        h('dd', { class: 'mono' }, head.signedBy.length === 0 ? 'no key that is trusted' : head.signedBy.join(', ')),
        ...head.witnesses.flatMap(({ name, timeS }) => [
          h('dt', {}, told(name)),
          h('dd', {}, timeS === null ? 'did not cosign' : `cosigned ${timeText(timeS)}`)
        ])
      ),
      head.proof === null || head.previousSize === null
        ? null
        : h(
            'details',
            {},
            h(
              'summary',
              {},
              `Consistency proof from ${head.previousSize.toLocaleString('en')} entries: ${head.proof.length} hashes`
            ),
            h('ol', { class: 'hashes mono' }, ...head.proof.map((hash) => h('li', {}, hash)))
          ),
      h('pre', { class: 'mono block', tabindex: 0 }, shown(head.note)),
      h(
        'p',
        { class: 'buttons' },
        h(
          'button',
          { type: 'button', class: 'quiet', click: () => download(`checkpoint-${head.size}.txt`, head.note) },
          'Save it elsewhere'
        )
      )
    )

  const draw = ({ heads, more }: History, context: Context) => {
    const older = h('button', { type: 'button', class: 'quiet', click: () => load(context, true) }, 'Older ones')
    replace(
      result,
      h(
        'p',
        { class: 'hint' },
        `${heads.length.toLocaleString('en')} ${heads.length === 1 ? 'checkpoint' : 'checkpoints'}, newest first. Keep one elsewhere: who holds the key and every copy can rewrite what came before.`
      ),
      ...[...heads].reverse().map(card),
      more ? h('p', { class: 'buttons' }, older) : null
    )
  }

  const load = (context: Context, older: boolean) => {
    const mine = ++asked
    const say = (text: string) => {
      if (mine === asked) replace(result, h('p', { class: 'waiting', role: 'status' }, shown(text)))
    }
    say('Checking signatures…')
    context
      .ask('heads', { older }, ({ done, of }) => say(`Checking signatures: ${done} of ${of} checkpoints…`))
      .then((history) => {
        if (mine === asked) draw(history, context)
      }, failIn(result))
  }

  let drawnFor = ''
  const update = (context: Context) => {
    if (context.report.checkpoint === drawnFor) return
    drawnFor = context.report.checkpoint
    load(context, false)
  }
  update(first)
  return { element: result, update }
}
