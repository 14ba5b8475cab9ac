/** The recording thread: empties the rings of all recordings into files. It may wait for a disk; a media thread never does. */
import { parentPort } from 'node:worker_threads'
import { errorCode } from '#kernel'
import type { RecordingGap, RecordingManifest } from './files.ts'
import type { FromRecordingThread, ToRecordingThread } from './protocol.ts'
import { recoverAll, witnessedLate } from './recover.ts'
import { RingReader } from './ring.ts'
import { RecordingWriter, writeManifest } from './writer.ts'

const port = parentPort!
const tell = (message: FromRecordingThread) => port.postMessage(message)
const everyMs = 100

interface Running {
  readonly ring: RingReader
  readonly writer: RecordingWriter
  readonly gaps: RecordingGap[]
  manifest: RecordingManifest
}

const recordings = new Map<string, Running>()
/** Folders of recordings that are over, for batches that the ledger takes later. */
const over = new Map<string, RecordingWriter>()

const described = ({ manifest, gaps }: Running, seconds: number): RecordingManifest => ({ ...manifest, gaps, seconds })

function fail(id: string, running: Running, error: unknown): void {
  recordings.delete(id)
  over.set(id, running.writer)
  const code = errorCode(error)
  running.writer.abandon((seconds) => ({ ...described(running, seconds), state: 'failed', reason: code }))
  tell({ type: 'failed', recording: id, code, seconds: running.writer.seconds })
}

function tried(id: string, act: (running: Running) => void): void {
  const running = recordings.get(id)
  if (running === undefined) return
  try {
    act(running)
  } catch (error) {
    fail(id, running, error)
  }
}

function begin({ plan, ring, manifest }: Extract<ToRecordingThread, { type: 'begin' }>): void {
  const { id } = plan
  const gaps: RecordingGap[] = []
  try {
    const writer = new RecordingWriter(plan, manifest, {
      batch: (batch, seconds) => tell({ type: 'batch', recording: id, batch, seconds }),
      gap: (second, milliseconds) => {
        gaps.push({ second, milliseconds })
        tell({ type: 'gap', recording: id, second, milliseconds })
      }
    })
    recordings.set(id, { ring: new RingReader(ring), writer, gaps, manifest })
  } catch (error) {
    tell({ type: 'failed', recording: id, code: errorCode(error), seconds: 0 })
  }
}

const drain = ({ ring, writer }: Running) => void ring.drain((record) => writer.take(record))

const timer = setInterval(() => {
  for (const id of recordings.keys()) tried(id, drain)
}, everyMs)

port.on('message', (message: ToRecordingThread) => {
  switch (message.type) {
    case 'begin':
      begin(message)
      return
    case 'describe':
      tried(message.manifest.id, (running) => {
        running.manifest = message.manifest
        writeManifest(running.writer.plan.folder, described(running, running.writer.seconds))
      })
      return
    case 'slot':
      tried(message.recording, (running) => {
        drain(running)
        if (message.open) running.writer.open(message.slot)
        else running.writer.close(message.slot)
      })
      return
    case 'witnessed': {
      const { recording, batch, entry } = message
      const writer = recordings.get(recording)?.writer ?? over.get(recording)
      if (writer === undefined) witnessedLate(recording, batch, entry)
      else
        try {
          writer.witnessed(batch, entry)
        } catch (error) {
          const running = recordings.get(recording)
          if (running !== undefined) fail(recording, running, error)
        }
      return
    }
    case 'end':
      tried(message.manifest.id, (running) => {
        const { id } = message.manifest
        drain(running)
        running.manifest = message.manifest
        running.writer.end()
        running.writer.finish(described(running, running.writer.seconds))
        recordings.delete(id)
        over.set(id, running.writer)
        tell({ type: 'ended', recording: id, seconds: running.writer.seconds })
      })
      return
    case 'recover':
      tell({ type: 'recovered', ...recoverAll(message.folder) })
      return
    case 'shutdown':
      clearInterval(timer)
      port.close()
  }
})

tell({ type: 'ready' })
