import { readFile } from 'node:fs/promises'
import { parseDocument } from 'yaml'
import { ConfigError, messageOf } from '#kernel'
import { type SuiteConfig, type SuiteSettings, suiteSchema } from './settings.ts'

type Tree = { readonly [key: string]: unknown }

/**
 * Reads a configuration file and lays `overrides` over it, setting by setting.
 *
 * @param file YAML file, null for none.
 * @param overrides later ones win: usually the environment, then the command line.
 * @throws {ConfigError} naming every problem with the path of its setting.
 */
export async function loadSuiteConfig(file: string | null, ...overrides: readonly SuiteSettings[]): Promise<SuiteConfig> {
  const layers: unknown[] = []
  if (file !== null) layers.push(parseYaml(file, await readText(file)))
  return resolveSuiteConfig(file ?? 'settings', ...(layers as SuiteSettings[]), ...overrides)
}

/**
 * Completes settings with the defaults. Pure.
 *
 * @param source name of where the settings come from, for messages.
 * @throws {ConfigError} naming every problem.
 */
export function resolveSuiteConfig(source: string, ...layers: readonly SuiteSettings[]): SuiteConfig {
  const merged = layers.reduce<Tree>((under, over) => overlay(under, over as Tree), {})
  const parsed = suiteSchema.safeParse(merged)
  if (!parsed.success)
    throw new ConfigError(
      source,
      parsed.error.issues.map((issue) => `${issue.path.join('.') || '(root)'}: ${issue.message}`)
    )
  const problems = contradictions(parsed.data)
  if (problems.length > 0) throw new ConfigError(source, problems)
  return deepFreeze(parsed.data)
}

function contradictions(config: SuiteConfig): string[] {
  const problems: string[] = []
  const { media, profile, certificates, allowlist, listen, edge } = config
  if (media.ports !== null) {
    const [first, last] = media.ports
    if (first < 1024 || last - first < 3) problems.push('media.ports: expected a range of at least 4 ports from 1024 on')
  }
  for (const { conference, consent, announcement } of config.recording.policies) {
    if (consent === 'key' && announcement === null)
      problems.push(`recording.policies: ${conference}: whoever is to press a key needs an announcement that says so`)
  }
  if (config.plugins.sweep.leaseMs < 2 * config.plugins.sweep.everyMs)
    problems.push('plugins.sweep.leaseMs: expected at least twice everyMs')
  if (profile === 'production' && edge === 'embedded' && certificates === null)
    problems.push('certificates: production makes no certificates of its own')
  if (profile === 'production' && edge === 'embedded' && allowlist === null) problems.push('allowlist: production has no default')
  if (profile === 'production' && (listen.udp !== null || listen.tcp !== null))
    problems.push('listen: production takes SIP over TLS only')
  if (profile === 'production' && config.h323.enabled && config.h323.accounts === null)
    problems.push('h323.accounts: production makes no passwords of its own')
  const { webrtc } = config
  if (webrtc.enabled && webrtc.tls === null && !(webrtc.address ?? listen.address).startsWith('127.'))
    problems.push('webrtc.tls: beyond loopback the page needs a certificate')
  if (config.escalation.identity?.attestation != null && config.escalation.number === null)
    problems.push('escalation.identity.attestation: is for a telephone number; expected escalation.number')
  if (listen.tcp !== null && listen.tcp !== 0 && listen.tcp === listen.tls)
    problems.push('listen.tcp: the same port as listen.tls')
  return problems
}

function parseYaml(file: string, text: string): unknown {
  const document = parseDocument(text, { prettyErrors: false })
  if (document.errors.length > 0)
    throw new ConfigError(
      file,
      document.errors.map((error) => error.message)
    )
  return document.toJS({ maxAliasCount: 100 }) ?? {}
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new ConfigError(file, [`cannot be read: ${messageOf(error)}`])
  }
}

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Objects are merged, everything else is replaced; `undefined` leaves what was there. */
function overlay(under: Tree, over: unknown): Tree {
  if (!isTree(over)) return { ...under, '(root)': over }
  const merged: Record<string, unknown> = { ...under }
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) continue
    const below = merged[key]
    merged[key] = isTree(value) && isTree(below) ? overlay(below, value) : value
  }
  return merged
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const each of Object.values(value)) deepFreeze(each)
    Object.freeze(value)
  }
  return value
}
