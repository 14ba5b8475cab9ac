/** Holds the documentation against the project: links lead somewhere, commands exist, examples run. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import test from 'ava'

const pages: string[] = []
for await (const page of glob(
  '{*.md,docs/**/*.md,{gateways,plugins,media,ledger,kamailio,cli,deploy,scripts,sipp-scenarios}/**/*.md}'
))
  pages.push(page)
pages.sort()
const folders = [
  'gateways/kernel',
  'gateways/sip',
  'gateways/sip-engine',
  'gateways/h323',
  'gateways/bridge',
  'plugins/escalate',
  'plugins/guard',
  'media',
  'ledger',
  'kamailio',
  'cli',
  'deploy',
  'scripts',
  'sipp-scenarios'
]

test('every part has a README', (t) => {
  for (const folder of folders) t.true(pages.includes(join(folder, 'README.md')), folder)
})

test('every relative link leads to a file or folder', (t) => {
  let links = 0
  for (const page of pages) {
    for (const [, link] of readFileSync(page, 'utf8').matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)/g)) {
      links++
      t.true(existsSync(join(dirname(page), link!)), `${page} → ${link}`)
    }
  }
  t.true(links > 10)
})

test('every npm script that a page names exists', (t) => {
  const scripts = JSON.parse(readFileSync('package.json', 'utf8')).scripts
  let named = 0
  for (const page of pages) {
    for (const [, name] of readFileSync(page, 'utf8').matchAll(/npm run ([a-z][a-z0-9:-]*)/g)) {
      named++
      t.truthy(scripts[name!.replace(/:$/, '')], `${page}: npm run ${name}`)
    }
  }
  t.true(named > 3)
})

test('every file that a script in package.json runs exists', (t) => {
  for (const command of Object.values<string>(JSON.parse(readFileSync('package.json', 'utf8')).scripts)) {
    for (const [file] of command.matchAll(/(?:[\w-]+\/)+[\w-]+\.(?:ts|sh|js)/g)) t.true(existsSync(file), `${command}: ${file}`)
  }
})

test('every ifctl command that a page names is known to ifctl', (t) => {
  const named = new Set<string>()
  for (const page of pages) {
    for (const [, words] of readFileSync(page, 'utf8').matchAll(
      /\bifctl ((?:up|sip-server|guard|witness)(?: (?:import|explain|registry|check\b|list|sign|keygen|log|query|trace|verify|key|checkpoint)\b)*)/g
    )) {
      named.add(words!)
    }
  }
  t.true(named.size >= 4)
  for (const words of named) {
    const { status, stderr } = spawnSync(process.execPath, ['cli/ifctl.cjs', ...words.split(' '), '--help'], {
      encoding: 'utf8',
      timeout: 20_000
    })
    t.is(status, 0, `ifctl ${words} --help: ${stderr}`)
  }
})

test('every TypeScript example in a page that imports a part of the project runs', (t) => {
  let examples = 0
  mkdirSync('var', { recursive: true })
  for (const page of pages) {
    for (const [, code] of readFileSync(page, 'utf8').matchAll(/```ts\n([\s\S]*?)```/g)) {
      if (!/from '#/.test(code!)) continue
      examples++
      const file = `var/example-${examples}.ts`
      writeFileSync(file, code!)
      const { status, stderr } = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', file], {
        encoding: 'utf8',
        timeout: 30_000
      })
      rmSync(file)
      t.is(status, 0, `${page}:\n${code}\n${stderr}`)
    }
  }
  t.true(examples > 0)
})
