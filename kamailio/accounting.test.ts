import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { silentLog } from '#kernel'
import { accountingFile, openAccounting } from './accounting.ts'

test('a line that was cut short does not spoil the one behind it', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'accounting-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, accountingFile)
  for (const before of [
    '',
    '{"callId":"to',
    '{"callId":"a"}\n',
    '{"callId":"a"}\n{"callId":"torn',
    `${'x'.repeat(5000)}\n{"cal`
  ]) {
    writeFileSync(path, before)
    const accounting = openAccounting(folder, silentLog)
    accounting.write('{"callId":"b"}')
    appendFileSync(path, '{"cal')
    accounting.write('{"callId":"c"}')
    accounting.close()
    const whole = before.slice(0, before.lastIndexOf('\n') + 1)
    t.is(readFileSync(path, 'utf8'), `${whole}{"callId":"b"}\n{"callId":"c"}\n`)
  }
})
