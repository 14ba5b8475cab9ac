import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { type Clock, silentLog, systemClock } from '#kernel'
import { type Address, transportAddressOf } from '../gatekeeper/addresses.ts'
import type { RasMessage } from '../h225/h225.ts'
import { rasMessage } from '../h225/pdus.ts'
import type { CryptoH323Token } from '../h225/security.ts'
import { h225ProtocolIdentifier } from '../h225/version.ts'
import { baselineToken, keyOfPassword, seal } from '../h235/h235.ts'
import { pcapOf } from '../testing/capture.ts'
import { readByTshark } from '../testing/pdml.ts'
import { openRegistrar, type Registrar, type RegistrarOptions } from './registrar.ts'

type Answer = (message: RasMessage) => RasMessage | null

interface FakeGatekeeper {
  readonly address: Address
  readonly got: RasMessage[]
  readonly octets: Buffer[]
  readonly confirm: Answer
  /** Of the next messages of a type. */
  readonly answer: (type: RasMessage['type'], ...answers: Answer[]) => void
  /** To whoever spoke last. */
  readonly say: (message: RasMessage) => void
}

const seqOf = (message: RasMessage): number => (message as { value: { requestSeqNum: number } }).value.requestSeqNum
const confirmAt =
  (here: Address): Answer =>
  (message) => {
    const requestSeqNum = seqOf(message)
    switch (message.type) {
      case 'gatekeeperRequest':
        return {
          type: 'gatekeeperConfirm',
          value: {
            requestSeqNum,
            protocolIdentifier: h225ProtocolIdentifier,
            gatekeeperIdentifier: 'fake',
            rasAddress: transportAddressOf(here)
          }
        }
      case 'registrationRequest':
        return {
          type: 'registrationConfirm',
          value: {
            requestSeqNum,
            protocolIdentifier: h225ProtocolIdentifier,
            callSignalAddress: [],
            endpointIdentifier: 'e1',
            timeToLive: 2
          }
        }
      case 'admissionRequest':
        return {
          type: 'admissionConfirm',
          value: {
            requestSeqNum,
            bandWidth: 640,
            callModel: { type: 'direct' },
            destCallSignalAddress: transportAddressOf({ ip: '127.0.0.1', port: 1720 })
          }
        }
      case 'disengageRequest':
        return { type: 'disengageConfirm', value: { requestSeqNum } }
      case 'unregistrationRequest':
        return { type: 'unregistrationConfirm', value: { requestSeqNum } }
      default:
        return null
    }
  }

async function fake(t: ExecutionContext): Promise<FakeGatekeeper> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  const got: RasMessage[] = []
  const all: Buffer[] = []
  const planned = new Map<string, Answer[]>()
  let last: Address = { ip: '127.0.0.1', port: 1 }
  const here = { ip: '127.0.0.1', port: socket.address().port }
  const confirm = confirmAt(here)
  const send = (message: RasMessage): void => socket.send(rasMessage.encode(message), last.port, last.ip)
  socket.on('message', (octets, { address, port }) => {
    last = { ip: address, port }
    const message = rasMessage.decode(octets)
    got.push(message)
    all.push(octets)
    const answer = (planned.get(message.type)?.shift() ?? confirm)(message)
    if (answer !== null) send(answer)
  })
  return { address: here, got, octets: all, confirm, answer: (type, ...answers) => void planned.set(type, answers), say: send }
}

/** A gatekeeper that seals what it says. */
async function sealedFake(t: ExecutionContext, password: string) {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  const got: RasMessage[] = []
  const address = { ip: '127.0.0.1', port: socket.address().port }
  const confirm = confirmAt(address)
  let last: Address = address
  let random = 0
  const sendOctets = (octets: Buffer): void => socket.send(octets, last.port, last.ip)
  const tokensOf = (message: RasMessage) =>
    (message as { value: { cryptoTokens: readonly CryptoH323Token[] } }).value.cryptoTokens
  const sealed = (message: RasMessage, sendersID: string): Buffer => {
    const timeStamp = Math.floor(Date.now() / 1000)
    const token = baselineToken({ sendersID, generalID: 'e1', timeStamp, random: ++random })
    const value = { ...(message as { value: object }).value, cryptoTokens: [token] }
    return seal(rasMessage, { type: message.type, value } as unknown as RasMessage, keyOfPassword(password), tokensOf)
  }
  socket.on('message', (octets, { address: ip, port }) => {
    last = { ip, port }
    const message = rasMessage.decode(octets)
    got.push(message)
    const answer = confirm(message)
    if (answer !== null) sendOctets(answer.type === 'gatekeeperConfirm' ? rasMessage.encode(answer) : sealed(answer, 'fake'))
  })
  return { address, got, sendOctets, sealed }
}

async function open(t: ExecutionContext, gatekeeper: Address, more: Partial<RegistrarOptions> = {}): Promise<Registrar> {
  const registrar = await openRegistrar({
    gatekeeper,
    identifier: null,
    user: null,
    timeToLiveS: 300,
    bindIp: '127.0.0.1',
    callSignalAddress: { ip: '127.0.0.1', port: 1720 },
    aliases: [{ type: 'h323-ID', value: 'alice' }],
    endpointType: { terminal: {}, mc: false, undefinedNode: false },
    vendor: { vendor: { t35CountryCode: 180, t35Extension: 0, manufacturerCode: 0 } },
    clock: systemClock,
    log: silentLog,
    onDisengage: () => {},
    onState: () => {},
    calls: () => [],
    ...more
  })
  t.teardown(registrar.close)
  return registrar
}

const parts = {
  answering: false,
  destination: [{ type: 'dialedDigits', value: '1002' }] as const,
  destCallSignalAddress: null,
  source: [],
  srcCallSignalAddress: null,
  callReference: 1,
  callIdentifier: Buffer.alloc(16, 1),
  conferenceId: Buffer.alloc(16, 2),
  bandwidth: 1280
}

async function until(is: () => boolean): Promise<void> {
  for (const end = Date.now() + 8000; !is(); await sleep(10)) if (Date.now() > end) throw new Error('never')
}

const types = ({ got }: FakeGatekeeper): string[] => got.map(({ type }) => type)

test('registers, shows that it lives, registers fully when it has to, and unregisters', async (t) => {
  const gatekeeper = await fake(t)
  const registrar = await open(t, gatekeeper.address)
  await registrar.registered
  t.is(registrar.endpointIdentifier(), 'e1')
  t.like(gatekeeper.got[0], { value: { keepAlive: false, terminalAlias: [{ type: 'h323-ID', value: 'alice' }] } })
  gatekeeper.answer('registrationRequest', (message) => ({
    type: 'registrationReject',
    value: {
      requestSeqNum: seqOf(message),
      protocolIdentifier: h225ProtocolIdentifier,
      rejectReason: { type: 'fullRegistrationRequired' }
    }
  }))
  await until(() => gatekeeper.got.length === 3)
  t.like(gatekeeper.got[1], { value: { keepAlive: true, endpointIdentifier: 'e1' } })
  t.like(gatekeeper.got[2], { value: { keepAlive: false } })
  await registrar.close()
  t.is(types(gatekeeper).at(-1), 'unregistrationRequest')
})

test('an admission that takes its time, one that is refused, one that is not answered at once', async (t) => {
  const gatekeeper = await fake(t)
  const registrar = await open(t, gatekeeper.address)
  t.deepEqual(await registrar.admit(parts), { ok: false, reason: 'callerNotRegistered' })
  await registrar.registered
  gatekeeper.answer(
    'admissionRequest',
    (message) => {
      setTimeout(() => gatekeeper.say(gatekeeper.confirm(message)!), 100)
      return { type: 'requestInProgress', value: { requestSeqNum: seqOf(message), delay: 5000 } }
    },
    (message) => ({ type: 'admissionReject', value: { requestSeqNum: seqOf(message), rejectReason: { type: 'requestDenied' } } }),
    () => null
  )
  t.like(await registrar.admit(parts), { ok: true })
  t.deepEqual(await registrar.admit(parts), { ok: false, reason: 'requestDenied' })
  // repeated after three seconds, with the same number
  t.like(await registrar.admit(parts), { ok: true })
  const asked = gatekeeper.got.filter(({ type }) => type === 'admissionRequest')
  t.is(asked.length, 4)
  t.is(seqOf(asked[2]!), seqOf(asked[3]!))
})

test('the gatekeeper asks: for calls, to end one, to leave', async (t) => {
  const gatekeeper = await fake(t)
  const ended: string[] = []
  const callIdentifier = Buffer.alloc(16, 7)
  const registrar = await open(t, gatekeeper.address, {
    onDisengage: ({ callIdentifier: guid, callReference }) =>
      void ended.push(guid === null ? `reference ${callReference}` : Buffer.from(guid).toString('hex')),
    calls: () => [{ callReference: 5, callIdentifier, conferenceId: Buffer.alloc(16, 8), isOriginator: true, bandwidth: 640 }]
  })
  await registrar.registered
  gatekeeper.say({
    type: 'infoRequest',
    value: { requestSeqNum: 900, callReferenceValue: 0, callIdentifier: { guid: Buffer.alloc(16) } }
  })
  await until(() => types(gatekeeper).includes('infoRequestResponse'))
  t.like(gatekeeper.got.at(-1), { value: { requestSeqNum: 900, perCallInfo: [{ callReferenceValue: 5, originator: true }] } })
  gatekeeper.say({
    type: 'disengageRequest',
    value: {
      requestSeqNum: 901,
      endpointIdentifier: 'e1',
      conferenceID: Buffer.alloc(16, 8),
      callReferenceValue: 5,
      disengageReason: { type: 'forcedDrop' },
      callIdentifier: { guid: callIdentifier }
    }
  })
  await until(() => types(gatekeeper).includes('disengageConfirm'))
  t.deepEqual(ended, ['07'.repeat(16)])
  gatekeeper.say({
    type: 'disengageRequest',
    value: {
      requestSeqNum: 903,
      endpointIdentifier: 'e1',
      conferenceID: Buffer.alloc(16, 8),
      callReferenceValue: 5,
      disengageReason: { type: 'forcedDrop' }
    }
  })
  await until(() => ended.length === 2)
  t.is(ended[1], 'reference 5', 'of a gatekeeper of version 1')
  gatekeeper.say({
    type: 'unregistrationRequest',
    value: { requestSeqNum: 902, callSignalAddress: [], endpointIdentifier: 'e1' }
  })
  await until(() => types(gatekeeper).includes('unregistrationConfirm'))
  t.is(registrar.state(), 'none')
  await until(() => registrar.state() === 'registered')
})

test('with a password the name of the gatekeeper is asked for first; what is not sealed is not believed', async (t) => {
  const gatekeeper = await fake(t)
  const states: string[] = []
  const registrar = await open(t, gatekeeper.address, {
    user: { name: 'alice', password: 'secret' },
    onState: (state) => void states.push(state)
  })
  await until(() => types(gatekeeper).includes('registrationRequest'))
  t.deepEqual(types(gatekeeper), ['gatekeeperRequest', 'registrationRequest'])
  t.like(gatekeeper.got[0], { value: { authenticationCapability: [{ type: 'pwdHash' }] } })
  const sealed = gatekeeper.got[1] as { value: { cryptoTokens?: readonly unknown[] } }
  t.is(sealed.value.cryptoTokens?.length, 1)
  await sleep(200)
  t.is(registrar.state(), 'registering', 'the RCF had no hash')
})

test('datagrams of others, and rubbish, are nothing', async (t) => {
  const gatekeeper = await fake(t)
  const stranger = createSocket('udp4')
  t.teardown(() => stranger.close())
  const registrar = await open(t, gatekeeper.address)
  await registrar.registered
  const own = (gatekeeper.got[0] as unknown as { value: { rasAddress: readonly [{ value: { port: number } }] } }).value
    .rasAddress[0].value.port
  const urq = rasMessage.encode({
    type: 'unregistrationRequest',
    value: { requestSeqNum: 5, callSignalAddress: [], endpointIdentifier: 'e1' }
  })
  stranger.send(urq, own, '127.0.0.1')
  stranger.send(Buffer.from('rubbish'), own, '127.0.0.1')
  await sleep(100)
  t.is(registrar.state(), 'registered')
})

test('after the time that an RIP asks for the request is repeated', async (t) => {
  const gatekeeper = await fake(t)
  const registrar = await open(t, gatekeeper.address)
  await registrar.registered
  const slow: Answer = (message) => ({ type: 'requestInProgress', value: { requestSeqNum: seqOf(message), delay: 200 } })
  gatekeeper.answer('admissionRequest', slow, slow)
  t.like(await registrar.admit(parts), { ok: true })
  const asked = gatekeeper.got.filter(({ type }) => type === 'admissionRequest')
  t.is(new Set(asked.map(seqOf)).size, 1)
  t.is(asked.length, 3)
})

test('calls are reported at the interval of the ACF, as long as they last', async (t) => {
  const gatekeeper = await fake(t)
  const callIdentifier = Buffer.from(parts.callIdentifier)
  const calls = [{ callReference: 1, callIdentifier, conferenceId: Buffer.alloc(16, 2), isOriginator: true, bandwidth: 640 }]
  const registrar = await open(t, gatekeeper.address, { calls: () => calls })
  await registrar.registered
  gatekeeper.answer('admissionRequest', (message) => {
    const confirm = gatekeeper.confirm(message) as { type: 'admissionConfirm'; value: object }
    return { ...confirm, value: { ...confirm.value, irrFrequency: 1 } } as RasMessage
  })
  t.like(await registrar.admit(parts), { ok: true })
  const reports = () => gatekeeper.got.filter(({ type }) => type === 'infoRequestResponse')
  await until(() => reports().length === 2)
  t.like(reports()[0], { value: { unsolicited: true, needResponse: false, perCallInfo: [{ callReferenceValue: 1 }] } })
  calls.length = 0
  await sleep(1500)
  t.is(reports().length, 2)
})

test('a gatekeeper that refuses and names another, and one that falls silent: the alternates are asked, the best first', async (t) => {
  const [first, second, third] = [await fake(t), await fake(t), await fake(t)]
  const alternate = ({ address }: FakeGatekeeper, priority: number) => ({
    rasAddress: transportAddressOf(address),
    gatekeeperIdentifier: `gk${priority}`,
    needToRegister: true,
    priority
  })
  first.answer('registrationRequest', (message) => ({
    type: 'registrationReject',
    value: {
      requestSeqNum: seqOf(message),
      protocolIdentifier: h225ProtocolIdentifier,
      rejectReason: { type: 'resourceUnavailable' },
      altGKInfo: { alternateGatekeeper: [alternate(third, 9), alternate(second, 3)], altGKisPermanent: false }
    }
  }))
  // silent from its first message on
  second.answer('registrationRequest', ...Array.from({ length: 3 }, (): Answer => () => null))
  const registrar = await open(t, first.address, { clock: quick })
  await registrar.registered
  t.deepEqual([first, second, third].map(types), [
    ['registrationRequest'],
    ['registrationRequest', 'registrationRequest', 'registrationRequest'],
    ['registrationRequest']
  ])
  t.like(second.got[0], { value: { gatekeeperIdentifier: 'gk3' } })
  t.like(third.got[0], { value: { gatekeeperIdentifier: 'gk9' } })
  t.like(await registrar.admit(parts), { ok: true })
  t.is(types(third).at(-1), 'admissionRequest')
})

test('with a hash: what was sealed here and comes back is not believed; a request that is repeated is answered again, and done once', async (t) => {
  const ended: number[] = []
  const name = { name: 'alice', password: 'secret' }
  const gatekeeper = await sealedFake(t, name.password)
  const registrar = await open(t, gatekeeper.address, {
    user: name,
    onDisengage: ({ callReference }) => void ended.push(callReference)
  })
  await registrar.registered
  const drq = (reference: number): RasMessage => ({
    type: 'disengageRequest',
    value: {
      requestSeqNum: 700 + reference,
      endpointIdentifier: 'e1',
      conferenceID: Buffer.alloc(16, 8),
      callReferenceValue: reference,
      disengageReason: { type: 'forcedDrop' }
    }
  })
  const confirms = () => gatekeeper.got.filter(({ type }) => type === 'disengageConfirm').length
  const octets = gatekeeper.sealed(drq(1), 'fake')
  gatekeeper.sendOctets(octets)
  await until(() => confirms() === 1)
  gatekeeper.sendOctets(octets)
  await until(() => confirms() === 2)
  // our own DRQ, sent back
  gatekeeper.sendOctets(gatekeeper.sealed(drq(2), 'e1'))
  gatekeeper.sendOctets(gatekeeper.sealed(drq(3), 'alice'))
  gatekeeper.sendOctets(gatekeeper.sealed(drq(4), 'fake'))
  await until(() => confirms() === 3)
  t.deepEqual(ended, [1, 4])
})

/** A tenth of the time. */
const quick: Clock = { ...systemClock, after: (ms, run) => systemClock.after(ms / 10, run) }

test('tshark finds nothing wrong or unknown in what is sent', async (t) => {
  const gatekeeper = await fake(t)
  const sealed = await fake(t)
  const registrar = await open(t, gatekeeper.address, {
    calls: () => [
      {
        callReference: 5,
        callIdentifier: Buffer.alloc(16, 7),
        conferenceId: Buffer.alloc(16, 8),
        isOriginator: true,
        bandwidth: 640
      }
    ]
  })
  await open(t, sealed.address, { user: { name: 'alice', password: 'secret' } })
  await registrar.registered
  await registrar.admit(parts)
  await registrar.admit({ ...parts, answering: true, destCallSignalAddress: here, srcCallSignalAddress: here })
  await registrar.disengage({ ...parts, isOriginator: true, answered: true })
  gatekeeper.say({ type: 'infoRequest', value: { requestSeqNum: 900, callReferenceValue: 0 } })
  gatekeeper.say({
    type: 'bandwidthRequest',
    value: {
      requestSeqNum: 901,
      endpointIdentifier: 'e1',
      conferenceID: Buffer.alloc(16, 8),
      callReferenceValue: 5,
      bandWidth: 640
    }
  })
  await until(() => types(gatekeeper).includes('bandwidthConfirm') && types(sealed).includes('registrationRequest'))
  await registrar.close()
  const octets = [...gatekeeper.octets, ...sealed.octets]
  const folder = await mkdtemp(join(tmpdir(), 'h323-ras-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'ras.pcap')
  await writeFile(
    file,
    pcapOf(
      octets.map((payload, at) => ({ transport: 'udp', sourceHost: at + 1, sourcePort: 50_000, destinationPort: 1719, payload }))
    )
  )
  const problems: string[] = []
  let read = 0
  await readByTshark(file, 2345, (protocols, found) => {
    if (protocols.some(({ name }) => name === 'h225')) read++
    problems.push(...found)
  })
  t.is(read, octets.length)
  t.deepEqual(problems, [])
  t.true(new Set([...types(gatekeeper), ...types(sealed)]).size >= 7)
})

const here: Address = { ip: '127.0.0.1', port: 1720 }
