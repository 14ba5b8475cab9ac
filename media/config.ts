import { createSocket } from 'node:dgram'
import { isIPv4, isIPv6 } from 'node:net'
import { ConfigError, errorCode, type Log } from '#kernel'
import type { EconomyPolicy } from './economy.ts'
import { defaultKeys, type KeyTable, keyProblems } from './mixer/keys.ts'
import type { Sound } from './mixer/sounds.ts'
import { type SrtpPolicy, srtpPolicies } from './srtp/secrecy.ts'
import { srtpAvailable } from './srtp/session.ts'
import { familyOf, isUnicast } from './udp/inet.ts'

/** Bounds of one conference; what is left out is as for all. */
export interface ConferenceLimits {
  readonly maxParticipants?: number
  readonly voices?: number
}

export interface MediaConfig {
  /** IPv4 address on which RTP is received and which session descriptions name. */
  readonly address: string
  /** IPv4 address that session descriptions name in its place: of a NAT that hands packets on to the same ports. Default null: there is none. */
  readonly announcedAddress?: string | null
  /** The same for peers of IPv6; null where there are none. Default null. */
  readonly address6?: string | null
  /** UDP ports for RTP and RTCP; each leg takes an even port and the next. */
  readonly portRange: readonly [min: number, max: number]
  /** Threads that mix, 1 to 64. A conference lives in one of them, that with the fewest participants when it begins. Default 1. */
  readonly threads?: number
  /** Time from arrival to playing, at least, in milliseconds. Default 20. */
  readonly jitterTargetMs?: number
  /** Silence after which a leg is given up, in milliseconds. Default 30,000. */
  readonly mediaTimeoutMs?: number
  /** How long after an offer or answer another source than the signalled one may be believed, in milliseconds. Default 5000. */
  readonly latchWindowMs?: number
  /** Mean time between RTCP reports, in milliseconds. Default 5000 (RFC 3550 §6.2). */
  readonly reportIntervalMs?: number
  /** Participants of one conference at most. Default 100. */
  readonly maxParticipants?: number
  /** Voices mixed at once in a conference; beyond that the loudest are heard. Default 8. */
  readonly voices?: number
  /** Other bounds for single conferences, by their names. */
  readonly limits?: Readonly<Record<string, ConferenceLimits>>
  /** Whether soft and loud voices are brought to one level. Default true. */
  readonly autoGain?: boolean
  /** Highest sample rate of a mix: codecs that know several are coded at most at this. Default 48,000. */
  readonly highestRateHz?: 8000 | 16_000 | 48_000
  /** Whether encoders that can (Opus) save time when a thread has little left, or always so much. Default `auto`. */
  readonly economy?: EconomyPolicy
  /** Commands by keys; an empty table switches them off. */
  readonly keys?: KeyTable
  /** Sounds for all when somebody comes or goes; none by default. */
  readonly entrySound?: Sound | null
  readonly exitSound?: Sound | null
  /** What carries packets: system calls of our own where they can be made, or `node:dgram`. Default `native`. */
  readonly udp?: 'native' | 'node'
  /** Whether sound is encrypted, with keys from the session description. Default `preferred`, which is `off` where libsrtp is missing. */
  readonly srtp?: SrtpPolicy
  /** Whether ICE is answered where it is offered, as the side that only answers checks (ICE-lite). Default `lite`. */
  readonly ice?: 'lite' | 'off'
  readonly log: Log
}

export type CheckedConfig = Required<MediaConfig>

/** What holds for one conference. */
export function limitsOf({ maxParticipants, voices, limits }: CheckedConfig, conference: string): Required<ConferenceLimits> {
  const own = Object.hasOwn(limits, conference) ? limits[conference]! : {}
  return { maxParticipants: own.maxParticipants ?? maxParticipants, voices: own.voices ?? voices }
}

const mostVoices = 100

/** Longest sound that is played, in seconds. */
const longestSoundSeconds = 600

/** What is wrong with a sound; null when nothing is. */
export function soundProblem({ samples, sampleRateHz }: Sound): string | null {
  if (![8000, 16_000, 24_000, 32_000, 48_000].includes(sampleRateHz)) return `${sampleRateHz} Hz is not played`
  if (!(samples instanceof Int16Array)) return 'samples are 16 bits'
  if (samples.length > longestSoundSeconds * sampleRateHz) return `longer than ${longestSoundSeconds} s`
  return null
}

/** @throws {ConfigError} with every problem */
export function checkConfig(config: MediaConfig): CheckedConfig {
  const problems: string[] = []
  const [min, max] = config.portRange
  const checked: CheckedConfig = {
    announcedAddress: null,
    address6: null,
    threads: 1,
    jitterTargetMs: 20,
    mediaTimeoutMs: 30_000,
    latchWindowMs: 5000,
    reportIntervalMs: 5000,
    maxParticipants: 100,
    voices: 8,
    limits: {},
    autoGain: true,
    highestRateHz: 48_000,
    economy: 'auto',
    keys: defaultKeys,
    entrySound: null,
    exitSound: null,
    udp: 'native',
    srtp: 'preferred',
    ice: 'lite',
    ...config
  }
  if (!isIPv4(config.address) || /^(0|22[4-9]|2[345]\d)\./.test(config.address)) {
    problems.push(`address: expected an IPv4 address of this machine, got ${JSON.stringify(config.address)}`)
  }
  if (config.announcedAddress != null && !(isIPv4(config.announcedAddress) && isUnicast(config.announcedAddress))) {
    problems.push(`announcedAddress: expected an IPv4 address, got ${JSON.stringify(config.announcedAddress)}`)
  }
  if (config.address6 != null && !(isIPv6(config.address6) && isUnicast(config.address6))) {
    problems.push(`address6: expected an IPv6 address of this machine, got ${JSON.stringify(config.address6)}`)
  }
  if (!Number.isInteger(min) || !Number.isInteger(max) || min < 1024 || max > 65_535 || max - min < 1) {
    problems.push(`portRange: expected two ports from 1024 to 65535, the first below the second, got ${min}–${max}`)
  }
  for (const name of ['jitterTargetMs', 'mediaTimeoutMs', 'latchWindowMs', 'reportIntervalMs'] as const) {
    if (!Number.isFinite(checked[name]) || checked[name] < 0)
      problems.push(`${name}: expected milliseconds, got ${checked[name]}`)
  }
  if (checked.jitterTargetMs > 500) problems.push(`jitterTargetMs: expected at most 500, got ${checked.jitterTargetMs}`)
  for (const [name, most] of [
    ['maxParticipants', Number.MAX_SAFE_INTEGER],
    ['voices', mostVoices],
    ['threads', 64]
  ] as const) {
    const value = checked[name]
    if (!Number.isInteger(value) || value < 1 || value > most)
      problems.push(`${name}: expected a whole number from 1 to ${most}, got ${value}`)
  }
  for (const conference of Object.keys(checked.limits)) {
    const own = limitsOf(checked, conference)
    const wrong = (value: number, most: number) => !Number.isInteger(value) || value < 1 || value > most
    if (wrong(own.maxParticipants, Number.MAX_SAFE_INTEGER) || wrong(own.voices, mostVoices))
      problems.push(
        `limits: expected whole numbers from 1 on, and at most ${mostVoices} voices, for ${JSON.stringify(conference)}`
      )
  }
  if (![8000, 16_000, 48_000].includes(checked.highestRateHz)) {
    problems.push(`highestRateHz: expected 8000, 16000 or 48000, got ${checked.highestRateHz}`)
  }
  if (!['auto', 0, 1, 2].includes(checked.economy)) problems.push(`economy: expected auto, 0, 1 or 2, got ${checked.economy}`)
  if (!['native', 'node'].includes(checked.udp)) problems.push(`udp: expected native or node, got ${checked.udp}`)
  if (!srtpPolicies.includes(checked.srtp)) problems.push(`srtp: expected ${srtpPolicies.join(', ')}, got ${checked.srtp}`)
  else if (checked.srtp === 'required' && !srtpAvailable()) problems.push('srtp: required, and libsrtp 2 is not installed')
  if (checked.ice !== 'lite' && checked.ice !== 'off') problems.push(`ice: expected lite or off, got ${checked.ice}`)
  problems.push(...keyProblems(checked.keys))
  for (const name of ['entrySound', 'exitSound'] as const) {
    const sound = checked[name]
    const problem = sound === null ? null : soundProblem(sound)
    if (problem !== null) problems.push(`${name}: ${problem}`)
  }
  if (problems.length > 0) throw new ConfigError('media', problems)
  return checked
}

/** Whether the address is one of this machine's. @throws {ConfigError} */
export async function checkAddress(address: string): Promise<void> {
  const socket = createSocket(familyOf(address) === 4 ? 'udp4' : 'udp6')
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind({ address, port: 0 }, resolve)
    })
  } catch (error) {
    throw new ConfigError('media', [`address: ${address} cannot be used: ${errorCode(error)}`])
  } finally {
    socket.close()
  }
}
