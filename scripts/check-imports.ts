/**
 * Fails on an import that points the wrong way and prints the edge.
 *
 *     kernel ← {ledger, media, guard, escalate, sip-engine, kamailio} ← {gateways/sip, h323, bridge, webrtc} ← deploy ← cli ← scripts (tests and tools)
 *
 * The folders of `gateways/sip` and of `gateways/sip-engine` are in such an order too: each imports only those before it.
 *
 * The verifier (`ledger/verify`) shares no code with what writes a ledger: of the ledger it may import the hash functions of the tree alone.
 *
 * A part is reached from outside only through its subpath import (`#media`); tests, what lies in a `testing/` or `fault/` folder and `scripts/` may
 * reach the parts they test.
 */
import { readFileSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'

/** Part (longest prefix wins) and the parts it may import. */
const allowed: Record<string, readonly string[]> = {
  'gateways/kernel': [],
  'gateways/sip-engine': ['gateways/kernel'],
  'gateways/sip': ['gateways/kernel'],
  'gateways/h323': ['gateways/kernel'],
  'gateways/bridge': ['gateways/kernel'],
  'gateways/webrtc': ['gateways/kernel'],
  'gateways/webrtc/agent': ['gateways/kernel', 'gateways/webrtc', 'media'],
  'gateways/ndi': ['gateways/kernel', 'ledger'],
  'plugins/guard': ['gateways/kernel'],
  'plugins/escalate': ['gateways/kernel'],
  'plugins/store': ['gateways/kernel', 'ledger'],
  'plugins/coordinator': ['gateways/kernel', 'plugins/store'],
  'plugins/governor': ['gateways/kernel', 'plugins/store', 'plugins/coordinator', 'ledger'],
  'plugins/chassis': ['gateways/kernel', 'plugins/store', 'plugins/coordinator', 'ledger'],
  media: ['gateways/kernel'],
  ledger: ['gateways/kernel'],
  kamailio: ['gateways/kernel'],
  deploy: [
    'gateways/kernel',
    'gateways/sip-engine',
    'gateways/sip',
    'plugins/guard',
    'plugins/escalate',
    'media',
    'ledger',
    'kamailio',
    'gateways/h323',
    'gateways/bridge',
    'gateways/webrtc',
    'gateways/ndi',
    'plugins/store',
    'plugins/coordinator',
    'plugins/governor',
    'plugins/chassis'
  ],
  cli: [
    'gateways/kernel',
    'gateways/h323',
    'gateways/ndi',
    'gateways/webrtc',
    'gateways/webrtc/agent',
    'gateways/sip-engine',
    'plugins/guard',
    'plugins/escalate',
    'plugins/store',
    'plugins/coordinator',
    'plugins/governor',
    'plugins/chassis',
    'media',
    'ledger',
    'deploy',
    'kamailio'
  ],
  'plugins/testing': ['*'],
  scripts: ['*'],
  'sipp-scenarios': ['*']
}

/** A part inside another: of that one, it may import only these files. */
const apart: Record<string, readonly string[]> = {
  'ledger/verify': ['ledger/log/merkle.ts'],
  // runs in browsers: of the ledger only what needs no Node
  'ledger/page/browser': [
    'ledger/audit/decimal.ts',
    'ledger/audit/rates.ts',
    'ledger/audit/tally.ts',
    'ledger/export/offline-data.ts',
    'ledger/log/canonical.ts',
    'ledger/log/entry.ts'
  ]
}

/** Folders of a part in the order in which they may import: each those before it. */
const ordered: Record<string, readonly string[]> = {
  'gateways/sip': ['server', 'message', 'edge', 'record', 'dialog', 'transfer', 'call'],
  'gateways/sip-engine': [
    'codec',
    'transport',
    'common',
    'drachtio',
    'transaction',
    'dialog',
    'next-hop',
    'overload',
    'proxy',
    'core',
    'capture',
    'metrics'
  ]
}

const parts = Object.keys(allowed).sort((a, b) => b.length - a.length)
const partOf = (path: string): string | undefined => parts.find((part) => path === part || path.startsWith(`${part}/`))
const subpaths: Record<string, string> = JSON.parse(readFileSync('package.json', 'utf8')).imports

/** Resolves a project import to a path from the root; undefined for packages and `node:` modules. */
function target(file: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return normalize(join(dirname(file), specifier))
  if (!specifier.startsWith('#')) return undefined
  const exact = subpaths[specifier]
  if (exact !== undefined) return normalize(exact)
  const wildcard = Object.keys(subpaths).find((key) => key.endsWith('*') && specifier.startsWith(key.slice(0, -1)))
  return wildcard === undefined ? specifier : normalize(subpaths[wildcard]!.replace('*', specifier.slice(wildcard.length - 1)))
}

/** `import … from '…'`, `export … from '…'`, `import '…'`, `import('…')`. */
const importPattern =
  /^(?:import|export)\b[^'";]*?\bfrom\s*['"]([^'"]+)['"]|^import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm

const problems: string[] = []
let files = 0
for await (const file of glob('{gateways,plugins,media,ledger,kamailio,cli,deploy,scripts,sipp-scenarios}/**/*.{ts,js}')) {
  const from = partOf(file)
  if (from === undefined) {
    problems.push(`${file}: belongs to no part; add its folder to scripts/check-imports.ts`)
    continue
  }
  files++
  const isTest = file.endsWith('.test.ts') || file.includes('/testing/')
  for (const match of readFileSync(file, 'utf8').matchAll(importPattern)) {
    const specifier = match[1] ?? match[2] ?? match[3]!
    const path = target(file, specifier)
    if (path === undefined) continue
    const inner = isTest ? undefined : Object.keys(apart).find((folder) => file.startsWith(`${folder}/`))
    if (inner !== undefined && !path.startsWith(`${inner}/`) && !path.startsWith('gateways/') && !apart[inner]!.includes(path)) {
      problems.push(`${file} → ${path}: ${inner} may not import it`)
    }
    const to = partOf(path)
    if (to === from && !isTest) {
      const at = (of: string) => ordered[from]?.indexOf(of.slice(from.length + 1).split('/')[0]!) ?? -1
      if (at(file) >= 0 && (path.split('/').length === from.split('/').length + 1 || at(path) > at(file)))
        problems.push(`${file} → ${path}: its folder comes before that one`)
    }
    if (to === undefined) problems.push(`${file} → ${specifier}: names no part of the project`)
    else if (to === from) continue
    else if (isTest || file.includes('/fault/')) continue
    else if (!allowed[from]!.includes('*') && !allowed[from]!.includes(to))
      problems.push(`${file} → ${path}: ${from} may not import ${to}`)
    else if (!specifier.startsWith('#'))
      problems.push(`${file} → ${specifier}: reach ${to} through its subpath import, not by path`)
  }
}
if (problems.length > 0) {
  for (const problem of problems) console.error(problem)
  console.error(`${problems.length} import(s) point the wrong way`)
  process.exit(1)
}
console.log(`imports: ${files} files, every edge points toward the kernel`)
