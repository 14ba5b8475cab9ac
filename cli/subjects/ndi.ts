import { InfraFabricError } from '#kernel'
import { type NdiRuntime, type NdiSource, openFinder } from '#ndi'
import type { Arguments } from '../line/arguments.ts'

const listOf = (given: string | undefined): readonly string[] => given?.split(',').filter((item) => item !== '') ?? []

/** Looks for sources until `isEnough` or for so long. */
export async function sourcesNow(
  runtime: NdiRuntime,
  args: Arguments,
  seconds: number,
  isEnough: (sources: readonly NdiSource[]) => boolean = () => false
): Promise<readonly NdiSource[]> {
  const finder = openFinder(runtime, { extraAddresses: listOf(args.value('address')), groups: listOf(args.value('groups')) })
  const until = performance.now() + seconds * 1000
  try {
    let sources: readonly NdiSource[] = []
    while (performance.now() < until && !isEnough(sources)) {
      sources = await finder.sources(Math.min(250, Math.max(1, Math.ceil(until - performance.now()))))
    }
    return sources
  } finally {
    await finder.close()
  }
}

/** The source whose whole name, or whose name on its machine, is `name`. @throws {InfraFabricError} `ndi.source.absent` */
export async function sourceNamed(runtime: NdiRuntime, args: Arguments, name: string): Promise<NdiSource> {
  const isIt = (source: NdiSource) => source.name === name || source.name.endsWith(`(${name})`)
  const found = (await sourcesNow(runtime, args, 10, (sources) => sources.some(isIt))).find(isIt)
  if (found === undefined) throw new InfraFabricError('ndi.source.absent', `there is no NDI source ${name}`)
  return found
}
