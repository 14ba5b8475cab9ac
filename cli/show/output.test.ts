import test from 'ava'
import fc from 'fast-check'
import { printable, toJsonLine } from './output.ts'
import { table } from './table.ts'
import { definitions } from './wrap.ts'

test('what callers brought cannot move the cursor or turn text around', (t) => {
  t.is(printable('a\u001b[2Jb\r\nc\u202e'), 'a\\u{1b}[2Jb\\u{d}\\u{a}c\\u{202e}')
  t.is(printable('Grüße 漢字'), 'Grüße 漢字')
})

test('JSON lines hold no such characters either, and read back the same', (t) => {
  const value = { text: 'a\u009b31m\u2028\u202e\u0000', number: 1 }
  t.notRegex(toJsonLine(value), /[\u0000-\u001f\u007f-\u009f\u2028\u202e]/)
  t.deepEqual(JSON.parse(toJsonLine(value)), value)
})

test('columns are as wide as their widest cell, without blanks at the end of a line', (t) => {
  t.deepEqual(table([['a', 'bb'], ['\u001b[31mccc\u001b[0m', 'd'], ['e']]), ['a    bb', '\u001b[31mccc\u001b[0m  d', 'e'])
})

test('a table is cut to the columns of the terminal, its widest columns first; colours stay whole', (t) => {
  t.deepEqual(table([['name', 'a meaning of some length', 'x']], 20), ['name  a meaning …  x'])
  t.deepEqual(table([['\u001b[31mabcdefghijkl\u001b[0m', 'b']], 11), ['\u001b[31mabcdefg…\u001b[0m  b'])
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.stringMatching(/^[a-z ]{0,40}$/), { minLength: 1, maxLength: 5 })),
      fc.nat(60),
      (rows, more) => {
        const columns = 5 * 8 + more
        for (const line of table(rows, columns)) t.true(line.length <= columns, line)
        t.is(table(rows, columns).length, rows.length)
      }
    )
  )
})

test('definitions and wrapped text keep to the columns and lose no word', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.stringMatching(/^--[a-z]{1,30}$/), fc.stringMatching(/^[a-z]{1,9}(?: [a-z]{1,9}){0,20}$/))),
      fc.integer({ min: 40, max: 120 }),
      (rows, columns) => {
        const lines = definitions(rows, columns)
        for (const line of lines) t.true(line.length <= columns, line)
        t.deepEqual(lines.join(' ').split(/ +/).filter(Boolean), rows.flat().join(' ').split(/ +/).filter(Boolean))
      }
    )
  )
})
