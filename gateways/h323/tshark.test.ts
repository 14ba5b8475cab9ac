import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { Pdu, Type } from './asn1/asn1.ts'
import { h225, h239, h245, h450, h460, q931 } from './h323.ts'
import { pcapOf } from './testing/capture.ts'
import { Comparison } from './testing/compare.ts'
import { isKnownToTshark, readable } from './testing/contents.ts'
import { generate, randomFrom } from './testing/generate.ts'
import { type Reading, readByTshark } from './testing/pdml.ts'
import { capturedSamples, generatedSamples } from './testing/vectors.ts'

interface Sent {
  readonly where: string
  readonly pdu: Pdu<unknown>
  readonly value: unknown
}

const h245Port = 2345

const discriminator = 5

function packetOf({ pdu, value }: Sent, at: number) {
  const octets = pdu.encode(value)
  const from = { sourceHost: at + 1, sourcePort: 50_000 }
  if (pdu.name === 'RasMessage') return { transport: 'udp', ...from, destinationPort: 1719, payload: octets } as const
  const message =
    pdu.name === 'H323-UserInformation'
      ? q931.encodeQ931({
          callReference: 1,
          callReferenceFlag: false,
          messageType: 'facility',
          elements: [{ id: q931.ie.userUser, octets: Buffer.concat([Buffer.of(discriminator), octets]) }]
        })
      : octets
  const destinationPort = pdu.name === 'H323-UserInformation' ? 1720 : h245Port
  return { transport: 'tcp', ...from, destinationPort, payload: q931.tpkt(message) } as const
}

/** Sends messages past tshark; `onMessage` gets its reading of each. */
async function pastTshark(
  t: ExecutionContext,
  sent: readonly Sent[],
  onMessage: (message: Sent, reading: Reading, problems: readonly string[]) => void
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'h323-tshark-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'messages.pcap')
  await writeFile(file, pcapOf(sent.map(packetOf)))
  let at = 0
  await readByTshark(file, h245Port, (protocols, problems) => {
    const message = sent[at++]!
    const protocol = protocols.find(
      ({ name }) => name === (message.pdu.name === 'MultimediaSystemControlMessage' ? 'h245' : 'h225')
    )
    if (protocol?.children[0] === undefined) t.fail(`${message.where}: not read by tshark at all: ${problems.join('; ')}`)
    else onMessage(message, protocol.children[0], problems)
  })
  t.is(at, sent.length)
}

/** tshark calls text with a NUL inside stray, and knows no type for what manufacturers add; both are there in the value. */
const isFault = (problem: string): boolean => !/Trailing stray characters|Unknown Open Type/.test(problem)

async function compareAll(t: ExecutionContext, sent: readonly Sent[]): Promise<number> {
  const comparison = new Comparison()
  await pastTshark(t, sent, ({ where, pdu, value }, reading, problems) => {
    t.deepEqual(problems.filter(isFault), [], where)
    comparison.value(`${where} ${pdu.name}`, undefined, pdu.type, value, reading)
  })
  t.deepEqual(comparison.differences, [])
  return comparison.compared
}

test('messages of real calls, encoded here: tshark finds no fault and reads the same value in every field', async (t) => {
  const sent = capturedSamples()
    .filter(({ pdu }) => pdu !== h245.openLogicalChannel)
    .map(({ where, pdu, octets }) => ({ where, pdu, value: pdu.decode(octets) }))
    // The object identifier without octets, which tshark calls unknown.
    .filter(({ where }) => where !== '47-gk-routed-reroute-tcs0-clc 10.498554')
  t.is(sent.length, 835)
  t.true((await compareAll(t, sent)) > 25_000)
})

test('generated values, encoded here: likewise', async (t) => {
  const random = randomFrom(1)
  const all = generatedSamples().map(({ where, pdu, octets }) => ({
    where,
    pdu,
    value: readable(pdu.type, pdu.decode(octets), random, 1)
  }))
  const sent = all.filter(({ value }) => isKnownToTshark(value))
  t.true(sent.length > 2_380)
  t.true((await compareAll(t, sent)) > 55_000)
})

test('values made from the types here: likewise', async (t) => {
  const sent = [h225.rasMessage, h225.h323UserInformation, h245.multimediaSystemControlMessage].flatMap((pdu: Pdu<unknown>) =>
    Array.from({ length: 150 }, (_, seed) => {
      const random = randomFrom(seed)
      return {
        where: `${seed}`,
        pdu,
        value: readable(pdu.type, generate(pdu.type, random, { richness: 1 + (seed % 2) }), random, 1)
      }
    }).filter(({ value }) => isKnownToTshark(value))
  )
  t.true(sent.length > 300)
  t.true((await compareAll(t, sent)) > 10_000)
})

test('each addition of each message alone: likewise', async (t) => {
  const bodies = h225.H323UUPDU.shape.kind === 'sequence' ? h225.H323UUPDU.shape.components[0]!.type : h225.RasMessage
  const sent = [
    ...alone(h225.RasMessage).map(({ where, value }) => ({ where, pdu: h225.rasMessage, value })),
    ...alone(bodies).map(({ where, value }) => ({
      where,
      pdu: h225.h323UserInformation,
      value: { 'h323-uu-pdu': { 'h323-message-body': value } }
    }))
  ].filter(({ value }) => isKnownToTshark(value))
  t.true(sent.length > 370)
  await compareAll(t, sent)
})

/** For each addition of each alternative, the smallest value that has it and no other. */
function alone(type: Type<unknown>): { where: string; value: unknown }[] {
  if (type.shape.kind !== 'choice') return []
  return [...type.shape.alternatives, ...(type.shape.additions ?? [])].flatMap((alternative) => {
    const { shape } = alternative.type
    if (shape.kind !== 'sequence') return []
    return (shape.additions ?? []).map(({ name, type: added }) => {
      const smallest = (given: Type<unknown>) =>
        readable(given, generate(given, randomFrom(3), { richness: 0 }), randomFrom(3), 0)
      const root = smallest({ ...alternative.type, shape: { ...shape, additions: [] } }) as object
      return {
        where: `${alternative.name}.${name}`,
        value: { type: alternative.name, value: { ...root, [name]: smallest(added) } }
      }
    })
  })
}

test('supplementary services: tshark reads each argument as the operation says', async (t) => {
  const operations = [...h450.operations.values()]
  const messages = operations.flatMap((operation, at) =>
    [0, 2].map((richness) => {
      const random = randomFrom(at + 1)
      const argument = readable(operation.argument.type, generate(operation.argument.type, random, { richness }), random, 1)
      const apdu = h450.supplementaryServiceOf([h450.invoke(operation, 1000 + at, argument)])
      const value: h225.H323UserInformation = {
        'h323-uu-pdu': { 'h323-message-body': { type: 'empty' }, h4501SupplementaryService: [apdu], h245Tunneling: false }
      }
      return { operation, argument, sent: { where: operation.name, pdu: h225.h323UserInformation, value } }
    })
  )
  const comparison = new Comparison()
  let at = 0
  await pastTshark(
    t,
    messages.map(({ sent }) => sent),
    (message, reading, problems) => {
      const { operation, argument } = messages[at++]!
      const argumentReading = argumentIn(reading)
      t.deepEqual(problems.filter(isFault), [], message.where)
      if (argumentReading === undefined) t.fail(`${operation.name}: tshark reads no argument`)
      else comparison.value(operation.name, undefined, operation.argument.type, argument, argumentReading)
    }
  )
  t.deepEqual(comparison.differences, [])
  t.true(comparison.compared > 400)
})

test('H.239 and H.460: tshark knows messages and parameters by the names they have here', async (t) => {
  const message = (given: h239.PresentationMessage) => ({
    where: given.type,
    pdu: h245.multimediaSystemControlMessage,
    value: h239.presentationMessage(given)
  })
  const guid = Buffer.alloc(16, 7)
  const address = { type: 'ipAddress', value: { ip: Buffer.from([127, 0, 0, 1]), port: 1720 } } as const
  const ras: h225.RasMessage = {
    type: 'serviceControlIndication',
    value: {
      requestSeqNum: 5,
      serviceControl: [],
      genericData: [
        h460.incomingCallIndication.encode({ callSignallingAddress: address, callID: { guid } }),
        h460.lrqKeepAlive.encode({ lrqKeepAliveInterval: 20 }),
        h460.qualityReport.encode({ type: 'final', value: { mediaInfo: [] } })
      ]
    }
  }
  const channel: h245.MultimediaSystemControlMessage = {
    type: 'request',
    value: {
      type: 'openLogicalChannel',
      value: {
        forwardLogicalChannelNumber: 1,
        forwardLogicalChannelParameters: { dataType: { type: 'nullData' }, multiplexParameters: { type: 'none' } },
        genericInformation: [h460.mediaTraversal.encode({ keepAlivePayloadType: 101 })]
      }
    }
  }
  const labels: string[] = []
  const collect = ({ label, show, children }: Reading): void => {
    labels.push(label, show)
    children.forEach(collect)
  }
  await pastTshark(
    t,
    [
      message({ type: 'presentationTokenRequest', terminalLabel: 0, channelId: 5, symmetryBreaking: 77 }),
      message({ type: 'presentationTokenResponse', terminalLabel: 0, channelId: 5, accepted: true }),
      message({ type: 'presentationTokenRelease', terminalLabel: 0, channelId: 5 }),
      message({ type: 'presentationTokenIndicateOwner', terminalLabel: 0, channelId: 5 }),
      message({ type: 'flowControlReleaseRequest', channelId: 5, bitRate: 640 }),
      message({ type: 'flowControlReleaseResponse', channelId: 5, accepted: false }),
      { where: 'H.460.19', pdu: h245.multimediaSystemControlMessage, value: channel },
      { where: 'H.460.18', pdu: h225.rasMessage, value: ras }
    ],
    ({ where }, reading, problems) => {
      t.deepEqual(problems, [], where)
      collect(reading)
    }
  )
  const all = labels.join('\n')
  for (const name of [
    ...['presentationTokenRequest', 'presentationTokenResponse', 'presentationTokenRelease', 'presentationTokenIndicateOwner'],
    ...['flowControlReleaseRequest', 'flowControlReleaseResponse', 'mediaNATFWTraversal', 'IncomingCallIndication'],
    ...['lrqKeepAliveInterval: 20', 'QosMonitoringReportData: final', 'Signalling Traversal', 'QoS-monitoring Reporting']
  ]) {
    t.true(all.includes(name), name)
  }
})

/** tshark puts its reading of an argument behind the invocation it is in. */
function argumentIn(reading: Reading): Reading | undefined {
  for (const child of reading.children) {
    if (child.name === 'h450.rosApdus_item') return child.children.slice(1).findLast(({ name }) => name !== 'h450.operation')
    const found = argumentIn(child)
    if (found !== undefined) return found
  }
  return undefined
}
