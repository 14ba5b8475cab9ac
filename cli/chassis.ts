import { join } from 'node:path'
import { type Chassis, createChassis, readServices } from '#chassis'
import type { StateStore } from '#store'
import type { Arguments } from './arguments.ts'
import { dataFolder } from './command.ts'
import type { Output } from './output.ts'
import { withPlugins } from './plugins.ts'

/** Opens the chassis on the state of the data folder; its modules and services are in the folder `chassis` there. */
export function withChassis<T>(
  args: Arguments,
  output: Output,
  use: (chassis: Chassis, store: StateStore) => Promise<T>
): Promise<T> {
  const folder = join(dataFolder(args), 'chassis')
  return withPlugins(args, output, ({ witnessed }) => {
    const services = readServices(join(folder, 'services.json'))
    return use(createChassis(witnessed, { folder: join(folder, 'modules'), services }), witnessed.store)
  })
}

/** A signal that is aborted by SIGINT and SIGTERM, while `use` runs. */
export async function untilTold<T>(use: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const told = new AbortController()
  const stop = (): void => told.abort()
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stop)
  try {
    return await use(told.signal)
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, stop)
  }
}
