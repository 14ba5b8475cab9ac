/**
 * Builds the worker process of mediasoup from the sources in its npm package, against the system's libraries: `node media/mediasoup/build-worker.ts`.
 *
 * The package would download a binary or a tool chain. Here a C++ compiler and flatc are enough: what is compiled stands in the package's
 * own meson.build, and what those files include alike is compiled once (a precompiled header). A worker is kept under the hash of
 * all that goes into it, outside of the checkout, so that it is built once on a machine.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, readdir, readFile, realpath, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { availableParallelism, homedir, tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const sources = join(root, 'node_modules/mediasoup/worker')
const adapter = join(import.meta.dirname, 'srtp')
/** Where mediasoup looks for it. */
const built = join(sources, 'out/Release/mediasoup-worker')
const kept = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'infrafabric-telephony')
const say = (text: string) => process.stderr.write(`mediasoup-worker: ${text}\n`)

const compiler = process.env.CXX ?? 'g++'
const libraries = [
  'openssl',
  'libuv',
  'libsrtp2',
  'usrsctp',
  'flatbuffers',
  'absl_flat_hash_map',
  'absl_inlined_vector',
  'absl_btree'
]
const flags = ['-std=c++17', '-O2', '-DNDEBUG', '-fPIE', '-w', '-DFLATBUFFERS_LOCALE_INDEPENDENT=1', '-DMS_EXECUTABLE']
const byteOrder = () => (new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? '-DMS_LITTLE_ENDIAN' : '-DMS_BIG_ENDIAN')

/** Headers of other projects and of the messages that the files of the worker share. */
const sharedHeaders = [
  'common.hpp',
  'FBS/message.h',
  'FBS/worker.h',
  'absl/container/flat_hash_map.h',
  'string',
  'vector',
  'unordered_map',
  'map'
]

/** The strings of a list in a meson.build. */
function listIn(text: string, name: string): string[] {
  const list = new RegExp(`^${name} = \\[([^\\]]*)\\]`, 'm').exec(text)?.[1]
  if (list === undefined) throw new Error(`no list ${name} in meson.build: this version of mediasoup is not known here`)
  return [...list.matchAll(/'([^']+)'/g)].map((match) => match[1]!)
}

/** Runs jobs side by side, as many as there are processors; the first that fails ends it. */
async function inParallel<T>(jobs: readonly T[], work: (job: T, index: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const worker = async () => {
    for (let index = next++; index < jobs.length; index = next++) await work(jobs[index]!, index)
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
}

async function pkgConfig(option: string): Promise<string[]> {
  const { stdout } = await run('pkg-config', [option, ...libraries])
  return stdout.split(/\s+/).filter((word) => word !== '')
}

/** What the worker is made of, as one hash. */
async function hashOfInputs(): Promise<string> {
  const hash = createHash('sha256')
  const versions = await run('pkg-config', ['--modversion', ...libraries])
  const { stdout } = await run(compiler, ['--version'])
  hash.update(`${process.arch}\n${stdout}\n${versions.stdout}\n`)
  for (const file of [import.meta.filename, join(adapter, 'srtp.h'), join(sources, '../package.json')])
    hash.update(await readFile(file))
  return hash.digest('hex').slice(0, 32)
}

/**
 * Debian's OpenSSL asks a BIO whether the kernel does its TLS, and the worker's callback answers every such question with yes: it compares the
 * kind of call where a bit of it must be looked at. OpenSSL then makes no buffer to write to, and the first DTLS ClientHello ends the process.
 */
function patchDtls(text: string): string {
  const before = '(operationType == BIO_CB_RETURN)'
  if (!text.includes(before)) throw new Error('DtlsTransport.cpp is not as it was: check its BIO callback')
  return text.replace(before, '((operationType & BIO_CB_RETURN) != 0)')
}

async function build(into: string): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'mediasoup-worker-'))
  try {
    const begun = Date.now()
    const meson = await readFile(join(sources, 'meson.build'), 'utf8')
    const webrtc = join(sources, 'deps/libwebrtc')
    const files = [
      ...[...listIn(meson, 'common_sources'), 'src/main.cpp'].map((file) => join(sources, file)),
      ...listIn(await readFile(join(webrtc, 'meson.build'), 'utf8'), 'libwebrtc_sources').map((file) => join(webrtc, file))
    ]
    const schemas = (await readdir(join(sources, 'fbs')))
      .filter((file) => file.endsWith('.fbs'))
      .map((file) => join(sources, 'fbs', file))
    const flatc = ['--cpp', '--cpp-field-case-style', 'lower', '--reflect-names', '--scoped-enums', '--filename-suffix', '']
    await run('flatc', [...flatc, '-o', join(work, 'FBS'), ...schemas])

    const dtls = files.findIndex((file) => basename(file) === 'DtlsTransport.cpp')
    const patched = join(work, 'DtlsTransport.cpp')
    await writeFile(patched, patchDtls(await readFile(files[dtls]!, 'utf8')))
    files[dtls] = patched

    const folders = [adapter, join(sources, 'include'), work, webrtc, join(webrtc, 'libwebrtc')]
    const compile = [...flags, byteOrder(), ...folders.map((folder) => `-I${folder}`), ...(await pkgConfig('--cflags'))]
    const shared = join(work, 'shared.hpp')
    await writeFile(shared, sharedHeaders.map((header) => `#include <${header}>\n`).join(''))
    await run(compiler, [...compile, '-x', 'c++-header', shared, '-o', `${shared}.gch`])

    let done = 0
    const objects = files.map((_, index) => join(work, `${index}.o`))
    await inParallel(files, async (file, index) => {
      await run(compiler, [...compile, '-include', shared, '-c', file, '-o', objects[index]!], { maxBuffer: 1 << 24 })
      done++
      if (done % 40 === 0 || done === files.length)
        say(`${done} of ${files.length} files compiled, ${Math.round((Date.now() - begun) / 1000)} s`)
    })
    const made = join(work, 'worker')
    await run(compiler, ['-pie', '-s', ...objects, ...(await pkgConfig('--libs')), '-lpthread', '-o', made])
    await mkdir(dirname(into), { recursive: true })
    await copyFile(made, `${into}.new`)
    await rename(`${into}.new`, into)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Whether the worker starts and does as mediasoup tells it. */
async function works(): Promise<boolean> {
  try {
    const { createWorker } = await import('mediasoup')
    const worker = await createWorker({ logLevel: 'none' })
    const ended = once(worker, 'subprocessclose')
    await worker.createRouter({ mediaCodecs: [{ kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 }] })
    worker.close()
    await ended
    return true
  } catch {
    return false
  }
}

const worker = join(kept, `mediasoup-worker-${await hashOfInputs()}`)
const before = await realpath(built).catch(() => null)
if (before !== worker) {
  if (!existsSync(worker)) {
    say(`compiling with ${availableParallelism()} processes, some minutes`)
    await build(worker)
  }
  await mkdir(dirname(built), { recursive: true })
  await rm(built, { force: true })
  await symlink(worker, built)
  if (!(await works())) {
    await rm(worker)
    throw new Error('the worker that was built does not start; the next set-up builds it again')
  }
}
