/** A ladder as SVG. */
import { h, shown, svg } from './dom.ts'
import { type Ladder, type Lane, laneTitles, type Step } from './ladder.ts'

const gutter = 132
const laneWidth = 172
const rowHeight = 46
const headHeight = 40
const noteWidth = 156
const traceColours = 8
const longest = { label: 30, note: 22, detail: 40 }

const cut = (text: string, length: number): string => {
  const visible = shown(text)
  return visible.length > length ? `${visible.slice(0, length - 1)}…` : visible
}

function since(ms: number): string {
  if (Math.abs(ms) < 1000) return `+${ms} ms`
  if (Math.abs(ms) < 60_000) return `+${(ms / 1000).toFixed(3)} s`
  return `+${Math.floor(ms / 60_000)} min ${((ms % 60_000) / 1000).toFixed(1)} s`
}

/** What a step says, for those who do not see it. */
const spoken = ({ index, label, detail, from, to }: Step): string =>
  shown(
    `Entry ${index}: ${label}${detail === '' ? '' : ` (${detail})`}, ${to === null ? `at ${laneTitles[from]}` : `${laneTitles[from]} to ${laneTitles[to]}`}`
  )

/** @param onOpen told the leaf number of the entry behind a step */
export function drawLadder({ lanes, steps, traces }: Ladder, onOpen: (index: number) => void): HTMLElement {
  const width = gutter + lanes.length * laneWidth
  const height = steps.length * rowHeight + 12
  const x = (lane: Lane) => gutter + lanes.indexOf(lane) * laneWidth + laneWidth / 2

  const head = svg(
    'svg',
    { width, height: headHeight, class: 'ladder-head', 'aria-hidden': 'true' },
    ...lanes.flatMap((lane) => [
      svg('rect', { x: x(lane) - 66, y: 6, width: 132, height: 28, rx: 6, class: 'lane-box' }),
      svg('text', { x: x(lane), y: 25, class: 'lane-title' }, laneTitles[lane])
    ])
  )
  const body = svg(
    'svg',
    { width, height, class: 'ladder', role: 'group', 'aria-label': `Ladder of ${steps.length} entries` },
    ...lanes.map((lane) => svg('line', { x1: x(lane), x2: x(lane), y1: 0, y2: height, class: 'lane-line' }))
  )

  const open = (event: Event, index: number) => {
    event.preventDefault()
    onOpen(index)
  }
  for (const [at, step] of steps.entries()) {
    const y = at * rowHeight + 26
    const trace = traces.indexOf(step.trace)
    const group = svg('g', {
      class: `step ${step.tone}`,
      tabindex: 0,
      role: 'button',
      'aria-label': spoken(step),
      'data-index': step.index,
      click: (event: Event) => open(event, step.index),
      keydown: (event: KeyboardEvent) => {
        if (event.key === 'Enter' || event.key === ' ') open(event, step.index)
      }
    })
    group.append(
      svg('rect', { x: 2, y: y - 24, width: width - 4, height: rowHeight - 4, rx: 6, class: 'step-back' }),
      svg('rect', { x: 2, y: y - 24, width: 4, height: rowHeight - 4, rx: 2, class: `trace-${trace % traceColours}` }),
      svg('text', { x: 14, y: y - 6, class: 'step-time' }, shown(step.time.slice(11, 23))),
      svg('text', { x: 14, y: y + 10, class: 'step-since' }, since(step.sinceMs))
    )
    group.append(...(step.to === null ? note(step, x(step.from), y) : arrow(step, x(step.from), x(step.to), y, x, lanes)))
    group.append(svg('title', {}, spoken(step)))
    body.append(group)
  }
  return h('div', { class: 'ladder-frame', tabindex: 0, role: 'region', 'aria-label': 'Ladder diagram' }, head, body)
}

function note({ label, detail }: Step, x: number, y: number): SVGElement[] {
  const both = detail !== ''
  return [
    svg('rect', { x: x - noteWidth / 2, y: y - 17, width: noteWidth, height: both ? 32 : 24, rx: 5, class: 'note' }),
    svg('text', { x, y: y - (both ? 4 : 1), class: 'note-label' }, cut(label, longest.note)),
    ...(both ? [svg('text', { x, y: y + 10, class: 'step-detail' }, cut(detail, longest.note + 4))] : [])
  ]
}

function arrow(
  { label, detail }: Step,
  from: number,
  to: number,
  y: number,
  x: (lane: Lane) => number,
  lanes: readonly Lane[]
): SVGElement[] {
  const direction = Math.sign(to - from)
  const tip = to - direction * 2
  const middle = (from + to) / 2
  const spans = Math.abs(to - from) / laneWidth
  // between expert and application it goes through the edge
  const through =
    lanes.includes('edge') && (from - x('edge')) * (to - x('edge')) < 0
      ? [svg('circle', { cx: x('edge'), cy: y, r: 3.5, class: 'through' })]
      : []
  return [
    svg('line', { x1: from, x2: tip, y1: y, y2: y, class: 'arrow' }),
    svg('path', { d: `M ${to} ${y} l ${-direction * 9} -4.5 v 9 z`, class: 'tip' }),
    ...through,
    svg(
      'text',
      { x: middle, y: y - 7, class: 'step-label' },
      cut(label, Math.round(longest.label * Math.min(1.6, Math.max(0.72, spans * 0.72))))
    ),
    ...(detail === ''
      ? []
      : [
          svg(
            'text',
            { x: middle, y: y + 13, class: 'step-detail' },
            cut(detail, Math.round(longest.detail * Math.min(1.6, Math.max(0.66, spans * 0.66))))
          )
        ])
  ]
}
