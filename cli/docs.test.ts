import { readFileSync } from 'node:fs'
import test from 'ava'
import { commands } from './commands.ts'
import { docsPage, docsPath } from './docs.ts'
import { exitCodeMeanings, exitCodes } from './line/exit-codes.ts'

const page = readFileSync(docsPath, 'utf8')

test('docs/cli.md is what the definitions say: npm run docs:cli', (t) => {
  t.is(page, docsPage())
})

test('it names every command with its options, and every exit code', (t) => {
  for (const { words, options } of commands) {
    const heading = `### ifctl ${words.join(' ')}`
    const from = page.split('\n').findIndex((line) => line === heading || line.startsWith(`${heading} `))
    t.true(from > 0, heading)
    const section = page.split('\n').slice(from + 1)
    const lines = section.slice(0, section.findIndex((line) => line.startsWith('#')) + 1 || undefined)
    for (const { name } of options)
      t.true(
        lines.some((line) => line.startsWith(`| \`--${name}`)),
        `${heading} --${name}`
      )
  }
  t.deepEqual(
    exitCodeMeanings.map(([code]) => code),
    Object.values(exitCodes)
  )
  for (const [code] of exitCodeMeanings) t.regex(page, new RegExp(`^\\| ${code} \\| .+ \\|$`, 'm'))
})
