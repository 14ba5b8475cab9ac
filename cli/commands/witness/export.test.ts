import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { silentLog } from '#kernel'
import { draftEntry, openLedger } from '#ledger'
import { ifctl, withFolder } from '../../testing/run.ts'

/** A ledger of 20 entries in the data folder. @returns its key */
async function fill(data: string): Promise<string> {
  const ledger = await openLedger({ dir: join(data, 'ledger'), origin: 'test.example/witness', log: silentLog })
  const items = Array.from({ length: 20 }, (_, n) => ({
    draft: draftEntry(
      { event: 'INVITE', component: 'IF.proxy', traceId: `t${n % 2}`, payload: { n }, model: '=m', cost: '0.1' },
      Date.UTC(2026, 0, 1) + n
    ),
    key: `k${n}`
  }))
  await ledger.append(items, 1)
  await ledger.close()
  return ledger.vkey
}

test('export writes lines to stdout and files beside; bundles verify, are taken in and read; exit codes tell verdicts', async (t) => {
  await withFolder(async (data) => {
    const vkey = await fill(data)
    const witness = (...args: string[]) => ifctl(['witness', ...args, '--data', data])
    const json = await witness('export', '--format', 'json', '--trace', 't1', '--limit', '3')
    t.is(json.code, 0)
    t.deepEqual(
      json.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).index),
      [1, 3, 5]
    )
    t.regex(json.stderr, /3 entries found, under a head of 20 with root /)
    const csv = await witness('export', '--format', 'csv', '--out', '-')
    t.regex(csv.stdout, /^index,time,.*\r\n0,2026-01-01T00:00:00.000Z,INVITE,IF.proxy,t0,.*"'=m"/)
    t.is(csv.stdout.split('\r\n').length, 22)

    const [whole, part, pdf] = ['whole.zip', 'part.zip', 'a.pdf'].map((name) => join(data, name)) as [string, string, string]
    const summary = await witness('export', '--format', 'bundle', '--out', whole, '--json')
    t.like(JSON.parse(summary.stdout), { entries: 20, size: 20, whole: true, left_out: 0, file: whole })
    t.is((await witness('export', '--format', 'bundle', '--out', part, '--trace', 't0')).code, 0)
    t.is((await witness('export', '--format', 'pdf', '--out', pdf)).code, 0)
    t.regex((await readFile(pdf)).toString('latin1'), /^%PDF-1\.\d[\s\S]*%%EOF\n$/)
    const again = await witness('export', '--format', 'pdf', '--out', pdf)
    t.is(again.code, 1)
    t.regex(again.stderr, /ledger\.export\.exists/)
    t.is((await witness('export', '--format', 'pdf', '--out', pdf, '--force')).code, 0)
    t.is((await witness('export', '--format', 'bundle')).code, 2)
    t.is((await witness('export', '--format', 'xml')).code, 2)

    t.is((await ifctl(['witness', 'verify', whole, '--all', '--vkey', vkey])).code, 0)
    const claimed = await ifctl(['witness', 'verify', part])
    t.is(claimed.code, 0)
    t.regex(claimed.stderr, /the key is the one that lies in the bundle/)
    for (const [bundle, entries] of [
      [whole, 20],
      [part, 10]
    ] as const) {
      const into = `${bundle}.d`
      t.is((await ifctl(['witness', 'import', bundle, '--into', into, '--vkey', vkey])).code, 0)
      const read = (...args: string[]) => ifctl(['witness', ...args, '--ledger', into])
      t.is((await read('query', '--json')).stdout.trim().split('\n').length, entries)
      t.regex((await read('trace', 't0')).stdout, /10 entries/)
      t.regex((await read('cost')).stdout, new RegExp(`total +${entries} .*${entries / 10}\\.000000`))
      t.is((await read('verify', '--vkey', vkey)).code, 0)
      const proof = join(data, 'proof')
      t.is((await read('prove', '4', '--out', proof)).code, 0)
      t.is((await ifctl(['witness', 'prove', '--check', proof, '--vkey', vkey])).code, 0)
      t.regex((await read('log', '--event', 'E', '--component', 'C')).stderr, /ledger\.imported/)
    }
    const spoiled = await readFile(whole)
    await writeFile(whole, spoiled.subarray(0, spoiled.length - 100))
    t.is((await ifctl(['witness', 'verify', whole])).code, 10)
    t.is((await ifctl(['witness', 'import', whole, '--into', join(data, 'x')])).code, 10)
    const at = spoiled.indexOf('"n":7')
    spoiled[at + 4] = 0x38
    await writeFile(whole, spoiled)
    const altered = await ifctl(['witness', 'verify', whole, '--vkey', vkey])
    t.is(altered.code, 11)
    t.regex(altered.stdout, /altered: .*entry 8/)
    t.is((await ifctl(['witness', 'verify', join(data, 'absent.zip')])).code, 1)
  })
})
