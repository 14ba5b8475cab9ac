/**
 * `node scripts/conformance.ts HOST:PORT --secret WORD`: does the SIP application work on this drachtio server? Makes real calls through it: the application
 * connects to the server's admin port, a phone calls its SIP port, and what came of each is printed.
 *
 * Calls go in and out. The phone is taken for the edge: run it where the server sees it under one of the trusted addresses.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createGuard } from '#guard'
import { errorCode, messageOf, silentLog, systemClock, type WitnessEvent } from '#kernel'
import { createMediaPlane } from '#media'
import { startSipApplication } from '#sip'
import { checks } from './testing/conformance-checks.ts'

const help = `Usage: node scripts/conformance.ts HOST:PORT [options]

HOST:PORT is the admin port of a drachtio server. Calls go to its SIP port over TCP, and come from it over UDP.

  --secret WORD    secret of its applications (cymru)
  --sip HOST:PORT  its SIP port (HOST:5060)
  --trust ADDRESS  address of this machine under which the server sees it: calls come from there and go there (127.0.0.1)
  --json           one JSON object a check
  --help           this text

Exit codes: 0 all passed, 1 some did not, 2 wrong arguments, 3 the server cannot be reached.
`

const endpointOf = (text: string): { host: string; port: number } | null => {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:\s]+)):(\d{1,5})$/i.exec(text)
  return match === null || Number(match[3]) > 65_535 ? null : { host: match[1] ?? match[2]!, port: Number(match[3]) }
}

/** Rejects when nobody listens there. */
async function reachable({ host, port }: { host: string; port: number }): Promise<void> {
  const socket = connect({ host, port })
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', () => resolve()).once('error', reject)
      socket.setTimeout(5000, () => reject(new Error('no connection within 5 s')))
    })
  } finally {
    socket.destroy()
  }
}

async function main(): Promise<number> {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { secret: text, sip: text, trust: text, json: flag, help: flag }
  })
  if (values.help) {
    process.stdout.write(help)
    return 0
  }
  const admin = endpointOf(positionals[0] ?? '')
  const sip = values.sip === undefined ? admin && { host: admin.host, port: 5060 } : endpointOf(values.sip)
  if (admin === null || sip === null || positionals.length !== 1) {
    process.stderr.write(`expected HOST:PORT\n\n${help}`)
    return 2
  }
  try {
    await reachable(admin)
    await reachable(sip)
  } catch (error) {
    process.stderr.write(`server out of reach: ${(error as Error).message}\n`)
    return 3
  }
  const folder = await mkdtemp(join(tmpdir(), 'conformance-'))
  const here = values.trust ?? '127.0.0.1'
  const entries: WitnessEvent[] = []
  const media = await createMediaPlane({ address: '127.0.0.1', portRange: [30_000, 30_199], log: silentLog })
  const guard = await createGuard({
    registryPath: new URL('../plugins/guard/experts.example.yaml', import.meta.url).pathname,
    limits: { callsPerMinute: 100 },
    clock: systemClock,
    log: silentLog
  })
  try {
    const application = await startSipApplication(
      {
        drachtio: { ...admin, secret: values.secret ?? 'cymru' },
        trustedEdges: [here],
        conferences: ['council']
      },
      {
        guard,
        witness: {
          record: async (event) => {
            entries.push(event)
            return { state: 'committed', index: entries.length - 1, hash: '0'.repeat(64) }
          }
        },
        conference: media,
        clock: systemClock,
        log: silentLog
      }
    )
    let failed = 0
    try {
      for (const [name, check] of Object.entries(checks)) {
        const beganMs = performance.now()
        const problem = await check({ sip, here, entries, application }).then(() => null, messageOf)
        const ms = Math.round(performance.now() - beganMs)
        if (problem !== null) failed++
        const line = values.json
          ? JSON.stringify({ check: name, passed: problem === null, ms, problem })
          : `${problem === null ? 'passed' : 'FAILED'}  ${name}${problem === null ? '' : `: ${problem}`} (${ms} ms)`
        process.stdout.write(`${line}\n`)
      }
    } finally {
      await application.close()
    }
    return failed === 0 ? 0 : 1
  } finally {
    await media.close()
    await guard.close()
    await rm(folder, { recursive: true, force: true })
  }
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = errorCode(error).startsWith('ERR_PARSE_ARGS') ? 2 : 3
}
