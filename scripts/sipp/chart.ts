/** Response times as a picture: one curve a measured time, share of calls (upward) that were answered within so many milliseconds (to the right). SVG 1.1. */
import type { SippResult } from './result.ts'

const width = 720
const height = 360
const margin = { left: 56, right: 16, top: 40, bottom: 44 }
/** Told apart in grey, too. */
const strokes = ['#1b5e9e', '#b3500a', '#2a7d3f', '#7a3b8f'] as const
const dashes = ['', '8 4', '2 3', '10 3 2 3'] as const
const shares = [0, 0.25, 0.5, 0.75, 0.95, 1] as const

const escapeXml = (text: string): string =>
  text.replace(/[^\t\n\r\x20-\ud7ff\ue000-\ufffd]/g, '\ufffd').replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`)

/** The least of 1, 2, 5, 10, 20, … that is not below `ms`. */
function roundUp(ms: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, ms)))
  return power * ([1, 2, 5, 10].find((step) => step * power >= ms) ?? 10)
}

/** Two places at most; XML wants no exponents. */
const at = (value: number): string => String(Math.round(value * 100) / 100)

/** The picture; one that says so when nothing was measured. Pure. */
export function chart(result: SippResult): string {
  const curves = Object.entries(result.responseTimes)
  const most = roundUp(Math.max(1, ...curves.map(([, { maxMs }]) => maxMs)))
  const inner = { width: width - margin.left - margin.right, height: height - margin.top - margin.bottom }
  const x = (ms: number) => margin.left + (Math.min(ms, most) / most) * inner.width
  const y = (share: number) => margin.top + (1 - share) * inner.height
  const label = (text: string, px: number, py: number, more = '') =>
    `<text x="${at(px)}" y="${at(py)}"${more}>${escapeXml(text)}</text>`
  const { calls } = result
  const title = `${result.scenario} (${result.transport}): ${calls.successful} of ${calls.created} calls, ${result.rate.toFixed(1)}/s`
  const lines = shares.map(
    (share) =>
      `<line x1="${margin.left}" x2="${width - margin.right}" y1="${at(y(share))}" y2="${at(y(share))}" stroke="#ddd"/>` +
      label(`${share * 100} %`, margin.left - 6, y(share) + 4, ' text-anchor="end"')
  )
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) =>
    label(`${at(most * part)} ms`, x(most * part), height - margin.bottom + 18, ' text-anchor="middle"')
  )
  const drawn = curves.map(([name, { curveMs, p50Ms, p99Ms }], n) => {
    const points = curveMs.map((ms, percent) => `${at(x(ms))},${at(y(percent / 100))}`).join(' ')
    const dash = dashes[n % dashes.length]
    const look = `fill="none" stroke="${strokes[n % strokes.length]}" stroke-width="2"${dash === '' ? '' : ` stroke-dasharray="${dash}"`}`
    const legendY = height - 8
    const legendX = margin.left + n * 220
    return (
      `<polyline points="${points}" ${look}/>` +
      `<line x1="${legendX}" x2="${legendX + 24}" y1="${legendY - 4}" y2="${legendY - 4}" ${look}/>` +
      label(`${name}: p50 ${at(p50Ms)}, p99 ${at(p99Ms)} ms`, legendX + 30, legendY)
    )
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="11" role="img">`,
    `<title>${escapeXml(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    label(title, margin.left, 22, ' font-size="14"'),
    ...lines,
    ...ticks,
    ...(curves.length === 0 ? [label('no response time was measured', margin.left + 20, height / 2)] : drawn),
    '</svg>',
    ''
  ].join('\n')
}
