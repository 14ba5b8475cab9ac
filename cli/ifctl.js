#!/usr/bin/env node
// Plain JavaScript, so that any Node can read it: finds a Node that runs the suite, then hands over to ifctl.ts.
import * as nodeModule from 'node:module'

const neededMajor = 24

if (Number(process.versions.node.split('.')[0]) >= neededMajor) {
  const emitWarning = process.emitWarning
  process.emitWarning = (warning, ...rest) => {
    if ((rest[0]?.type ?? rest[0]) !== 'ExperimentalWarning') emitWarning.call(process, warning, ...rest)
  }
  // Keeps the stripped and compiled modules: without it every start would strip TypeScript anew, 30 ms more.
  nodeModule.enableCompileCache(`${import.meta.dirname}/../node_modules/.cache/ifctl`)
  const { main } = await import('./ifctl.ts')
  await main(process.argv.slice(2))
} else {
  const { runWithOwnNode } = await import('./own-node.js')
  runWithOwnNode(neededMajor)
}
