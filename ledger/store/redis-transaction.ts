/**
 * Commands that the server takes as one transaction, written to its socket as they are. ioredis would put the octets of a pipeline together twice, half a megabyte a commit each time: besides the copies
 * it is memory outside V8's heap, for the sake of which V8 then collects all of the heap every twenty commits.
 */
import type { Socket } from 'node:net'
import { Command } from 'ioredis'
import type { Client } from './redis-connection.ts'

type Words = readonly [name: string, ...args: (string | Buffer)[]]

/** A command that writes itself to the socket it is meant for, where ioredis asks what to write. */
class DirectCommand extends Command {
  readonly #whenWritten: (() => void) | undefined

  /** @param whenWritten called when the system has taken all that was written so far, or the connection has ended */
  constructor([name, ...args]: Words, whenWritten?: () => void) {
    super(name, args, { replyEncoding: 'utf8' })
    this.#whenWritten = whenWritten
  }

  override toWritable(destination: object): string {
    const socket = destination as Socket
    // all commands of a turn in one call of the system
    socket.cork()
    process.nextTick(() => socket.uncork())
    let text = `*${this.args.length + 1}\r\n$${this.name.length}\r\n${this.name}\r\n`
    for (const arg of this.args as (string | Buffer)[]) {
      if (typeof arg === 'string') text += `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`
      else {
        socket.write(`${text}$${arg.length}\r\n`)
        socket.write(arg)
        text = '\r\n'
      }
    }
    socket.write(text, this.#whenWritten)
    return ''
  }
}

/**
 * Sends `commands` between MULTI and EXEC, and one behind them.
 *
 * @param args Buffers are written as they are, and must stay so until the answers are there
 * @param behind as WAIT
 * @returns answers of all of them by `exec()`, EXEC's behind those of MULTI and `commands`; `sent` resolves when all of it has left this process, or failed
 */
export function transaction(client: Client, commands: readonly Words[], behind: Words | null, whenSent: () => void) {
  const pipeline = client.pipeline()
  const add = (words: Words, isInside: boolean, whenWritten?: () => void) => {
    const command = new DirectCommand(words, whenWritten)
    // a cluster that has moved the log is asked again where it is only for what was not taken
    command.inTransaction = isInside
    ;(pipeline as unknown as { sendCommand: (command: Command) => void }).sendCommand(command)
  }
  add(['multi'], true)
  for (const words of commands) add(words, true)
  add(['exec'], false, whenSent)
  if (behind !== null) add(behind, false)
  return pipeline
}
