import { loadSuiteConfig, settingsFromEnvironment, startEdgeServer } from '#suite'
import type { Run } from '../command.ts'
import { exitCodes } from '../line/exit-codes.ts'
import { showEvent } from '../subjects/suite-events.ts'
import { untilStopped } from '../subjects/until-stopped.ts'

export const run: Run = async (args, output) => {
  const until = untilStopped(output, ['SIGINT', 'SIGTERM', 'SIGHUP'])
  try {
    const data = args.value('data')
    // the file is the one of the application servers, for which the edge is elsewhere
    const own = { edge: 'embedded', ...(data === undefined ? {} : { data }) } as const
    const config = await loadSuiteConfig(args.value('config') ?? null, settingsFromEnvironment(), own)
    const edge = await startEdgeServer(config, { onEvent: (event) => showEvent(event, output) })
    try {
      const { addresses, inside } = edge
      if (output.json)
        await output.document({ type: 'ready', addresses, inside, certificateDaysLeft: edge.certificateDaysLeft() })
      else
        await output.line(
          `ready: SIP over TLS ${addresses.tls.address}:${addresses.tls.port}, applications ${inside.address}:${inside.port}`
        )
      await until.stopped
    } finally {
      await edge.stop()
    }
  } finally {
    until.off()
  }
  return exitCodes.ok
}
