import { spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { ledgerFiles, openCheckpoint, parseVerifierKey } from '#ledger'
import { cosignedAt } from '../log/cosignature.ts'
import { parseCheckpoint } from '../log/note.ts'
import { items, openTestLedger, scratch } from '../testing/fixtures.ts'
import { openTestSeat, policyOf, watch } from '../testing/seats.ts'
import { ifctl } from './command.ts'

const until = async (condition: () => boolean) => {
  const deadline = performance.now() + 10_000
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('not within 10 s')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

const verify = (...words: string[]) => {
  const { status, stdout } = spawnSync(process.execPath, ifctl('witness', 'verify', '--json', ...words), { encoding: 'utf8' })
  return { status, ...(JSON.parse(stdout) as { verdict: string; entries: number; index: number | null }) }
}

test('a log set back by a power loss, heads and all, verifies by itself; the checkpoint that a seat cosigned shows it, and the seat signs no other', async (t) => {
  t.timeout(60_000)
  const seat = await openTestSeat(t, 'guardian')
  const dir = join(scratch(t), 'ledger')
  const early = join(scratch(t), 'early')
  mkdirSync(dir)
  const files = ledgerFiles(dir)
  writeFileSync(files.policy, policyOf([seat], 1))

  const first = await openTestLedger(t, dir)
  watch([seat], first.vkey)
  await first.append(items(0, 20), 0)
  await first.close()
  cpSync(dir, early, { recursive: true })

  const second = await openTestLedger(t, dir)
  await second.append(items(20, 20), 0)
  await second.close()
  // what the seat has: the head under which its signature stands
  const head = JSON.parse(readFileSync(files.published, 'utf8').trim().split('\n').at(-1)!) as string
  t.is(openCheckpoint(head, parseVerifierKey(second.vkey)).checkpoint.size, 40)
  t.not(cosignedAt(parseCheckpoint(head), seat.cosigner), null)
  const held = join(scratch(t), 'seat-checkpoint')
  writeFileSync(held, head)
  const words = ['--ledger', dir, '--vkey', second.vkey]
  t.like(verify(...words, '--checkpoint', held), { status: 0, verdict: 'valid', entries: 40 })

  // the power goes, and the disk comes back as it was
  rmSync(dir, { recursive: true })
  mkdirSync(dir)
  for (const name of readdirSync(early)) copyFileSync(join(early, name), join(dir, name))
  t.like(verify(...words, '--all'), { status: 0, verdict: 'valid', entries: 20 })
  t.like(verify(...words, '--policy', files.policy), { status: 0, verdict: 'valid', entries: 20 })
  t.like(verify(...words, '--checkpoint', held), { status: 10, verdict: 'truncated', entries: 20, index: 20 })

  // it goes on: by itself still valid, but nobody signs for it
  const third = await openTestLedger(t, dir)
  await third.append(items(100, 10), 0)
  await until(() => third.witnessing().state === 'unwitnessed')
  t.deepEqual(third.witnessing().missing, { guardian: 'ahead' })
  await third.append(items(110, 30), 0)
  await third.close()
  t.like(verify(...words), { status: 0, verdict: 'valid' })
  t.like(verify(...words, '--policy', files.policy), { status: 13, verdict: 'unwitnessed', index: 20 })
  t.like(verify(...words, '--checkpoint', held), { status: 12, verdict: 'forked', index: 39 })
})
