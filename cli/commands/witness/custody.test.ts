import { readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { newTraceId, silentLog, systemClock } from '#kernel'
import { createWitness, openFrameStore, openLedger } from '#ledger'
import { ifctl, withFolder } from '../../testing/run.ts'

/** Everything in a folder that others may read, write or look into, as `mode path`. */
function openToOthers(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  return ['.', ...names].flatMap((name) => {
    const mode = statSync(join(folder, name)).mode & 0o777
    return (mode & 0o077) === 0 ? [] : [`${mode.toString(8)} ${name}`]
  })
}

for (const umask of [0o022, 0o000])
  test.serial(`ledger, index, frames, spool, tokens, state: their owner’s alone with umask ${umask.toString(8)}`, async (t) => {
    const before = process.umask(umask)
    t.teardown(() => process.umask(before))
    await withFolder(async (parent) => {
      const data = join(parent, 'deep', 'data')
      for (const words of [
        ['witness', 'log', '--create', '--event', 'a', '--component', 'b', '--erasable', '{"name":"x"}'],
        ['witness', 'query', '--event', 'a'],
        ['witness', 'token', 'add', 'somebody', '--role', 'auditor'],
        ['coordinator', 'tasks', 'list'],
        ['witness', 'rotate-key']
      ]) {
        const { code, stderr } = await ifctl([...words, '--data', data])
        t.is(code, 0, `${words.join(' ')}: ${stderr}`)
      }
      const dir = join(data, 'ledger')
      const ledger = await openLedger({ dir, origin: 'infrafabric.local/witness', log: silentLog })
      const unreachable = { append: () => Promise.reject(new Error('out of reach')) }
      const witness = await createWitness({
        ledger: unreachable,
        spoolDir: join(data, 'spool'),
        clock: systemClock,
        log: silentLog
      })
      const told = { event: 'c', component: 'b', traceId: newTraceId(), payload: {} }
      t.is((await witness.record(told)).state, 'spooled')
      const frames = openFrameStore(join(dir, 'frames.db'))
      frames.save('0'.repeat(64), Buffer.alloc(32), 0)
      const names = readdirSync(data, { recursive: true, encoding: 'utf8' })
      for (const file of [
        'ledger/ledger.db',
        'ledger/index.db',
        'ledger/tokens.json',
        'ledger/frames.db-wal',
        'state.db',
        'ledger/checkpoints.log'
      ])
        t.true(names.includes(file), file)
      t.true(names.some((name) => /^spool\/.*\.spool$/.test(name)))
      t.true(names.some((name) => /^ledger\/keys\/.*\.pem$/.test(name)))
      // public halves of keys are there to be given away
      t.deepEqual(
        openToOthers(data).filter((line) => !/^644 ledger\/(?:vkey|keys\/[0-9a-f]{8}\.vkey)$/.test(line)),
        []
      )
      frames.close()
      await witness.close()
      await ledger.close()
    })
  })

test.serial('a data folder that cannot be is refused at once, by every command that would make one', async (t) => {
  await withFolder(async (folder) => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    symlinkSync(join(folder, 'round'), join(folder, 'round'))
    const places = ['/proc/x', file, join(file, 'x'), join(folder, 'x'.repeat(300)), join(folder, 'round', 'x')]
    const commands = [
      ['witness', 'log', '--create', '--event', 'a', '--component', 'b'],
      ['coordinator', 'tasks', 'list'],
      ['up']
    ]
    for (const words of commands)
      for (const data of words[0] === 'up' ? places.slice(0, 2) : places) {
        const { code, stdout, stderr } = await ifctl([...words, '--data', data])
        t.is(code, 1, stderr)
        t.is(stdout, '')
        t.regex(stderr, /^ifctl: .*the folder \/.* cannot be made: .*\n$/)
      }
  })
})
