/** Alerts and dashboard, held against the figures that a running suite tells. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import test from 'ava'
import { parse } from 'yaml'
import type { ControlFile } from '#suite'
import { runSuite } from '../testing/harness.ts'

const file = (name: string) => new URL(name, import.meta.url)
const run = promisify(execFile)
const hasPromtool = await run('promtool', ['--version']).then(
  () => true,
  () => false
)

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string }
}

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[]
}

const rules = async (): Promise<readonly Rule[]> => {
  const { groups } = parse(await readFile(file('alerts.yaml'), 'utf8')) as { groups: { rules: Rule[] }[] }
  return groups.flatMap((group) => group.rules)
}
const dashboard = async () => JSON.parse(await readFile(file('dashboard.json'), 'utf8')) as Dashboard

/** Figures that an expression asks for, each with the labels it names. `up` is told by Prometheus itself. */
function figuresOf(expr: string): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  const labelsOf = (name: string) => found.get(name) ?? found.set(name, new Set()).get(name)!
  for (const [, name, selector] of expr.matchAll(/\b((?:sip|suite|ledger)_[a-z_]+)(?:\{([^}]*)\})?/g))
    for (const [, label] of (selector ?? '').matchAll(/([a-z_]+)\s*[=!]/g)) labelsOf(name!).add(label!)
  for (const [, name] of expr.matchAll(/\b((?:sip|suite|ledger)_[a-z_]+)/g)) labelsOf(name!)
  const [by] = [...expr.matchAll(/by \(([^)]*)\)/g)].map(([, labels]) => labels!.split(/,\s*/))
  for (const label of by ?? []) for (const labels of found.values()) labels.add(label)
  return found
}

test('every figure and label that alerts and dashboard ask for is told by a running suite before its first call', async (t) => {
  const { suite } = await runSuite(t, { edge: 'external' })
  const { url, token } = JSON.parse(await readFile(suite.data.control, 'utf8')) as ControlFile
  const text = await (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text()
  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name!, type!]))
  t.regex(text, /^sip_server_connected 1$/m)
  t.regex(text, /^suite_part_running\{part="application"\} 1$/m)
  t.notRegex(text, /^suite_part_running\{part="edge"\}/m, 'this suite has none of its own')
  const expressions = [
    ...(await rules()).map(({ expr }) => expr),
    ...(await dashboard()).panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))
  ]
  for (const expr of expressions) {
    const figures = figuresOf(expr)
    t.true(figures.size > 0, expr)
    for (const [name, labels] of figures) {
      const plain = types.has(name) ? name : name.replace(/_(bucket|count|sum)$/, '')
      t.is(types.get(plain), name === plain ? types.get(name) : 'histogram', name)
      const sample = new RegExp(`^${name}\\{(.*)\\} `, 'm').exec(text)?.[1]
      if (sample === undefined) continue
      for (const label of labels) t.true(new RegExp(`\\b${label}="`).test(sample), `${name} has no label ${label}`)
    }
  }
})

test('there are the twelve alerts and the thirteen panels that were asked for', async (t) => {
  const all = await rules()
  t.is(new Set(all.map(({ alert }) => alert)).size, 12)
  for (const { alert, annotations, labels } of all) {
    t.regex(labels.severity, /^(warning|critical)$/, alert)
    t.true(annotations.summary.length > 10, alert)
  }
  const runbook = await readFile(file('../../docs/runbook.md'), 'utf8')
  for (const { alert } of all) t.true(runbook.includes(`\`${alert}\``), `${alert} is not in the runbook`)
  const critical = all.filter(({ labels }) => labels.severity === 'critical').map(({ alert }) => alert)
  t.deepEqual(critical, ['CallFailures', 'GuardRejectsMost', 'ProxyDown'])
  const { panels } = await dashboard()
  t.is(new Set(panels.map(({ title }) => title)).size, 13)
})

/** Where Prometheus is installed, its own tool tries the alerts. */
const withPromtool = hasPromtool ? test : test.skip

withPromtool('each alert is silent while all is well and fires on what it is for', async (t) => {
  const { stdout } = await run('promtool', ['test', 'rules', file('alerts.test.yaml').pathname])
  t.regex(stdout, /SUCCESS/)
})
