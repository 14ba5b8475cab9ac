/** Results as JUnit XML, the form that CI services read: a test suite per list, a test case per run. */
import { basename } from 'node:path'
import { failureText, type SippResult } from './result.ts'

export function junit(results: readonly SippResult[], suite = 'sipp'): string {
  const failures = results.filter((result) => result.outcome === 'failed').length
  const errors = results.filter((result) => result.outcome !== 'failed' && result.outcome !== 'passed').length
  const seconds = (ms: number) => (ms / 1000).toFixed(3)
  const total = results.reduce((sum, { durationMs }) => sum + durationMs, 0)
  const cases = results.map((result) => {
    const name = basename(result.scenario).replace(/\.xml$/, '')
    const opening = `  <testcase classname="${escapeXml(suite)}" name="${escapeXml(`${name} (${result.transport})`)}" time="${seconds(result.durationMs)}"`
    const text = failureText(result)
    if (text === null) return `${opening}/>`
    const tag = result.outcome === 'failed' ? 'failure' : 'error'
    return `${opening}>\n    <${tag} type="sipp.${result.outcome}" message="${escapeXml(text)}"/>\n  </testcase>`
  })
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuite name="${escapeXml(suite)}" tests="${results.length}" failures="${failures}" errors="${errors}" time="${seconds(total)}">`,
    ...cases,
    '</testsuite>',
    ''
  ].join('\n')
}

/** XML 1.0 §2.2: most control characters cannot be written at all, not even escaped. */
function escapeXml(text: string): string {
  return text
    .replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, '\ufffd')
    .replace(/[&<>"\n\r\t]/g, (character) => `&#${character.charCodeAt(0)};`)
}
