/**
 * Figures of the NDI gateway, as one JSON line for `npm run bench:bridges`: it runs this in a network namespace of its own.
 *
 * A picture of 1080p is sent as fast as the runtime takes it while a receiver takes what it can; each is copied once on the way in and once on the way out.
 */
import type { Metric } from '#scripts/bench/report.ts'
import { openFinder } from '../runtime/find.ts'
import { openReceiver } from '../runtime/receive.ts'
import { loadRuntime } from '../runtime/runtime.ts'
import { openSender } from '../runtime/send.ts'
import { testPicture } from './picture.ts'

const frames = 300
const runtime = loadRuntime()
const sender = openSender(runtime, { name: `Bench ${process.pid}` })
const finder = openFinder(runtime, { extraAddresses: ['127.0.0.1'] })
let sources = await finder.sources(250)
for (let tries = 0; tries < 40 && sources.length === 0; tries++) sources = await finder.sources(250)
await finder.close()
const kept = new Uint8Array(1920 * 1080 * 4)
const receiver = openReceiver(runtime, { source: sources[0]!, bufferFor: () => kept })
await sender.connections(5000)
let ending = false
let taken = 0
const receiving = (async () => {
  while (!ending) if ((await receiver.capture(50))?.type === 'video') taken++
})()
const picture = testPicture(1920, 1080, 0)
for (let warm = 0; warm < 30; warm++) await sender.video(picture)
const copiedMs = sender.figures().copyMs
const takenBefore = taken
const begun = performance.now()
for (let number = 0; number < frames; number++) await sender.video(picture)
const ms = performance.now() - begun
const copyUs = ((sender.figures().copyMs - copiedMs) * 1000) / frames
const receivedFps = ((taken - takenBefore) * 1000) / ms
ending = true
await receiving
await receiver.close()
await sender.close()
const metrics: Metric[] = [
  {
    metric: 'ndi.fps_1080p_send',
    value: (frames * 1000) / ms,
    unit: 'frames/s',
    note: `UYVY, sender and receiver in one process, ${receivedFps.toFixed(0)} a second received`
  },
  { metric: 'ndi.copy_us_per_frame', value: copyUs, unit: 'µs', note: '1080p UYVY, 4.1 MB, into the reach of the runtime' }
]
console.log(JSON.stringify(metrics))
