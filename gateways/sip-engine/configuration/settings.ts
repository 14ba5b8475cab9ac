/** Reads the settings of a server that runs alone, and makes of them what `createSipServer` takes. */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseDocument } from 'yaml'
import { ConfigError, errorCode } from '#kernel'
import type { AdminTlsConfig } from '../drachtio/application-link.ts'
import type { SipServerConfig } from '../sip-engine.ts'
import type { ListenConfig } from '../transport/listen-config.ts'
import type { TlsConfig, TlsCredentials } from '../transport/tls-contexts.ts'
import { parseListen, type Settings, settingsSchema, type TlsSettings } from './schema.ts'

/** What the command line may say in place of the file. */
export interface SettingsOverrides {
  /** `udp:127.0.0.1:5060`, several by comma. */
  readonly listen?: string | undefined
  /** `127.0.0.1:9022` */
  readonly admin?: string | undefined
  readonly secretFile?: string | undefined
}

export interface LoadedServer {
  readonly settings: Settings
  /** Everything but the log. */
  readonly config: Omit<SipServerConfig, 'log'>
  /** Settings in which `later` differs and which a running server does not take over, by name: all but the log level and the TLS files. */
  readonly needRestart: (later: LoadedServer) => string[]
}

const mostOctets = 1_048_576
/** Stands for a secret whose absence is told already; no server starts with it. */
const unknownSecret = '-'

/**
 * Reads a settings file, lays the overrides over it and reads the files it names: keys are read now, to be checked, and at every `reloadTls`.
 *
 * @param configProblems what the server has against a configuration.
 * @param file YAML; null for none. Files it names lie relative to it, those of the overrides relative to the working directory.
 * @throws {ConfigError} naming every problem at once, each with the path of its setting.
 */
export function loadServer(
  file: string | null,
  configProblems: (config: LoadedServer['config']) => string[],
  overrides: SettingsOverrides = {}
): LoadedServer {
  const source = file ?? 'command line'
  const problems: string[] = []
  const tree = file === null ? {} : parseYaml(file)
  const laid = overlay(tree, overrides, problems)
  const parsed = settingsSchema.safeParse(laid)
  if (!parsed.success) {
    for (const issue of parsed.error.issues) problems.push(`${pathOf(issue.path)}: ${issue.message}`)
    throw new ConfigError(source, problems)
  }
  const settings = parsed.data
  const folder = file === null ? process.cwd() : dirname(resolve(file))
  const secret = readSecret(settings, overrides, folder, problems)
  const { admin, limits, options, timers, dns, userAgent, metrics, capture } = settings
  const config = withoutUndefined({
    listen: settings.listen.map((each) => listenConfig(each, settings.tls, folder)),
    admin: {
      address: admin.address,
      port: admin.port,
      secret,
      tls: adminTls(admin.tls, folder, problems)
    },
    options,
    timers,
    limits,
    dns,
    userAgent,
    metrics,
    capture
  }) as unknown as LoadedServer['config']
  problems.push(...configProblems(config))
  if (problems.length > 0) throw new ConfigError(source, problems)
  return { settings, config, needRestart: (later) => differing(settings, later.settings) }
}

function differing(before: Settings, after: Settings): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]) as Set<keyof Settings>
  names.delete('logLevel')
  return [...names].filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]))
}

function parseYaml(file: string): Record<string, unknown> {
  const text = readText(file)
  if (text instanceof Error) throw new ConfigError(file, [`cannot be read (${errorCode(text)})`])
  const document = parseDocument(text)
  if (document.errors.length > 0) {
    throw new ConfigError(
      file,
      document.errors.map(({ message }) => message.split(':\n', 1)[0]!)
    )
  }
  const tree: unknown = document.toJS({ maxAliasCount: 100 }) ?? {}
  if (typeof tree !== 'object' || tree === null || Array.isArray(tree)) throw new ConfigError(file, ['expected settings by name'])
  return tree as Record<string, unknown>
}

function overlay(tree: Record<string, unknown>, overrides: SettingsOverrides, problems: string[]): Record<string, unknown> {
  const laid = { ...tree }
  if (overrides.listen !== undefined) laid.listen = overrides.listen.split(',').map((each) => each.trim())
  const admin = { ...(typeof tree.admin === 'object' ? tree.admin : {}) } as Record<string, unknown>
  if (overrides.admin !== undefined) {
    const place = parseListen(`admin:${overrides.admin}`)
    if (place === undefined) problems.push(`--admin: expected address:port, not ${JSON.stringify(overrides.admin)}`)
    else Object.assign(admin, { address: place.address, port: place.port })
  }
  if (overrides.secretFile !== undefined) {
    delete admin.secret
    admin.secretFile = resolve(overrides.secretFile)
  }
  if (Object.keys(admin).length > 0 && typeof (tree.admin ?? {}) === 'object') laid.admin = admin
  return laid
}

function readSecret({ admin }: Settings, overrides: SettingsOverrides, folder: string, problems: string[]): string {
  const { secret, secretFile } = admin
  if (secret !== undefined && secretFile !== undefined) problems.push('admin.secret: either this or secretFile')
  if (secret !== undefined) return secret
  if (secretFile === undefined) {
    problems.push('admin.secret: needed, or secretFile')
    return unknownSecret
  }
  const name = overrides.secretFile === undefined ? 'admin.secretFile' : '--secret-file'
  const text = readText(resolve(folder, secretFile))
  if (text instanceof Error) {
    problems.push(`${name}: ${secretFile} cannot be read (${errorCode(text)})`)
    return unknownSecret
  }
  const line = text.split('\n', 1)[0]!.trim()
  if (line === '') problems.push(`${name}: ${secretFile} has an empty first line`)
  return line === '' ? unknownSecret : line
}

function listenConfig(each: Settings['listen'][number], shared: TlsSettings | undefined, folder: string): ListenConfig {
  const { origins, tls: own, ...rest } = each
  const secure = each.transport === 'tls' || each.transport === 'wss'
  const tls = own ?? (secure ? shared : undefined)
  return withoutUndefined({
    ...rest,
    tls: tls === undefined ? undefined : () => readTls(tls, folder),
    webSocket: origins === undefined ? undefined : { origins }
  }) as unknown as ListenConfig
}

function adminTls(tls: Settings['admin']['tls'], folder: string, problems: string[]): AdminTlsConfig | undefined {
  if (tls === undefined) return undefined
  try {
    return { port: tls.port, ...readCredentials(tls, folder) }
  } catch (error) {
    problems.push(`admin.tls: ${(error as Error).message}`)
    return undefined
  }
}

/** @throws of a file that cannot be read. */
function readPem(file: string, folder: string): string {
  const text = readText(resolve(folder, file))
  if (text instanceof Error) throw new Error(`${file} cannot be read (${errorCode(text)})`)
  return text
}

function readCredentials({ key, cert }: { key: string; cert: string | string[] }, folder: string): TlsCredentials {
  const certificates = [cert].flat().map((file) => readPem(file, folder))
  return { key: readPem(key, folder), cert: certificates.join('\n') }
}

function readTls(tls: TlsSettings, folder: string): TlsConfig {
  const { ca, names, verifyServer, clientCertificate } = tls
  return withoutUndefined({
    ...readCredentials(tls, folder),
    ca: ca === undefined ? undefined : readPem(ca, folder),
    names: names?.map((each) => ({ host: each.host, ...readCredentials(each, folder) })),
    verifyServer,
    clientCertificate
  }) as unknown as TlsConfig
}

function readText(file: string): string | Error {
  try {
    const octets = readFileSync(file)
    if (octets.length > mostOctets) return Object.assign(new Error('too large'), { code: 'EFBIG' })
    return octets.toString('utf8')
  } catch (error) {
    return error as Error
  }
}

function pathOf(path: readonly PropertyKey[]): string {
  if (path.length === 0) return '(file)'
  return path.reduce<string>(
    (text, part) => `${text}${typeof part === 'number' ? `[${part}]` : `${text && '.'}${String(part)}`}`,
    ''
  )
}

/** Optional settings that are not there must not be there as `undefined`: defaults are laid under what is. */
function withoutUndefined<T extends object>(value: T): Partial<T> {
  const entries = Object.entries(value).filter(([, each]) => each !== undefined)
  return Object.fromEntries(entries.map(([name, each]) => [name, isPlain(each) ? withoutUndefined(each) : each])) as Partial<T>
}

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}
