import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { FromCaller, LoadBlock, LoadCrowd, LoadResult, LoadSettings, ToCaller } from './caller.ts'

/** Callers at work in another process. */
export interface Load {
  /** Makes the calls of a block; resolves when the last of them is over. Rejects when the process is gone. */
  readonly run: (block: LoadBlock) => Promise<LoadResult>
  /** Makes calls that stay up; resolves with the port each is to send its sound to, null for one that was not answered. */
  readonly gather: (crowd: LoadCrowd) => Promise<readonly (number | null)[]>
  /** Ends the calls that stay up. */
  readonly release: () => Promise<LoadResult>
  /** Of the calling process. */
  readonly pid: number
  readonly close: () => Promise<void>
}

function answerOf(child: ChildProcess, order: ToCaller): Promise<FromCaller> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(new Error('the calling process is gone'))
    child.once('exit', gone)
    child.once('message', (message: FromCaller) => {
      child.off('exit', gone)
      if (message.type === 'error') reject(new Error(message.message))
      else resolve(message)
    })
    if (child.connected) child.send(order)
    else gone()
  })
}

/** Starts the process and opens its connections. */
export async function startLoad(settings: LoadSettings): Promise<Load> {
  const child = fork(fileURLToPath(new URL('caller.ts', import.meta.url)), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const close = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
  try {
    await answerOf(child, { type: 'open', settings })
  } catch (error) {
    await close()
    throw error
  }
  const resultOf = async (order: ToCaller) => {
    const answer = await answerOf(child, order)
    if (answer.type !== 'result') throw new TypeError(`expected a result, got ${answer.type}`)
    return answer.result
  }
  return {
    run: (block) => resultOf({ type: 'run', block }),
    gather: async (crowd) => {
      const answer = await answerOf(child, { type: 'gather', crowd })
      if (answer.type !== 'gathered') throw new TypeError(`expected ports, got ${answer.type}`)
      return answer.ports
    },
    release: () => resultOf({ type: 'release' }),
    pid: child.pid!,
    close
  }
}
