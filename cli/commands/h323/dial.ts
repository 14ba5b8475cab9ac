import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Call, type CallEvent, conferenceMedia, createEndpoint, type Endpoint } from '#h323/endpoint'
import { createLog, errorCode, InfraFabricError, isTraceId } from '#kernel'
import { createMediaPlane, decodeWav, type MediaPlane, type Sound, sine } from '#media'
import type { Run } from '../../command.ts'
import { type Arguments, UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { type Output, printable } from '../../show/output.ts'

const conference = 'dial'
const participant = 'peer'
const toneHz = 440
const toneDbfs = -20
const toneRateHz = 16_000
const defaultSeconds = 5
const levelEveryMs = 1000
const digitGapMs = 300
const settleMs = 700

export const run: Run = async (args, output) => {
  const target = args.operands[0]!
  const seconds = numberOf(args, 'seconds', defaultSeconds, 0, 86_400)
  const listen = args.value('listen') ?? '127.0.0.1'
  const digits = args.value('digits') ?? ''
  if (!/^[0-9*#A-D]*$/i.test(digits)) throw new UsageError('--digits: expected digits, *, # and A–D')
  const trace = args.value('trace')
  if (trace !== undefined && !isTraceId(trace)) throw new UsageError('--trace: expected 32 lowercase hex digits')
  const sound = await soundOf(args)
  const password =
    args.value('password-file') === undefined ? null : (await readFile(args.value('password-file')!, 'utf8')).split(/\r?\n/)[0]!
  const aliases = (args.value('alias') ?? 'ifctl').split(',')
  const log = createLog({ name: 'ifctl', level: args.has('verbose') ? 'debug' : 'warn' })
  const plane = await createMediaPlane({ address: listen, portRange: portsOf(args), srtp: 'off', log })
  let endpoint: Endpoint | null = null
  try {
    const address = args.value('gatekeeper')
    endpoint = await createEndpoint({
      aliases,
      listen: { ip: listen, port: numberOf(args, 'port', 0, 0, 65_535) },
      gatekeeper:
        address === undefined
          ? null
          : { address, ...(password !== null && { user: { name: args.value('user') ?? aliases[0]!, password } }) },
      media: conferenceMedia(plane),
      guard: null,
      witness: null,
      log,
      modes: {
        fastStart: !args.has('slow-start'),
        tunnelling: !args.has('separate-h245'),
        earlyH245: args.has('early-h245')
      }
    })
    if (address !== undefined) {
      await Promise.race([endpoint.registered, late(numberOf(args, 'wait', 10, 1, 600))])
      await tell(output, { type: 'registered' }, `registered with ${address}`)
    }
    const call = endpoint.dial(target, {
      conference,
      participant,
      role: 'guardian',
      ...(trace !== undefined && { context: { traceId: trace } })
    })
    return await follow(call, plane, sound, digits, seconds, output)
  } finally {
    await endpoint?.close()
    await plane.close()
  }
}

async function late(seconds: number): Promise<never> {
  await sleep(seconds * 1000, undefined, { ref: false })
  throw new InfraFabricError('h323.endpoint.unregistered', `the gatekeeper did not answer within ${seconds} s`)
}

function numberOf(args: Arguments, name: string, usual: number, least: number, most: number): number {
  const text = args.value(name)
  if (text === undefined) return usual
  const value = Number(text)
  if (text.trim() === '' || !(value >= least && value <= most)) {
    throw new UsageError(`--${name}: expected a number from ${least} to ${most}`)
  }
  return value
}

function portsOf(args: Arguments): readonly [number, number] {
  const text = args.value('ports') ?? '30000-30999'
  const match = /^(\d{4,5})-(\d{4,5})$/.exec(text)
  if (match === null) throw new UsageError('--ports: expected two numbers, 30000-30999')
  return [Number(match[1]), Number(match[2])]
}

/** @throws {DecodeError} for a file that is no WAV */
async function soundOf(args: Arguments): Promise<Sound> {
  const file = args.value('play')
  if (file === undefined) {
    return { samples: sine(toneRateHz, numberOf(args, 'tone', toneHz, 50, 7000), toneDbfs, toneRateHz), sampleRateHz: toneRateHz }
  }
  return decodeWav(await readFile(file))
}

const tell = (output: Output, document: object, text: string): Promise<void> =>
  output.json ? output.document(document) : output.line(printable(text))

/** Tells what becomes of the call, plays, and hangs up. @returns the exit code */
async function follow(
  call: Call,
  plane: MediaPlane,
  sound: Sound,
  digits: string,
  seconds: number,
  output: Output
): Promise<number> {
  const begun = performance.now()
  const onSignal = (): void => call.release()
  process.once('SIGINT', onSignal)
  process.once('SIGTERM', onSignal)
  const told: Promise<void>[] = []
  call.onEvent((event) => {
    const seconds = Math.round(performance.now() - begun) / 1000
    const text = textOf(event)
    if (text !== null) told.push(tell(output, { t: seconds, ...documentOf(event) }, `${seconds.toFixed(3).padStart(8)}  ${text}`))
  })
  await tell(output, { t: 0, type: 'dialling', trace: call.traceId }, `${'0.000'.padStart(8)}  dialling, trace ${call.traceId}`)
  let isAnswered = false
  try {
    await call.connected
    isAnswered = true
    void playOn(call, plane, sound)
    void levels(call, plane, begun, output)
    await Promise.race([call.ended, press(call, digits).then(() => sleep(seconds * 1000, undefined, { ref: false }))])
    call.release()
  } catch (error) {
    if (errorCode(error) !== 'h323.call.ended') throw error
  } finally {
    await call.ended
    await Promise.all(told)
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
  }
  return isAnswered ? exitCodes.ok : exitCodes.failure
}

/** Plays again and again, for as long as there is somebody to hear it. */
async function playOn(call: Call, plane: MediaPlane, sound: Sound): Promise<void> {
  try {
    while (call.state() === 'active' && (await plane.announce(conference, sound))) {
      // the next time follows at once
    }
  } catch (error) {
    if (call.state() === 'active') throw error
  }
}

async function levels(call: Call, plane: MediaPlane, begun: number, output: Output): Promise<void> {
  for (;;) {
    await sleep(levelEveryMs, undefined, { ref: false })
    if (call.state() !== 'active') return
    const level = plane.roster(conference).find((one) => one.participant === participant)?.levelDbfs
    const seconds = Math.round(performance.now() - begun) / 1000
    const dbfs = level === undefined || !Number.isFinite(level) ? null : Math.round(level * 10) / 10
    await tell(
      output,
      { t: seconds, type: 'level', dbfs },
      `${seconds.toFixed(3).padStart(8)}  hears ${dbfs === null ? 'silence' : `${dbfs} dBFS`}`
    )
  }
}

async function press(call: Call, digits: string): Promise<void> {
  // what comes with the first packets of sound may be lost while the other side opens up
  if (digits !== '') await sleep(settleMs, undefined, { ref: false })
  for (const digit of digits) {
    call.sendDigit(digit)
    await sleep(digitGapMs, undefined, { ref: false })
  }
}

function textOf(event: CallEvent): string | null {
  switch (event.type) {
    case 'proceeding':
      return 'proceeding'
    case 'alerting':
    case 'progress':
      return `${event.type}${event.inBand ? ', in-band sound' : ''}`
    case 'connected':
      return 'connected'
    case 'media': {
      const { codec, remote, sends, receives } = event.terms
      const ways = sends && receives ? 'both ways' : sends ? 'to the peer' : receives ? 'from the peer' : 'paused'
      return `sound ${codec} ${ways}${remote === null ? '' : `, ${remote.rtp.ip}:${remote.rtp.port}`}`
    }
    case 'digit':
      return `digit ${event.digit} (${event.by})`
    case 'held':
      return event.held ? 'put on hold' : 'taken from hold'
    case 'diverted':
      return `diverted to ${event.to}`
    case 'transfer':
      return `transferred to ${event.to}`
    case 'messageWaiting':
      return event.waiting ? 'messages are waiting' : 'no messages are waiting'
    case 'released': {
      const { cause, reason } = event.cause
      return `released by ${event.by === 'local' ? 'this side' : 'the peer'}, cause ${cause}${reason === null ? '' : ` (${reason})`}`
    }
    default:
      return null
  }
}

/** An event as JSON: calls in it by their trace. */
const documentOf = (event: CallEvent): object =>
  event.type === 'transfer' ? { type: event.type, to: event.to, trace: event.call.traceId } : event
