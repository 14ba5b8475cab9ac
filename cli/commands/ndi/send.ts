import { join } from 'node:path'
import { createLog, InfraFabricError, isTraceId, newTraceId, systemClock } from '#kernel'
import { createWitness, ledgerFiles, openFrameStore } from '#ledger'
import { loadRuntime, openAttestedSender, openSender, type Sender } from '#ndi'
import { dataFolder, type Run } from '../../command.ts'
import { UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import type { Output } from '../../show/output.ts'
import { ledgerFolder, withLedger } from '../../subjects/ledger.ts'

const heights = [480, 720, 1080]
const toneHz = 440
const toneLevel = 0.1
const soundRateHz = 48_000
const deliverWithinMs = 10_000

export const run: Run = async (args, output) => {
  const name = args.operands[0]!
  const height = args.wholeNumber('height', 480, 1080) ?? 720
  if (!heights.includes(height)) throw new UsageError(`--height: expected one of ${heights.join(', ')}`)
  const rate = args.wholeNumber('rate', 1, 60) ?? 30
  const seconds = args.wholeNumber('seconds', 1, 86_400) ?? 10
  const trace = args.value('trace') ?? newTraceId()
  if (!isTraceId(trace)) throw new UsageError('--trace: expected 32 lowercase hex digits')
  const runtime = loadRuntime()
  const settings = { name, clockVideo: true }
  if (!args.has('attest')) {
    const sender = openSender(runtime, settings)
    try {
      return await play(sender, height, rate, seconds, output)
    } finally {
      await sender.close()
    }
  }
  const folder = ledgerFolder(args)
  const log = createLog({ name: 'ifctl', level: 'warn' })
  return withLedger(folder, async (ledger) => {
    const frames = openFrameStore(ledgerFiles(folder).frames)
    const witness = await createWitness({ ledger, spoolDir: join(dataFolder(args), 'ndi-spool'), clock: systemClock, log })
    try {
      const sender = await openAttestedSender(runtime, {
        sender: settings,
        witness,
        frames,
        clock: systemClock,
        log,
        traceId: trace
      })
      output.talk(`recorded under trace ${trace}`)
      try {
        return await play(sender, height, rate, seconds, output)
      } finally {
        await sender.close('done')
      }
    } finally {
      await witness.flush(deliverWithinMs)
      await witness.close()
      frames.close()
    }
  })
}

/** Bars that move with the frames, and a tone. */
async function play(
  sender: Pick<Sender, 'sourceName' | 'video' | 'audio' | 'figures'>,
  height: number,
  rate: number,
  seconds: number,
  output: Output
): Promise<number> {
  output.talk(`on the air: ${sender.sourceName}`)
  const width = Math.round((height * 16) / 9 / 2) * 2
  const lineStride = width * 2
  const data = new Uint8Array(lineStride * height)
  const samples = soundRateHz / rate
  if (!Number.isInteger(samples))
    throw new InfraFabricError('ndi.send.rate', `${soundRateHz} samples a second do not divide by ${rate}`)
  const sound = new Float32Array(samples)
  for (let frame = 0; frame < rate * seconds; frame++) {
    const line = Uint8Array.from({ length: lineStride }, (_, at) => (at % 2 === 0 ? 128 : 16 + (((at >> 1) + frame * 4) % 220)))
    for (let row = 0; row < height; row++) data.set(line, row * lineStride)
    for (let at = 0; at < samples; at++) {
      sound[at] = toneLevel * Math.sin((2 * Math.PI * toneHz * (frame * samples + at)) / soundRateHz)
    }
    const audio = sender.audio({ sampleRateHz: soundRateHz, channels: 1, samples, data: sound })
    await sender.video({ width, height, fourCC: 'UYVY', frameRate: [rate, 1], lineStride, data })
    await audio
  }
  const { videoFrames, copyMs } = sender.figures()
  if (output.json) await output.document({ source: sender.sourceName, frames: videoFrames, copyMs })
  else await output.line(`${videoFrames} frames sent`)
  return exitCodes.ok
}
