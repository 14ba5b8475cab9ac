/** A voice through a running media plane over a bad network: how it sounded, by measure and by estimate. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type ConferenceLeg, newTraceId, silentLog } from '#kernel'
import { createMediaPlane, RtpPhone } from '#media'
import type { FormatParameters } from '../codec/codec.ts'
import { codecNamed } from '../codec/codecs.ts'
import type { Impairment } from './impairment.ts'
import { voice } from './signals.ts'
import { heardDistance } from './spectral.ts'
import { openUdpProxy, type UdpProxy } from './udp-proxy.ts'

export interface LossCase {
  readonly codec: 'PCMU' | 'G722' | 'opus'
  readonly name: string
  /** Done by a proxy in front of the plane; null where something else does it, or nothing. */
  readonly impairment: Impairment | null
}

export interface LossResult {
  readonly codec: string
  readonly name: string
  readonly expected: number
  readonly lost: number
  readonly discarded: number
  readonly restored: number
  readonly jitterMaxMs: number
  readonly rFactor: number
  readonly mosListening: number
  /** Frames that the media threads mixed more than a frame late, in all cases together: the machine was busy with something else. */
  readonly overruns: number
  /** Log-spectral distance between what was said and what another participant heard, in dB. */
  readonly distanceDb: number
}

export interface LossRun {
  readonly portRange: readonly [number, number]
  readonly seconds: number
  /** Told before anybody speaks on which port each case is received. */
  readonly onPorts?: (ports: readonly number[]) => Promise<void> | void
}

const longestDelayMs = 700
const mediaPort = /m=audio (\d+)/

/**
 * Runs all cases at once: in each, one participant speaks through the bad network and another listens.
 *
 * @throws {Error} when a participant is refused, or nothing of a case came in
 */
export async function runLossCases(cases: readonly LossCase[], { portRange, seconds, onPorts }: LossRun): Promise<LossResult[]> {
  const plane = await createMediaPlane({
    address: '127.0.0.1',
    portRange,
    autoGain: false,
    srtp: 'off',
    // The proxies are strangers until they are latched.
    latchWindowMs: 60_000,
    log: silentLog
  })
  const phones: RtpPhone[] = []
  const proxies: UdpProxy[] = []
  const context = { traceId: newTraceId(), log: silentLog, signal: new AbortController().signal, now: Date.now }
  const join = async (phone: RtpPhone, conference: string, participant: string) => {
    phones.push(phone)
    const joined = await plane.join(context, { conference, participant, role: 'expert', offer: phone.sdp() })
    if (!joined.ok) throw new Error(joined.reason)
    return { leg: joined.leg, port: Number(mediaPort.exec(joined.sdp)![1]), sdp: joined.sdp }
  }
  try {
    const calls: { leg: ConferenceLeg; said: Int16Array; rateHz: number; port: number; speaker: RtpPhone; listener: RtpPhone }[] =
      []
    for (const [n, { codec }] of cases.entries()) {
      const rateHz = codecNamed(codec)!.sampleRateHz
      const said = voice(rateHz, seconds, -20, 3)
      const parameters: FormatParameters = codec === 'opus' ? { useinbandfec: '1' } : {}
      const speaker = await RtpPhone.open({ codec, parameters, says: said })
      const listener = await RtpPhone.open({ codec, parameters })
      const { leg, port } = await join(speaker, `case ${n}`, 'speaker')
      listener.talkTo((await join(listener, `case ${n}`, 'listener')).sdp)
      calls.push({ leg, said, rateHz, port, speaker, listener })
    }
    await onPorts?.(calls.map(({ port }) => port))
    for (const [n, { speaker, listener, port }] of calls.entries()) {
      const { impairment } = cases[n]!
      const proxy = impairment === null ? null : await openUdpProxy({ address: '127.0.0.1', port }, impairment, n + 1)
      if (proxy !== null) proxies.push(proxy)
      listener.takeHeard()
      speaker.sendTo({ address: '127.0.0.1', port: proxy?.port ?? port })
    }
    const before = await plane.metrics()
    await sleep(seconds * 1000 + longestDelayMs)
    const overruns = (await plane.metrics()).overruns - before.overruns
    // What takes time comes after everybody has left: who is still speaking would be held up.
    const ended = await Promise.all(
      calls.map(async ({ leg, listener }) => ({ stats: await leg.leave(), heard: listener.takeHeard() }))
    )
    return ended.map(({ stats: { quality }, heard }, n) => {
      const { codec, name } = cases[n]!
      if (quality === null) throw new Error(`${codec}, ${name}: nothing came in`)
      const { expected, lost, discarded, restored, jitterMaxMs, rFactor, mosListening } = quality
      const distanceDb = heardDistance(calls[n]!.said, heard, calls[n]!.rateHz, longestDelayMs)
      return { codec, name, expected, lost, discarded, restored, jitterMaxMs, rFactor, mosListening, overruns, distanceDb }
    })
  } finally {
    for (const proxy of proxies) proxy.close()
    for (const phone of phones) phone.close()
    await plane.close()
  }
}
