/**
 * Bundles the commands that do one thing and end, each with all it needs in one file: reading a hundred sources costs more than most of them do.
 *
 *     node_modules/.cache/ifctl/witness-log.cjs     the command, as a function of exports, require and module
 *     node_modules/.cache/ifctl/witness-log.json    its sources: octets, moment of the last change, and path of each; hash of the bundle
 *     node_modules/.cache/ifctl/witness-log.….v8    what V8 made of the bundle with this hash, kept by its first run, or by a rehearsal; ….quick.v8 of starts that
 *                                                   ifctl.cjs makes quicker
 *
 *     node_modules/.cache/ifctl/ifctl.cjs           likewise, what tells help, versions and mistakes; it leaves commands to their sources
 *     node_modules/.cache/ifctl/ifctl.definitions   what it tells
 *     node_modules/.cache/ifctl/completion.bash     what `completion bash` prints; likewise of zsh and fish
 *
 * `ifctl.cjs` takes a bundle when not one source has changed since, and the sources themselves otherwise. Set-up calls this; nothing is done when
 * nothing changed.
 */
import { spawnSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Metafile, Plugin } from 'esbuild'
import type { Command } from './command.ts'
import { commands } from './commands.ts'
import { examplesOf } from './examples.ts'
import { completionScript, type Shell, shells } from './line/completion.ts'
import { version } from './line/version.ts'

/** A source as it was when it was bundled. A change that keeps the size is seen by the moment of the change of its inode, which no tool sets. */
interface Source {
  readonly path: string
  readonly octets: bigint
  readonly changedNs: bigint
}

const root = fileURLToPath(new URL('..', import.meta.url))
const bundleFolder = join(root, 'node_modules/.cache/ifctl')

/** The bundle without a command. */
const general = 'ifctl'

const definitionsMade = 'definitions-made'

const sourceOf = (path: string): Source => {
  const { size, ctimeNs } = statSync(path, { bigint: true })
  return { path, octets: size, changedNs: ctimeNs }
}

/** As the list of a bundle has it. */
const sourceLine = ({ path, octets, changedNs }: Source): string => `${octets} ${changedNs} ${path}`

/**
 * Commands that are over soon. The others stay: their start is not what they take time for; and those that open a ledger whole start its thread, which
 * leads the log, before it shows that they need the sources.
 */
const isShort = (words: readonly string[]): boolean =>
  (['guard', 'witness', 'optimise', 'completion'].includes(words[0]!) &&
    !['serve', 'cosign', 'erase', 'rotate-key'].includes(words[1]!)) ||
  words.join(' ') === 'h323 decode'

/** Packages, and parts of Node that are not there when it starts, take milliseconds to load: they are loaded when they are first used. */
const late = /(?<!__toESM\()require\("(?!node:(?:fs|path|url|util)")([^"]+)"\)/g
const lateHelper = `const late = (load) => { let loaded; return new Proxy({}, { get: (_, name) => (loaded ??= load())[name] }) }`

/**
 * What the sources say of their own place stays true in the bundle. What is imported while a command runs is left to the sources: to be able to load it
 * later, esbuild would run everything that it shares with the rest, used or not.
 */
const inPlace: Plugin = {
  name: 'in-place',
  setup: (build) => {
    build.onResolve({ filter: /^[a-z@]/ }, ({ path }) => ({ path, external: true, sideEffects: false }))
    build.onResolve({ filter: /^\.\.?\/commands\// }, ({ path, kind, resolveDir }) =>
      kind === 'dynamic-import' ? { path: pathToFileURL(join(resolveDir, path)).href, external: true } : null
    )
    build.onResolve({ filter: /^[#.]/ }, async ({ path, pluginData, ...rest }) => {
      if (pluginData === 'resolved') return null
      const found = await build.resolve(path, { ...rest, pluginData: 'resolved' })
      return rest.kind === 'dynamic-import' && !found.path.startsWith(join(root, 'cli/'))
        ? { path: pathToFileURL(found.path).href, external: true }
        : { ...found, sideEffects: false }
    })
    build.onLoad({ filter: /\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8')
        .replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href))
        .replaceAll('import.meta.dirname', JSON.stringify(dirname(path))),
      loader: 'ts'
    }))
  }
}

/** @param name its words, joined by `-` */
const commandNamed = (name: string): Command => commands.find(({ words }) => words.join('-') === name)!

/** Of all definitions the start of a bundle has its own command's: to make the others takes as long as to find an entry. */
function ownDefinition(name: string): string {
  const { load: _, ...definition } = commandNamed(name)
  return `export const commands = [${JSON.stringify(definition)}]`
}

/** Has a bundle ask once for each part of Node that is there when it starts, and not in every source that has a use for it. */
function withParts(code: string): string {
  const parts = new Set<string>()
  const text = code.replace(/\brequire\("node:(fs|path|url|util)"\)/g, (_, part) => {
    parts.add(part)
    return `node_${part}`
  })
  return `${[...parts].map((part) => `const node_${part} = require("node:${part}")\n`).join('')}${text}`
}

/** JSON or JavaScript in octets that each are a character, the quickest to read. Of a bundle only patterns hold others: esbuild writes texts so itself. */
const ascii = (text: string): string =>
  text.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)

/**
 * What the general bundle reads in place of the definitions: a line by which commands are found, then what is told of each.
 *
 *     [[words, operands, summary, from, to]]    characters behind the first line
 *     [options, examples][options, examples]…
 */
function definitionsAsText(): string {
  let told = ''
  const index = commands.map(({ words, operands, summary, options }) => {
    const from = told.length
    told += ascii(JSON.stringify([options, examplesOf(words)]))
    return [words, operands, summary, from, told.length]
  })
  return `${ascii(JSON.stringify(index))}\n${told}`
}

const definitionsFile = join(bundleFolder, 'ifctl.definitions')

const allDefinitions = `
  import { readFileSync } from 'node:fs'
  const text = readFileSync(${JSON.stringify(definitionsFile)}, 'utf8')
  const behind = text.indexOf('\\n') + 1
  const rows = JSON.parse(text.slice(0, behind))
  const told = (from, to) => JSON.parse(text.slice(behind + from, behind + to))
  class Definition {
    constructor(row) {
      this.words = row[0]
      this.operands = row[1]
      this.summary = row[2]
      this.from = row[3]
      this.to = row[4]
    }
    get options() {
      return told(this.from, this.to)[0]
    }
  }
  export const commands = rows.map((row) => new Definition(row))
  export const examplesOf = (words) => {
    const { from, to } = commands.find((each) => each.words === words)
    return told(from, to)[1]
  }`

const scriptFile = (shell: Shell): string => join(bundleFolder, `completion.${shell}`)

const scriptsMade = `
  import { readFileSync } from 'node:fs'
  const files = ${JSON.stringify(Object.fromEntries(shells.map((shell) => [shell, scriptFile(shell)])))}
  export const scriptFor = (shell) => readFileSync(files[shell], 'utf8')`

/** What lies beside a bundle for it to read. */
function putBeside(name: string): void {
  if (name === 'completion') for (const shell of shells) put(scriptFile(shell), completionScript(shell, commands))
  if (name === general) put(definitionsFile, definitionsAsText())
}

/** What is the same each time is made here: to make it takes longer than to start. */
const made = (name: string): Plugin => ({
  name: 'made',
  setup: (build) => {
    const put = (module: RegExp, contents: string): void =>
      build.onLoad({ filter: module }, () => ({ contents, loader: 'js', resolveDir: join(root, 'cli') }))
    put(/\/cli\/line\/version\.ts$/, `export const version = () => ${JSON.stringify(version())}`)
    put(/\/cli\/line\/completion-scripts\.ts$/, scriptsMade)
    if (name === general) put(/\/cli\/examples\.ts$/, `export { examplesOf } from './commands.ts'`)
    const importers = ['cli/ifctl.ts', 'cli/examples.ts'].map((path) => join(root, path))
    build.onResolve({ filter: /^\.\/commands\.ts$/ }, ({ importer, path }) =>
      importers.includes(importer) ? { path, namespace: definitionsMade } : null
    )
    // help is for the general bundle to tell
    if (name !== general)
      build.onResolve({ filter: /^\.\/(?:line\/help|examples)\.ts$/ }, ({ path }) => ({
        path: pathToFileURL(join(root, 'cli', path)).href,
        external: true
      }))
    build.onLoad({ filter: /^/, namespace: definitionsMade }, () => ({
      contents: name === general ? allDefinitions : ownDefinition(name),
      loader: 'js'
    }))
  }
})

/** The definitions of commands, and what they share. */
const definitionFiles = (): string[] => [
  'cli/command.ts',
  'cli/commands.ts',
  ...readdirSync(join(root, 'cli/definitions')).map((file) => `cli/definitions/${file}`)
]

/** How a bundle is rehearsed, see rehearse.ts. */
interface Rehearsal {
  /** Lines of the command, one after another in one process. @param folder of the rehearsal's own */
  readonly lines: (folder: string) => readonly (readonly string[])[]
  /** Whether lines that fail are among them. Else one that does spoils it. */
  readonly mayFail: boolean
  /** Whether ifctl.cjs starts the command quickly: V8 takes no compiled code that was made under other flags. */
  readonly startsQuickly: boolean
}

/** Bundles of which more than one kind of run is usual. */
const rehearsals: Readonly<Record<string, Rehearsal>> = {
  [general]: {
    lines: () => [
      ['--version'],
      ['help'],
      ['help', 'guard'],
      ['guard', 'explain', '--help'],
      ['gaurd', 'explain'],
      ['guard', 'explain', 'x', '--dta'],
      ['guard', 'explain', '--json']
    ],
    mayFail: true,
    startsQuickly: false
  },
  'witness-log': {
    lines: (folder) => {
      const log = ['witness', 'log', '--data', folder, '--create', '--event', 'rehearsed', '--component', 'IF.rehearsal']
      // into a log that begins with it, and into one that is there
      return [log, log, [...log, '--payload', '{"times":3}']]
    },
    mayFail: false,
    startsQuickly: true
  }
}

const listOf = (name: string): string => join(bundleFolder, `${name}.json`)

/** What is known of a command's bundle. */
interface Listed {
  /** False for a command that loads parts of the suite while it runs: parts of it would be there twice. */
  readonly bundled: boolean
  /** Hash of the bundle: V8 itself only sees whether what it kept is of a text of the same length. */
  readonly code: string
  /** Of the sources: a copy of the whole checkout is not to run what the first one is made of. */
  readonly folder: string
  /** A line for each: `octets nanoseconds path`. */
  readonly sources: string
}

function isFresh(name: string): boolean {
  try {
    const { folder, sources } = JSON.parse(readFileSync(listOf(name), 'utf8')) as Listed
    if (folder !== import.meta.dirname) return false
    return sources.split('\n').every((line) => line === sourceLine(sourceOf(line.split(' ').slice(2).join(' '))))
  } catch {
    return false
  }
}

/**
 * Parts that a command may come to need before it has done anything: a ledger in Redis or one with threads, an evidence bundle. They would bring along a second copy of what
 * is in the bundle, so that the sources do all of it then.
 */
const seldomLoaded =
  /\/ledger\/(?:store\/(?:committer|redis-store)|export\/bundle-reader|verify\/(?:bundle|redis-source|selection))\.ts$/
const notHere = 'globalThis.ifctlNeedsSources()'

/** The clock of the file system may be this coarse: what changed so shortly before it was read may have changed again unseen. */
const coarseMs = 50
const attempts = 20

const generalEntry = `
  import { main as start } from './ifctl.ts'
  export const main = start`

/** A group of commands has a folder, `witness/log.ts`; a command of one word is a file. */
const fileOf = ([group, ...rest]: readonly string[]): string => (rest.length === 0 ? group! : `${group}/${rest.join('-')}`)

const entryOf = (name: string): string => `
  import { run } from './commands/${fileOf(commandNamed(name).words)}.ts'
  import { main as start } from './ifctl.ts'
  export const main = (argv, called, sources) => {
    const { promise: needed, resolve } = Promise.withResolvers()
    let isLeft = false
    globalThis.ifctlNeedsSources = () => {
      isLeft = true
      resolve(sources())
      return new Promise(() => undefined)
    }
    return Promise.race([needed, start(argv, called, { name: '${name}', run, isLeftToSources: () => isLeft })])
  }`

const handsOn = /^export\s+(?:type\s+)?(?:\*|\{[^}]*\})\s*(?:as\s+\w+\s+)?from\b/m

/**
 * Sources whose change can change the bundle: those of which something is in it, and those through which others are imported. Of the rest nothing was used, and none of
 * it is run for its effects; it becomes used when one of these changes.
 */
function telling({ inputs, outputs }: Metafile): string[] {
  const taken = Object.values(outputs)[0]!.inputs
  return Object.keys(inputs).filter(
    (path) =>
      path !== '<stdin>' &&
      !path.startsWith(`${definitionsMade}:`) &&
      ((taken[path]?.bytesInOutput ?? 0) > 0 || handsOn.test(readFileSync(join(root, path), 'utf8')))
  )
}

async function bundle(name: string): Promise<void> {
  const { build } = await import('esbuild')
  for (let times = 0; times < attempts; times++) {
    const begunMs = Date.now()
    const { outputFiles, metafile } = await build({
      stdin: { contents: name === general ? generalEntry : entryOf(name), resolveDir: join(root, 'cli'), loader: 'ts' },
      bundle: true,
      write: false,
      metafile: true,
      format: 'cjs',
      platform: 'node',
      target: 'node24',
      minifyWhitespace: true,
      minifySyntax: true,
      absWorkingDir: root,
      logLevel: 'silent',
      plugins: [made(name), inPlace]
    })

    const told = new Set([...telling(metafile), ...definitionFiles(), 'cli/bundle.ts', 'package.json'])
    const sources = [...told].map((path) => sourceOf(join(root, path)))
    if (sources.every(({ changedNs }) => changedNs < BigInt(begunMs - coarseMs) * 1_000_000n)) {
      const code = ascii(outputFiles[0]!.text)
        .replace(late, 'late(() => require("$1"))')
        .replace(/\bimport\("(file:[^"]+)"\)/g, (whole, url) => (seldomLoaded.test(url) ? notHere : whole))
      const bundled = !/\bimport\("file:(?![^"]*\/cli\/(?:line\/help|examples|commands\/[^"]+)\.ts")/.test(code)
      const file = join(bundleFolder, `${name}.cjs`)
      const text = `(function (exports, require, module) {${lateHelper}\n${withParts(code)}\n})`
      for (const kept of readdirSync(bundleFolder))
        if (kept.startsWith(`${name}.`) && kept.endsWith('.v8')) rmSync(join(bundleFolder, kept), { force: true })
      putBeside(name)
      if (bundled) put(file, text)
      else rmSync(file, { force: true })
      const listed: Listed = {
        bundled,
        code: hash('sha256', text, 'hex').slice(0, 16),
        folder: import.meta.dirname,
        sources: sources.map(sourceLine).join('\n')
      }
      const rehearsal = rehearsals[name]
      if (rehearsal !== undefined) {
        rehearse(rehearsal, file, join(bundleFolder, `${name}.${listed.code}.v8`))
        if (rehearsal.startsQuickly)
          rehearse(rehearsal, file, join(bundleFolder, `${name}.${listed.code}.quick.v8`), '--no-rehash-snapshot')
      }
      put(listOf(name), JSON.stringify(listed))
      return
    }
    await pause(2 * coarseMs)
  }
  throw new Error(`the sources of ${name} change all the time`)
}

/** Where that fails, the first run keeps what it called itself. */
function rehearse({ lines, mayFail }: Rehearsal, file: string, compiled: string, ...flags: readonly string[]): void {
  const folder = mkdtempSync(join(tmpdir(), 'ifctl-rehearsal-'))
  const told = [file, compiled, JSON.stringify(lines(folder)), String(mayFail)]
  const line = [...flags, '--disable-warning=ExperimentalWarning', join(root, 'cli/rehearse.ts'), ...told]
  spawnSync(process.execPath, line, { stdio: 'ignore' })
  rmSync(folder, { recursive: true, force: true })
}

function put(path: string, text: string): void {
  writeFileSync(`${path}.${process.pid}`, text)
  renameSync(`${path}.${process.pid}`, path)
}

/**
 * Bundles what is not there or not fresh.
 *
 * @param only names of commands, `witness-log`; none: every command that is over soon
 * @returns names of the commands bundled anew
 */
export async function bundleCommands(only: readonly string[]): Promise<string[]> {
  const short = commands.filter(({ words }) => isShort(words)).map(({ words }) => words.join('-'))
  const stale = [general, ...short].filter((name) => (only.length === 0 || only.includes(name)) && !isFresh(name))
  mkdirSync(bundleFolder, { recursive: true })
  for (const name of stale) {
    // a command that starts meanwhile takes the sources, and not the new file with the old list
    rmSync(listOf(name), { force: true })
    await bundle(name)
  }
  return stale
}

if (process.argv[1] !== undefined && relative(process.argv[1], fileURLToPath(import.meta.url)) === '') {
  const bundled = await bundleCommands(process.argv.slice(2))
  if (bundled.length > 0) console.error(`ifctl: ${bundled.length} commands bundled`)
}
