import { loadSuiteConfig, type Suite, type SuiteSettings, settingsFromEnvironment, startSuite } from '#suite'
import type { Run } from '../command.ts'
import { exitCodes } from '../line/exit-codes.ts'
import { type Output, printable } from '../show/output.ts'
import { table } from '../show/table.ts'
import { dialIn } from '../subjects/dial-in.ts'
import { showEvent } from '../subjects/suite-events.ts'
import { untilStopped } from '../subjects/until-stopped.ts'

export const run: Run = async (args, output) => {
  const until = untilStopped(output, ['SIGINT', 'SIGTERM', 'SIGHUP'], () =>
    output.talk('stopping: calls are ended and recorded; once more to stop at once')
  )
  try {
    const data = args.value('data')
    const overrides: SuiteSettings = data === undefined ? {} : { data }
    const config = await loadSuiteConfig(args.value('config') ?? null, settingsFromEnvironment(), overrides)
    const begun = performance.now()
    const suite = await startSuite(config, { onEvent: (event) => showEvent(event, output) })
    try {
      await ready(suite, performance.now() - begun, output)
      await until.stopped
    } finally {
      await suite.stop()
    }
  } finally {
    until.off()
  }
  return exitCodes.ok
}

async function ready(suite: Suite, startMs: number, output: Output): Promise<void> {
  const { addresses, data, vkey } = suite
  const status = suite.status()
  if (output.json) return output.document({ type: 'ready', startMs: Math.round(startMs), addresses, data, vkey, status })
  const where = (name: string, at: { address: string; port: number } | null): string[][] =>
    at === null ? [] : [[name, `${at.address.includes(':') ? `[${at.address}]` : at.address}:${at.port}`]]
  const facts = [
    ...where('SIP over TLS', addresses.tls),
    ...where('SIP over UDP', addresses.udp),
    ...where('SIP over TCP', addresses.tcp),
    ...(addresses.ipv6 === null ? [] : [['the same with IPv6', `[${addresses.ipv6}]`]]),
    ...(addresses.tls === null ? where('for the edge', addresses.app) : []),
    ['data', data.folder],
    ['registry', `${data.registry}, ${status.registry.parties} parties`],
    ['ledger', `${status.ledger.size} entries, key ${vkey}`],
    ...where('H.323 gatekeeper', addresses.ras),
    ...(addresses.ledger === null ? [] : [['ledger service', addresses.ledger]]),
    ...(addresses.council === null ? [] : [['council page', addresses.council]]),
    ...(status.certificateDaysLeft === null ? [] : [['certificate', `good for ${status.certificateDaysLeft} days`]]),
    ...dialIn(suite)
  ]
  await output.line(output.paint('bold', `ready after ${(startMs / 1_000).toFixed(1)} s`))
  // keys, paths and commands are there to be copied: a terminal may break them, we cut nothing off
  for (const line of table(facts.map(([name, value]) => [`  ${output.paint('dim', name!)}`, printable(value!)])))
    await output.line(line)
  output.talk('Ctrl-C ends it')
}
