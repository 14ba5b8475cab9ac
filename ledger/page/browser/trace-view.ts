/** One trace, as a ladder. */
import type { Context, View } from './app.ts'
import { failIn, h, replace, shown } from './dom.ts'
import { ladderOf } from './ladder.ts'
import { drawLadder } from './ladder-view.ts'
import type { Costs, TraceView } from './protocol.ts'

const mostChildren = 50

export function traceView(first: Context): View {
  let context = first
  let asked = 0
  const field = h('input', {
    id: 'trace-id',
    type: 'search',
    autocomplete: 'off',
    spellcheck: 'false',
    class: 'mono',
    maxlength: 128
  })
  const result = h('div', { class: 'trace-result' })
  const submit = (event: Event) => {
    event.preventDefault()
    context.go({ view: 'trace', entry: null, params: { id: field.value.trim() } })
  }
  const link = (id: string) => h('a', { href: `#/trace?${new URLSearchParams({ id })}`, class: 'mono' }, shown(id))

  const draw = (trace: TraceView, costs: Costs) => {
    if (trace.count === 0) return replace(result, h('p', { class: 'waiting' }, 'No entry in this page has this trace.'))
    const ladder = ladderOf(trace.entries)
    const last = ladder.steps.at(-1)!
    const below = ladder.traces.filter((id) => id !== trace.id)
    replace(
      result,
      h(
        'dl',
        { class: 'entry-facts trace-facts' },
        h('dt', {}, 'Entries'),
        h(
          'dd',
          {},
          `${trace.count.toLocaleString('en')}${trace.count > trace.entries.length ? `, of which the first ${trace.entries.length.toLocaleString('en')} are drawn` : ''}`
        ),
        h('dt', {}, 'From'),
        h('dd', {}, shown(ladder.steps[0]!.time)),
        h('dt', {}, 'Took'),
        h('dd', {}, `${(last.sinceMs / 1000).toLocaleString('en')} s`),
        costs.total.entries > 0 ? [h('dt', {}, 'Cost'), h('dd', {}, `$${costs.total.cost}`)] : [],
        trace.parent === null ? [] : [h('dt', {}, 'Hangs under'), h('dd', {}, link(trace.parent))],
        below.length === 0
          ? []
          : [
              h('dt', {}, 'Under it'),
              h(
                'dd',
                {},
                h(
                  'ul',
                  { class: 'traces' },
                  ...below
                    .slice(0, mostChildren)
                    .map((id) => h('li', {}, h('span', { class: `dot trace-${ladder.traces.indexOf(id) % 8}` }), link(id)))
                )
              )
            ]
      ),
      drawLadder(ladder, document.getElementById('content')!.clientWidth - 32, (index) => context.openEntry(index))
    )
  }

  let drawnFor = ''
  const update = (next: Context) => {
    context = next
    const id = next.place.params.id ?? ''
    const mark = `${id} ${next.report.held}`
    if (mark === drawnFor) return
    drawnFor = mark
    field.value = id
    if (id === '')
      return replace(result, h('p', { class: 'waiting' }, 'Open an entry and choose its ladder, or paste a trace id.'))
    const mine = ++asked
    Promise.all([next.ask('trace', { id }), next.ask('costs', { grouping: 'component', trace: id })]).then(([trace, costs]) => {
      if (mine === asked) draw(trace, costs)
    }, failIn(result))
  }
  const element = h(
    'div',
    { class: 'trace' },
    h(
      'form',
      { class: 'search one', role: 'search', submit },
      h('p', { class: 'field' }, h('label', { for: 'trace-id' }, 'Trace'), field),
      h('button', { type: 'submit' }, 'Show')
    ),
    h('p', { class: 'hint' }, 'A step of the ladder opens its entry.'),
    result
  )
  update(first)
  return { element, update }
}
