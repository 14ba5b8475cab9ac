/** A list of very many lines, of which only those in sight are in the document. */
import type { Ask } from './asking.ts'
import { h, replace, shown, told } from './dom.ts'
import type { Row } from './records.ts'

export interface EntryList {
  readonly element: HTMLElement
  /** @param positions in the order in which they are shown */
  readonly show: (positions: Uint32Array) => void
  readonly focus: () => void
}

const beyond = 12
const narrow = '(max-width: 760px)'
const heights = { wide: 34, narrow: 62 }

export function createList(ask: Ask, onOpen: (index: number) => void, badAt: (index: number) => boolean): EntryList {
  let positions = new Uint32Array()
  let active = 0
  let rows = new Map<number, Row>()
  let drawn = new Map<number, HTMLElement>()
  let asking = false
  const isNarrow = matchMedia(narrow)
  const heightOf = () => (isNarrow.matches ? heights.narrow : heights.wide)

  const body = h('div', { class: 'list-body', role: 'rowgroup' })
  const header = h(
    'div',
    { class: 'line head', role: 'row' },
    ...['No.', 'Time (UTC)', 'Component', 'Event', 'Facts'].map((title) => h('span', { role: 'columnheader' }, title))
  )
  const scroller = h(
    'div',
    {
      class: 'list',
      role: 'grid',
      tabindex: 0,
      'aria-label': 'Entries',
      'aria-colcount': 5,
      scroll: () => plan(),
      keydown: (event: KeyboardEvent) => onKey(event)
    },
    h('div', { role: 'rowgroup', class: 'list-head' }, header),
    body
  )

  const line = (at: number, row: Row | undefined): HTMLElement => {
    const element = h('div', {
      class: `line${at === active ? ' active' : ''}${row !== undefined && badAt(row.index) ? ' bad' : ''}`,
      role: 'row',
      id: `line-${at}`,
      'aria-rowindex': at + 2,
      'aria-selected': at === active ? 'true' : 'false',
      'data-index': row?.index,
      click: () => choose(at, true)
    })
    if (row === undefined) element.append(h('span', { role: 'gridcell', class: 'pending' }, '…'))
    else
      element.append(
        h('span', { role: 'gridcell', class: 'number' }, row.index.toLocaleString('en')),
        h('span', { role: 'gridcell', class: 'time' }, shown(row.time.replace('T', ' ').replace('Z', ''))),
        h('span', { role: 'gridcell', class: 'component' }, told(row.component)),
        h('span', { role: 'gridcell', class: 'event' }, told(row.event)),
        h('span', { role: 'gridcell', class: 'facts' }, told(row.facts))
      )
    element.style.transform = `translateY(${at * heightOf()}px)`
    return element
  }

  let planned = false
  const plan = () => {
    if (planned) return
    planned = true
    requestAnimationFrame(() => {
      planned = false
      draw()
    })
  }

  const range = (): readonly [number, number] => {
    const height = heightOf()
    const first = Math.max(0, Math.floor(scroller.scrollTop / height) - beyond)
    return [first, Math.min(positions.length, Math.ceil((scroller.scrollTop + scroller.clientHeight) / height) + beyond)]
  }

  const draw = () => {
    const [first, end] = range()
    const next = new Map<number, HTMLElement>()
    const missing: number[] = []
    for (let at = first; at < end; at++) {
      const row = rows.get(positions[at]!)
      if (row === undefined) missing.push(positions[at]!)
      const old = drawn.get(at)
      const element = old !== undefined && old.dataset.drawn === String(row !== undefined) ? old : line(at, row)
      element.dataset.drawn = String(row !== undefined)
      next.set(at, element)
    }
    for (const [at, element] of drawn) if (next.get(at) !== element) element.remove()
    for (const [at, element] of next) if (drawn.get(at) !== element) body.append(element)
    drawn = next
    if (missing.length > 0 && !asking) void load(missing)
  }

  const load = async (missing: readonly number[]) => {
    asking = true
    const known = rows
    try {
      for (const row of await ask('rows', missing)) known.set(row.position, row)
      if (known.size > 4000) rows = new Map([...known].slice(-2000))
    } finally {
      asking = false
    }
    plan()
  }

  const choose = (at: number, open: boolean) => {
    if (positions.length === 0) return
    const before = active
    active = Math.min(Math.max(0, at), positions.length - 1)
    for (const place of [before, active]) {
      const element = drawn.get(place)
      element?.classList.toggle('active', place === active)
      element?.setAttribute('aria-selected', String(place === active))
    }
    scroller.setAttribute('aria-activedescendant', `line-${active}`)
    const height = heightOf()
    const [top, bottom] = [active * height, (active + 1) * height]
    const room = scroller.clientHeight - header.offsetHeight
    if (top < scroller.scrollTop) scroller.scrollTop = top
    else if (bottom > scroller.scrollTop + room) scroller.scrollTop = bottom - room
    if (!open) return
    const row = rows.get(positions[active]!)
    if (row !== undefined) onOpen(row.index)
  }

  const onKey = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(scroller.clientHeight / heightOf()) - 2)
    const moves: Readonly<Record<string, number>> = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + page,
      PageUp: active - page,
      Home: 0,
      End: positions.length - 1
    }
    const to = moves[event.key]
    if (to === undefined && event.key !== 'Enter' && event.key !== ' ') return
    event.preventDefault()
    choose(to ?? active, to === undefined)
  }

  const size = () => {
    body.style.height = `${positions.length * heightOf()}px`
    drawn.clear()
    replace(body)
    draw()
  }
  isNarrow.addEventListener('change', size)
  new ResizeObserver(plan).observe(scroller)

  return {
    element: scroller,
    show: (next) => {
      positions = new Uint32Array(next)
      rows = new Map()
      active = 0
      scroller.setAttribute('aria-rowcount', String(positions.length + 1))
      scroller.removeAttribute('aria-activedescendant')
      scroller.scrollTop = 0
      size()
    },
    focus: () => scroller.focus()
  }
}
