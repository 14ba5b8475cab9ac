/** Modules on disk, by their hash. */
import { createHash, randomUUID } from 'node:crypto'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder } from '#kernel'
import type { Sandbox } from '../sandbox.ts'
import { fail } from '../sandbox-records.ts'

export interface ModuleFiles {
  /** @returns its SHA-256, 64 hex digits */
  readonly keep: (module: Uint8Array) => string
  /** @throws {InfraFabricError} `chassis.module.changed`; what the file system throws */
  readonly read: (sandbox: Sandbox) => Buffer
}

const sha256Of = (octets: Uint8Array): string => createHash('sha256').update(octets).digest('hex')

export function moduleFiles(folder: string): ModuleFiles {
  const place = (sha256: string): string => join(folder, `${sha256}.wasm`)
  return {
    keep: (module) => {
      const sha256 = sha256Of(module)
      makeFolder(folder)
      const half = join(folder, `.${randomUUID()}`)
      writeFileSync(half, module, { mode: 0o600 })
      renameSync(half, place(sha256))
      return sha256
    },
    read: ({ id, module: sha256 }) => {
      const module = readFileSync(place(sha256!))
      if (sha256Of(module) !== sha256) throw fail('module.changed', `the module of ${id} is not what it was made with`)
      return module
    }
  }
}
