/**
 * What of a module is looked at before anything compiles it: that it is a WASI command which imports nothing but what a sandbox has, and that its memory
 * and its tables cannot outgrow their caps. The caps are written into the module itself, so that the engine enforces them.
 *
 * @see WebAssembly Core Specification 2.0 §5.5 (binary format of modules)
 */
import { DecodeError, InfraFabricError } from '#kernel'
import { hostFunctions, wasiFunctions } from '../guest/imports.ts'

const maxModuleOctets = 8 << 20
/** Entries that all tables of a module may grow to together. */
export const maxTableEntries = 65_536
const maxTables = 16
const maxImports = 256
const maxTypes = 10_000
/** Octets of a page of linear memory. §4.2.8 */
export const pageOctets = 65_536

export interface CheckedModule {
  /** The module with its memory and tables capped. */
  readonly octets: Uint8Array
  /** Pages that its memory begins with, and may grow to. */
  readonly initialPages: number
  readonly maximumPages: number
}

const section = { custom: 0, type: 1, import: 2, table: 4, memory: 5, export: 7, dataCount: 12 } as const
const functionType = 0x60
/** i32, i64, f32, f64, v128, funcref, externref: each one octet. §5.3.1–5.3.4 */
const valueTypes: ReadonlySet<number> = new Set([0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f])
const functionKind = 0
const memoryKind = 2

/** Reads what it is given and nothing behind it. Offsets are those of the module. */
class Reader {
  readonly octets: Uint8Array
  readonly end: number
  at: number

  constructor(octets: Uint8Array, at: number, end: number) {
    this.octets = octets
    this.at = at
    this.end = end
  }

  fail(code: string, message: string): DecodeError {
    return new DecodeError(`chassis.module.${code}`, message, { path: 'module', bitOffset: this.at * 8 })
  }

  octet(): number {
    if (this.at >= this.end) throw this.fail('short', 'the module ends inside')
    return this.octets[this.at++]!
  }

  /** Unsigned LEB128 of at most 32 bits. §5.2.2 */
  u32(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const octet = this.octet()
      if (shift === 28 && octet > 0x0f) break
      value += (octet & 0x7f) * 2 ** shift
      if ((octet & 0x80) === 0) return value
    }
    throw this.fail('number', 'a number of more than 32 bits')
  }

  take(length: number): Uint8Array {
    if (length > this.end - this.at) throw this.fail('short', 'the module ends inside')
    this.at += length
    return this.octets.subarray(this.at - length, this.at)
  }

  name(): string {
    const octets = this.take(this.u32())
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(octets)
    } catch {
      throw this.fail('name', 'a name that is no UTF-8')
    }
  }

  count(most: number, of: string): number {
    const count = this.u32()
    if (count > most) throw this.fail('large', `${count} ${of}: expected at most ${most}`)
    return count
  }
}

function u32(value: number): number[] {
  const octets: number[] = []
  let rest = value
  do {
    const low = rest % 128
    rest = Math.floor(rest / 128)
    octets.push(rest > 0 ? low | 0x80 : low)
  } while (rest > 0)
  return octets
}

/** Limits of 32-bit memories and tables that are not shared: flag 0 or 1. §5.3.8 */
function limits(reader: Reader): { least: number; most: number | null } {
  const flag = reader.octet()
  if (flag > 1) throw reader.fail('limits', 'a memory or table that is shared or has 64-bit indices')
  return { least: reader.u32(), most: flag === 1 ? reader.u32() : null }
}

function checkTypes(reader: Reader): void {
  for (let left = reader.count(maxTypes, 'types'); left > 0; left--) {
    // types of garbage-collected objects are memory that no cap of this file would hold
    if (reader.octet() !== functionType) throw reader.fail('type', 'a type that is no function')
    for (const side of ['parameters', 'results'])
      for (const type of reader.take(reader.count(1000, side)))
        if (!valueTypes.has(type)) throw reader.fail('type', 'a function of types that commands of WASI do not have')
  }
}

function checkImports(reader: Reader): void {
  for (let left = reader.count(maxImports, 'imports'); left > 0; left--) {
    const [module, name] = [reader.name(), reader.name()]
    const kind = reader.octet()
    const known =
      (module === 'wasi_snapshot_preview1' && wasiFunctions.has(name)) || (module === 'infrafabric' && hostFunctions.has(name))
    if (kind !== functionKind || !known)
      throw reader.fail(
        'import',
        `it asks for ${JSON.stringify(`${module}.${name}`.slice(0, 80))}, which a sandbox does not have`
      )
    reader.u32()
  }
}

function capMemory(reader: Reader, maximumPages: number): { octets: number[]; initialPages: number; maximumPages: number } {
  if (reader.u32() !== 1) throw reader.fail('memory', 'expected one memory')
  const { least, most } = limits(reader)
  if (least > maximumPages)
    throw reader.fail('memory', `it begins with ${least} pages of memory: expected at most ${maximumPages}`)
  const capped = Math.min(most ?? maximumPages, maximumPages)
  return { octets: [1, 1, ...u32(least), ...u32(capped)], initialPages: least, maximumPages: capped }
}

function capTables(reader: Reader): number[] {
  const count = reader.count(maxTables, 'tables')
  const octets = u32(count)
  const share = Math.floor(maxTableEntries / Math.max(1, count))
  for (let left = count; left > 0; left--) {
    const type = reader.octet()
    // funcref and externref; anything else may bring an expression that fills it (§5.5.7 of 3.0), which no command of WASI preview 1 needs
    if (type !== 0x70 && type !== 0x6f) throw reader.fail('table', 'a table of neither functions nor references')
    const { least, most } = limits(reader)
    if (least > share) throw reader.fail('large', `a table of ${least} entries: expected at most ${share}`)
    octets.push(type, 1, ...u32(least), ...u32(Math.min(most ?? share, share)))
  }
  return octets
}

function checkExports(reader: Reader): void {
  const found = new Map<string, number>()
  for (let left = reader.count(10_000, 'exports'); left > 0; left--) {
    const name = reader.name()
    found.set(name, reader.octet())
    reader.u32()
  }
  if (found.get('_start') !== functionKind || found.get('memory') !== memoryKind)
    throw reader.fail('command', 'no command of WASI: it must export the function _start and its memory')
}

/**
 * Reads the sections of a module that decide what it may have. Code is not looked at: the engine validates it, inside the sandbox.
 *
 * @param maximumPages pages of 64 KiB that its memory may grow to
 * @throws {DecodeError} `chassis.module.…`
 */
export function checkModule(octets: Uint8Array, maximumPages: number): CheckedModule {
  if (octets.length > maxModuleOctets)
    throw new InfraFabricError('chassis.module.large', `a module of ${octets.length} octets: expected at most ${maxModuleOctets}`)
  const reader = new Reader(octets, 0, octets.length)
  const head = Buffer.from(reader.take(Math.min(8, octets.length))).toString('latin1')
  if (head !== '\0asm\u0001\0\0\0') throw reader.fail('magic', 'no WebAssembly module of version 1')
  const parts: Uint8Array[] = [octets.subarray(0, 8)]
  const seen = new Set<number>()
  let memory: { octets: number[]; initialPages: number; maximumPages: number } | null = null
  while (reader.at < reader.end) {
    const begin = reader.at
    const id = reader.octet()
    const length = reader.u32()
    const body = new Reader(octets, reader.at, reader.at + length)
    reader.take(length)
    if (id > section.dataCount) throw reader.fail('section', `a section of the unknown kind ${id}`)
    // names and debug data: nothing that a command needs to run
    if (id === section.custom) continue
    if (seen.has(id)) throw reader.fail('section', `two sections of the kind ${id}`)
    seen.add(id)
    let written: number[] | null = null
    let read = true
    if (id === section.type) checkTypes(body)
    else if (id === section.import) checkImports(body)
    else if (id === section.table) written = capTables(body)
    else if (id === section.memory) {
      memory = capMemory(body, maximumPages)
      written = memory.octets
    } else if (id === section.export) checkExports(body)
    else read = false
    if (read && body.at !== body.end) throw body.fail('section', `a section of the kind ${id} goes on behind its end`)
    parts.push(written === null ? octets.subarray(begin, reader.at) : Uint8Array.from([id, ...u32(written.length), ...written]))
  }
  if (!seen.has(section.export)) throw reader.fail('command', 'no command of WASI: it exports nothing')
  if (memory === null) throw reader.fail('memory', 'expected one memory')
  return { octets: Buffer.concat(parts), initialPages: memory.initialPages, maximumPages: memory.maximumPages }
}
