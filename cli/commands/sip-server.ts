import { createLog, type Log } from '#kernel'
import { createSipServer, type LoadedServer, loadSipServer, type SettingsOverrides, type SipServer } from '#sip-engine'
import type { Run } from '../command.ts'
import type { Arguments } from '../line/arguments.ts'
import { UsageError } from '../line/arguments.ts'
import { exitCodes } from '../line/exit-codes.ts'
import { readableLog } from '../show/log-lines.ts'
import { type Output, printable } from '../show/output.ts'
import { table } from '../show/table.ts'
import { untilStopped } from '../subjects/until-stopped.ts'

export const run: Run = async (args, output) => {
  const file = args.value('config') ?? null
  if (file === null && args.value('listen') === undefined) throw new UsageError('--config or --listen is needed')
  const overrides: SettingsOverrides = {
    listen: args.value('listen'),
    admin: args.value('admin'),
    secretFile: args.value('secret-file')
  }
  const loaded = await loadSipServer(file, overrides)
  if (args.has('check')) return checked(loaded, args, output)

  const log = createLog({
    name: 'sip-server',
    level: loaded.settings.logLevel,
    destination: output.json ? output.stdout() : readableLog(output)
  })
  let server: SipServer | undefined
  const onReload = (): void => {
    if (server !== undefined) void reload(server, loaded, () => loadSipServer(file, overrides), log)
  }
  const until = untilStopped(output, ['SIGINT', 'SIGTERM'])
  process.on('SIGHUP', onReload)
  // Timers of the server keep no process alive, and its sockets may be none but those of callers.
  const alive = setInterval(() => undefined, 2 ** 30)
  try {
    server = await createSipServer({ ...loaded.config, log })
    await ready(server, output)
    await until.stopped
    output.talk('stopping: calls are not ended, their peers see silence')
  } finally {
    clearInterval(alive)
    until.off()
    process.off('SIGHUP', onReload)
    await server?.close()
  }
  return exitCodes.ok
}

async function checked(loaded: LoadedServer, args: Arguments, output: Output): Promise<number> {
  if (output.json) await output.document({ valid: true, problems: [] })
  else await output.line(`${printable(args.value('config') ?? 'command line')}: good, ${loaded.settings.listen.length} listeners`)
  return exitCodes.ok
}

/** Takes over what can change at run time. A file or key that cannot be used changes nothing. */
async function reload(server: SipServer, running: LoadedServer, load: () => Promise<LoadedServer>, log: Log): Promise<void> {
  try {
    const later = await load()
    server.reloadTls()
    log.level = later.settings.logLevel
    const needRestart = running.needRestart(later)
    if (needRestart.length > 0) log.warn({ settings: needRestart }, 'changed, but needs a restart')
  } catch (error) {
    const problems = error instanceof Error && 'problems' in error ? { problems: error.problems } : {}
    log.error({ error: (error as Error).message, ...problems }, 'not reloaded')
  }
}

async function ready(server: SipServer, output: Output): Promise<void> {
  const { addresses, adminPort, metricsPort } = server
  if (output.json) return output.document({ type: 'ready', addresses, adminPort, metricsPort })
  const rows = [
    ...addresses.map(({ transport, address, port }) => [
      `SIP over ${transport.toUpperCase()}`,
      `${address.includes(':') ? `[${address}]` : address}:${port}`
    ]),
    ['applications', `port ${adminPort}`],
    ...(metricsPort === 0 ? [] : [['metrics', `port ${metricsPort}, /metrics`]])
  ]
  output.talk(output.paint('bold', 'ready'))
  for (const line of table(
    rows.map(([name, value]) => [`  ${output.paint('dim', name!)}`, printable(value!)]),
    output.columns()
  ))
    output.talk(line)
  output.talk('SIGHUP reads the settings again, Ctrl-C ends it')
}
