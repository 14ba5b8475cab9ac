#!/bin/sh
':' //; # The shell reads these lines, which are a comment to Node: they start the Node that set-up brought along, without asking an older one first.
':' //; case $0 in */node_modules/.bin/*) node=${0%/*}/node ;; *) self=$0; [ ! -L "$0" ] || self=$(readlink -f "$0"); node=${self%/*}/../node_modules/.bin/node ;; esac
':' //; # These begin 3 ms sooner with the secret of V8's tables that Node was built with. Who serves a network, or reads what strangers wrote at length, needs one that nobody knows.
':' //; quick=; case "${0##*/} $1 $2 " in 'ifctl witness log '* | 'ifctl witness query '* | 'ifctl witness trace '* | 'ifctl witness cost '* | 'if-witness log '* | 'if-witness query '* | 'if-witness trace '* | 'if-witness cost '*) quick=--no-rehash-snapshot ;; esac
':' //; [ -x "$node" ] || { node=node quick=; }
':' //; exec "$node" $quick "$0" "$@"
// CommonJS, since its loader starts quicker, and plain, so that any Node can read it.
'use strict'
const { existsSync, readFileSync, renameSync, statSync, writeFileSync } = require('node:fs')

const neededMajor = 24
const kept = `${__dirname}/../node_modules/.cache/ifctl`
/** Whether the shell's lines above have asked for a quick start. V8 takes no compiled code that was made under other flags. */
const isQuick = process.execArgv.includes('--no-rehash-snapshot')

/** `if-witness` and its like are `ifctl witness`: the name by which the command was called says so. */
function commandLine() {
  const [, path, ...argv] = process.argv
  const called = path.slice(path.lastIndexOf('/') + 1)
  if (!called.startsWith('if-')) return { called: 'ifctl', argv }
  const group = called.slice('if-'.length)
  if (argv[0] === '--version' || argv[0] === 'version') return { called, argv }
  return { called, argv: argv[0] === 'help' ? ['help', group, ...argv.slice(1)] : [group, ...argv] }
}

/** Whether a source is as it was when it was bundled: `octets nanoseconds path`, with the moment of its last change. */
function isSame(source) {
  const [octets, changed, ...path] = source.split(' ')
  const now = statSync(path.join(' '), { throwIfNoEntry: false, bigint: true })
  return now !== undefined && String(now.size) === octets && String(now.ctimeNs) === changed
}

/** What was compiled at set-up; where it was not, the same is done here and by Node, which takes a millisecond and a half longer. See compiled.c. */
function compiled() {
  const loaded = { exports: {} }
  try {
    process.dlopen(loaded, `${__dirname}/build/compiled.node`)
  } catch {
    return { areSame: (sources) => String(sources).split('\n').every(isSame), end: process.reallyExit }
  }
  return loaded.exports
}

/** The bundle that tells help, versions and mistakes. */
const general = 'ifctl'
/** Words that name a command at most. */
const mostWords = 3
const asksHelp = (words) => words[0] === 'help' || words.includes('--help')

/** Names that a command may have by these words, the longest first: they stand before its options and operands that are paths. */
function namesBy(words) {
  const names = []
  for (const word of words.slice(0, mostWords)) {
    if (word.startsWith('-') || word.includes('/')) break
    names.unshift(names.length === 0 ? word : `${names[0]}-${word}`)
  }
  return names
}

/** Where the bundle of the command lies that these words name, else the general one; undefined when it is not there or a source of it has changed since. See bundle.ts. */
function freshBundle(words, areSame) {
  const names = asksHelp(words) ? [general] : [...namesBy(words), general]
  for (const name of names) {
    // to be told by an exception takes a tenth of a millisecond
    if (!existsSync(`${kept}/${name}.json`)) continue
    let listed
    try {
      listed = JSON.parse(readFileSync(`${kept}/${name}.json`, 'utf8'))
    } catch {
      continue
    }
    if (!listed.bundled) continue
    // a list of an older form is never the same: bundle.ts is a source of every bundle
    if (listed.folder !== __dirname || !areSame(listed.sources)) return undefined
    return { name, file: `${kept}/${name}.cjs`, compiled: `${kept}/${name}.${listed.code}${isQuick ? '.quick' : ''}.v8` }
  }
  return undefined
}

/**
 * Loads a bundle with what V8 made of it when it ran before: all functions that were called then. Node's own compile cache holds none of them, since it is
 * written before they are called, and every start would compile them anew.
 */
function load({ name, file, compiled }, argv) {
  const { Script, constants } = require('node:vm')
  let cachedData
  try {
    cachedData = readFileSync(compiled)
  } catch {
    // the first run of this bundle
  }
  // a bundle is ASCII
  const script = new Script(readFileSync(file, 'latin1'), {
    filename: file,
    cachedData,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER
  })
  // a run that failed did not call what others will; of the general bundle, help calls most
  if ((cachedData === undefined || script.cachedDataRejected) && (name !== general || asksHelp(argv))) {
    process.on('exit', (code) => {
      if (code !== 0) return
      try {
        writeFileSync(`${compiled}.${process.pid}`, script.createCachedData())
        renameSync(`${compiled}.${process.pid}`, compiled)
      } catch {
        // the folder belongs to somebody else: it goes as well without
      }
    })
  }
  const bundle = { exports: {} }
  script.runInThisContext()(bundle.exports, require, bundle)
  return bundle.exports
}

function start() {
  const emitWarning = process.emitWarning
  process.emitWarning = (warning, ...rest) => {
    if ((rest[0]?.type ?? rest[0]) !== 'ExperimentalWarning') emitWarning.call(process, warning, ...rest)
  }
  const { called, argv } = commandLine()
  const { reallyExit } = process
  const sources = () => {
    process.reallyExit = reallyExit
    // keeps what was compiled: without it every start would strip and compile anew
    require('node:module').enableCompileCache(kept)
    return import('./ifctl.ts').then(({ main }) => main(argv, called))
  }
  if (process.env.IFCTL_SOURCES !== undefined) return void sources()
  const { areSame, end } = compiled()
  const bundle = freshBundle(argv, areSame)
  if (bundle === undefined) return void sources()
  // what process.exit() ends with, behind whoever listens. A bundle has no threads to stop; profiles and coverage, which Node would write then, are for the sources
  process.reallyExit = end
  load(bundle, argv).main(argv, called, sources)
}

if (Number(process.versions.node.split('.')[0]) >= neededMajor) start()
else require('./own-node.cjs').runWithOwnNode(neededMajor)
