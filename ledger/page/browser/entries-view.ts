/** Search. */
import type { Context, View } from './app.ts'
import { h, messageOf, replace, shown } from './dom.ts'
import { createList } from './list.ts'
import { parsePlace } from './place.ts'
import type { Filter } from './records.ts'

const typingMs = 150
const fields = ['text', 'trace', 'call', 'component', 'event', 'since', 'until', 'order'] as const
type Field = (typeof fields)[number]

/** A moment as people write it, in UTC: a date, with a time or without. */
export function momentOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)?Z?$/.test(text.trim())) return undefined
  const moment = text.trim().replace(' ', 'T').replace(/Z$/, '')
  const ms = Date.parse(moment.length === 10 ? `${moment}T00:00Z` : `${moment}Z`)
  return Number.isNaN(ms) ? undefined : ms
}

export function entriesView(first: Context): View {
  let context = first
  let asked = 0
  let typing: ReturnType<typeof setTimeout> | undefined
  let shownHash = ''
  let shownCount = -1

  const input = (name: Field, label: string, props = {}) => {
    const field = h('input', {
      id: `f-${name}`,
      name,
      type: 'search',
      autocomplete: 'off',
      spellcheck: 'false',
      maxlength: 300,
      ...props
    })
    return { field, element: h('p', { class: `field field-${name}` }, h('label', { for: `f-${name}` }, label), field) }
  }
  const text = input('text', 'Text', { placeholder: 'words that the entry holds' })
  const trace = input('trace', 'Trace', { placeholder: 'with those under it' })
  const call = input('call', 'Call-ID')
  const component = input('component', 'Component', { list: 'components' })
  const event = input('event', 'Event', { list: 'events' })
  const since = input('since', 'From (UTC)', { placeholder: '2026-01-31 12:00' })
  const until = input('until', 'Before (UTC)', { placeholder: '2026-02-01' })
  const all = { text, trace, call, component, event, since, until }
  const order = h(
    'select',
    { id: 'f-order', name: 'order' },
    h('option', { value: '' }, 'newest first'),
    h('option', { value: 'old' }, 'oldest first')
  )
  const components = h('datalist', { id: 'components' })
  const events = h('datalist', { id: 'events' })
  const count = h('p', { class: 'count', role: 'status', 'aria-live': 'polite', id: 'count' })
  const list = createList(
    (question, ask, progress) => context.ask(question, ask, progress),
    (index) => context.openEntry(index),
    (index) => context.report.faults.some((fault) => fault.index === index)
  )

  const find = async () => {
    const mine = ++asked
    const { params } = context.place
    const [from, before] = [momentOf(params.since), momentOf(params.until)]
    since.field.setAttribute('aria-invalid', String(params.since !== undefined && from === undefined))
    until.field.setAttribute('aria-invalid', String(params.until !== undefined && before === undefined))
    const filter: Filter = {
      text: params.text ?? '',
      trace: params.trace ?? '',
      call: params.call ?? '',
      component: params.component ?? '',
      event: params.event ?? '',
      ...(from === undefined ? {} : { since: from }),
      ...(before === undefined ? {} : { until: before })
    }
    const found = await context.ask('search', filter)
    if (mine !== asked) return
    if (params.order !== 'old') found.reverse()
    list.show(found)
    const { held, size, whole } = context.report
    count.textContent = `${found.length.toLocaleString('en')} of ${held.toLocaleString('en')} entries${whole ? '' : ` (a selection of ${size.toLocaleString('en')})`}`
    count.dataset.count = String(found.length)
  }

  const search = () => {
    find().catch((error: unknown) => {
      count.textContent = messageOf(error)
    })
  }

  const fill = () => {
    const { params } = context.place
    for (const [name, { field }] of Object.entries(all)) field.value = params[name] ?? ''
    order.value = params.order ?? ''
  }

  const names = () => {
    replace(components, ...context.report.components.slice(0, 200).map((name) => h('option', { value: shown(name) })))
    replace(events, ...context.report.events.slice(0, 200).map((name) => h('option', { value: shown(name) })))
  }

  const typed = () => {
    clearTimeout(typing)
    typing = setTimeout(() => {
      if (!element.isConnected) return
      const params: Record<string, string> = { order: order.value }
      for (const [name, { field }] of Object.entries(all)) params[name] = field.value.trim()
      const place = {
        view: 'entries',
        // an entry that was opened meanwhile stays open
        entry: parsePlace(location.hash).entry,
        params: Object.fromEntries(Object.entries(params).filter(([, value]) => value !== ''))
      } as const
      context.go(place, true)
      context = { ...context, place }
      shownHash = JSON.stringify(place.params)
      search()
    }, typingMs)
  }

  const clear = () => {
    for (const { field } of Object.values(all)) field.value = ''
    typed()
    text.field.focus()
  }

  const form = h(
    'form',
    { class: 'search', role: 'search', input: typed, submit: (event: Event) => event.preventDefault() },
    text.element,
    component.element,
    event.element,
    h(
      'details',
      { class: 'more', open: ['trace', 'call', 'since', 'until'].some((name) => first.place.params[name] !== undefined) },
      h('summary', {}, 'More conditions'),
      h('div', { class: 'more-fields' }, trace.element, call.element, since.element, until.element)
    ),
    h(
      'div',
      { class: 'search-foot' },
      count,
      h(
        'span',
        { class: 'buttons' },
        h('label', { for: 'f-order', class: 'unseen' }, 'Order'),
        order,
        h('button', { type: 'button', class: 'quiet', click: clear }, 'Clear')
      )
    ),
    components,
    events
  )
  const element = h('div', { class: 'entries' }, form, list.element)
  const keys = (event: KeyboardEvent) => {
    if (!element.isConnected) return removeEventListener('keydown', keys)
    const target = event.target as HTMLElement | null
    if (event.key === '/' && !/^(?:INPUT|TEXTAREA|SELECT)$/.test(target?.tagName ?? '')) {
      event.preventDefault()
      text.field.focus()
    }
    if (event.key === 'ArrowDown' && target === text.field) list.focus()
  }
  // not before it is in the document, where the listener looks for it
  requestAnimationFrame(() => addEventListener('keydown', keys))

  const update = (next: Context) => {
    context = next
    const hash = JSON.stringify(next.place.params)
    if (hash === shownHash && next.report.held === shownCount) return
    // what is being typed stays when the log has grown
    if (hash !== shownHash) fill()
    shownHash = hash
    shownCount = next.report.held
    names()
    search()
  }
  update(first)
  return { element, update }
}
