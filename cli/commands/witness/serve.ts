import { existsSync, readFileSync } from 'node:fs'
import { createLog } from '#kernel'
import { ledgerFiles, openLedger, openReader, serveLedger } from '#ledger'
import type { Run } from '../../command.ts'
import { type Arguments, UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { readableLog } from '../../show/log-lines.ts'
import { printable } from '../../show/output.ts'
import { readRates } from '../../subjects/costs.ts'
import { existingLedger, ledgerFolder } from '../../subjects/ledger.ts'

const stopSignals = ['SIGINT', 'SIGTERM'] as const

export const run: Run = async (args, output) => {
  const dir = ledgerFolder(args)
  await existingLedger(dir)
  const tls = tlsOf(args)
  const { address, port } = listenOf(args.value('listen') ?? '127.0.0.1:8620')
  const log = createLog({ name: 'witness', level: 'info', destination: output.json ? output.stdout() : readableLog(output) })
  const stop = Promise.withResolvers<void>()
  const onStop = () => stop.resolve()
  for (const signal of stopSignals) process.on(signal, onStop)
  output.whenGone(onStop)
  const origin = readFileSync(ledgerFiles(dir).vkey, 'utf8').split('+')[0]!
  const writing = args.has('read-only') ? null : await openLedger({ dir, origin, log })
  const ledger = writing ?? (await readOnly(dir))
  try {
    const { reader, append } = ledger
    const service = await serveLedger({
      dir,
      reader,
      append,
      address,
      port,
      log,
      rates: await readRates(args),
      ...(writing === null ? {} : { witnesses: writing }),
      ...(tls === null ? {} : { tls })
    })
    try {
      if (output.json) await output.document({ type: 'ready', url: service.url, port: service.port })
      else output.talk(`ready at ${service.url}; Ctrl-C ends it`)
      if (!existsSync(ledgerFiles(dir).tokens)) output.talk('there is no token yet: ifctl witness token add')
      await stop.promise
    } finally {
      await service.close()
    }
  } finally {
    for (const signal of stopSignals) process.off(signal, onStop)
    await ledger.close()
  }
  return exitCodes.ok
}

async function readOnly(dir: string) {
  const reader = await openReader(dir)
  return { reader, append: null, close: reader.close }
}

function tlsOf(args: Arguments): { readonly certificatePath: string; readonly keyPath: string } | null {
  const [certificatePath, keyPath] = [args.value('cert'), args.value('key')]
  if (certificatePath === undefined && keyPath === undefined) return null
  if (certificatePath === undefined || keyPath === undefined) throw new UsageError('--cert and --key go together')
  return { certificatePath, keyPath }
}

function listenOf(text: string): { readonly address: string; readonly port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+|localhost)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > 65_535) throw new UsageError(`--listen: expected ADDR:PORT, got ${printable(text)}`)
  return { address: match[1] ?? match[2]!, port }
}
