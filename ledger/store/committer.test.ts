import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { scratch } from '../testing/fixtures.ts'
import { openCommitThread } from './committer.ts'
import { contractSigner, numbered, wholeLog } from './contract.ts'
import { openSequencer } from './sequencer.ts'

test('a database that cannot be opened is told by the code of the store, and the thread ends', async (t) => {
  const path = join(scratch(t), 'ledger.db')
  writeFileSync(path, 'no database at all'.repeat(100))
  await t.throwsAsync(openCommitThread({ path, busyTimeoutMs: 0 }, 1), { code: 'ledger.store.damaged' })
})

test('so it is where the thread has ended before its answer is read', async (t) => {
  const path = join(scratch(t), 'ledger.db')
  writeFileSync(path, 'no database at all'.repeat(100))
  const opened = openCommitThread({ path, busyTimeoutMs: 0 }, 1)
  // this thread stands still until the other is over: its answer and its end are then told in one turn
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500)
  await t.throwsAsync(opened, { code: 'ledger.store.damaged' })
})

test('commits on their way when it is closed are made first', async (t) => {
  const path = join(scratch(t), 'ledger.db')
  const store = await openCommitThread({ path, busyTimeoutMs: 0 }, 1)
  const sequencer = await openSequencer(store, contractSigner)
  const appended = Array.from({ length: 5 }, (_, group) => sequencer.append(numbered('p', group * 10, 10)))
  await Promise.all(appended.slice(0, 4))
  await Promise.all([appended[4], store.close()])
  const again = await openCommitThread({ path, busyTimeoutMs: 0 }, 1)
  t.is((await wholeLog(t, again)).length, 50)
  await again.close()
})

test('small and large commits, made here and by the thread, stand in the order in which they were told', async (t) => {
  const path = join(scratch(t), 'ledger.db')
  const store = await openCommitThread({ path, busyTimeoutMs: 2000 }, 20)
  const sequencer = await openSequencer(store, contractSigner)
  const sizes = [1, 30, 2, 3, 25, 40, 1]
  const places = await Promise.all(sizes.map((size, group) => sequencer.append(numbered('p', group * 100, size))))
  t.deepEqual(
    places.flat().map(({ index }) => index),
    Array.from({ length: 102 }, (_, index) => index)
  )
  t.deepEqual(await sequencer.append(numbered('p', 100, 30)), places[1])
  await store.close()
  const again = await openCommitThread({ path, busyTimeoutMs: 0 }, 20)
  t.is((await wholeLog(t, again)).length, 102)
  await again.close()
})
