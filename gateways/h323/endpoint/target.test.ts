import test from 'ava'
import { aliasesOf, targetOf, targetOfAliases, textOfTarget } from './target.ts'

test('names, numbers, URLs and addresses in the forms in which people write them', (t) => {
  const cases: [string, unknown][] = [
    ['1002', { aliases: [{ type: 'dialedDigits', value: '1002' }], address: null }],
    ['alice', { aliases: [{ type: 'h323-ID', value: 'alice' }], address: null }],
    ['h323:alice@council.example', { aliases: [{ type: 'url-ID', value: 'h323:alice@council.example' }], address: null }],
    ['192.0.2.1', { aliases: [], address: { ip: '192.0.2.1', port: 1720 } }],
    ['192.0.2.1:1721', { aliases: [], address: { ip: '192.0.2.1', port: 1721 } }],
    ['room@192.0.2.1', { aliases: [{ type: 'h323-ID', value: 'room' }], address: { ip: '192.0.2.1', port: 1720 } }],
    ['192.0.2.1##1234', { aliases: [{ type: 'dialedDigits', value: '1234' }], address: { ip: '192.0.2.1', port: 1720 } }],
    ['7@[2001:db8::1]:1722', { aliases: [{ type: 'dialedDigits', value: '7' }], address: { ip: '2001:db8::1', port: 1722 } }]
  ]
  for (const [text, target] of cases) {
    t.deepEqual(targetOf(text), target as ReturnType<typeof targetOf>, text)
    t.deepEqual(targetOfAliases(aliasesOf(targetOf(text))), targetOf(text), text)
  }
  t.is(textOfTarget(targetOf('room@192.0.2.1')), 'room')
  t.is(textOfTarget(targetOf('192.0.2.1')), '192.0.2.1:1720')
})

test('what no message can carry is refused', (t) => {
  for (const text of ['', 'x'.repeat(257), '192.0.2.999', '192.0.2.1:0', '192.0.2.1:70000', 'h323:ä@b', '😀']) {
    t.throws(() => targetOf(text), { code: 'h323.endpoint.target' }, text)
  }
})
