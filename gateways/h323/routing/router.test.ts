import { once } from 'node:events'
import { createConnection, createServer, type Socket } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { silentLog } from '#kernel'
import {
  decodeQ931,
  encodeQ931,
  type Q931Message,
  TpktSplitter,
  tpkt,
  userInformationOf,
  withUserInformation
} from '../q931/q931.ts'
import { createRouter, type RouterConfig } from './router.ts'

const guid = Buffer.alloc(16, 7)
const call = guid.toString('hex')
const local = { ip: '127.0.0.1', port: 0 }

/** One side of a TCP connection that speaks TPKT. */
class Peer {
  readonly socket: Socket
  readonly #came: Q931Message[] = []
  #wake = (): void => {}
  closed = false

  constructor(socket: Socket) {
    this.socket = socket
    const splitter = new TpktSplitter()
    socket.on('data', (chunk) => {
      this.#came.push(...splitter.push(chunk).map(decodeQ931))
      this.#wake()
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.closed = true
      this.#wake()
    })
  }

  send(message: Q931Message): void {
    this.socket.write(tpkt(encodeQ931(message)))
  }

  /** The next message; null when the connection is closed. */
  async next(): Promise<Q931Message | null> {
    while (this.#came.length === 0 && !this.closed) await new Promise<void>((resolve) => (this.#wake = resolve))
    return this.#came.shift() ?? null
  }
}

const setup = (reference: number): Q931Message =>
  withUserInformation(
    {
      callReference: reference,
      callReferenceFlag: false,
      messageType: 'setup',
      elements: [{ id: 0x04, octets: Buffer.from('8893a5', 'hex') }]
    },
    {
      'h323-uu-pdu': {
        'h323-message-body': {
          type: 'setup',
          value: {
            protocolIdentifier: '0.0.8.2250.0.7',
            sourceInfo: { terminal: {}, mc: false, undefinedNode: false },
            activeMC: false,
            conferenceID: guid,
            conferenceGoal: { type: 'create' },
            callType: { type: 'pointToPoint' },
            callIdentifier: { guid }
          }
        },
        h245Tunneling: true
      }
    }
  )

const plain = (callReference: number, flag: boolean, messageType: Q931Message['messageType']): Q931Message => ({
  callReference,
  callReferenceFlag: flag,
  messageType,
  elements: []
})

async function bench(t: ExecutionContext, config: Partial<RouterConfig> = {}) {
  const lost: string[] = []
  const came: Peer[] = []
  const server = createServer((socket) => void came.push(new Peer(socket)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const route = { destination: `127.0.0.1:${port}`, callers: ['127.0.0.1:1720'] }
  const router = await createRouter({
    listen: local,
    admitted: (id) => (id === call ? route : null),
    lost: (id) => void lost.push(id),
    log: silentLog,
    ...config
  })
  const peers: Peer[] = []
  t.teardown(async () => {
    for (const { socket } of [...peers, ...came]) socket.destroy()
    server.close()
    await router.close()
  })
  const open = async (): Promise<Peer> => {
    const socket = createConnection(router.address.port, '127.0.0.1')
    await once(socket, 'connect')
    const peer = new Peer(socket)
    peers.push(peer)
    return peer
  }
  const callee = async (): Promise<Peer> => {
    while (came.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    return came[0]!
  }
  return { router, open, callee, lost, server }
}

const reasonOf = (message: Q931Message | null) => {
  const body = message === null ? undefined : userInformationOf(message)?.['h323-uu-pdu']['h323-message-body']
  return body?.type === 'releaseComplete' ? body.value.reason?.type : undefined
}

test('a call goes through: each side has its own call reference, the SETUP names the called endpoint, the rest is as it was', async (t) => {
  const { router, open, callee, lost } = await bench(t)
  const caller = await open()
  caller.send(setup(5))
  const called = await callee()
  const arrived = (await called.next())!
  t.is(arrived.messageType, 'setup')
  t.false(arrived.callReferenceFlag)
  t.deepEqual(arrived.elements[0], { id: 0x04, octets: Buffer.from('8893a5', 'hex') })
  const information = userInformationOf(arrived)!
  const body = information['h323-uu-pdu']['h323-message-body']
  if (body.type !== 'setup') return t.fail()
  t.is(body.value.destCallSignalAddress?.type, 'ipAddress')
  t.deepEqual(body.value.callIdentifier?.guid, guid)
  t.true(information['h323-uu-pdu'].h245Tunneling)
  called.send(plain(arrived.callReference, true, 'alerting'))
  t.like(await caller.next(), { callReference: 5, callReferenceFlag: true, messageType: 'alerting' })
  // of no call of this connection
  caller.send(plain(6, false, 'information'))
  caller.send(plain(5, false, 'facility'))
  t.like(await called.next(), { callReference: arrived.callReference, callReferenceFlag: false, messageType: 'facility' })
  t.like(router.stats(), { routed: 1, active: 1, messages: 2 })
  caller.send(plain(5, false, 'releaseComplete'))
  t.like(await called.next(), { messageType: 'releaseComplete' })
  t.is(await caller.next(), null)
  t.deepEqual(lost, [])
})

test('a side that vanishes: the other is released, the gatekeeper is told', async (t) => {
  const { open, callee, lost, router } = await bench(t)
  const caller = await open()
  caller.send(setup(5))
  const called = await callee()
  const { callReference } = (await called.next())!
  called.send(plain(callReference, true, 'connect'))
  t.is((await caller.next())?.messageType, 'connect')
  called.socket.destroy()
  const release = await caller.next()
  t.like(release, { callReference: 5, callReferenceFlag: true, messageType: 'releaseComplete' })
  t.is(reasonOf(release), 'undefinedReason')
  t.is(await caller.next(), null)
  t.deepEqual(lost, [call])
  t.is(router.stats().active, 0)
})

const refusals: readonly (readonly [string, Partial<RouterConfig>, string])[] = [
  ['a call that was not admitted', { admitted: () => null }, 'callerNotRegistered'],
  [
    'a call of somebody else',
    { admitted: () => ({ destination: '127.0.0.1:9', callers: ['127.0.0.2:1720'] }) },
    'securityDenied'
  ],
  [
    'an endpoint that is not there',
    { admitted: () => ({ destination: '127.0.0.1:9', callers: ['127.0.0.1:1'] }) },
    'unreachableDestination'
  ],
  ['one call too many', { limits: { calls: 0 } }, 'gatekeeperResources']
]
for (const [name, config, reason] of refusals)
  test(`refused: ${name}`, async (t) => {
    const { open } = await bench(t, config)
    const caller = await open()
    caller.send(setup(5))
    t.is<string | undefined, string>(reasonOf(await caller.next()), reason)
    t.is(await caller.next(), null)
  })

test('what is no SETUP, no TPKT or too long ends the connection; who brings nothing is not waited for', async (t) => {
  const { open, router } = await bench(t, { limits: { messageOctets: 1000, slowMs: 150, pending: 3 } })
  const hostile = [
    tpkt(encodeQ931(plain(5, false, 'connect'))),
    tpkt(encodeQ931(setup(0))),
    tpkt(encodeQ931({ ...setup(5), callReferenceFlag: true })),
    tpkt(Buffer.from('0801')),
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.from('0300ffff', 'hex'),
    // slow: a header that promises 100 octets
    Buffer.from('03000064', 'hex'),
    Buffer.alloc(0)
  ]
  for (const octets of hostile) {
    const peer = await open()
    peer.socket.write(octets)
    t.is(await peer.next(), null)
  }
  t.is(router.stats().refused.malformed, 4)
  const silent = await Promise.all([open(), open(), open()])
  const crowded = await open()
  t.is(await crowded.next(), null)
  t.deepEqual(await Promise.all(silent.map((peer) => peer.next())), [null, null, null])
  const caller = await open()
  caller.send(setup(5))
  while (router.stats().active === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  t.is(router.stats().routed, 1)
})

test('a flood on a call ends it', async (t) => {
  const { open, callee, lost } = await bench(t, { limits: { messagesPerSecond: 20 } })
  const caller = await open()
  caller.send(setup(5))
  const called = await callee()
  await called.next()
  for (let n = 0; n < 60; n++) caller.send(plain(5, false, 'information'))
  let last: Q931Message | null = null
  for (let message = await called.next(); message !== null; message = await called.next()) last = message
  t.is(reasonOf(last), 'undefinedReason')
  t.deepEqual(lost, [call])
})
