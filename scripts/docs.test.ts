/** Holds the documentation against the project: links lead somewhere, commands exist, examples run. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import test from 'ava'
import { commands } from '../cli/commands.ts'
import { commonOptions } from '../cli/line/arguments.ts'

const pages: string[] = []
for await (const page of glob(
  '{*.md,docs/**/*.md,{gateways,plugins,media,ledger,kamailio,cli,deploy,scripts,sipp-scenarios}/**/*.md}'
))
  pages.push(page)
pages.sort()
/** Parts of the project: folders with code of their own. */
const folders = [
  ...['gateways', 'plugins'].flatMap((above) => readdirSync(above).map((part) => join(above, part))),
  ...['media', 'ledger', 'kamailio', 'cli', 'deploy', 'scripts', 'sipp-scenarios']
].filter((folder) => folder !== 'plugins/testing')

test('every part has a README, and a line in that of the project', (t) => {
  const root = readFileSync('README.md', 'utf8')
  for (const folder of folders) {
    t.true(pages.includes(join(folder, 'README.md')), folder)
    t.true(root.includes(`| [${folder}](${folder}/README.md) |`), folder)
  }
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

/** Words of a command line, up to what would not be on it: another command, a comment. */
const wordsOf = (line: string): string[] =>
  line
    .split(/\s[#|&<>]|\s>/)[0]!
    .split(/\s+/)
    .filter((word) => word !== '')

test('every ifctl command that a page names is there, with every option it is given', (t) => {
  let named = 0
  for (const page of pages) {
    const text = readFileSync(page, 'utf8').replace(/\\\n\s*/g, '')
    for (const [, line] of text.matchAll(/(?:^ {4}|^|`|\$ |npx |\$\()ifctl ([a-z0-9][^`\n]*)/gm)) {
      const words = wordsOf(line!)
      const own = words.slice(0, words.findIndex((word) => !/^[a-z0-9-]+$/.test(word)) >>> 0)
      const under = (depth: number) => commands.filter((each) => own.slice(0, depth).every((word, at) => each.words[at] === word))
      const depth = own.findLastIndex((_, at) => under(at + 1).length > 0) + 1
      // `ifctl <words>` in prose, and the words of an operand that look like those of a command
      const candidates = under(depth)
      t.true(depth > 0 || own[0] === 'help', `${page}: ifctl ${line}`)
      const exact = candidates.filter(({ words: each }) => each.length <= depth)
      const known = exact.length > 0 ? exact : candidates
      named++
      for (const [, option] of words.join(' ').matchAll(/(?:^| )--([a-z][a-z0-9-]*)/g))
        t.true(
          [...commonOptions, ...known.flatMap(({ options }) => options)].some(({ name }) => name === option),
          `${page}: ifctl ${line}: --${option}`
        )
    }
  }
  t.true(named > 300)
})

test('every figure of the README names the command that measures it, and that is there', (t) => {
  const scripts = JSON.parse(readFileSync('package.json', 'utf8')).scripts
  const [, figures] = readFileSync('README.md', 'utf8').split('\n## Figures\n')
  const rows = figures!
    .split('\n## ')[0]!
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| what |'))
  t.true(rows.length > 10)
  for (const row of rows) {
    const [, script] = /`npm run ([a-z0-9:]+)[^`]*` \|$/.exec(row) ?? []
    t.truthy(scripts[script ?? ''], row)
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
