import { join } from 'node:path'
import test from 'ava'
import { isolated, missing } from './testing/isolated.ts'
import { mdnsMissing, onCable } from './testing/mdns.ts'

const scenario = join(import.meta.dirname, 'testing/scenario.ts')
const real = missing === null ? test.serial : test.serial.skip
if (missing !== null) {
  test('nothing to test against', (t) => {
    t.log(`skipped: ${missing}`)
    t.pass()
  })
}

real('receives what an independent program sends: pictures, sound, metadata; tally and metadata go back', async (t) => {
  const told = (await isolated(scenario, 'receive')) as {
    source: { name: string; address: string }
    video: number
    size: unknown
    samples: number
    rms: number
    silent: number
    texts: string[]
    figures: { captured: number; freed: number }
    sent: { onProgram: boolean; metadata: string }
    loopDelayMs: number
  }
  t.regex(told.source.name, /\(Peer \d+\)$/)
  t.regex(told.source.address, /^127\.0\.0\.1:\d+$/)
  t.is(told.video, 55)
  t.deepEqual(told.size, [640, 360, 'UYVY', [30, 1], 640 * 360 * 2])
  t.true(told.samples >= 50 * 1600)
  t.true(Math.abs(told.rms - Math.SQRT1_2) < 0.01, `a full tone on the first channel, ${told.rms}`)
  t.is(told.silent, 0, 'the second channel is silent')
  t.true(told.texts.includes('<peer frame="35"/>'))
  t.true(told.sent.onProgram)
  t.is(told.sent.metadata, '<suite hello="peer"/>')
  t.is(told.figures.freed, told.figures.captured)
  t.true(told.figures.captured >= told.video)
  // captures wait up to 250 ms: on the event loop they would show
  t.true(told.loopDelayMs < 150, `event loop held for ${told.loopDelayMs} ms`)
})

real('an independent program receives what is sent, octet for octet what a receiver here sees', async (t) => {
  const told = (await isolated(scenario, 'send')) as {
    received: { frames: number; size: unknown; samples: number; metadata: string[]; hashes: Record<string, string> }
    answer: string
    tally: unknown
    ownHashes: Record<string, string>
    sentHashes: Record<string, string>
    figures: { own: { captured: number; freed: number } }
  }
  t.is(told.received.frames, 40)
  t.deepEqual(told.received.size, [640, 360])
  t.true(told.received.samples > 30 * 1600)
  t.true(told.received.metadata.includes('<suite version="1"/>'), 'metadata of the connection')
  t.true(told.received.metadata.some((text) => text.startsWith('<suite frame=')))
  t.is(told.answer, '<peer asks="more"/>')
  t.deepEqual(told.tally, { onProgram: true, onPreview: false })
  const both = Object.keys(told.received.hashes).filter((timecode) => told.ownHashes[timecode] !== undefined)
  t.true(both.length >= 30)
  for (const timecode of both) {
    t.is(told.received.hashes[timecode], told.ownHashes[timecode], 'two receivers decode the same octets')
    t.not(told.received.hashes[timecode], told.sentHashes[timecode], 'which are not those sent: the codec loses')
  }
  t.is(told.figures.own.freed, told.figures.own.captured)
})

real('who connects behind the last frame of a batch gets that frame again, and what attests it', async (t) => {
  t.deepEqual(await isolated(scenario, 'joined'), {
    kinds: ['metadata', 'metadata', 'video'],
    verdict: { good: 1, altered: [], unattested: [], missing: [], foreign: [] }
  })
})

real('frame sync gives pictures and sound by the clock of who asks', async (t) => {
  const told = (await isolated(scenario, 'sync')) as {
    video: number
    fourCC: string
    samples: number[]
    refused: string
    figures: { captured: number; freed: number }
  }
  t.true(told.video >= 30)
  t.is(told.fourCC, 'BGRX')
  t.deepEqual(told.samples, [320])
  t.is(told.refused, 'ndi.receive.synced')
  t.is(told.figures.freed, told.figures.captured)
})

real('thousands of frames: every buffer is given back once, and memory stays', async (t) => {
  const told = (await isolated(join(import.meta.dirname, 'testing/soak.ts'), '2000')) as {
    seen: { video: number }
    captured: number
    freed: number
    residentMb: number[]
  }
  t.true(told.seen.video > 1900, `${told.seen.video} pictures were taken`)
  t.is(told.freed, told.captured)
  const [early, late] = [told.residentMb[2]!, told.residentMb.at(-1)!]
  t.true(late - early < 40, `${early} MB became ${late} MB`)
})

real('the runtime asks the discovery server that it is given', async (t) => {
  t.deepEqual(await isolated(scenario, 'discovery'), { wasAsked: true })
})

const onTwoMachines = mdnsMissing === null ? test.serial : test.serial.skip
if (mdnsMissing !== null && missing === null) {
  test('no multicast DNS to test with', (t) => {
    t.log(`skipped: ${mdnsMissing}`)
    t.pass()
  })
}

onTwoMachines('a source of another machine is found by multicast DNS, without its address, and received', async (t) => {
  const name = `Remote ${process.pid}`
  const told = (await onCable(scenario, name)) as { found: { name: string; address: string } | null; pictures: number }
  t.true(told.found?.name.endsWith(`(${name})`))
  t.regex(told.found!.address, /^198\.51\.100\.1:\d+$/)
  t.is(told.pictures, 5)
})
