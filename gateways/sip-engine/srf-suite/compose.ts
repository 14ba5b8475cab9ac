/** What of a compose file and of `docker run` is needed to start the same programs here. Pure. */
import { parse } from 'yaml'
import { z } from 'zod'

/** One service of the compose file. */
export interface Service {
  readonly name: string
  readonly command: readonly string[]
  readonly address: string
  /** Host port under which the container's admin port is reached; null for none. */
  readonly adminPort: number | null
}

const form = z.object({
  services: z.record(
    z.string(),
    z.object({
      command: z.string(),
      ports: z.array(z.string()).default([]),
      networks: z.record(z.string(), z.object({ ipv4_address: z.string() }))
    })
  )
})

export function servicesOf(composeFile: string): Service[] {
  const { services } = form.parse(parse(composeFile))
  return Object.entries(services).map(([name, { command, ports, networks }]) => ({
    name,
    command: words(command),
    address: Object.values(networks)[0]!.ipv4_address,
    adminPort: ports[0] === undefined ? null : Number(ports[0].split(':')[0])
  }))
}

/** Words of a command line; double quotes keep blanks together. */
function words(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!)
}

export interface ContainerRun {
  readonly name: string | null
  /** Folder outside and inside the container. */
  readonly volume: readonly [outside: string, inside: string]
  readonly command: readonly string[]
}

/** Reads `run --rm --net N [--name N] -v OUTSIDE:INSIDE IMAGE COMMAND…`. @throws {TypeError} for anything else */
export function readDockerRun(args: readonly string[]): ContainerRun {
  let name: string | null = null
  let volume: readonly [string, string] | null = null
  if (args[0] !== 'run') throw new TypeError(`docker ${args[0]}: only run is known`)
  for (let at = 1; at < args.length; at++) {
    const word = args[at]!
    if (word === '--rm') continue
    if (word === '--net') at++
    else if (word === '--name') name = args[++at]!
    else if (word === '-v') {
      const [outside, inside] = args[++at]!.split(':')
      volume = [outside!, inside!]
    } else if (word.startsWith('-')) throw new TypeError(`docker run ${word}: not known`)
    else if (volume === null) throw new TypeError('docker run: no volume')
    else return { name, volume, command: args.slice(at + 1) }
  }
  throw new TypeError('docker run: no image')
}

/** The same command with paths inside the container turned into those outside. */
export function outsideOf({ volume: [outside, inside], command }: Pick<ContainerRun, 'volume' | 'command'>): string[] {
  return command.map((word) => (word === inside || word.startsWith(`${inside}/`) ? outside + word.slice(inside.length) : word))
}

/** Whether the last thing a scenario of SIPp does is to answer: nobody tells it that the answer has come. */
export function endsWithAnswer(scenario: string): boolean {
  const steps = scenario.replace(/<!--[\s\S]*?-->/g, '').match(/<(send|recv)\b[^>]*?(?:\/>|>[\s\S]*?<\/\1>)/g) ?? []
  return /^<send[^>]*>\s*(?:<!\[CDATA\[)?\s*SIP\/2\.0 /.test(steps.at(-1) ?? '')
}
