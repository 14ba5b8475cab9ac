/** What it cost, to the last digit. */
import { type Grouping, groupings } from '../../audit/tally.ts'
import type { Context, View } from './app.ts'
import { failIn, h, replace, shown, told } from './dom.ts'
import type { CostLine, Costs } from './protocol.ts'

const titles: Readonly<Record<Grouping, string>> = { component: 'Component', model: 'Model', day: 'Day (UTC)', trace: 'Trace' }
const mostLines = 500

/** Digits in groups of three. */
const grouped = (digits: string): string => digits.replace(/\B(?=(\d{3})+(?!\d))/g, ',')

export function costView(first: Context): View {
  let context = first
  let asked = 0
  const chosen = (): Grouping => groupings.find((name) => name === context.place.params.by) ?? 'component'
  const select = h(
    'select',
    { id: 'cost-by', change: () => context.go({ view: 'cost', entry: null, params: { by: select.value } }) },
    ...groupings.map((name) => h('option', { value: name }, titles[name]))
  )
  const result = h('div', { class: 'table-frame', tabindex: 0, role: 'region', 'aria-label': 'Costs' })

  const nameOf = (group: string, by: Grouping) =>
    by === 'trace'
      ? h('a', { class: 'mono', href: `#/trace?${new URLSearchParams({ id: group })}` }, shown(group))
      : group === ''
        ? h('em', {}, 'no model named')
        : told(group)

  const line = (
    { group, entries, tokensIn, tokensOut, cost, unpriced }: CostLine,
    by: Grouping,
    share: number,
    total = false
  ) => {
    const bar = h('span', { class: 'bar', 'aria-hidden': 'true' })
    bar.style.width = `${Math.round(share * 100)}%`
    return h(
      'tr',
      { class: total ? 'total' : '', 'data-group': total ? 'total' : group },
      h('th', { scope: 'row' }, total ? 'All' : nameOf(group, by)),
      h('td', {}, entries.toLocaleString('en')),
      h('td', {}, grouped(tokensIn)),
      h('td', {}, grouped(tokensOut)),
      h('td', { class: 'money' }, `$${cost}`, total ? null : h('span', { class: 'bar-track' }, bar)),
      h('td', {}, unpriced === 0 ? '' : unpriced.toLocaleString('en'))
    )
  }

  const draw = ({ total, groups }: Costs, by: Grouping) => {
    if (total.entries === 0) return replace(result, h('p', { class: 'waiting' }, 'No entry tells of a cost or of tokens.'))
    const most = Math.max(...groups.map(({ cost }) => Number(cost)), Number.MIN_VALUE)
    const head = ['Entries', 'Tokens in', 'Tokens out', 'US dollars', 'Without a rate']
    replace(
      result,
      h(
        'table',
        {},
        h(
          'thead',
          {},
          h('tr', {}, h('th', { scope: 'col' }, titles[by]), ...head.map((title) => h('th', { scope: 'col' }, title)))
        ),
        h('tbody', {}, ...groups.slice(0, mostLines).map((group) => line(group, by, Number(group.cost) / most))),
        h('tfoot', {}, line(total, by, 0, true))
      ),
      groups.length > mostLines
        ? h('p', { class: 'hint' }, `The first ${mostLines} of ${groups.length.toLocaleString('en')}.`)
        : null
    )
  }

  const update = (next: Context) => {
    context = next
    const by = chosen()
    select.value = by
    const mine = ++asked
    next.ask('costs', { grouping: by, trace: null }).then((costs) => {
      if (mine === asked) draw(costs, by)
    }, failIn(result))
  }
  const element = h(
    'div',
    { class: 'cost' },
    h('div', { class: 'search one' }, h('p', { class: 'field' }, h('label', { for: 'cost-by' }, 'By'), select)),
    h(
      'p',
      { class: 'hint' },
      'Exact sums of what the entries tell; tokens at the rate of their model at that time. A trace holds what hangs under it.'
    ),
    result
  )
  update(first)
  return { element, update }
}
