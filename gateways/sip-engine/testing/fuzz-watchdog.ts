/** Thread that ends the process when the input under way stays the same for ten seconds. `workerData`: one shared 32-bit number, input + 1. */
import { writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'

const periodMs = 10_000
const beat = workerData as Int32Array
let last = -1
setInterval(() => {
  const now = Atomics.load(beat, 0)
  if (now !== 0 && now === last) {
    writeSync(2, `input ${now - 1} runs for more than ${periodMs / 1000} s\n`)
    process.kill(process.pid, 'SIGKILL')
  }
  last = now
}, periodMs)
