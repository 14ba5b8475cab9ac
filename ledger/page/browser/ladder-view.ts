/** A ladder as SVG. */
import { h, shown, svg } from './dom.ts'
import { type Ladder, type Lane, laneTitles, type Step } from './ladder.ts'

const gutter = 132
/** Lanes take the room there is, within these bounds. */
const laneWidths = { least: 122, most: 230 }
const rowHeight = 46
const headHeight = 40
const traceColours = 8
/** Width of a character of a label and of a detail, about. */
const characterWidths = { label: 7.3, detail: 6.1 }

/** @param width pixels there are for it */
function cut(text: string, width: number, kind: keyof typeof characterWidths): string {
  const visible = shown(text)
  const length = Math.floor(width / characterWidths[kind])
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

/**
 * @param room width there is for it, in pixels
 * @param onOpen told the leaf number of the entry behind a step
 */
export function drawLadder({ lanes, steps, traces }: Ladder, room: number, onOpen: (index: number) => void): HTMLElement {
  const laneWidth = Math.min(laneWidths.most, Math.max(laneWidths.least, Math.floor((room - gutter - 24) / lanes.length)))
  const width = gutter + lanes.length * laneWidth
  const height = steps.length * rowHeight + 12
  const x = (lane: Lane) => gutter + lanes.indexOf(lane) * laneWidth + laneWidth / 2

  const head = svg(
    'svg',
    { width, height: headHeight, class: 'ladder-head', 'aria-hidden': 'true' },
    ...lanes.flatMap((lane) => [
      svg('rect', { x: x(lane) - laneWidth / 2 + 8, y: 6, width: laneWidth - 16, height: 28, rx: 6, class: 'lane-box' }),
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
    const edge = lanes.includes('edge') ? x('edge') : null
    group.append(
      ...(step.to === null ? note(step, x(step.from), y, laneWidth - 10) : arrow(step, x(step.from), x(step.to), y, edge))
    )
    group.append(svg('title', {}, spoken(step)))
    body.append(group)
  }
  return h('div', { class: 'ladder-frame', tabindex: 0, role: 'region', 'aria-label': 'Ladder diagram' }, head, body)
}

function note({ label, detail }: Step, x: number, y: number, width: number): SVGElement[] {
  const both = detail !== ''
  return [
    svg('rect', { x: x - width / 2, y: y - 17, width, height: both ? 32 : 24, rx: 5, class: 'note' }),
    svg('text', { x, y: y - (both ? 4 : 1), class: 'note-label' }, cut(label, width, 'label')),
    ...(both ? [svg('text', { x, y: y + 10, class: 'note-detail' }, cut(detail, width, 'detail'))] : [])
  ]
}

/** @param edge where the edge's lane is: what goes between expert and application goes through it */
function arrow({ label, detail }: Step, from: number, to: number, y: number, edge: number | null): SVGElement[] {
  const direction = Math.sign(to - from)
  const middle = (from + to) / 2
  // a label may reach a little over the lanes it stands between
  const width = Math.abs(to - from) + 6
  return [
    svg('line', { x1: from, x2: to - direction * 2, y1: y, y2: y, class: 'arrow' }),
    svg('path', { d: `M ${to} ${y} l ${-direction * 9} -4.5 v 9 z`, class: 'tip' }),
    ...(edge !== null && (from - edge) * (to - edge) < 0 ? [svg('circle', { cx: edge, cy: y, r: 3.5, class: 'through' })] : []),
    svg('text', { x: middle, y: y - 7, class: 'step-label' }, cut(label, width, 'label')),
    ...(detail === '' ? [] : [svg('text', { x: middle, y: y + 13, class: 'step-detail' }, cut(detail, width, 'detail'))])
  ]
}
