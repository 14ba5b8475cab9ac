/** Writes one number after another and tells each that was acknowledged, until it is killed. */
import { writeSync } from 'node:fs'
import { openStore } from '../open.ts'

const store = await openStore(JSON.parse(process.argv[2]!))
for (let value = 1; value <= 100_000; value++) {
  await store.commit({ expect: [], put: [{ key: 'written', value }], remove: [], tell: [] })
  writeSync(1, `${value}\n`)
}
