/** Recordings against a ledger that tells less, or something else. The whole way from a call is tested in deploy/media/recording.test.ts. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { formatVerifierKey, generateSigningKey, readSigner } from '#ledger'
import { recordingId as id, prepareRecording as prepare, startedAt } from '../../testing/recorded.ts'
import { ifctl, withFolder } from '../../testing/run.ts'

async function verify(t: ExecutionContext, data: string, code: number): Promise<{ verdict: string; problems: string[] }> {
  const { stdout, stderr, code: ended } = await ifctl(['recording', 'verify', id, '--data', data, '--json'])
  t.is(ended, code, stdout + stderr)
  const { verdict, faults } = JSON.parse(stdout)
  return { verdict, problems: faults.map(({ problem }: { problem: string }) => problem) }
}

test('a batch that the ledger does not know, and one that is not here', (t) =>
  withFolder(async (data) => {
    const { folder } = await prepare(data, (batch, event) => (batch === 0 ? event : null))
    t.deepEqual(await verify(t, data, 13), { verdict: 'unwitnessed', problems: ['batch 1 is in no entry of the ledger'] })
    const index = join(folder, 'seconds.jsonl')
    const lines = (await readFile(index, 'utf8')).split('\n')
    const [first] = lines.filter((line) => line.startsWith('{"batch":0'))
    await writeFile(index, lines.filter((line) => line !== first).join('\n'))
    const { verdict, problems } = await verify(t, data, 13)
    t.is(verdict, 'unwitnessed')
    t.true(problems.includes('entry 0 tells of batch 0, which is not here'))
  }))

test('a list of seconds that was changed with its sound, and a description that was changed', (t) =>
  withFolder(async (data) => {
    const { folder } = await prepare(data, (_batch, event) => event)
    t.deepEqual(await verify(t, data, 0), { verdict: 'valid', problems: [] })
    const manifest = join(folder, 'recording.json')
    const said = await readFile(manifest, 'utf8')
    await writeFile(manifest, said.replace(String(startedAt), String(startedAt + 1)))
    t.deepEqual((await verify(t, data, 11)).problems, [
      'recording.json says something else than entry 0',
      'recording.json says something else than entry 1'
    ])
    await writeFile(manifest, said)
    const index = join(folder, 'seconds.jsonl')
    const text = await readFile(index, 'utf8')
    const [sha256] = /[0-9a-f]{64}/.exec(text)!
    await writeFile(index, text.replace(sha256, '0'.repeat(64)))
    t.deepEqual((await verify(t, data, 11)).problems, [
      'mix, second 0: not what was recorded',
      'the list of batch 0 is not that of entry 0'
    ])
    await writeFile(index, 'nonsense\n')
    const { code, stderr } = await ifctl(['recording', 'verify', id, '--data', data])
    t.is(code, 1)
    t.regex(stderr, /line 1 of the seconds is none/)
  }))

test('an excerpt made after a change of key is good by the keys beside the ledger, or by all of them in one file', (t) =>
  withFolder(async (data) => {
    const { vkey } = await prepare(data, (_batch, event) => event)
    const { stdout } = await ifctl(['witness', 'rotate-key', '--data', data])
    // the head of the change itself is signed by both keys
    await ifctl(['witness', 'log', '--data', data, '--event', 'note', '--component', 'IF.test'])
    const out = join(data, 'excerpt')
    t.is((await ifctl(['recording', 'excerpt', id, '--data', data, '--from', '1', '--to', '2', '--out', out])).code, 0)
    const check = (...more: string[]) => ifctl(['recording', 'verify', out, '--data', data, ...more])
    t.is((await check()).code, 0)
    t.is((await check('--vkey', vkey)).code, 13)
    const both = join(data, 'log.vkey')
    await writeFile(both, `${vkey}\n${stdout}`)
    t.is((await check('--vkey', both)).code, 0)
  }))

test('an excerpt, checked with another key, with an entry about something else, and with none', (t) =>
  withFolder(async (data) => {
    const { vkey } = await prepare(data, (_batch, event) => event)
    const out = join(data, 'excerpt')
    const excerpt = (...more: string[]) =>
      ifctl(['recording', 'excerpt', id, '--data', data, '--from', '1', '--to', '2', '--out', out, ...more])
    t.is((await excerpt()).code, 0)
    t.regex((await excerpt()).stderr, /is there already/)
    const check = async (...more: string[]) => {
      const { code, stdout, stderr } = await ifctl(['recording', 'verify', out, '--data', data, ...more])
      return { code, said: stdout + stderr }
    }
    t.like(await check('--vkey', vkey), { code: 0 })
    const beside = await check()
    t.is(beside.code, 0)
    t.regex(beside.said, /public key taken from/)
    const list = join(out, 'excerpt.json')
    const said = await readFile(list, 'utf8')
    await writeFile(list, said.replace(/"sha256": "[0-9a-f]{64}"/, `"sha256": "${'0'.repeat(64)}"`))
    const changed = await check()
    t.is(changed.code, 11)
    t.regex(changed.said, /second 1: not what was recorded/)
    await writeFile(list, said)
    const other = formatVerifierKey(readSigner('council.example/witness', generateSigningKey()))
    const strange = await check('--vkey', other)
    t.is(strange.code, 13)
    t.regex(strange.said, /no trusted key, or no quorum, stands under the head/)
    await writeFile(join(out, 'entry-1.tlog-proof'), await readFile(join(out, 'entry-0.tlog-proof')))
    const swapped = await check('--vkey', vkey)
    t.is(swapped.code, 11)
    t.regex(swapped.said, /entry 0 is not about batch 1/)
    await writeFile(join(out, 'entry-1.tlog-proof'), 'nonsense')
    t.is((await check('--vkey', vkey)).code, 1)
  }))

test('a bundle of the ledger proves an excerpt as the ledger does', (t) =>
  withFolder(async (data) => {
    const { vkey } = await prepare(data, (_batch, event) => event)
    const done = async (...args: string[]) => {
      const { code, stdout, stderr } = await ifctl(args)
      t.is(code, 0, stdout + stderr)
      return stdout
    }
    const [bundle, taken, out] = [join(data, 'evidence.zip'), join(data, 'taken'), join(data, 'excerpt')]
    await done(
      'witness',
      'export',
      '--data',
      data,
      '--format',
      'bundle',
      '--event',
      'recording_batch',
      '--unwitnessed',
      '--out',
      bundle
    )
    await done('witness', 'import', bundle, '--vkey', vkey, '--into', taken)
    await done('recording', 'excerpt', id, '--data', data, '--ledger', taken, '--from', '0', '--to', '3', '--out', out)
    t.regex(await done('recording', 'verify', out, '--ledger', taken, '--vkey', vkey), /^valid/)
    t.regex(await done('recording', 'verify', id, '--data', data, '--ledger', taken), /^valid/)
  }))

test('what cannot be done is said', (t) =>
  withFolder(async (data) => {
    const { folder } = await prepare(data, (_batch, event) => event)
    const says = async (args: readonly string[], code: number, said: RegExp) => {
      const { code: ended, stderr } = await ifctl(['recording', ...args, '--data', data])
      t.is(ended, code, `${args.join(' ')}: ${stderr}`)
      t.regex(stderr, said)
    }
    await says(['verify', 'no-such'], 1, /there is no recording no-such/)
    await says(['excerpt', id, '--from', '5', '--to', '4', '--out', join(data, 'x')], 2, /--to lies before --from/)
    await says(['excerpt', id, '--from', '50', '--out', join(data, 'x')], 1, /nothing of second 50/)
    await says(['excerpt', '../../../..', '--out', join(data, 'x')], 1, /there is no recording/)
    await says(['export', id, '--format', 'mp3', '--out', 'x'], 2, /expected one of wav, vcon/)
    await says(['export', id, '--format', 'vcon', '--url', 'http://x', '--out', join(data, 'x')], 1, /https/)
    await says(['start', 'council'], 1, /no suite|is running/)
    await writeFile(join(folder, 'recording.json'), '{}')
    await says(['verify', id], 1, /expected format/)
    const { stdout } = await ifctl(['recording', 'list', '--recordings', join(data, 'elsewhere')])
    t.is(stdout, '')
  }))
