#!/usr/bin/env node
// Plain JavaScript, so that any Node can read it: finds a Node that runs the suite, then hands over to ifctl.ts.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const neededMajor = 24

function handOver() {
  const emitWarning = process.emitWarning
  process.emitWarning = (warning, ...rest) => {
    if ((rest[0]?.type ?? rest[0]) !== 'ExperimentalWarning') emitWarning.call(process, warning, ...rest)
  }
  // Keeps the stripped and compiled modules: without it every start would strip TypeScript anew, 30 ms more.
  nodeModule.enableCompileCache?.(join(root, 'node_modules', '.cache', 'ifctl'))
  return import('./ifctl.ts').then(({ main }) => main(process.argv.slice(2)))
}

function runWith(node) {
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => {
    process.exitCode = signal === null ? code : 1
  })
  child.on('error', (error) => {
    console.error(`ifctl: ${node} cannot be started: ${error.message}`)
    process.exitCode = 1
  })
}

const own = join(root, 'node_modules', '.bin', 'node')
if (Number(process.versions.node.split('.')[0]) >= neededMajor) await handOver()
else if (existsSync(own) && process.env.IFCTL_HANDED_OVER === undefined) {
  process.env.IFCTL_HANDED_OVER = '1'
  runWith(own)
} else {
  console.error(`ifctl: needs Node ${neededMajor}, this is ${process.versions.node}; npm run setup brings one along`)
  process.exitCode = 1
}
