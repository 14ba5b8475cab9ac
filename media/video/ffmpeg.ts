/** ffmpeg as a child process: octets in, octets out, and how it ended. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { InfraFabricError } from '#kernel'

/** Of what it says when it fails. */
const mostWords = 2000
const killAfterMs = 2000

export interface Ffmpeg {
  /** Writes and calls back when the octets are taken and may be changed. */
  readonly write: (octets: Uint8Array, taken: () => void) => void
  /** There is no more input. */
  readonly end: () => void
  /** Takes no more output for now, so that it waits; or takes it again. */
  readonly hold: (isHeld: boolean) => void
  /** Ends it: its input first, the process itself when it does not follow. Idempotent. */
  readonly close: () => Promise<void>
  /** Ends the process itself, at once. Idempotent. */
  readonly kill: () => Promise<void>
}

/**
 * Starts ffmpeg with raw input on its standard input and its output on its standard output.
 *
 * @param onOutput what it throws as an `InfraFabricError` ends the process, and `onEnd` is told it
 * @param onEnd told once, when it ends without {@link Ffmpeg.close}: `media.ffmpeg.absent`, `media.ffmpeg.ended`
 * @param onDone told instead when it ends in order; absent where that is a fault, too
 */
export function startFfmpeg(
  args: readonly string[],
  onOutput: (octets: Buffer) => void,
  onEnd: (error: InfraFabricError) => void,
  onDone?: () => void
): Ffmpeg {
  const child: ChildProcessWithoutNullStreams = spawn('ffmpeg', ['-hide_banner', '-loglevel', 'error', '-nostdin', ...args], {
    stdio: 'pipe',
    env: { PATH: process.env.PATH }
  })
  let words = ''
  let closing = false
  let cause: Error | null = null
  const ended = Promise.withResolvers<void>()
  const kill = async (): Promise<void> => {
    closing = true
    child.kill('SIGKILL')
    // output that nobody takes keeps `close` back
    child.stdout.destroy()
    await ended.promise
  }
  child.stdout.on('data', (octets: Buffer) => {
    try {
      onOutput(octets)
    } catch (error) {
      if (!(error instanceof InfraFabricError)) throw error
      const isExpected = closing
      void kill()
      if (!isExpected) onEnd(error)
    }
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-mostWords)
  })
  // who writes learns of the end by `close`
  child.stdin.on('error', () => undefined)
  child.on('error', (error) => {
    cause = error
  })
  child.on('close', (code, signal) => {
    ended.resolve()
    if (closing) return
    if (code === 0 && onDone !== undefined) return onDone()
    const absent = (cause as NodeJS.ErrnoException | null)?.code === 'ENOENT'
    onEnd(
      absent
        ? new InfraFabricError('media.ffmpeg.absent', 'there is no ffmpeg: install it (Debian: ffmpeg)')
        : new InfraFabricError('media.ffmpeg.ended', `ffmpeg ended (${signal ?? code}): ${words.trim()}`, { cause })
    )
  })
  return {
    write: (octets, taken) => {
      if (child.stdin.writable) child.stdin.write(octets, taken)
      else queueMicrotask(taken)
    },
    end: () => child.stdin.end(),
    hold: (isHeld) => void (isHeld ? child.stdout.pause() : child.stdout.resume()),
    close: async () => {
      closing = true
      child.stdin.end()
      const timer = setTimeout(() => child.kill('SIGKILL'), killAfterMs)
      await ended.promise
      clearTimeout(timer)
    },
    kill
  }
}
