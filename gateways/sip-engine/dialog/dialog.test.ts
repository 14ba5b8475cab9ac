import test from 'ava'
import fc from 'fast-check'
import { parseMessage, type SipRequest, type SipResponse } from '../codec/message.ts'
import { requestText } from '../testing/sip-text.ts'
import { clientDialog, formedBy, inOrder, refreshedBy, requestTarget, serverDialog, withTag } from './dialog.ts'
import { answerTo, armedBy, expireAfterMs, formatSessionExpires, parseSessionExpires, refreshAfterMs } from './session-timer.ts'

const request = (extra: readonly string[]) =>
  parseMessage(Buffer.from(requestText({ method: 'INVITE', branch: 'b', extra }), 'latin1')) as SipRequest

const response = (lines: readonly string[]) =>
  parseMessage(Buffer.from(['SIP/2.0 200 OK', ...lines, '', ''].join('\r\n'), 'latin1')) as SipResponse

test('the server side takes Record-Route in order, the client side reversed', (t) => {
  const routes = ['Record-Route: <sip:p1;lr>, <sip:p2;lr>', 'Record-Route: "x, y" <sip:p3;lr>;a=b']
  t.deepEqual(serverDialog(request(routes), 'lt', 1).routeSet, ['<sip:p1;lr>', '<sip:p2;lr>', '<sip:p3;lr>;a=b'])
  const before = clientDialog({ callId: 'c', from: '<sip:a>;tag=l', to: '<sip:b>', localTag: 'l', cseq: 4, target: 'sip:b' })
  const formed = formedBy(before, response([...routes, 'To: <sip:b>;tag=r', 'Contact: <sip:here@b;x=1>']))
  t.deepEqual(formed.routeSet, ['<sip:p3;lr>;a=b', '<sip:p2;lr>', '<sip:p1;lr>'])
  t.deepEqual([formed.remoteTag, formed.remoteTarget, formed.localCSeq], ['r', 'sip:here@b;x=1', 4])
})

test('loose routing keeps the target as Request-URI; a strict router in front gets its own', (t) => {
  const loose = serverDialog(request(['Record-Route: <sip:p1;lr>']), 'lt', 1)
  t.deepEqual(requestTarget(loose), {
    requestUri: 'sip:alice@10.0.0.9:5090',
    routes: ['<sip:p1;lr>'],
    nextHop: 'sip:p1;lr'
  })
  const strict = serverDialog(request(['Record-Route: <sip:p1>, <sip:p2;lr>']), 'lt', 1)
  t.deepEqual(requestTarget(strict), {
    requestUri: 'sip:p1',
    routes: ['<sip:p2;lr>', '<sip:alice@10.0.0.9:5090>'],
    nextHop: 'sip:p1'
  })
})

test('a target refresh without Contact changes nothing, with one only the target', (t) => {
  const dialog = serverDialog(request([]), 'lt', 1)
  t.is(refreshedBy(dialog, response(['To: <sip:x>'])), dialog)
  t.deepEqual(refreshedBy(dialog, response(['Contact: <sip:new@h>'])), { ...dialog, remoteTarget: 'sip:new@h' })
})

test('CSeq must grow; a tag is added once', (t) => {
  const dialog = serverDialog(request([]), 'lt', 7)
  t.deepEqual([inOrder(dialog, 7), inOrder(dialog, 6), inOrder(dialog, 9)], [false, false, true])
  t.is(withTag('<sip:a>', 'x'), '<sip:a>;tag=x')
  t.is(withTag('<sip:a>;tag=y', 'x'), '<sip:a>;tag=y')
  t.is(dialog.localAddress, '<sip:bob@10.0.0.1>;tag=lt')
})

test('Session-Expires is read and written', (t) => {
  t.deepEqual(parseSessionExpires('1800'), { intervalS: 1800, refresher: null })
  t.deepEqual(parseSessionExpires('1800 ; Refresher=UAS;x'), { intervalS: 1800, refresher: 'uas' })
  for (const bad of ['', 'abc', '-1', '1e3', '12345678901']) t.is(parseSessionExpires(bad), undefined, bad)
  fc.assert(
    fc.property(fc.nat({ max: 100_000 }), fc.constantFrom('uac' as const, 'uas' as const, null), (intervalS, refresher) => {
      t.deepEqual(parseSessionExpires(formatSessionExpires({ intervalS, refresher })), { intervalS, refresher })
    })
  )
})

test('who refreshes, and when', (t) => {
  t.is(armedBy({ intervalS: 90, refresher: 'uac' }, true).refresher, 'local')
  t.is(armedBy({ intervalS: 90, refresher: 'uas' }, true).refresher, 'remote')
  t.is(armedBy({ intervalS: 90, refresher: 'uac' }, false).refresher, 'remote')
  t.is(armedBy({ intervalS: 90, refresher: null }, true).refresher, 'local')
  t.deepEqual([refreshAfterMs(100, 0), refreshAfterMs(100, 0.5), refreshAfterMs(100, 1)], [45_000, 50_000, 55_000])
  t.deepEqual([expireAfterMs(90), expireAfterMs(96), expireAfterMs(1800)], [60_000, 64_000, 1_768_000])
})

test('the 2xx answers the session timer by RFC 4028 Table 2', (t) => {
  const known = { peerSupports: true, peerMinimumS: 0 }
  const uac = { intervalS: 1800, refresher: 'uac' } as const
  const open = { intervalS: 1800, refresher: null }
  t.deepEqual(answerTo({ ...known, offered: uac, wished: undefined }), uac)
  t.is(answerTo({ ...known, offered: open, wished: undefined }), undefined)
  t.is(answerTo({ ...known, offered: undefined, wished: undefined }), undefined)
  t.deepEqual(answerTo({ ...known, offered: undefined, wished: { ...uac, intervalS: 30 } }), { ...uac, intervalS: 90 })
  t.deepEqual(
    answerTo({ ...known, offered: uac, wished: { intervalS: 3600, refresher: 'uas' } }),
    uac,
    'not longer, and uac stays'
  )
  t.deepEqual(answerTo({ ...known, offered: open, wished: { intervalS: 600, refresher: 'uas' } }), {
    intervalS: 600,
    refresher: 'uas'
  })
  t.deepEqual(answerTo({ ...known, peerMinimumS: 700, offered: open, wished: { intervalS: 600, refresher: null } }), {
    intervalS: 700,
    refresher: 'uac'
  })
  t.deepEqual(answerTo({ ...known, peerSupports: false, offered: undefined, wished: uac }), { intervalS: 1800, refresher: 'uas' })
})
