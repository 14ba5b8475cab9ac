import type { Circuit } from '#governor'
import type { Run } from '../../command.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { type Output, printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { withPlugins } from '../../subjects/plugins.ts'

async function show(
  circuits: readonly { readonly component: string; readonly circuit: Circuit }[],
  output: Output
): Promise<void> {
  if (output.json) {
    for (const { component, circuit } of circuits) await output.document({ component, ...circuit })
    return
  }
  const rows = circuits.map(({ component, circuit: { state, failures, threshold, coolMs, openedAt } }) => [
    component,
    output.paint(state === 'closed' ? 'green' : 'red', state),
    `${failures} of ${threshold}`,
    `${coolMs / 1000} s`,
    openedAt === null ? '-' : new Date(openedAt).toISOString()
  ])
  for (const line of table([['component', 'state', 'failures in a row', 'stays open', 'opened'], ...rows], output.columns()))
    await output.line(printable(line))
}

export const status: Run = (args, output) =>
  withPlugins(args, output, async ({ governor }) => {
    const component = args.value('component')
    const circuits =
      component === undefined ? await governor.circuits() : [{ component, circuit: await governor.circuit(component) }]
    if (circuits.length === 0 && !output.json) output.talk('nothing has failed yet')
    else await show(circuits, output)
    return exitCodes.ok
  })

export const reset: Run = (args, output) =>
  withPlugins(args, output, async ({ governor }) => {
    const component = args.operands[0]!
    await show([{ component, circuit: await governor.resetCircuit(component) }], output)
    return exitCodes.ok
  })

export const config: Run = (args, output) => {
  const threshold = args.wholeNumber('threshold', 1, 1000)!
  const cool = args.wholeNumber('cool', 1, 86_400)
  return withPlugins(args, output, async ({ governor }) => {
    const component = args.operands[0]!
    const circuit = await governor.configureCircuit(component, threshold, cool === undefined ? undefined : 1000 * cool)
    await show([{ component, circuit }], output)
    return exitCodes.ok
  })
}
