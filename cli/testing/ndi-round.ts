/** Sends, records and verifies an attested stream by command, in a network namespace that the test made; tells what came of it as JSON. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '#kernel'
import { openLedger } from '#ledger'

const folder = mkdtempSync(join(tmpdir(), 'ndi-round-'))
const shim = join(import.meta.dirname, '../ifctl.cjs')
const source = `Council ${process.pid}`
const ifctl = (...words: string[]) =>
  new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile('sh', [shim, ...words], { cwd: folder, timeout: 30_000 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
    )
  })

try {
  const ledger = await openLedger({ dir: join(folder, 'var/ledger'), origin: 'council.example/witness', log: silentLog })
  await ledger.close()
  const sent = ifctl('ndi', 'send', source, '--attest', '--height', '480', '--seconds', '5', '--json')
  const find = () => ifctl('ndi', 'find', '--address', '127.0.0.1', '--seconds', '1', '--json')
  let found = await find()
  for (let tries = 0; tries < 20 && !found.stdout.includes(source); tries++) found = await find()
  const [received, recorded] = await Promise.all([
    ifctl('ndi', 'receive', source, '--address', '127.0.0.1', '--seconds', '2', '--json'),
    ifctl('ndi', 'record', source, '--address', '127.0.0.1', '--seconds', '7', '--out', 'stream.ndi', '--json')
  ])
  const { code: sendCode } = await sent
  const path = join(folder, 'stream.ndi')
  const verified = await ifctl('ndi', 'verify', 'stream.ndi', '--json')
  const octets = readFileSync(path)
  octets[500_000]! ^= 1
  writeFileSync(path, octets)
  const altered = await ifctl('ndi', 'verify', 'stream.ndi', '--json')
  const events = await ifctl('witness', 'query', '--component', 'IF.witness.ndi-publisher', '--json')
  console.log(JSON.stringify({ sendCode, found, received, recorded, verified, altered, events: events.stdout }))
} finally {
  rmSync(folder, { recursive: true })
}
