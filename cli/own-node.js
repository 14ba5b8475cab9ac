import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const node = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url))
const script = fileURLToPath(new URL('ifctl.js', import.meta.url))

/** Runs this command again with the Node that set-up brought along. For a machine whose own Node is too old to read TypeScript. */
export function runWithOwnNode(neededMajor) {
  if (!existsSync(node) || process.env.IFCTL_HANDED_OVER !== undefined) {
    console.error(`ifctl: needs Node ${neededMajor}, this is ${process.versions.node}; npm run setup brings one along`)
    process.exitCode = 1
    return
  }
  const child = spawn(node, [script, ...process.argv.slice(2)], {
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
