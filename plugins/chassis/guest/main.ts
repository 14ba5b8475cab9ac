/**
 * The process of a sandbox: runs one module from its beginning to its end. It is started with no environment and no permission to files, processes,
 * threads or add-ons, and has one stream, to its host.
 */
import { call } from './channel.ts'
import { engine, type Memory } from './engine.ts'
import { Exit, importsOf } from './wasi.ts'

const { head, body } = call({ op: 'begin' })
const { args, directories, moduleOctets } = head as unknown as {
  readonly args: string[]
  readonly directories: string[]
  readonly moduleOctets: number
}
const input = body.subarray(moduleOctets)
let memory: Memory | null = null
let how: { how: string; code?: number; message?: string }
try {
  const module = new engine.Module(body.subarray(0, moduleOctets))
  const imports = importsOf({
    ask: call,
    memory: () => {
      // a start function runs before its memory is known to anybody
      if (memory === null) throw new RangeError('memory')
      return memory.buffer
    },
    args,
    directories,
    input
  })
  const { exports } = new engine.Instance(module, imports)
  memory = exports.memory as Memory
  call({ op: 'started' })
  ;(exports._start as () => void)()
  how = { how: 'exit', code: 0 }
} catch (error) {
  const message = String(error instanceof Error ? error.message : error).slice(0, 500)
  if (error instanceof Exit) how = { how: 'exit', code: error.code }
  else if (error instanceof engine.CompileError || error instanceof engine.LinkError) how = { how: 'invalid', message }
  else how = { how: 'trap', message }
}
call({ op: 'end', ...how, pages: memory === null ? 0 : memory.buffer.byteLength / 65_536 })
process.exit(0)
