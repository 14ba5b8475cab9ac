/**
 * rtpengine as a peer: a relay in C that forwards packets in user space. Started for the benchmark, spoken to by its control protocol `ng` (bencode over UDP).
 *
 * @see https://rtpengine.readthedocs.io/en/latest/ng_control_protocol.html
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

type Bencoded = string | readonly Bencoded[] | { readonly [key: string]: Bencoded }

function bencode(value: Bencoded): string {
  if (typeof value === 'string') return `${Buffer.byteLength(value)}:${value}`
  if (Array.isArray(value)) return `l${value.map(bencode).join('')}e`
  const entries = Object.entries(value as { readonly [key: string]: Bencoded })
  return `d${entries.map(([key, item]) => bencode(key) + bencode(item)).join('')}e`
}

/** One string of a bencoded dictionary. */
function field(text: string, key: string): string | null {
  const at = text.indexOf(`${key.length}:${key}`)
  if (at < 0) return null
  const rest = text.slice(at + `${key.length}:${key}`.length)
  const length = /^(\d+):/.exec(rest)
  return length === null ? null : rest.slice(length[0].length, length[0].length + Number(length[1]))
}

export const isInstalled = () => existsSync('/usr/bin/rtpengine')

/** Ticks of the kernel's clock in a second, in which it counts processor time. */
const clockTicks = Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout) || 100
const controlPort = 17_222
const answerWithinMs = 5000

export class Rtpengine {
  readonly #process: ChildProcess
  readonly #socket: Socket
  #cookie = 0

  private constructor(process: ChildProcess, socket: Socket) {
    this.#process = process
    this.#socket = socket
  }

  /** @throws {Error} when it does not answer */
  static async start(portRange: readonly [number, number]): Promise<Rtpengine> {
    const child = spawn(
      '/usr/bin/rtpengine',
      [
        '--foreground',
        '--table=-1',
        '--interface=127.0.0.1',
        `--listen-ng=127.0.0.1:${controlPort}`,
        `--port-min=${portRange[0]}`,
        `--port-max=${portRange[1]}`,
        '--log-stderr',
        '--log-level=1',
        '--num-threads=2',
        '--config-file=none'
      ],
      { stdio: 'ignore' }
    )
    const socket = createSocket('udp4')
    const engine = new Rtpengine(child, socket)
    try {
      for (let tried = 0; ; tried++) {
        try {
          await engine.#ask({ command: 'ping' }, 300)
          return engine
        } catch (error) {
          if (tried === 20 || child.exitCode !== null) throw error
          await sleep(100)
        }
      }
    } catch (error) {
      await engine.stop()
      throw error
    }
  }

  async #ask(command: { readonly [key: string]: Bencoded }, withinMs = answerWithinMs): Promise<string> {
    const cookie = `c${this.#cookie++}`
    this.#socket.send(`${cookie} ${bencode(command)}`, controlPort, '127.0.0.1')
    const signal = AbortSignal.timeout(withinMs)
    for (;;) {
      const [answer] = (await once(this.#socket, 'message', { signal })) as [Buffer]
      const text = answer.toString('latin1')
      if (text.startsWith(`${cookie} `)) return text
    }
  }

  /** Connects two phones. @returns the ports to which each of them sends */
  async connect(call: number, offer: string, answer: string): Promise<[number, number]> {
    const ids = { 'call-id': `call${call}`, 'from-tag': `a${call}` }
    const options = { replace: ['origin'], ICE: 'remove', 'transport-protocol': 'RTP/AVP' } as const
    const offered = await this.#ask({ command: 'offer', ...ids, sdp: offer, ...options })
    const answered = await this.#ask({ command: 'answer', ...ids, 'to-tag': `b${call}`, sdp: answer, ...options })
    const port = (text: string) => Number(/m=audio (\d+)/.exec(field(text, 'sdp') ?? '')?.[1])
    const [forSecond, forFirst] = [port(offered), port(answered)]
    if (!forFirst || !forSecond) throw new Error(`rtpengine refused: ${offered} ${answered}`.slice(0, 300))
    return [forFirst, forSecond]
  }

  /** Processor time so far, in milliseconds. */
  cpuMs(): number {
    const fields = readFileSync(`/proc/${this.#process.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
    return ((Number(fields[11]) + Number(fields[12])) * 1000) / clockTicks
  }

  async stop(): Promise<void> {
    this.#socket.close()
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
  }
}
