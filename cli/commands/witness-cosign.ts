import { resolve } from 'node:path'
import { createLog } from '#kernel'
import { type LedgerReader, openSeat, parseVerifierKey, type Seat } from '#ledger'
import { type Arguments, CommandError, UsageError } from '../arguments.ts'
import type { Run } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { readInput } from '../files.ts'
import { isServerAddress, keysGiven, withReader } from '../ledger.ts'
import { readableLog } from '../log-lines.ts'
import { type Output, printable } from '../output.ts'

const stopSignals = ['SIGINT', 'SIGTERM'] as const

export const run: Run = async (args, output) => {
  const serve = args.value('serve')
  const checkpoint = args.value('checkpoint')
  if ((serve === undefined) === (checkpoint === undefined)) throw new UsageError('either --serve or --checkpoint is needed')
  const given = args.required('vkey')
  const readLogs = async () => (await keysGiven(given)).map((key) => parseVerifierKey(key))
  let logs = await readLogs()
  const log = createLog({ name: 'seat', level: 'info', destination: output.json ? process.stdout : readableLog(output) })
  const seat = await openSeat({
    name: args.required('name'),
    keyPath: resolve(args.required('key')),
    statePath: resolve(args.required('state')),
    create: args.has('create'),
    logs: () => logs,
    log
  })
  try {
    if (checkpoint !== undefined) return await byHand(seat, checkpoint, args, output)
    const reload = () => {
      readLogs().then(
        (now) => {
          logs = now
          log.info({ logs: now.length }, 'keys of the logs read again')
        },
        (error: unknown) => log.error({ error: String(error) }, 'keys of the logs not read again')
      )
    }
    process.on('SIGHUP', reload)
    try {
      return await serveUntilStopped(seat, serve!, output)
    } finally {
      process.off('SIGHUP', reload)
    }
  } finally {
    seat.close()
  }
}

async function serveUntilStopped(seat: Seat, serve: string, output: Output): Promise<number> {
  const match = /^\[?([0-9a-fA-F.:]+?)\]?:(\d{1,5})$/.exec(serve)
  if (match === null || Number(match[2]) > 65_535) throw new UsageError('--serve: expected ADDR:PORT')
  const stop = Promise.withResolvers<void>()
  const onStop = () => stop.resolve()
  for (const signal of stopSignals) process.on(signal, onStop)
  output.whenGone(onStop)
  try {
    const server = await seat.serve(match[1]!, Number(match[2]))
    const { vkey } = seat
    if (output.json) await output.document({ type: 'ready', url: server.url, vkey })
    else {
      output.talk(output.paint('bold', 'ready'))
      await output.line(`witness ${printable(vkey.split('+')[0]!)} ${printable(vkey)} ${server.url}`)
      output.talk('the line above belongs into the policy of the log; SIGHUP reads --vkey again, Ctrl-C ends it')
    }
    await stop.promise
    await server.close()
  } finally {
    for (const signal of stopSignals) process.off(signal, onStop)
  }
  return exitCodes.ok
}

async function byHand(seat: Seat, path: string, args: Arguments, output: Output): Promise<number> {
  const checkpoint = (await readInput(path)).toString('utf8')
  const folder = args.value('ledger')
  const cosign = (reader: LedgerReader | null) => seat.cosign(checkpoint, reader?.log ?? null)
  const { status, body } =
    folder === undefined ? await cosign(null) : await withReader(isServerAddress(folder) ? folder : resolve(folder), cosign)
  if (status !== 200) throw new CommandError('cli.cosign.refused', `not signed: ${refusal(status, body)}`)
  if (output.json) await output.document({ vkey: seat.vkey, cosignature: body })
  else await output.line(body.replace(/\n$/, ''))
  return exitCodes.ok
}

function refusal(status: number, body: string): string {
  const said = printable(body.trim())
  return status === 409 ? `another history: this seat has signed a head of ${said} entries that does not lead to this one` : said
}
