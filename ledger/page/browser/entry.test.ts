import test from 'ava'
import { draftEntry, finishDraft } from '../../log/entry.ts'
import { checkEntry } from '../../verify/entry-form.ts'
import { readEntry } from './entry.ts'

const good = finishDraft(
  draftEntry(
    {
      event: 'INVITE',
      component: 'IF.proxy',
      traceId: 'a"\\b',
      parentTraceId: 'case-7',
      payload: { n: 1 },
      model: 'gpt-5 \u2028"ü\u0001',
      tokensIn: 0,
      tokensOut: 12,
      cost: '0.05'
    },
    1_767_225_600_000
  ),
  3,
  'ab'.repeat(32)
)
const place = () => ({ index: 0, prevAt: 0, componentAt: 0, componentEnd: 0, eventAt: 0, eventEnd: 0, order: 0 })
/** Whether the verifier takes it; and the page. */
const judged = (text: string) => {
  const octets = Buffer.from(text)
  return { verifier: checkEntry(octets, 0, octets.length, place()) === null, page: readEntry(octets, 3).problem === null }
}

test('the page and the verifier take the same for an entry', (t) => {
  t.deepEqual(judged(good), { verifier: true, page: true })
  const forms: Readonly<Record<string, (text: string) => string>> = {
    'a letter that looks like I': (text) => text.replace('INVITE', '\u0406NVITE'),
    'markup for an event': (text) => text.replace('INVITE', '<b>INVITE</b>'),
    'an event of none': (text) => text.replace('"INVITE"', '""'),
    'an event of 129 characters': (text) => text.replace('INVITE', 'x'.repeat(129)),
    'a component that looks reserved': (text) => text.replace('IF.proxy', 'IF.witness\u200b.ledger'),
    'a formula for a component': (text) => text.replace('IF.proxy', '=IF.proxy'),
    'a time in the year 10000': (text) => text.replace('2026-01-01', '+010000-01-01'),
    'a time of another form': (text) => text.replace('2026-01-01T00:00:00.000Z', '1 Jan 2026'),
    'a time without milliseconds': (text) => text.replace('00.000Z', '00Z'),
    'a day that is none': (text) => text.replace('2026-01-01', '2026-02-30'),
    'a trace id with a blank': (text) => text.replace('a\\"\\\\b', 'a b'),
    'a trace id of none': (text) => text.replace('a\\"\\\\b', ''),
    'a parent that is no identifier': (text) => text.replace('case-7', 'cäse'),
    'a previous hash in capitals': (text) => text.replaceAll('ab'.repeat(32), 'AB'.repeat(32)),
    'a model of none': (text) => text.replace(/"model":"[^,]*",/, '"model":"",'),
    'a model of 129 characters': (text) => text.replace(/"model":"[^,]*",/, `"model":"${'x'.repeat(129)}",`),
    'a cost with a sign': (text) => text.replace('0.05', '-0.05'),
    'tokens below none': (text) => text.replace('"tokens_in":0', '"tokens_in":-1'),
    'tokens that doubles do not tell apart': (text) => text.replace('"tokens_in":0', '"tokens_in":9007199254740992'),
    'a member twice': (text) => text.replace('"n":1', '"n":1,"n":1'),
    'a payload that is a list': (text) => text.replace('{"n":1}', '[1]')
  }
  for (const [name, change] of Object.entries(forms)) {
    t.not(change(good), good, name)
    t.deepEqual(judged(change(good)), { verifier: false, page: false }, name)
  }
})
