import { readFile } from 'node:fs/promises'
import { request as plainRequest } from 'node:http'
import { request as secureRequest } from 'node:https'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { ControlFile } from '#suite'
import { dataFolder, type Run } from '../command.ts'
import { type Arguments, CommandError, systemCode } from '../line/arguments.ts'
import { exitCodes } from '../line/exit-codes.ts'

const patienceMs = 60_000
const mostOctets = 16 << 20

/**
 * Asks the suite that runs on a data folder of this machine.
 *
 * @param body of a POST; a GET without
 * @param signal ends the waiting
 * @throws {CommandError} `cli.suite.absent` when none runs, or it serves nothing; `cli.suite.refused` with what it says; `cli.suite.unreachable`
 */
export async function askSuite(
  args: Arguments,
  path: string,
  body?: object,
  signal?: AbortSignal,
  headers: Readonly<Record<string, string>> = {}
): Promise<unknown> {
  const { status, text } = await send(await controlOf(args), path, body, signal, headers, null)
  return success(status, text)
}

/** A command that changes one thing of a conference, named by its first operand, and says nothing but that it is done. */
export const changeConference =
  (conferences: string, what: string, bodyOf: (participant: string | undefined) => object): Run =>
  async (args, output) => {
    const [conference = '', participant] = args.operands
    await askSuite(args, `${conferences}/${encodeURIComponent(conference)}/${what}`, bodyOf(participant))
    if (output.json) await output.document({ done: true })
    return exitCodes.ok
  }

/** Octets that are sent as they are read. */
export interface OctetsToSend {
  readonly length: number
  readonly stream: Readable
}

/**
 * Gives the suite a file.
 *
 * @throws {CommandError} as {@link askSuite}
 */
export async function giveSuite(args: Arguments, path: string, octets: OctetsToSend): Promise<unknown> {
  const { status, text } = await send(await controlOf(args), path, octets, undefined, {}, null)
  return success(status, text)
}

/**
 * Follows a stream of events of the suite (server-sent events) until it ends or `signal` is aborted.
 *
 * @param take given the data of each event
 * @throws {CommandError} as {@link askSuite}
 */
export async function followSuite(
  args: Arguments,
  path: string,
  take: (data: unknown) => void,
  signal: AbortSignal
): Promise<void> {
  let rest = ''
  const part = (text: string) => {
    const events = (rest + text).split('\n\n')
    rest = events.pop()!
    for (const event of events) {
      const data = event.split('\n').find((line) => line.startsWith('data: '))
      if (data !== undefined) take(parsed(data.slice('data: '.length)))
    }
  }
  try {
    const { status, text } = await send(await controlOf(args), path, undefined, signal, { accept: 'text/event-stream' }, part)
    success(status, text)
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

async function controlOf(args: Arguments): Promise<ControlFile> {
  const folder = dataFolder(args)
  try {
    return JSON.parse(await readFile(join(folder, 'control.json'), 'utf8'))
  } catch (cause) {
    if (systemCode(cause) !== 'ENOENT')
      throw new CommandError('cli.suite.unreachable', `${folder}/control.json cannot be read`, { cause })
    const hint = 'none runs, or its service is off (ledger.service.enabled)'
    throw new CommandError('cli.suite.absent', `no suite can be asked in ${folder}: ${hint}`)
  }
}

function success(status: number, text: string): unknown {
  const answer = parsed(text)
  if (status >= 200 && status < 300) return answer
  const { detail, errors = [] } = answer as { detail?: string; errors?: { at: string; message: string }[] }
  const more = errors.map(({ at, message }) => `; ${at}: ${message}`).join('')
  throw new CommandError(status === 404 ? 'cli.not-found' : 'cli.suite.refused', `${detail ?? `status ${status}`}${more}`)
}

/** @param take given the body of a success part by part, in place of the answer; null for the answer */
async function send(
  { url, token, certificate }: ControlFile,
  path: string,
  body: object | OctetsToSend | undefined,
  signal: AbortSignal | undefined,
  headers: Readonly<Record<string, string>>,
  take: ((text: string) => void) | null
): Promise<{ status: number; text: string }> {
  const target = new URL(path, url)
  const file = body !== undefined && 'stream' in body ? (body as OctetsToSend) : null
  const octets = body === undefined || file !== null ? null : Buffer.from(JSON.stringify(body))
  const length = file?.length ?? octets?.length
  const options = {
    method: length === undefined ? 'GET' : 'POST',
    headers: {
      ...headers,
      authorization: `Bearer ${token}`,
      ...(length === undefined
        ? {}
        : { 'content-type': file === null ? 'application/json' : 'application/octet-stream', 'content-length': length })
    },
    timeout: patienceMs,
    ...(signal === undefined ? {} : { signal })
  }
  // the certificate itself is what is trusted: its name need not be that of a loopback address
  const trust = certificate === null ? {} : { ca: await readFile(certificate), checkServerIdentity: () => undefined }
  try {
    return await new Promise((resolve, reject) => {
      const request =
        target.protocol === 'https:' ? secureRequest(target, { ...options, ...trust }) : plainRequest(target, options)
      request.on('error', reject)
      request.on('timeout', () => request.destroy(new Error('no answer')))
      request.on('response', (response) => {
        const parts: Buffer[] = []
        let size = 0
        response.on('error', reject)
        const status = response.statusCode ?? 0
        if (take !== null && status < 300) {
          response.setEncoding('utf8')
          response.on('data', take)
          response.on('end', () => resolve({ status, text: '' }))
          return
        }
        response.on('data', (part: Buffer) => {
          size += part.length
          if (size > mostOctets) request.destroy(new Error('too long an answer'))
          else parts.push(part)
        })
        response.on('end', () => resolve({ status, text: Buffer.concat(parts).toString('utf8') }))
      })
      if (file === null) request.end(octets ?? undefined)
      // a refusal that comes before the end is an answer all the same
      else file.stream.on('error', (error) => request.destroy(error)).pipe(request)
    })
  } catch (cause) {
    throw new CommandError('cli.suite.unreachable', 'the suite does not answer: it may have ended without a chance to say so', {
      cause
    })
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}
