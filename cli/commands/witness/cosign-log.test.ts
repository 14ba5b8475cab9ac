/** A seat that nobody can ask cosigns the log over HTTP. */
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test from 'ava'
import { silentLog } from '#kernel'
import { appendItem, ledgerFiles, openLedger } from '#ledger'
import { ifctl, start, withFolder } from '../../testing/run.ts'

test('ifctl witness cosign --log: fetches the head, proves that it follows, signs and brings it back', async (t) => {
  await withFolder(async (data) => {
    const dir = join(data, 'ledger')
    const origin = 'test.example/witness'
    const append = async (count: number) => {
      const ledger = await openLedger({ dir, origin, log: silentLog })
      const event = { event: 'E', component: 'IF.a', traceId: 'trace-1', payload: {} }
      await ledger.append(
        Array.from({ length: count }, (_, at) => appendItem(event, at, `${Math.random()}`)),
        1
      )
      await ledger.close()
      return ledger.vkey
    }
    const vkey = await append(300)
    const files = ['--key', join(data, 'seat.pem'), '--state', join(data, 'seat.db')]
    const seat = ['witness', 'cosign', ...files, '--name', 'seat.example/1', '--vkey', vkey]
    const server = start(['witness', 'serve', '--ledger', dir, '--listen', '127.0.0.1:0', '--json'])
    t.teardown(() => server.kill('SIGKILL'))
    const { value } = await createInterface({ input: server.stdout })[Symbol.asyncIterator]().next()
    const { url } = JSON.parse(value ?? '')
    const out = join(data, 'cosigned')
    const first = await ifctl([...seat, '--create', '--log', url, '--out', out, '--json'])
    t.is(first.code, 0, first.stderr)
    t.like(JSON.parse(first.stdout), { size: 300, brought: 'not asked for' })
    t.true((await readFile(out, 'utf8')).endsWith(JSON.parse(first.stdout).cosignature))
    server.kill('SIGTERM')

    const seatKey = (await readFile(out, 'utf8')).includes('seat.example/1')
    t.true(seatKey)
    const policyLine = await policyOf(files)
    await writeFile(ledgerFiles(dir).policy, `witness s ${policyLine}\nquorum s\n`)
    await append(300)
    const again = start(['witness', 'serve', '--ledger', dir, '--listen', '127.0.0.1:0', '--json'])
    t.teardown(() => again.kill('SIGKILL'))
    const ready = await createInterface({ input: again.stdout })[Symbol.asyncIterator]().next()
    const seatProcess = start([...seat, '--log', JSON.parse(ready.value ?? '').url, '--every', '1', '--json'])
    t.teardown(() => seatProcess.kill('SIGKILL'))
    const told = await createInterface({ input: seatProcess.stdout })[Symbol.asyncIterator]().next()
    t.like(JSON.parse(told.value ?? ''), { size: 600, brought: 'taken' })
    seatProcess.kill('SIGTERM')
    t.deepEqual(await once(seatProcess, 'close'), [0, null])
    const stranger = await ifctl([
      ...seat.slice(0, -1),
      vkey.replace('test', 'other'),
      '--log',
      JSON.parse(ready.value ?? '').url
    ])
    t.not(stranger.code, 0)
    t.is((await ifctl([...seat, '--log', 'http://127.0.0.1:1'])).code, 1)
    t.is((await ifctl([...seat, '--log', url, '--serve', '127.0.0.1:0'])).code, 2)
    again.kill('SIGTERM')
  })
})

/** The seat's public key, as it prints it when it serves. */
async function policyOf(files: readonly string[]): Promise<string> {
  const { openSeat } = await import('#ledger')
  const settings = { keyPath: files[1]!, statePath: files[3]!, create: false, logs: () => [], log: silentLog }
  const seat = await openSeat({ ...settings, name: 'seat.example/1' })
  seat.close()
  return seat.vkey
}
