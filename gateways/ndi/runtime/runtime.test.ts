import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { TypeObject } from 'koffi'
import { fourCC, fourCCText, koffi, structs } from './abi.ts'
import { NativeMemory, textAt } from './native-memory.ts'
import { loadRuntime, runtimeCandidates } from './runtime.ts'

test('every structure has the size and the offsets that a C compiler gives it', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ndi-layouts-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const program = join(folder, 'layouts')
  execFileSync('cc', ['-Wall', '-Werror', '-o', program, join(import.meta.dirname, '../testdata/layouts.c')])
  const compiled = JSON.parse(execFileSync(program, { encoding: 'utf8' }))
  t.deepEqual(Object.keys(compiled).sort(), Object.keys(structs).sort())
  for (const [name, struct] of Object.entries(structs)) {
    const offsets = Object.fromEntries(
      Object.keys((struct as TypeObject).members!).map((field) => [field, koffi.offsetof(struct, field)])
    )
    // the second names of the unions stand in C only
    const { dataSize: _, ...declared } = compiled[name].offsets
    t.deepEqual({ size: koffi.sizeof(struct), offsets }, { size: compiled[name].size, offsets: declared }, name)
  }
})

test('four characters and their code', (t) => {
  t.is(fourCC('UYVY'), 0x59565955)
  t.is(fourCCText(fourCC('FLTp')), 'FLTp')
})

test('text in native memory', (t) => {
  const memory = new NativeMemory()
  t.is(textAt(memory.text('Straße (1)')), 'Straße (1)')
  t.is(textAt(memory.text('')), '')
  t.is(memory.text(null), null)
  t.is(textAt(memory.text('abc\0def'), 7), 'abc')
  memory.free()
  memory.free()
})

test('the variable comes before the system, the system before what was fetched', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ndi-none-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  t.deepEqual(runtimeCandidates({ NDI_RUNTIME_DIR_V6: '/opt/ndi' }, folder), ['/opt/ndi/libndi.so.6', 'libndi.so.6'])
  t.deepEqual(runtimeCandidates({}, folder), ['libndi.so.6'])
})

test('a library that is no NDI runtime is told from none', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ndi-wrong-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'empty.c'), 'int nothing;\n')
  execFileSync('cc', ['-shared', '-o', join(folder, 'libndi.so.6'), join(folder, 'empty.c')])
  t.throws(() => loadRuntime(runtimeCandidates({ NDI_RUNTIME_DIR_V6: folder }, folder)), { code: 'ndi.runtime.unusable' })
})

test('without a runtime the error tells what was tried and what to do', (t) => {
  t.throws(() => loadRuntime(['/nowhere/libndi.so.6']), {
    code: 'ndi.runtime.absent',
    message: /\/nowhere\/libndi.*NDI_RUNTIME_DIR_V6.*fetch-ndi/
  })
})
