import test from 'ava'
import fc from 'fast-check'
import { defaultHazards } from '#kernel'
import { readDialled } from './dialled.ts'

const council = new Set(['council', 'north-council'])
const read = (uri: string) => readDialled(uri, council, defaultHazards)

test('an address names a conference, and a hazard where it ends in one', (t) => {
  t.deepEqual(read('sip:council@example.com'), { conference: 'council', hazard: null })
  t.deepEqual(read('sip:council-safety@127.0.0.1:5061;transport=tls'), { conference: 'council', hazard: 'safety' })
  t.deepEqual(read('sips:north-council-bias@x'), { conference: 'north-council', hazard: 'bias' })
  t.deepEqual(read('sip:%63ouncil@x'), { conference: 'council', hazard: null })
})

test('the longest hazard is taken', (t) => {
  t.deepEqual(readDialled('sip:a-data-safety@x', null, ['safety', 'data-safety']), { conference: 'a', hazard: 'data-safety' })
})

test('what names no conference is nothing', (t) => {
  for (const uri of [
    'sip:nobody@x',
    'sip:council-@x',
    'sip:-safety@x',
    'sip:safety@x',
    'sip:Council@x',
    'sip:%zz@x',
    'sip:council:pw@x',
    'sip:@x',
    'sip:x',
    'tel:+49',
    `sip:${'a'.repeat(300)}@x`,
    'sip:council%0d%0aVia@x'
  ])
    t.is(read(uri), null, uri)
})

test('where any name may be dialled, it still has to be a name', (t) => {
  t.deepEqual(readDialled('sip:anything-ethics@x', null, defaultHazards), { conference: 'anything', hazard: 'ethics' })
  t.is(readDialled('sip:..%2f@x', null, defaultHazards), null)
})

test('a conference has the form of a name whatever is dialled', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary-ascii', maxLength: 80 }), (user) => {
      const dialled = readDialled(`sip:${user}@x`, null, defaultHazards)
      return dialled === null || /^[a-z0-9][a-z0-9._-]{0,63}$/.test(dialled.conference)
    })
  )
  t.pass()
})
