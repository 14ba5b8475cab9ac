import test from 'ava'
import { headerLines, parseMessage, type SipRequest, type SipResponse } from '../codec/message.ts'
import { bestFailure, type Failure, otherChallenges } from './best-response.ts'
import { branchAck, branchCancel, forwardedRequest, forwardedResponse, recordLines } from './forward.ts'
import { isLooped, loopBranch, routeHash } from './loop.ts'
import { createMemory } from './memory.ts'
import { breadthOf, refusalOf } from './refusal.ts'
import { isOwnUri, routedThroughUs } from './routing.ts'
import { createRSeqNumbering, numberThrough } from './rseq.ts'
import { bareUri, redirectTargets, targetKey } from './targets.ts'

const own = [
  { transport: 'udp', address: '10.0.0.1', port: 5060 },
  { transport: 'tls', address: '2001:db8::1', port: 5061 }
] as const

const request = (uri: string, ...lines: string[]): SipRequest =>
  parseMessage(
    Buffer.from(
      [
        `INVITE ${uri} SIP/2.0`,
        'Via: SIP/2.0/UDP 10.0.0.9:5090;branch=z9hG4bKa',
        'From: <sip:alice@10.0.0.9>;tag=ft',
        'To: <sip:bob@example.org>',
        'Call-ID: c1',
        'CSeq: 7 INVITE',
        ...lines,
        'Content-Length: 3',
        '',
        'v=0'
      ].join('\r\n'),
      'latin1'
    )
  ) as SipRequest
const response = (status: number, ...lines: string[]): SipResponse =>
  parseMessage(Buffer.from([`SIP/2.0 ${status} Because`, ...lines, 'l: 0', '', ''].join('\r\n'), 'latin1')) as SipResponse
const head = (bytes: Buffer): string[] => bytes.toString('latin1').split('\r\n')

test('a request sent on: our Via, one hop less, routes as told, the rest as it was', (t) => {
  const asked = request(
    'sip:bob@example.org',
    'Route: <sip:10.0.0.1;lr>',
    'v: SIP/2.0/UDP 10.0.0.8;branch=z9hG4bKb',
    'X-Odd: "caf\xe9"',
    's: kept',
    'Max-Forwards: 70',
    'Max-Breadth: 5',
    'Record-Route: <sip:10.0.0.8;lr>'
  )
  const bytes = forwardedRequest({
    request: asked,
    requestUri: 'sip:bob@10.0.0.2',
    vias: headerLines(asked, 'via'),
    routes: ['<sip:10.0.0.3;lr>'],
    via: ['Via', 'SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKnew'],
    breadth: 4,
    record: [['Record-Route', '<sip:10.0.0.1:5060;lr>']],
    extra: [['X-Extra', '1']]
  })
  t.deepEqual(head(bytes), [
    'INVITE sip:bob@10.0.0.2 SIP/2.0',
    'Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKnew',
    'Via: SIP/2.0/UDP 10.0.0.9:5090;branch=z9hG4bKa',
    'Via: SIP/2.0/UDP 10.0.0.8;branch=z9hG4bKb',
    'Record-Route: <sip:10.0.0.1:5060;lr>',
    'Route: <sip:10.0.0.3;lr>',
    'Max-Forwards: 69',
    'Max-Breadth: 4',
    'From: <sip:alice@10.0.0.9>;tag=ft',
    'To: <sip:bob@example.org>',
    'Call-ID: c1',
    'CSeq: 7 INVITE',
    'X-Odd: "caf\xe9"',
    's: kept',
    'Record-Route: <sip:10.0.0.8;lr>',
    'X-Extra: 1',
    'Content-Length: 3',
    '',
    'v=0'
  ])
})

test('ACK and CANCEL of a branch agree with its request', (t) => {
  const branch = {
    request: request('sip:bob@example.org', 'Max-Forwards: 9'),
    requestUri: 'sip:bob@10.0.0.2',
    via: ['Via', 'SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKnew'] as const,
    routes: ['<sip:10.0.0.3;lr>']
  }
  const common = ['Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKnew', 'Route: <sip:10.0.0.3;lr>', 'Max-Forwards: 70']
  t.deepEqual(head(branchAck(branch, response(486, 'To: <sip:bob@example.org>;tag=tt'))), [
    'ACK sip:bob@10.0.0.2 SIP/2.0',
    ...common,
    'From: <sip:alice@10.0.0.9>;tag=ft',
    'To: <sip:bob@example.org>;tag=tt',
    'Call-ID: c1',
    'CSeq: 7 ACK',
    'Content-Length: 0',
    '',
    ''
  ])
  t.deepEqual(head(branchCancel(branch, ['SIP;cause=200'])), [
    'CANCEL sip:bob@10.0.0.2 SIP/2.0',
    ...common,
    'From: <sip:alice@10.0.0.9>;tag=ft',
    'To: <sip:bob@example.org>',
    'Call-ID: c1',
    'CSeq: 7 CANCEL',
    'Reason: SIP;cause=200',
    'Content-Length: 0',
    '',
    ''
  ])
})

test('a response sent back has the Vias of its request, whatever the callee made of them', (t) => {
  const vias = ['SIP/2.0/UDP 10.0.0.9:5090;branch=z9hG4bKa;rport=5090', 'SIP/2.0/UDP 10.0.0.8;branch=z9hG4bKb']
  for (const returned of [['Via: a', 'Via: b', 'v: c'], ['v: a, b, c'], ['Via: a']]) {
    t.deepEqual(head(forwardedResponse(response(180, ...returned, 'T: <sip:b@x>;tag=1'), vias)), [
      'SIP/2.0 180 Because',
      `Via: ${vias[0]}`,
      `Via: ${vias[1]}`,
      'T: <sip:b@x>;tag=1',
      'Content-Length: 0',
      '',
      ''
    ])
  }
  const challenge = ['WWW-Authenticate', 'Digest'] as const
  t.deepEqual(head(forwardedResponse(response(183, 'RSeq: 5'), [], { rseq: 9, extra: [challenge] })), [
    'SIP/2.0 183 Because',
    'RSeq: 9',
    'WWW-Authenticate: Digest',
    'Content-Length: 0',
    '',
    ''
  ])
})

test('Record-Route: one for one listener, two for two (RFC 5658), Path for REGISTER (RFC 3327)', (t) => {
  const [udp, tls] = own
  const tcp = { transport: 'tcp', address: '10.0.0.1', port: 5060 } as const
  const invite = request('sip:bob@example.org')
  t.deepEqual(recordLines(invite, invite.uri, udp, udp), [['Record-Route', '<sip:10.0.0.1:5060;lr>']])
  t.deepEqual(recordLines(invite, invite.uri, udp, tcp), [
    ['Record-Route', '<sip:10.0.0.1:5060;transport=tcp;lr>'],
    ['Record-Route', '<sip:10.0.0.1:5060;lr>']
  ])
  t.deepEqual(recordLines(invite, invite.uri, tls, udp), [
    ['Record-Route', '<sip:10.0.0.1:5060;lr>'],
    ['Record-Route', '<sip:[2001:db8::1]:5061;transport=tls;lr>']
  ])
  t.deepEqual(recordLines(invite, 'sips:bob@example.org', tls, tls), [['Record-Route', '<sips:[2001:db8::1]:5061;lr>']])
  const register = { ...request('sip:example.org'), method: 'REGISTER' }
  t.deepEqual(recordLines(register, register.uri, udp, udp), [
    ['Path', '<sip:10.0.0.1:5060;lr>'],
    ['Require', 'path']
  ])
  const requiring = { ...request('sip:example.org', 'Require: gruu, Path'), method: 'REGISTER' }
  t.deepEqual(recordLines(requiring, requiring.uri, udp, udp), [['Path', '<sip:10.0.0.1:5060;lr>']])
})

test('which URIs are ours', (t) => {
  t.true(isOwnUri('sip:10.0.0.1', own))
  t.true(isOwnUri('sip:bob@10.0.0.1:5060;transport=tcp', own))
  t.true(isOwnUri('sips:[2001:db8::1]', own))
  t.true(isOwnUri('sip:[2001:DB8::1];transport=tls', own))
  t.false(isOwnUri('sip:[2001:db8::1]', own))
  t.false(isOwnUri('sip:10.0.0.1:5070', own))
  t.false(isOwnUri('sip:10.0.0.11', own))
  t.false(isOwnUri('tel:+49', own))
})

test('loose routing: our own routes are taken off, the next one tells the next hop', (t) => {
  t.is(routedThroughUs(request('sip:bob@10.0.0.2'), own), undefined)
  t.is(routedThroughUs(request('sip:bob@10.0.0.2', 'Route: <sip:10.0.0.3;lr>'), own), undefined)
  t.deepEqual(routedThroughUs(request('sip:bob@10.0.0.2', 'Route: <sip:10.0.0.1;lr>'), own), {
    requestUri: 'sip:bob@10.0.0.2',
    routes: [],
    nextHop: 'sip:bob@10.0.0.2'
  })
  t.deepEqual(
    routedThroughUs(
      request('sip:bob@10.0.0.2', 'Route: <sip:10.0.0.1;lr>, <sips:[2001:db8::1];lr>', 'Route: <sip:10.0.0.3;lr>;x="a,b"'),
      own
    ),
    { requestUri: 'sip:bob@10.0.0.2', routes: ['<sip:10.0.0.3;lr>;x="a,b"'], nextHop: 'sip:10.0.0.3;lr' }
  )
})

test('strict routers before and behind us (RFC 3261 §16.4, §16.6)', (t) => {
  t.deepEqual(
    routedThroughUs(request('sip:10.0.0.1;lr', 'Route: <sip:10.0.0.3;lr>, <sip:bob@10.0.0.2>'), own),
    { requestUri: 'sip:bob@10.0.0.2', routes: ['<sip:10.0.0.3;lr>'], nextHop: 'sip:10.0.0.3;lr' },
    'a strict router put us into the Request-URI'
  )
  t.deepEqual(
    routedThroughUs(request('sip:bob@10.0.0.2', 'Route: <sip:10.0.0.1;lr>, <sip:10.0.0.3>, <sip:10.0.0.4;lr>'), own),
    { requestUri: 'sip:10.0.0.3', routes: ['<sip:10.0.0.4;lr>', '<sip:bob@10.0.0.2>'], nextHop: 'sip:10.0.0.3' },
    'the next one is a strict router'
  )
})

test('loops are told from spirals (RFC 5393)', (t) => {
  const first = request('sip:bob@example.org')
  const back = (uri: string, branch: string, at = '10.0.0.1:5060'): SipRequest =>
    request(uri, `Via: SIP/2.0/UDP 10.0.0.7;branch=z9hG4bKx, SIP/2.0/UDP ${at};branch=${branch}`)
  const branch = loopBranch('0123456789abcdef', routeHash(first))
  t.false(isLooped(first, own, routeHash(first)))
  const same = back('sip:bob@example.org', branch)
  t.true(isLooped(same, own, routeHash(same)))
  const spiral = back('sip:bob@elsewhere.org', branch)
  t.false(isLooped(spiral, own, routeHash(spiral)))
  const other = back('sip:bob@example.org', branch, '10.0.0.5:5060')
  t.false(isLooped(other, own, routeHash(other)), 'the branch of somebody else')
  t.not(routeHash(request('sip:bob@example.org', 'Proxy-Authorization: Digest')), routeHash(first))
})

test('requests that are not sent on', (t) => {
  const status = (...lines: string[]) => refusalOf(request('sip:b@x', ...lines), false)
  t.is(status(), undefined)
  t.is(status('Max-Forwards: 1'), undefined)
  t.like(status('Max-Forwards: 0'), {
    status: 483,
    text: 'Rejected with 483 Too Many Hops due to Max-Forwards value of 0'
  })
  t.like(refusalOf(request('sip:b@x'), true), { status: 482 })
  t.like(status('Proxy-Require: foo, bar'), { status: 420, headers: [['Unsupported', 'foo, bar']] })
  t.like(status('Max-Breadth: 0'), { status: 440 })
  t.is(breadthOf(request('sip:b@x')), 60)
  t.is(breadthOf(request('sip:b@x', 'Max-Breadth: 3')), 3)
  t.is(breadthOf(request('sip:b@x', 'Max-Breadth: many')), 60)
})

test('the best of the failures (RFC 3261 §16.7 step 6)', (t) => {
  const best = (...statuses: number[]): number =>
    bestFailure(
      statuses.map((status): Failure => ({ status: Math.abs(status), response: status < 0 ? null : response(status) })),
      false
    ).status
  t.is(best(), 408)
  t.is(best(404, 603, 302, 401), 603)
  t.is(best(500, 404, 302), 302)
  t.is(best(404, 486, 407), 407)
  t.is(best(486, 404), 486, 'the earlier of two alike')
  t.is(best(-408, 487, 480), 480)
  t.is(best(-408, 487), 487)
  t.is(best(500, -408), 408)
  t.is(best(503), 500)
  t.is(best(-503), 500)
  t.is(best(504, 503), 504)
  const silence: Failure = { status: 408, response: null }
  t.is(bestFailure([silence], true).status, 487)
  t.is(bestFailure([{ status: 486, response: response(486) }, silence], true).status, 486)
})

test('challenges of all branches go back together (step 7)', (t) => {
  const a = { status: 407, response: response(407, 'Proxy-Authenticate: Digest nonce="a"') }
  const b = { status: 401, response: response(401, 'WWW-Authenticate: Digest nonce="b"', 'WWW-Authenticate: Digest nonce="c"') }
  const other = { status: 404, response: response(404, 'WWW-Authenticate: Digest nonce="no"') }
  t.deepEqual(otherChallenges([other, a, b], a), [
    ['WWW-Authenticate', 'Digest nonce="b"'],
    ['WWW-Authenticate', 'Digest nonce="c"']
  ])
  t.deepEqual(otherChallenges([a, other], other), [])
})

test('targets of a redirection: by q, without what a Request-URI may not hold; secure stays secure', (t) => {
  const moved = response(
    302,
    'Contact: <sip:low@x>;q=0.1, "A, B" <sip:top@x?Subject=no>',
    'Contact: <sips:mid@x;method=INVITE>;q=0.5, <tel:+49>, <sip:odd@x>;q=9'
  )
  t.deepEqual(
    redirectTargets(moved, false).map(({ uri }) => uri),
    ['sip:top@x', 'sip:odd@x', 'sips:mid@x', 'sip:low@x']
  )
  t.deepEqual(
    redirectTargets(moved, true).map(({ uri }) => uri),
    ['sips:mid@x']
  )
  t.deepEqual(redirectTargets(response(302, 'Contact: <broken'), false), [])
  t.true(redirectTargets(moved, false).every(({ replaces }) => replaces))
})

test('two spellings of a target are one', (t) => {
  t.is(targetKey('sip:bob@Example.org;b=1;a=2'), targetKey('SIP:bob@example.ORG;A=2;B=1'))
  t.not(targetKey('sip:bob@x'), targetKey('sip:Bob@x'))
  t.not(targetKey('sip:bob@x'), targetKey('sip:bob@x:5060'))
  t.not(targetKey('sip:bob@x'), targetKey('sips:bob@x'))
  t.is(targetKey('tel:+49'), 'tel:+49')
  t.is(bareUri('sip:b@x;method=INVITE;lr?Subject=y'), 'sip:b@x;lr')
})

test('RSeq: one fork keeps its numbers, two are numbered through, repeats keep theirs', (t) => {
  const one = createRSeqNumbering()
  t.deepEqual([numberThrough(one, 'a', 100), numberThrough(one, 'a', 101), numberThrough(one, 'a', 101)], [100, 101, 101])
  const two = createRSeqNumbering()
  t.deepEqual(
    [numberThrough(two, 'a', 100), numberThrough(two, 'b', 7), numberThrough(two, 'a', 101), numberThrough(two, 'b', 7)],
    [100, 101, 102, 101]
  )
})

test('a memory forgets with time, and the oldest when it is full', (t) => {
  const memory = createMemory<number>(100, 2)
  memory.keep('a', 1, 0)
  memory.keep('b', 2, 10)
  t.is(memory.recall('a', 99), 1)
  t.is(memory.recall('a', 100), undefined)
  memory.keep('a', 3, 50)
  memory.keep('c', 4, 60)
  t.is(memory.recall('b', 60), undefined, 'b was the oldest')
  t.is(memory.recall('a', 60), 3)
  memory.keep('d', 5, 500)
  t.is(memory.size(), 1, 'what has expired is let go')
  memory.clear()
  t.is(memory.size(), 0)
})
