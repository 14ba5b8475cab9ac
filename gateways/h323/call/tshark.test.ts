/** tshark reads every message that calls send, and finds nothing wrong or unknown in it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Supplementary } from '../endpoint/supplementary.ts'
import type { Capability } from '../h245/h245.ts'
import { tpkt } from '../q931/q931.ts'
import { pcapOf } from '../testing/capture.ts'
import { readByTshark } from '../testing/pdml.ts'
import { media, type Pair, type PairOptions, pairOf } from './testing/pair.ts'

const h245Port = 2345
const video: Capability = {
  type: 'receiveVideoCapability',
  value: {
    type: 'h261VideoCapability',
    value: { temporalSpatialTradeOffCapability: false, maxBitRate: 600, stillImageTransmission: false, qcifMPI: 1 }
  }
}

/** A call with everything in it that the machines can do. */
function everything(options: PairOptions): Pair['wire'] {
  const pair = pairOf({ ...options, control: { others: [video], passesOn: true } })
  const { clock } = pair
  const rest = (): void => {
    for (let n = 0; n < 3; n++) {
      pair.settle()
      clock.advance(1100)
    }
    pair.settle()
  }
  const services = new Supplementary({
    clock,
    send: (apdus) => pair.act('caller', (one) => one.supplementary(apdus)),
    told: () => {}
  })
  pair.dial()
  pair.settle()
  pair.act('called', (one) => one.proceed())
  pair.act('called', (one) => one.setLocal(media.called(['PCMU', 'PCMA', 'G722', 'G729', 'opus'])))
  pair.act('called', (one) => one.progress())
  pair.act('called', (one) => one.alert())
  rest()
  pair.act('called', (one) => one.answer())
  rest()
  pair.act('caller', (one) => one.control.digit('5', 200))
  pair.act('caller', (one) => one.control.digitUpdate(300))
  pair.act('caller', (one) => one.keypad('5'))
  pair.act('caller', (one) => one.display('näïve'))
  pair.act('caller', (one) => one.notify(0x79))
  pair.act('caller', (one) => one.enquire())
  pair.act('caller', (one) => one.control.ping())
  pair.act('caller', (one) => one.requestCodec('PCMA'))
  rest()
  pair.act('called', (one) => one.control.hold())
  rest()
  pair.act('called', (one) => one.control.retrieve())
  rest()
  const number = pair.caller.session.control.openChannel({
    forwardLogicalChannelParameters: {
      dataType: {
        type: 'videoData',
        value: {
          type: 'h261VideoCapability',
          value: { temporalSpatialTradeOffCapability: false, maxBitRate: 600, stillImageTransmission: false, qcifMPI: 1 }
        }
      },
      multiplexParameters: { type: 'h2250LogicalChannelParameters', value: { sessionID: 2 } }
    }
  })
  pair.act('caller', () => {})
  rest()
  pair.act('called', (one) =>
    one.control.acceptChannel(number, { rtp: { ip: '127.0.0.1', port: 7000 }, rtcp: { ip: '127.0.0.1', port: 7001 } })
  )
  rest()
  pair.act('called', (one) => one.control.requestClose(number))
  rest()
  services.hold(true)
  services.hold(false)
  services.transfer([{ type: 'dialedDigits', value: '1003' }])
  services.reroute(
    [{ type: 'h323-ID', value: 'carol' }],
    [{ type: 'dialedDigits', value: '1002' }],
    [{ type: 'dialedDigits', value: '1001' }]
  )
  services.messageWaiting(true, [{ type: 'dialedDigits', value: '1001' }], 3)
  services.messageWaiting(false, [{ type: 'dialedDigits', value: '1001' }], 0)
  pair.act('caller', (one) => one.supplementary([services.transferSetup()]))
  services.close()
  pair.act('called', (one) =>
    one.redirect({ aliases: [{ type: 'dialedDigits', value: '7' }], address: { ip: '127.0.0.1', port: 1720 } })
  )
  rest()
  pair.act('called', (one) => one.release(17))
  pair.settle()
  return pair.wire
}

test('every message of calls in all modes', async (t) => {
  const codecs = { callerCodecs: ['opus', 'G722', 'PCMU', 'PCMA', 'G729'] } as const
  const wire = [
    ...everything({ ...codecs }),
    ...everything({ ...codecs, caller: { fastStart: false, tunnelling: false }, called: { earlyH245: true } }),
    ...everything({ ...codecs, caller: { fastStart: false, earlyH245: true, h245InSetup: true } }),
    ...everything({ ...codecs, caller: { tunnelling: false, earlyH245: true }, called: { fastStart: false } }),
    ...everything({ callerCodecs: ['G729'], control: { bothWays: true } })
  ]
  t.true(wire.length > 250)
  const folder = await mkdtemp(join(tmpdir(), 'h323-calls-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'calls.pcap')
  await writeFile(
    file,
    pcapOf(
      wire.map(({ kind, octets }, at) => ({
        transport: 'tcp',
        sourceHost: at + 1,
        sourcePort: 50_000,
        destinationPort: kind === 'q931' ? 1720 : h245Port,
        payload: tpkt(octets)
      }))
    )
  )
  let at = 0
  const found: string[] = []
  await readByTshark(file, h245Port, (protocols, problems) => {
    const { kind } = wire[at]!
    const wanted = kind === 'q931' ? 'h225' : 'h245'
    if (!protocols.some(({ name }) => name === wanted)) found.push(`${at}: not read as ${wanted}`)
    for (const problem of problems) found.push(`${at} ${kind}: ${problem}`)
    at++
  })
  t.is(at, wire.length)
  t.deepEqual([...new Set(found)], [])
})
