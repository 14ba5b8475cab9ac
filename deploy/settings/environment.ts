import { ConfigError } from '#kernel'
import type { SuiteSettings } from './settings.ts'

type Setter = (settings: Record<string, unknown>, value: string) => string | null

const text =
  (...path: readonly string[]): Setter =>
  (settings, value) => {
    place(settings, path, value)
    return null
  }

/** A port; `off` for none. */
const port =
  (...path: readonly string[]): Setter =>
  (settings, value) => {
    if (value === 'off') return place(settings, path, null)
    if (!/^\d{1,5}$/.test(value)) return `expected a port number or off, got ${JSON.stringify(value)}`
    return place(settings, path, Number(value))
  }

function place(settings: Record<string, unknown>, path: readonly string[], value: unknown): null {
  let at = settings
  for (const key of path.slice(0, -1)) {
    at[key] ??= {}
    at = at[key] as Record<string, unknown>
  }
  at[path.at(-1)!] = value
  return null
}

/** Environment variables that set something, with what they set. */
export const environmentVariables: Readonly<Record<string, Setter>> = {
  IF_DATA: text('data'),
  IF_PROFILE: text('profile'),
  IF_LISTEN_ADDRESS: text('listen', 'address'),
  IF_LISTEN_ADDRESS6: text('listen', 'address6'),
  IF_LISTEN_ANNOUNCED: text('listen', 'announced'),
  IF_SIP_ADDRESS: text('sip', 'address'),
  IF_APPLICATION: text('application'),
  IF_TLS_PORT: port('listen', 'tls'),
  IF_UDP_PORT: port('listen', 'udp'),
  IF_TCP_PORT: port('listen', 'tcp'),
  IF_REALM: text('realm'),
  IF_REGISTRY: text('registry'),
  IF_LOG_LEVEL: text('logLevel')
}

/**
 * Settings from environment variables. This is the one place where the suite looks at its environment.
 *
 * @throws {ConfigError} for values that cannot be read and for `IF_…` names that set nothing (a typing mistake would go unseen otherwise).
 */
export function settingsFromEnvironment(environment: Readonly<Record<string, string | undefined>> = process.env): SuiteSettings {
  const settings: Record<string, unknown> = {}
  const problems: string[] = []
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('IF_') || value === undefined || value === '') continue
    const setter = environmentVariables[name]
    const problem = setter === undefined ? 'sets nothing' : setter(settings, value)
    if (problem !== null) problems.push(`${name}: ${problem}`)
  }
  if (problems.length > 0) throw new ConfigError('environment', problems)
  return settings as SuiteSettings
}
