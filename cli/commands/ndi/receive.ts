import { createStreamFile, type Frame, loadRuntime, openReceiver } from '#ndi'
import type { Run } from '../../command.ts'
import type { Arguments } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { sourceNamed } from '../../subjects/ndi.ts'

const defaultSeconds = 10
const captureMs = 100

/** Receives the source of the command line for as long as it says. @returns pictures lost because nobody took them in time */
async function take(args: Arguments, each: (frame: Frame | null) => Promise<void>): Promise<number> {
  const seconds = args.wholeNumber('seconds', 1, 86_400) ?? defaultSeconds
  const runtime = loadRuntime()
  const receiver = openReceiver(runtime, { source: await sourceNamed(runtime, args, args.operands[0]!), name: 'ifctl' })
  try {
    for (const until = performance.now() + seconds * 1000; performance.now() < until; )
      await each(await receiver.capture(captureMs))
    return receiver.figures().videoDropped
  } finally {
    await receiver.close()
  }
}

export const run: Run = async (args, output) => {
  let second = { pictures: 0, size: '', samples: 0, channels: 0, peak: 0 }
  let due = performance.now() + 1000
  const dropped = await take(args, async (frame) => {
    if (frame?.type === 'video') {
      second.pictures++
      second.size = `${frame.width}x${frame.height} ${frame.fourCC}`
    } else if (frame?.type === 'audio') {
      second.samples += frame.samples
      second.channels = frame.channels
      second.peak = frame.data.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), second.peak)
    } else if (frame?.type === 'metadata') {
      if (output.json) await output.document({ metadata: frame.text })
      else await output.line(`metadata  ${printable(frame.text)}`)
    }
    if (performance.now() < due) return
    const { pictures, size, samples, channels, peak } = second
    if (output.json) await output.document(second)
    else
      await output.line(
        `${pictures} pictures ${printable(size)}, ${samples} samples on ${channels} channels, peak ${peak.toFixed(3)}`
      )
    second = { pictures: 0, size: '', samples: 0, channels: 0, peak: 0 }
    due += 1000
  })
  if (dropped > 0) output.talk(`${dropped} pictures were lost`)
  return exitCodes.ok
}

export const record: Run = async (args, output) => {
  const path = args.required('out')
  const file = await createStreamFile(path)
  let pictures = 0
  try {
    const dropped = await take(args, async (frame) => {
      if (frame === null || frame.type === 'audio') return
      if (frame.type === 'video') pictures++
      await file.write(frame)
    })
    if (output.json) await output.document({ pictures, dropped })
    else await output.line(`${pictures} pictures in ${printable(path)}, ${dropped} lost on the way`)
  } finally {
    await file.close()
  }
  return pictures > 0 ? exitCodes.ok : exitCodes.failure
}
