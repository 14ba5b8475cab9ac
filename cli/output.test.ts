import test from 'ava'
import { printable, toJsonLine } from './output.ts'
import { table } from './table.ts'

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
