import test from 'ava'
import { silentLog } from '#kernel'
import { conferenceMedia, createEndpoint } from '../../../gateways/h323/endpoint/endpoint.ts'
import { startBench } from '../../../gateways/h323/gatekeeper/testing/fakes.ts'
import { createMediaPlane } from '../../../media/media.ts'
import { ifctl } from '../../testing/run.ts'

test.serial('dial: registers, calls, plays, hears, presses keys, and tells all of it', async (t) => {
  const plane = await createMediaPlane({ address: '127.0.0.1', portRange: [31_200, 31_299], srtp: 'off', log: silentLog })
  t.teardown(plane.close)
  const bench = await startBench()
  t.teardown(bench.close)
  const gatekeeper = `127.0.0.1:${bench.gatekeeper.address.port}`
  const bob = await createEndpoint({
    aliases: ['bob'],
    gatekeeper: { address: gatekeeper },
    listen: { ip: '127.0.0.1', port: 0 },
    media: conferenceMedia(plane),
    guard: null,
    witness: null,
    log: silentLog
  })
  t.teardown(bob.close)
  await bob.registered
  const digits: string[] = []
  const levels: number[] = []
  bob.onCall((call) => {
    call.onEvent((event) => void (event.type === 'digit' && digits.push(event.digit)))
    void call.answer({ conference: 'bob', participant: 'caller', role: 'guardian' })
  })
  const timer = setInterval(() => {
    if (plane.conferences().includes('bob')) for (const { levelDbfs } of plane.roster('bob')) levels.push(levelDbfs)
  }, 50)
  t.teardown(() => clearInterval(timer))
  const dialled = [
    'h323',
    'dial',
    'bob',
    '--gatekeeper',
    gatekeeper,
    '--seconds',
    '2',
    '--digits',
    '12',
    '--ports',
    '31000-31099'
  ]
  const { code, stdout, stderr } = await ifctl([...dialled, '--trace', 'ab'.repeat(16), '--json'])
  t.is(code, 0, stderr)
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  const types = events.map(({ type }) => type)
  for (const type of ['registered', 'dialling', 'proceeding', 'connected', 'media', 'released'])
    t.true(types.includes(type), type)
  t.is(events.find(({ type }) => type === 'dialling').trace, 'ab'.repeat(16))
  t.like(events.at(-1), { type: 'released', by: 'local', cause: { cause: 16 } })
  t.deepEqual(digits, ['1', '2'])
  t.true(Math.max(...levels) > -30, `heard ${Math.max(...levels)} dBFS`)
})

test.serial('dial: nobody there, and words that are wrong', async (t) => {
  const nobody = await ifctl(['h323', 'dial', '127.0.0.1:1', '--ports', '31000-31099'])
  t.is(nobody.code, 1)
  t.regex(nobody.stdout, /released by this side, cause 3/)
  for (const wrong of [
    ['--digits', 'x'],
    ['--seconds', 'soon'],
    ['--ports', '1'],
    ['--trace', 'x']
  ]) {
    t.is((await ifctl(['h323', 'dial', '127.0.0.1:1', ...wrong])).code, 2, wrong.join(' '))
  }
})
