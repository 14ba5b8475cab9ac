/**
 * The real baresip as a phone: an independent SIP, TLS and RTP implementation to test the suite with.
 *
 *     ctrl_tcp (JSON in netstrings) ⇄ baresip 1.0.0 ⇄ SIP and RTP on one address
 *
 * @see https://github.com/baresip/baresip
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { on, once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { errorCode, InfraFabricError } from '#kernel'
import { decodeWav, encodeWav, sine, type Wave } from '#media'
import { freePort } from '#sipp'
import { renderBaresip } from './config.ts'
import { decodeNetstrings, encodeNetstring } from './netstring.ts'

export { toneShare } from './tone-share.ts'

export interface BaresipOptions {
  /** Address of record, `expert-safety@external.advisor`. */
  readonly address: string
  /** Own address, IPv4 or IPv6. Default 127.0.0.1. */
  readonly host?: string
  /** Default `udp`. */
  readonly transport?: 'udp' | 'tcp' | 'tls'
  /** Every request goes there first. */
  readonly outbound?: { readonly host: string; readonly port: number }
  /** Registers over each, two at the most (RFC 5626); in place of `outbound`. */
  readonly flows?: readonly { readonly host: string; readonly port: number; readonly transport: 'udp' | 'tcp' | 'tls' }[]
  readonly digest?: { readonly user: string; readonly password: string }
  /** PEM texts. `certificate` and `key` are shown as client and as server. baresip 1.0.0 accepts any server certificate, `ca` or not. */
  readonly tls?: { readonly ca?: string; readonly certificate?: string; readonly key?: string }
  /** What is sent: a WAV file (8 kHz mono, once), or a tone for `lengthMs` (default 60,000). Default: silence. */
  readonly source?: { readonly file: string } | { readonly toneHz: number; readonly lengthMs?: number }
  /** Default `manual`: {@link Baresip.accept} answers. */
  readonly answer?: 'manual' | 'auto'
  /** Seconds between registrations. Default 0: never registers. */
  readonly registerIntervalS?: number
  /** Whether audio must be encrypted, with keys in the session description (`RTP/SAVP`). Default false. */
  readonly srtp?: boolean
  /** Offers ICE. */
  readonly ice?: boolean
  /** Names, with sample rate and channels where they are not 8000 and 1: `G722/16000/1`, `opus/48000/2`. Default PCMA, PCMU. */
  readonly codecs?: readonly string[]
  /** Default 5,000: for the start and for each command. */
  readonly timeoutMs?: number
  /** Folder of modules. Default: Debian's. */
  readonly modulePath?: string
}

/** As ctrl_tcp tells it: `CALL_INCOMING`, `CALL_RINGING`, `CALL_ESTABLISHED`, `CALL_CLOSED`, `CALL_RTPESTAB`, `REGISTER_OK`, … */
export interface BaresipEvent {
  readonly type: string
  readonly direction: 'incoming' | 'outgoing' | null
  readonly peer: string | null
  readonly callId: string | null
  /** Of `CALL_CLOSED`: why, such as `403 Forbidden`. */
  readonly parameter: string
}

export interface Baresip {
  readonly pid: number
  /** Its files; gone after {@link Baresip.stop}. */
  readonly directory: string
  /** UDP and TCP; TLS listens on the port above. */
  readonly sipPort: number
  /** `sip:` URI that reaches this phone directly. */
  readonly uri: string
  readonly dial: (uri: string) => Promise<void>
  readonly accept: () => Promise<void>
  readonly hangup: () => Promise<void>
  readonly hold: () => Promise<void>
  readonly resume: () => Promise<void>
  /** Sends digits as telephone events, RFC 4733. */
  readonly dtmf: (digits: string) => Promise<void>
  /** Events from now on; ends when baresip does. */
  readonly events: () => AsyncIterableIterator<BaresipEvent>
  /** Waits for the next event of one of `types`, those since the start included unless an earlier call took them. @throws {InfraFabricError} `baresip.timeout`, `baresip.ended` */
  readonly next: (types: string | readonly string[], timeoutMs?: number) => Promise<BaresipEvent>
  /** What was heard in the latest call up to its first hold, behind which baresip 1.0.0 records no more; complete when the call is over. Null before the first. */
  readonly recording: () => Promise<Wave | null>
  /** Ends calls and the process, removes its files. */
  readonly stop: () => Promise<void>
  /** Last lines of baresip's own output, for people. */
  readonly output: () => string
}

const modulePaths = ['/usr/lib/baresip/modules', '/usr/local/lib/baresip/modules']
const maxOutput = 65_536
const place = ({ host, port }: { readonly host: string; readonly port: number }) =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`
const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** @throws {InfraFabricError} `baresip.not-installed`, `baresip.setting`, `baresip.start` (with baresip's own words). */
export async function startBaresip(options: BaresipOptions): Promise<Baresip> {
  const modulePath = options.modulePath ?? modulePaths.find(existsSync)
  if (modulePath === undefined) throw notInstalled()
  const timeoutMs = options.timeoutMs ?? 5000
  const transport = options.transport ?? 'udp'
  const directory = await mkdtemp(join(tmpdir(), 'baresip-'))
  const recordingDirectory = join(directory, 'recordings')
  const remove = () => rm(directory, { recursive: true, force: true })
  let child: ChildProcess | undefined
  try {
    await mkdir(recordingDirectory)
    const host = options.host ?? '127.0.0.1'
    const sipPort = await freePort(host)
    const controlPort = await freePort('127.0.0.1')
    const rtpPort = await freePort(host)
    const write = async (name: string, content: string | Buffer) => {
      await writeFile(join(directory, name), content, { mode: 0o600 })
      return join(directory, name)
    }
    const { tls, source } = options
    const pem = tls?.certificate === undefined ? undefined : `${tls.certificate}\n${tls.key ?? ''}`
    const { config, accounts } = renderBaresip({
      account: {
        address: options.address,
        transport,
        outbound: options.outbound === undefined ? undefined : place(options.outbound),
        flows: options.flows?.map(({ host, port, transport }) => `${place({ host, port })};transport=${transport}`),
        digest: options.digest,
        answer: options.answer ?? 'manual',
        registerIntervalS: options.registerIntervalS ?? 0,
        srtp: options.srtp ?? false,
        ice: options.ice ?? false
      },
      modulePath,
      host,
      sipPort,
      controlPort,
      rtpPorts: [rtpPort, rtpPort + 3],
      sourceFile:
        source !== undefined && 'file' in source
          ? resolve(source.file)
          : await write('source.wav', sourceTone(source, options.codecs?.[0])),
      recordingDirectory,
      caFile: tls?.ca === undefined ? undefined : await write('authorities.pem', tls.ca),
      certificateFile: pem === undefined ? undefined : await write('certificate.pem', pem),
      codecs: options.codecs ?? ['PCMA', 'PCMU']
    })
    await Promise.all([write('config', config), write('accounts', accounts), write('contacts', '')])
    child = spawn('baresip', ['-f', directory, ...(host.includes(':') ? ['-6'] : [])], {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, HOME: directory }
    })
    running.add(child)
    const control = await openControl(child, controlPort, timeoutMs)
    const user = options.address.split('@')[0]
    const port = transport === 'tls' ? sipPort + 1 : sipPort
    const ended = once(child, 'exit')
    const process_ = child
    return {
      pid: child.pid!,
      directory,
      sipPort,
      uri: `sip:${user}@${place({ host, port })};transport=${transport}`,
      dial: (uri) => control.command('dial', uri),
      accept: () => control.command('accept'),
      hangup: () => control.command('hangup'),
      hold: () => control.command('hold'),
      resume: () => control.command('resume'),
      dtmf: async (digits) => {
        for (const digit of digits) await control.command('sndcode', digit)
      },
      events: control.events,
      next: control.next,
      recording: async () => {
        const files = (await readdir(recordingDirectory)).filter((file) => file.endsWith('-dec.wav')).sort()
        return files.length === 0 ? null : decodeWav(await readFile(join(recordingDirectory, files.at(-1)!)))
      },
      stop: async () => {
        if (running.delete(process_)) {
          process_.kill('SIGTERM')
          const done = await Promise.race([ended, delay(2000, null, { ref: false })])
          if (done === null) process_.kill('SIGKILL')
          await ended
        }
        control.close()
        await remove()
      },
      output: control.output
    }
  } catch (error) {
    if (child !== undefined) {
      running.delete(child)
      child.kill('SIGKILL')
    }
    await remove()
    throw error
  }
}

const notInstalled = () => new InfraFabricError('baresip.not-installed', 'baresip is not installed (Debian package baresip-core)')

const sourceLevelDbfs = -12

/** baresip takes a file only at the rate and with the channels of the codec. */
function sourceTone(source: { readonly toneHz: number; readonly lengthMs?: number } | undefined, codec = 'PCMA'): Buffer {
  const [, sampleRateHz = 8000, channels = 1] = codec.split('/').map(Number)
  const length = ((source?.lengthMs ?? 60_000) * sampleRateHz) / 1000
  const samples = source === undefined ? new Int16Array(length) : sine(sampleRateHz, source.toneHz, sourceLevelDbfs, length)
  return encodeWav({ sampleRateHz, samples }, channels)
}

interface Waiter {
  readonly types: readonly string[]
  readonly resolve: (event: BaresipEvent) => void
  readonly reject: (error: Error) => void
}

/** The ctrl_tcp connection: commands out, responses and events in. */
async function openControl(child: ChildProcess, port: number, timeoutMs: number) {
  let printed = ''
  const output = () => printed
  for (const stream of [child.stdout!, child.stderr!])
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed = (printed + text).slice(-maxOutput)
    })
  let gone: Error | undefined
  child.once('error', (error) => {
    gone = errorCode(error) === 'ENOENT' ? notInstalled() : new InfraFabricError('baresip.start', error.message)
  })
  child.once('exit', () => {
    gone ??= new InfraFabricError('baresip.start', `baresip ended: ${printed.trim().slice(-500)}`)
  })
  const socket = await connectUntil(port, timeoutMs, () => gone, output)
  const emitter = new EventTarget()
  const past: BaresipEvent[] = []
  const waiters = new Set<Waiter>()
  const pending = new Map<string, { resolve: () => void; reject: (error: Error) => void }>()
  const finished = new AbortController()
  let rest: Buffer = Buffer.alloc(0)
  let token = 0

  const receive = (event: BaresipEvent) => {
    emitter.dispatchEvent(new CustomEvent('event', { detail: event }))
    for (const waiter of waiters) {
      if (!waiter.types.includes(event.type)) continue
      waiters.delete(waiter)
      waiter.resolve(event)
      return
    }
    past.push(event)
    if (past.length > 1000) past.shift()
  }
  socket.on('data', (part: Buffer) => {
    try {
      const decoded = decodeNetstrings(Buffer.concat([rest, part]))
      rest = decoded.rest
      for (const text of decoded.texts) {
        const message = JSON.parse(text)
        if (message.response === true) {
          const waiting = pending.get(message.token)
          pending.delete(message.token)
          if (message.ok === true) waiting?.resolve()
          else waiting?.reject(new InfraFabricError('baresip.command', `baresip refuses: ${message.data}`))
        } else if (message.event === true) receive(toEvent(message))
      }
    } catch (error) {
      socket.destroy(error as Error)
    }
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    const error = new InfraFabricError('baresip.ended', `baresip ended: ${printed.trim().slice(-500)}`)
    for (const waiting of [...pending.values(), ...waiters]) waiting.reject(error)
    pending.clear()
    waiters.clear()
    finished.abort()
  })

  return {
    output,
    close: () => socket.destroy(),
    command: (command: string, params = '') => {
      const id = `${++token}`
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      if (finished.signal.aborted) throw new InfraFabricError('baresip.ended', 'baresip has ended')
      const timer = setTimeout(() => {
        pending.delete(id)
        reject(new InfraFabricError('baresip.timeout', `no answer to ${command}`))
      }, timeoutMs)
      pending.set(id, { resolve, reject })
      socket.write(encodeNetstring(JSON.stringify({ command, params, token: id })))
      return promise.finally(() => clearTimeout(timer))
    },
    events: () => eventsOf(emitter, finished.signal),
    next: (types: string | readonly string[], waitMs = 10_000) => {
      const wanted = typeof types === 'string' ? [types] : types
      const index = past.findIndex((event) => wanted.includes(event.type))
      if (index >= 0) return Promise.resolve(past.splice(0, index + 1).at(-1)!)
      const { promise, resolve, reject } = Promise.withResolvers<BaresipEvent>()
      const waiter: Waiter = { types: wanted, resolve, reject }
      if (finished.signal.aborted) reject(new InfraFabricError('baresip.ended', 'baresip has ended'))
      else waiters.add(waiter)
      const timer = setTimeout(() => {
        waiters.delete(waiter)
        reject(new InfraFabricError('baresip.timeout', `no ${wanted.join(' or ')} within ${waitMs} ms`))
      }, waitMs)
      return promise.finally(() => clearTimeout(timer))
    }
  }
}

async function* eventsOf(emitter: EventTarget, signal: AbortSignal): AsyncIterableIterator<BaresipEvent> {
  try {
    for await (const [event] of on(emitter as never, 'event', { signal })) yield (event as CustomEvent<BaresipEvent>).detail
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

function toEvent(message: Readonly<Record<string, unknown>>): BaresipEvent {
  const text = (value: unknown) => (typeof value === 'string' ? value : null)
  return {
    type: text(message.type) ?? 'UNKNOWN',
    direction: message.direction === 'incoming' || message.direction === 'outgoing' ? message.direction : null,
    peer: text(message.peeruri),
    callId: text(message.id),
    parameter: text(message.param) ?? ''
  }
}

/** ctrl_tcp listens some time after the process has started. */
async function connectUntil(
  port: number,
  timeoutMs: number,
  gone: () => Error | undefined,
  output: () => string
): Promise<Socket> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const error = gone()
    if (error !== undefined) throw error
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return socket
    } catch {
      socket.destroy()
    }
    if (performance.now() > deadline)
      throw new InfraFabricError('baresip.start', `baresip does not come up: ${output().trim().slice(-500)}`)
    await delay(25)
  }
}
