/**
 * Sends and receives so many frames through the runtime and tells what memory did: `node soak.ts [frames]`, 100,000 by default. Run it in a network
 * namespace of its own: `npm run soak:ndi` does.
 */
import { openFinder } from '../runtime/find.ts'
import { openReceiver } from '../runtime/receive.ts'
import { loadRuntime } from '../runtime/runtime.ts'
import { openSender } from '../runtime/send.ts'
import { testPicture } from './picture.ts'

/** For a frame to arrive. */
const longestMs = 100
const frames = Number(process.argv[2] ?? 100_000)
const runtime = loadRuntime()
const sender = openSender(runtime, { name: `Soak ${process.pid}` })
const finder = openFinder(runtime, { extraAddresses: ['127.0.0.1'] })
let sources = await finder.sources(250)
for (let tries = 0; tries < 40 && sources.length === 0; tries++) sources = await finder.sources(250)
await finder.close()
const kept = new Uint8Array(1 << 20)
const receiver = openReceiver(runtime, { source: sources[0]!, bufferFor: () => kept })
await sender.connections(5000)

let ending = false
let arrived = Promise.withResolvers<void>()
const seen = { video: 0, audio: 0, metadata: 0 }
const receiving = (async () => {
  while (!ending) {
    const frame = await receiver.capture(50)
    if (frame === null) continue
    seen[frame.type]++
    if (frame.type === 'video') arrived.resolve()
  }
})()
const picture = testPicture(320, 180, 0)
const sound = { sampleRateHz: 48_000, channels: 2, samples: 480, data: new Float32Array(960) }
/** Resident octets after the first tenth, in which pools fill, and at each tenth after it. */
const residentMb: number[] = []
for (let number = 0; number < frames; number++) {
  picture.data[number % picture.data.length]! ^= 0x10
  arrived = Promise.withResolvers<void>()
  await sender.video({ ...picture, metadata: '<soak/>' })
  // one frame is on the way at a time: a flood would be dropped by the runtime, and test nothing here
  const late = setTimeout(arrived.resolve, longestMs)
  await arrived.promise
  clearTimeout(late)
  if (number % 4 === 0) await sender.audio(sound)
  if (number % 50 === 0) sender.metadata(`<soak at="${number}"/>`)
  if (number % Math.ceil(frames / 10) === Math.ceil(frames / 10) - 1)
    residentMb.push(Math.round(process.memoryUsage.rss() / 2 ** 20))
}
await new Promise((resolve) => setTimeout(resolve, 300))
ending = true
await receiving
const { captured, freed, videoDropped } = receiver.figures()
await receiver.close()
await sender.close()
console.log(JSON.stringify({ frames, seen, captured, freed, videoDropped, residentMb }))
