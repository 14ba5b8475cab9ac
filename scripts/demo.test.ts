import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test from 'ava'

test('the demo shows what it promises, and every check in it holds', async (t) => {
  t.timeout(300_000)
  const child = spawn(process.execPath, [fileURLToPath(new URL('./demo.ts', import.meta.url))], {
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const status = await new Promise((resolve) => child.once('close', resolve))
  t.is(status, 0, output)
  t.false(output.includes('✘'), output)
  for (const promised of [
    /hears expert-safety/,
    /does not hear itself/,
    /✔ expert-security answered the phone and is in the council/,
    /valid: \d+ entries/,
    /✔ altered: exit code 11/,
    /✔ truncated: exit code 10/,
    /What next\n {2}npx ifctl up /
  ]) {
    t.regex(output, promised)
  }
})
