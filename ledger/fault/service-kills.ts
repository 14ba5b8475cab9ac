/** kill -9 of the HTTP service under remote producers with spools: everything they were told stands in the log once. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { InfraFabricError, silentLog } from '#kernel'
import { ledgerFiles, openLedger, serviceTokens } from '#ledger'
import { ifctl } from './command.ts'
import { killsPerLog, origin, type RunOptions } from './kills.ts'
import { startProgram } from './loader.ts'
import { embedded, newTally, Oracle, type Tally } from './oracle.ts'
import { randomFrom } from './random.ts'
import type { RemoteLoadSettings } from './remote-load.ts'

const producers = ['p', 'q'] as const

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}

interface Service {
  readonly child: ChildProcess
  /** Resolves when it answers. @throws {InfraFabricError} `fault.service.ended` */
  readonly ready: Promise<void>
  readonly ended: Promise<void>
}

function serve(dir: string, port: number): Service {
  const words = ifctl('witness', 'serve', '--ledger', dir, '--listen', `127.0.0.1:${port}`, '--json')
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'pipe'] })
  const ready = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<void>()
  let complaints = ''
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.includes('"type":"ready"')) ready.resolve()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints = (complaints + text).slice(-1000)
  })
  child.once('close', () => {
    ready.reject(new InfraFabricError('fault.service.ended', `the service ended: ${complaints.trim()}`))
    ended.resolve()
  })
  // a service that is killed before it is ready is waited for by nobody
  ready.promise.catch(() => undefined)
  return { child, ready: ready.promise, ended: ended.promise }
}

/** Kills `ifctl witness serve` `runs` times, at random moments, while it starts too. */
export async function killService({ runs, seed, onRun, signal }: RunOptions): Promise<Tally> {
  const random = randomFrom(seed)
  const tally = newTally()
  for (let run = 0; run < runs; ) {
    const scratch = mkdtempSync(join(tmpdir(), 'ledger-service-'))
    const dir = join(scratch, 'ledger')
    const oracle = new Oracle(embedded(dir), producers, tally)
    const { vkey, close } = await openLedger({ dir, origin, log: silentLog })
    await close()
    const { addToken } = await serviceTokens()
    const port = await freePort()
    let service = serve(dir, port)
    const remote = producers.map((producer) => {
      const { token } = addToken(ledgerFiles(dir).tokens, producer, 'producer', Date.now())
      const settings: RemoteLoadSettings = { url: `http://127.0.0.1:${port}`, token, producer, spoolDir: join(scratch, producer) }
      return startProgram('remote-load.ts', settings)
    })
    const hear = (output: string) => {
      for (const failure of oracle.hear(output)) oracle.invalid(`a producer was not served: ${failure}`)
    }
    try {
      for (let kills = 0; kills < killsPerLog && run < runs; kills++) {
        signal?.throwIfAborted()
        const early = random() < 0.2
        if (!early) await service.ready
        await pause(random() * (early ? 400 : 300))
        oracle.observeHeads()
        service.child.kill('SIGKILL')
        await service.ended
        for (const { take } of remote) hear(take())
        await oracle.check(vkey)
        service = serve(dir, port)
        run++
        onRun?.(run)
      }
      await service.ready
      for (const { child } of remote) child.stdin!.end()
      for (const { ended } of remote) {
        const { output, complaints, code } = await ended
        hear(output)
        if (code !== 0) oracle.invalid(`a producer ended with ${code}: ${complaints}`)
      }
      service.child.kill('SIGKILL')
      await service.ended
      await oracle.check(vkey, true)
    } finally {
      service.child.kill('SIGKILL')
      for (const { child } of remote) child.kill('SIGKILL')
      await Promise.all([service.ended, ...remote.map(({ ended }) => ended)])
      rmSync(scratch, { recursive: true, force: true })
    }
  }
  return tally
}
