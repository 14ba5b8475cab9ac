import { DecodeError } from '#kernel'
import { type Pdu, toJer } from '../asn1/asn1.ts'
import { Decoder, linesOf } from '../decoder/decoder.ts'
import { h225, h245, h450, q931 } from '../h323.ts'
import { type CapturedPacket, pcapOf } from './capture.ts'
import { generate, randomFrom } from './generate.ts'
import { captured, capturedSamples } from './vectors.ts'

/** Something that takes octets from the network. */
export interface Target {
  readonly name: string
  readonly corpus: () => Buffer[]
  /**
   * Takes one input and checks what must hold.
   *
   * @returns what it came to, in words that are the same for inputs that went the same way
   * @throws anything but a DecodeError: a fault
   */
  readonly run: (input: Buffer, random: () => number) => string
}

const generatedCount = 150

function assertSame(one: string, other: string, what: string): void {
  if (one !== other) throw new Error(`${what} differ: ${one.slice(0, 200)} and ${other.slice(0, 200)}`)
}

/** What is decoded can be encoded, and is then decoded as the same value and encoded to the same octets. */
function pduTarget(pdu: Pdu<unknown>, unaligned = false): Target {
  const options = { unaligned }
  return {
    name: unaligned ? `${pdu.name} (unaligned)` : pdu.name,
    corpus: () => [
      ...(unaligned ? [] : capturedSamples().filter((sample) => sample.pdu === pdu)).map(({ octets }) => octets),
      ...Array.from({ length: generatedCount }, (_, seed) =>
        pdu.encode(generate(pdu.type, randomFrom(seed), { richness: seed % 3, unknown: true }), options)
      )
    ],
    run(input) {
      let value: unknown
      try {
        ;({ value } = pdu.decodePrefix(input, options))
      } catch (error) {
        return wayOf(error)
      }
      const octets = pdu.encode(value, options)
      const again = pdu.decode(octets, options)
      assertSame(JSON.stringify(toJer(pdu.type, value)), JSON.stringify(toJer(pdu.type, again)), 'values')
      assertSame(pdu.encode(again, options).toString('hex'), octets.toString('hex'), 'encodings')
      return `taken ${shapeOf(value)}`
    }
  }
}

/** Path and code without the numbers in them. */
function wayOf(error: unknown): string {
  if (!(error instanceof DecodeError)) throw error
  return `${error.code} ${error.path.replaceAll(/\d+/g, '')}`
}

/** The outermost alternatives of a value. */
function shapeOf(value: unknown): string {
  const { type, value: inner } = (value ?? {}) as { readonly type?: unknown; readonly value?: unknown }
  return typeof type === 'string' ? `${type} ${shapeOf(inner)}` : Object.keys((value ?? {}) as object).join(' ')
}

const q931Corpus = (): Buffer[] =>
  captured()
    .filter(({ proto }) => proto === 'q931')
    .map(({ hex }) => Buffer.from(hex, 'hex').subarray(4))

const elementCodecs = [q931.cause, q931.bearerCapability, q931.progressIndicator, q931.partyNumber, q931.text, q931.octet]

const q931Target: Target = {
  name: 'Q.931',
  corpus: q931Corpus,
  run(input) {
    let message: q931.Q931Message
    try {
      message = q931.decodeQ931(input)
    } catch (error) {
      return wayOf(error)
    }
    assertSame(q931.encodeQ931(message).toString('hex'), input.toString('hex'), 'octets')
    for (const { id, octets } of message.elements) {
      try {
        elementCodecs[id % elementCodecs.length]!.decode(octets)
      } catch (error) {
        wayOf(error)
      }
    }
    try {
      q931.userInformationOf(message)
      return `taken ${message.messageType} ${message.elements.map(({ id }) => id).join(' ')}`
    } catch (error) {
      return wayOf(error)
    }
  }
}

/** However a stream is cut, the same payloads come out, or the same fault. */
const tpktTarget: Target = {
  name: 'TPKT',
  corpus: () =>
    captured()
      .filter(({ proto }) => proto !== 'ras')
      .map(({ hex }) => Buffer.from(hex, 'hex')),
  run(input, random) {
    const cutting = (next: () => number): string => {
      const splitter = new q931.TpktSplitter()
      const payloads: string[] = []
      try {
        for (let at = 0; at < input.length; ) {
          const size = next()
          payloads.push(...splitter.push(input.subarray(at, at + size)).map((payload) => payload.toString('hex')))
          if (splitter.pending > at + size) throw new Error('keeps more than came')
          at += size
        }
      } catch (error) {
        payloads.push(wayOf(error))
      }
      return payloads.filter((payload) => !payload.startsWith('h323')).join()
    }
    const cut = cutting(() => 1 + Math.floor(random() * 40))
    const whole = cutting(() => input.length)
    // A fault behind good packets of the same piece hides them; cut finer, they come first.
    if (!cut.startsWith(whole)) throw new Error('payloads depend on how the stream is cut')
    return `taken ${cut.split(',').length}`
  }
}

function captureCorpus(): Buffer[] {
  const messages = captured()
  const caps = [...new Set(messages.map(({ cap }) => cap))].slice(0, 4)
  return caps.map((cap) => {
    const packets = messages
      .filter((message) => message.cap === cap)
      .slice(0, 12)
      .map(
        ({ proto, src, dst, hex }): CapturedPacket => ({
          transport: proto === 'ras' ? 'udp' : 'tcp',
          sourcePort: src,
          destinationPort: dst,
          payload: Buffer.from(hex, 'hex')
        })
      )
    return pcapOf(packets)
  })
}

const decoderTarget: Target = {
  name: 'decoder',
  corpus: () => [...captureCorpus(), ...q931Corpus().slice(0, 60)],
  run(input) {
    try {
      const decoder = new Decoder()
      const readings = input.readUInt32LE(0) === 0xa1b2c3d4 ? [...decoder.capture(input)] : decoder.octets(input)
      for (const { value } of readings)
        for (const line of linesOf(value)) if (line.length > 1_000_000) throw new Error('endless line')
      return `taken ${readings.map(({ protocol, name }) => `${protocol} ${name}`).join()}`
    } catch (error) {
      if (error instanceof RangeError && input.length < 4) return 'short'
      return wayOf(error)
    }
  }
}

export const targets: readonly Target[] = [
  ...[
    h225.rasMessage,
    h225.h323UserInformation,
    h245.multimediaSystemControlMessage,
    h245.openLogicalChannel,
    h450.supplementaryService
  ].map((pdu: Pdu<unknown>) => pduTarget(pdu)),
  pduTarget(h225.rasMessage as Pdu<unknown>, true),
  q931Target,
  tpktTarget,
  decoderTarget
]
