'use strict'
const { spawn } = require('node:child_process')
const { existsSync } = require('node:fs')
const { join } = require('node:path')

const node = join(__dirname, '../node_modules/.bin/node')

/** Runs this command again with the Node that set-up brought along: for whoever names an older Node before the command. */
exports.runWithOwnNode = (neededMajor) => {
  if (!existsSync(node) || process.env.IFCTL_HANDED_OVER !== undefined) {
    console.error(`ifctl: needs Node ${neededMajor}, this is ${process.versions.node}; npm run setup brings one along`)
    process.exitCode = 1
    return
  }
  const child = spawn(node, process.argv.slice(1), {
    stdio: 'inherit',
    env: { ...process.env, IFCTL_HANDED_OVER: '1' }
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => {
    process.exitCode = signal === null ? code : 1
  })
  child.on('error', (error) => {
    console.error(`ifctl: ${node} cannot be started: ${error.message}`)
    process.exitCode = 1
  })
}
