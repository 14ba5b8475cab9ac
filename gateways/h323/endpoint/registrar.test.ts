import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { silentLog, systemClock } from '#kernel'
import { type Address, transportAddressOf } from '../gatekeeper/addresses.ts'
import type { RasMessage } from '../h225/h225.ts'
import { rasMessage } from '../h225/pdus.ts'
import { h225ProtocolIdentifier } from '../h225/version.ts'
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
  const ended: (string | null)[] = []
  const callIdentifier = Buffer.alloc(16, 7)
  const registrar = await open(t, gatekeeper.address, {
    onDisengage: (guid) => void ended.push(guid === null ? null : Buffer.from(guid).toString('hex')),
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
