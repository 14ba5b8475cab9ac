/**
 * A process that appends to a log until it is ended: `node append-process.ts <settings as JSON> <key as PEM> <producer>`. A line for each entry once it is acknowledged:
 * `<number of the key> <index> <hash>`; a line `! <code>` for each append that failed, which is tried again.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { errorCode } from '#kernel'
import { draftEntry } from '../log/entry.ts'
import { readSigner } from '../log/note.ts'
import { openStore, type StoreSettings } from '../store/open.ts'
import { openSequencer } from '../store/sequencer.ts'
import { eventNumber, origin } from './fixtures.ts'

const [settings, key, producer] = process.argv.slice(2) as [string, string, string]
const store = await openStore(JSON.parse(settings) as StoreSettings, () => undefined)
const sequencer = await openSequencer(store, readSigner(origin, key))
const atOnce = 8
for (let number = 0; ; number += atOnce) {
  const items = Array.from({ length: atOnce }, (_, at) => ({
    draft: draftEntry(eventNumber(number + at), 1_767_225_600_000 + number + at),
    key: `${producer}:${number + at}`
  }))
  for (;;) {
    try {
      const places = await sequencer.append(items)
      process.stdout.write(places.map(({ index, hash }, at) => `${number + at} ${index} ${hash}\n`).join(''))
      break
    } catch (error) {
      process.stdout.write(`! ${errorCode(error)}\n`)
      await sleep(20)
    }
  }
}
