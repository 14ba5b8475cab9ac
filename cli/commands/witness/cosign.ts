import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createLog, messageOf } from '#kernel'
import {
  connectLog,
  type LedgerReader,
  type LogClient,
  openSeat,
  parseCheckpoint,
  parseVerifierKey,
  type Seat,
  tilesOf
} from '#ledger'
import type { Run } from '../../command.ts'
import { type Arguments, CommandError, systemCode, UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { readableLog } from '../../show/log-lines.ts'
import { type Output, printable } from '../../show/output.ts'
import { readInput } from '../../subjects/files.ts'
import { isServerAddress, keysGiven, withReader } from '../../subjects/ledger.ts'

const stopSignals = ['SIGINT', 'SIGTERM'] as const

export const run: Run = async (args, output) => {
  const serve = args.value('serve')
  const checkpoint = args.value('checkpoint')
  const logUrl = args.value('log')
  if ([serve, checkpoint, logUrl].filter((way) => way !== undefined).length !== 1)
    throw new UsageError('one of --serve, --checkpoint and --log is needed')
  const everyS = args.wholeNumber('every', 1, 86_400)
  if (everyS !== undefined && logUrl === undefined) throw new UsageError('--every goes with --log')
  const given = args.required('vkey')
  const readLogs = async () => (await keysGiven(given)).map((key) => parseVerifierKey(key))
  let logs = await readLogs()
  const log = createLog({ name: 'seat', level: 'info', destination: output.json ? output.stdout() : readableLog(output) })
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
    if (logUrl !== undefined && everyS === undefined) return await fromLog(seat, connectLog(logUrl), args, output)
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
      if (logUrl !== undefined) return await followLog(seat, connectLog(logUrl), everyS!, args, output)
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
  const cosign = (reader: LedgerReader | null) => seat.cosign(checkpoint, reader === null ? null : tilesOf(reader.log))
  const { status, body } =
    folder === undefined ? await cosign(null) : await withReader(isServerAddress(folder) ? folder : resolve(folder), cosign)
  if (status !== 200) throw notSigned(status, body)
  if (output.json) await output.document({ vkey: seat.vkey, cosignature: body })
  else await output.line(body.replace(/\n$/, ''))
  return exitCodes.ok
}

const notSigned = (status: number, body: string): CommandError =>
  new CommandError('cli.cosign.refused', `not signed: ${refusal(status, body)}`)

/**
 * Signs the head that waits at the log, or the one it has published, and brings the cosignature back.
 *
 * @throws {CommandError} `cli.cosign.refused`, `cli.not-found`; {InfraFabricError} as connectLog and Seat.cosign
 */
async function fromLog(seat: Seat, log: LogClient, args: Arguments, output: Output): Promise<number> {
  const head = await log.head()
  if (head === null) throw new CommandError('cli.not-found', 'the log has no head yet')
  const { size } = parseCheckpoint(head.note).checkpoint
  const { status, body } = await seat.cosign(head.note, log.tiles(size))
  if (status !== 200) throw notSigned(status, body)
  const cosigned = head.note + body
  const out = args.value('out')
  if (out !== undefined) replaceFile(resolve(out), cosigned)
  const brought = head.waiting ? ((await log.bring(cosigned)) ? 'taken' : 'late') : 'not asked for'
  if (output.json) await output.document({ size, brought, cosignature: body, note: cosigned })
  else {
    await output.line(body.replace(/\n$/, ''))
    output.talk(`a head of ${size} entries; the log's answer: ${brought}`)
  }
  return exitCodes.ok
}

/** Does so again and again. What fails is told and tried again; a head that does not follow from the last one signed is told each time. */
async function followLog(seat: Seat, log: LogClient, everyS: number, args: Arguments, output: Output): Promise<number> {
  const stop = new AbortController()
  const onStop = () => stop.abort()
  for (const signal of stopSignals) process.on(signal, onStop)
  output.whenGone(onStop)
  let last = ''
  try {
    while (!stop.signal.aborted) {
      try {
        const note = (await log.head())?.note ?? ''
        if (note !== '' && note !== last) {
          await fromLog(seat, log, args, output)
          last = note
        }
      } catch (error) {
        output.talk(printable(messageOf(error)))
      }
      await pause(everyS * 1000, undefined, { signal: stop.signal }).catch(() => undefined)
    }
  } finally {
    for (const signal of stopSignals) process.off(signal, onStop)
  }
  return exitCodes.ok
}

/** A file that is whole and on disk under its name, or as it was before. */
function replaceFile(path: string, text: string): void {
  const made = `${path}.${process.pid}`
  try {
    writeFileSync(made, text, { flush: true })
    renameSync(made, path)
  } catch (cause) {
    rmSync(made, { force: true })
    throw new CommandError('cli.file.unwritable', `${path} cannot be written (${systemCode(cause)})`, { cause })
  }
}

function refusal(status: number, body: string): string {
  const said = printable(body.trim())
  return status === 409 ? `another history: this seat has signed a head of ${said} entries that does not lead to this one` : said
}
