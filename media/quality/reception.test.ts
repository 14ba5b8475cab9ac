import test from 'ava'
import fc from 'fast-check'
import { LossPattern } from './loss-pattern.ts'
import { Reception } from './reception.ts'

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n)

test('what is not there is lost, across the turn of the numbers', (t) => {
  const reception = new Reception()
  for (const n of range(65_500, 65_700)) if (n % 50 !== 0 || n === 65_500) reception.arrived(n & 0xffff)
  t.like(reception.summary(), { expected: 200, lost: 3, discarded: 0, restored: 0, duplicates: 0 })
})

test('out of order, twice, too late, restored', (t) => {
  const reception = new Reception()
  for (const n of [10, 12, 11, 12, 14, 17, 18]) reception.arrived(n)
  reception.discarded(14)
  reception.restored(16)
  reception.restored(17)
  t.like(reception.summary(), { expected: 9, lost: 2, discarded: 1, restored: 1, duplicates: 1 })
})

test('what is older than is held counts as it stood', (t) => {
  const reception = new Reception()
  for (const n of range(0, 90)) if (n !== 5) reception.arrived(n)
  reception.arrived(5)
  reception.restored(5)
  reception.discarded(6)
  t.like(reception.summary(), { expected: 90, lost: 1, discarded: 0, restored: 0, duplicates: 0 })
})

test('a restart of the sender loses nothing', (t) => {
  const reception = new Reception()
  for (const n of range(0, 100)) reception.arrived(n)
  for (const n of range(40_000, 40_100)) reception.arrived(n)
  reception.restart(7)
  for (const n of range(7, 107)) reception.arrived(n)
  t.like(reception.summary(), { expected: 300, lost: 0, duplicates: 0 })
})

test('a summary changes nothing', (t) => {
  const [asked, left] = [new Reception(), new Reception()]
  for (const n of range(0, 500)) {
    if (n % 7 === 0) continue
    asked.arrived(n)
    left.arrived(n)
    asked.summary()
  }
  t.deepEqual(asked.summary(), left.summary())
})

test('in whatever order packets come within the window, the pattern is that of their numbers', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('played', 'lost', 'discarded', 'restored'), { minLength: 1, maxLength: 300 }),
      fc.nat(0xffff),
      fc.nat(20),
      (fates, first, disorder) => {
        fates[0] = 'played'
        const last = fates.length - 1
        fates[last] = 'played'
        const order = fates
          .map((_, n) => ({ n, at: n === 0 ? -1 : n + ((n * 7919) % (disorder + 1)) }))
          .sort((a, b) => a.at - b.at)
        const reception = new Reception()
        const arrives = (n: number) => fates[n] === 'played' || fates[n] === 'discarded'
        for (const { n } of order) if (arrives(n)) reception.arrived((first + n) & 0xffff)
        const held = fates.slice(-40)
        held.forEach((fate, i) => {
          const number = (first + fates.length - held.length + i) & 0xffff
          if (fate === 'discarded') reception.discarded(number)
          else if (fate === 'restored') reception.restored(number)
        })
        const pattern = new LossPattern()
        fates.forEach((fate, n) => {
          const known = n >= fates.length - held.length
          pattern.note(fate === 'restored' ? (known ? 'played' : 'lost') : fate === 'discarded' && !known ? 'played' : fate)
        })
        t.like(reception.summary(), pattern.summary())
      }
    )
  )
})
