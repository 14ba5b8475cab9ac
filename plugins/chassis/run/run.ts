import type { JsonObject } from '#kernel'
import { messageOf } from '#kernel'
import { errno } from '../guest/errno.ts'
import { encodeFrame, maxBodyOctets, maxHeadOctets } from '../guest/frame.ts'
import type { Limits } from './limits.ts'
import { mustWait, readProcess } from './meter.ts'
import { type CheckedModule, checkModule, pageOctets } from './module.ts'
import { makeProcess, type SandboxProcess } from './process.ts'
import { openScopes, type ScopedDirectory, type Scopes } from './scope.ts'

/** How a run ended. `exit` is the only one that the module chose itself. */
export type Outcome =
  | 'exit'
  | 'trap'
  /** The engine refused the module. */
  | 'invalid'
  | 'deadline'
  | 'memory'
  /** More host calls than it may make. */
  | 'flood'
  /** It said to its host what no sandbox says. */
  | 'protocol'
  | 'stopped'
  | 'crashed'

export interface Usage extends JsonObject {
  readonly cpuMs: number
  readonly wallMs: number
  /** Pages of 64 KiB that its memory had in the end. */
  readonly pages: number
  readonly hostCalls: number
  readonly logOctets: number
  readonly logOctetsDropped: number
}

export interface RunResult {
  readonly outcome: Outcome
  /** Of `exit`; null otherwise. */
  readonly code: number | null
  readonly message: string | null
  readonly output: Buffer
  readonly usage: Usage
}

/** Credentials as a module meets them: it names a service, gets a handle, has the handle used. Errors are errnos. */
export interface CredentialPort {
  readonly open: (service: string) => Promise<{ readonly errno: number; readonly handle?: number }>
  readonly use: (handle: number, request: Buffer) => Promise<{ readonly errno: number; readonly body?: Buffer }>
}

/** Hazards as a module raises them, by name, with a summary for people. @returns an errno */
export type RaiseHazard = (hazard: string, summary: string) => Promise<number>

const maxSummaryOctets = 4000

export interface RunOptions {
  readonly limits: Limits
  readonly args?: readonly string[]
  /** Its standard input. */
  readonly input?: Uint8Array
  readonly directories?: readonly ScopedDirectory[]
  readonly credentials?: CredentialPort
  readonly raiseHazard?: RaiseHazard
  /** What it writes to its standard output (1) and error (2), within `logOctets`. */
  readonly log?: (stream: 1 | 2, octets: Buffer) => void
  /** Told once when the module's own code begins. */
  readonly started?: () => void
  readonly signal?: AbortSignal
  /** One that waits already; it is gone afterwards. Default: one that is made for this run. */
  readonly process?: SandboxProcess
}

export const maxInputOctets = 1 << 20

/** Of the process around the module: V8, Node, the module's code. */
const processOctets = 192 << 20
const meterEachMs = 20

type Head = { readonly op: string; readonly [name: string]: unknown }
type Reply = { readonly errno: number; readonly [name: string]: unknown }

function parseHead(text: string): Head | null {
  try {
    const head = JSON.parse(text)
    return typeof head === 'object' && head !== null && typeof head.op === 'string' ? head : null
  } catch {
    return null
  }
}

/** @returns null when it is no UTF-8 */
function textOf(octets: Buffer): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(octets)
  } catch {
    return null
  }
}

/**
 * Runs a module once, in a process of its own that can reach nothing but this function.
 *
 * - Its memory and tables are capped in the module itself; a process that outgrows them all the same is killed.
 * - The deadline is kept by killing the process, a share of the processor by stopping and continuing it, measured each 20 ms.
 * - Everything beyond clock, random and arguments is asked of the host, one question at a time.
 *
 * @throws {DecodeError} `chassis.module.…`: nothing was started
 * @throws {InfraFabricError} `chassis.scope`
 */
export async function runModule(octets: Uint8Array, options: RunOptions): Promise<RunResult> {
  const { limits, args = [], input = new Uint8Array(0), directories = [], credentials, raiseHazard, log, signal } = options
  const maximumPages = (limits.memoryMb << 20) / pageOctets
  let module: CheckedModule
  let scopes: Scopes
  try {
    module = checkModule(octets, maximumPages)
    scopes = await openScopes(directories, limits.writtenOctets)
  } catch (error) {
    options.process?.child.kill('SIGKILL')
    throw error
  }
  try {
    return await runChecked()
  } finally {
    await scopes.close()
  }

  async function runChecked(): Promise<RunResult> {
    const beganMs = performance.now()
    const { child, stream, words, closed } = options.process ?? makeProcess()
    const output: Buffer[] = []
    const usage = { cpuMs: 0, wallMs: 0, pages: 0, hostCalls: 0, logOctets: 0, logOctetsDropped: 0 }
    let outputOctets = 0
    let ended: { outcome: Outcome; code: number | null; message: string | null } | null = null
    let base: { cpuMs: number; atMs: number } | null = null
    let engineWords = ''

    const end = (outcome: Outcome, message: string | null, code: number | null = null): void => {
      if (ended !== null) return
      measure()
      ended = { outcome, code, message }
      child.kill('SIGKILL')
    }
    let waiting = false
    const measure = (): void => {
      const reading = child.pid === undefined ? null : readProcess(child.pid)
      if (reading === null) return
      usage.cpuMs = reading.cpuMs - (base?.cpuMs ?? 0)
      if (ended !== null) return
      if (reading.residentOctets > processOctets + (limits.memoryMb << 20)) {
        end('memory', `its process holds ${reading.residentOctets} octets`)
        return
      }
      const wait = base !== null && mustWait(limits.cpuPercent, usage.cpuMs, performance.now() - base.atMs)
      if (wait !== waiting) {
        waiting = wait
        child.kill(wait ? 'SIGSTOP' : 'SIGCONT')
      }
    }

    const serve: Record<string, (head: Head, body: Buffer) => Promise<[Reply, Uint8Array?]> | [Reply, Uint8Array?]> = {
      begin: () => [
        { errno: 0, args, directories: directories.map(({ name }) => name), moduleOctets: module.octets.length },
        Buffer.concat([module.octets, input])
      ],
      started: () => {
        base = { cpuMs: readProcess(child.pid!)?.cpuMs ?? 0, atMs: performance.now() }
        options.started?.()
        return [{ errno: 0 }]
      },
      log: ({ fd }, body) => {
        const kept = body.subarray(0, Math.max(0, limits.logOctets - usage.logOctets))
        usage.logOctets += kept.length
        usage.logOctetsDropped += body.length - kept.length
        if (kept.length > 0) log?.(fd === 2 ? 2 : 1, kept)
        return [{ errno: 0 }]
      },
      output: (_, body) => {
        if (outputOctets + body.length > limits.outputOctets) return [{ errno: errno.noSpace }]
        outputOctets += body.length
        output.push(body)
        return [{ errno: 0 }]
      },
      credentialOpen: async ({ service }) => [
        credentials === undefined || typeof service !== 'string'
          ? { errno: errno.notCapable }
          : { ...(await credentials.open(service)) }
      ],
      credentialUse: async ({ handle }, body) => {
        if (credentials === undefined || typeof handle !== 'number') return [{ errno: errno.notCapable }]
        const used = await credentials.use(handle, body)
        return [{ errno: used.errno }, used.body]
      },
      raiseHazard: async ({ hazard }, body) => {
        if (raiseHazard === undefined || typeof hazard !== 'string') return [{ errno: errno.notCapable }]
        if (body.length > maxSummaryOctets) return [{ errno: errno.tooBig }]
        const summary = textOf(body)
        return [{ errno: summary === null ? errno.invalid : await raiseHazard(hazard, summary) }]
      },
      end: ({ how, code, message, pages }) => {
        usage.pages = typeof pages === 'number' ? pages : 0
        const said = typeof message === 'string' ? message.slice(0, 500) : null
        if (how === 'exit' && typeof code === 'number') end('exit', null, code >>> 0)
        else if (how === 'trap' || how === 'invalid') end(how, said)
        else end('protocol', 'it ended as no sandbox ends')
        return [{ errno: 0 }]
      }
    }

    const answer = async (head: Head, body: Buffer): Promise<void> => {
      if (!Object.hasOwn(serve, head.op) && !scopes.serves(head.op)) {
        end('protocol', 'it asked for what there is not')
        return
      }
      usage.hostCalls++
      if (usage.hostCalls > limits.hostCalls && head.op !== 'end') {
        end('flood', `more than ${limits.hostCalls} host calls`)
        return
      }
      const [reply, octets] = scopes.serves(head.op) ? await scopes.serve(head, body) : await serve[head.op]!(head, body)
      if (ended === null && !stream.destroyed) stream.write(encodeFrame(reply, octets))
    }

    let received: Buffer = Buffer.alloc(0)
    let answering = false
    /** What is wrong with the way in which it asks; null when nothing is. */
    const take = (): string | null => {
      if (answering) return 'a question before the answer'
      if (received.length < 8) return null
      const [headLength, bodyLength] = [received.readUInt32LE(0), received.readUInt32LE(4)]
      if (headLength > maxHeadOctets || bodyLength > maxBodyOctets) return 'a question too long'
      const length = 8 + headLength + bodyLength
      if (received.length < length) return null
      if (received.length > length) return 'a question before the answer'
      const head = parseHead(received.toString('utf8', 8, 8 + headLength))
      const body = Buffer.from(received.subarray(8 + headLength))
      received = Buffer.alloc(0)
      if (head === null) return 'a question that cannot be read'
      answering = true
      answer(head, body).then(
        () => {
          answering = false
        },
        (error: unknown) => end('protocol', messageOf(error))
      )
      return null
    }
    stream.on('data', (part: Buffer) => {
      received = received.length === 0 ? part : Buffer.concat([received, part])
      const wrong = ended === null ? take() : null
      if (wrong !== null) end('protocol', wrong)
    })
    words.on('data', (part: Buffer) => {
      if (engineWords.length < 4096) engineWords += part.toString('latin1').slice(0, 4096)
    })

    const deadline = setTimeout(() => end('deadline', `not done after ${limits.deadlineMs} ms`), limits.deadlineMs)
    const metering = setInterval(measure, meterEachMs)
    const stop = (): void => end('stopped', 'it was told to stop')
    signal?.addEventListener('abort', stop, { once: true })
    if (signal?.aborted) stop()
    try {
      const broken = await closed
      if (broken !== null) end('crashed', broken.message)
    } finally {
      clearTimeout(deadline)
      clearInterval(metering)
      signal?.removeEventListener('abort', stop)
      stream.destroy()
    }
    usage.wallMs = Math.round(performance.now() - beganMs)
    const outOfMemory = /out of memory|heap limit/i.test(engineWords)
    const { outcome, code, message } = ended ?? {
      outcome: outOfMemory ? ('memory' as const) : ('crashed' as const),
      code: null,
      message: outOfMemory ? 'the engine had no more memory' : `its process ended by itself: ${engineWords.trim().slice(-300)}`
    }
    return { outcome, code, message, output: Buffer.concat(output), usage }
  }
}
