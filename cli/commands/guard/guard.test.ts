import { createHash } from 'node:crypto'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { canonicalText, keyId, parseSignature, readPublicKey } from '#guard'
import { ifctl, withFolder } from '../../testing/run.ts'

const example = fileURLToPath(new URL('../../../plugins/guard/experts.example.yaml', import.meta.url))

test('registry check: a good file, and every problem of a bad one', async (t) => {
  t.like(await ifctl(['guard', 'registry', 'check', example]), {
    code: 0,
    stdout: `${example}: good, 3 experts and 2 Guardians\n`
  })
  const bad = 'experts:\n  - id: Bad\n    uri: x\n'
  const { code, stdout } = await ifctl(['guard', 'registry', 'check', '-'], { input: bad })
  t.is(code, 1)
  t.regex(stdout, /^-: line 2: experts\[0\]\.id: expected 1 to 64/m)
  t.true(stdout.split('\n').length > 4)
  const json = await ifctl(['guard', 'registry', 'check', '-', '--json'], { input: bad })
  t.is(json.code, 1)
  t.like(JSON.parse(json.stdout), { valid: false })
  t.like(await ifctl(['guard', 'registry', 'check', '/nonexistent']), { code: 1, stdout: '' })
  t.is((await ifctl(['guard', 'registry', 'check', example, '--hazards', 'safety'])).code, 1)
  t.is((await ifctl(['guard', 'registry', 'check', example, '--hazards', 'Safety!'])).code, 2)
})

test('registry list: for people and as JSON, from the data folder or a file', async (t) => {
  const people = await ifctl(['guard', 'registry', 'list', '--registry', example])
  t.is(people.code, 0)
  t.regex(people.stdout, /^expert-safety +expert +sip:expert-safety@external\.advisor +safety, alignment/m)
  await withFolder(async (folder) => {
    await writeFile(join(folder, 'registry.yaml'), await readFile(example))
    const json = await ifctl(['guard', 'registry', 'list', '--specialisation', 'bias', '--json'], { env: { IF_DATA: folder } })
    const parties = JSON.parse(json.stdout)
    t.is(parties.length, 1)
    t.like(parties[0], { id: 'expert-ethics', role: 'expert', keyId: null })
    const none = await ifctl(['guard', 'registry', 'list', '--data', join(folder, 'nothing')])
    t.is(none.code, 1)
    t.regex(none.stderr, /registry\.yaml cannot be read \(ENOENT\) \(cli\.file\.unreadable\)/)
  })
})

test('keygen and sign: the header is what the guard verifies, and no key is overwritten', async (t) => {
  await withFolder(async (folder) => {
    const path = join(folder, 'expert.pem')
    const made = JSON.parse((await ifctl(['guard', 'keygen', '--out', path, '--json'])).stdout)
    t.is((await stat(path)).mode & 0o777, 0o600)
    t.is(keyId(Buffer.from(made.publicKey, 'base64url')), made.keyId)
    const again = await ifctl(['guard', 'keygen', '--out', path])
    t.is(again.code, 1)
    t.regex(again.stderr, /is there already/)

    const request = [
      '--from',
      'sip:a@b.example',
      '--to',
      'sip:council-safety@c.example',
      '--call-id',
      'x@y',
      '--cseq',
      '7',
      '--hazard',
      'safety'
    ]
    const signed = await ifctl(['guard', 'sign', '--key', path, ...request, '--body', '-'], { input: 'v=0\r\n' })
    t.is(signed.stderr, '')
    const header = parseSignature(signed.stdout.trimEnd())
    t.true(Math.abs(header.issuedAt - Date.now() / 1000) < 30)
    const text = canonicalText(
      {
        traceId: null,
        hazard: 'safety',
        fromUri: 'sip:a@b.example',
        toUri: 'sip:council-safety@c.example',
        callId: 'x@y',
        cseq: 7,
        method: 'INVITE',
        body: Buffer.from('v=0\r\n')
      },
      header.issuedAt,
      header.nonce
    )
    t.true(text.includes(createHash('sha256').update('v=0\r\n').digest('hex')))
    const { verify } = await import('node:crypto')
    t.true(verify(null, text, readPublicKey(made.publicKey).key, header.signature))

    t.is((await ifctl(['guard', 'sign', '--key', path, ...request, '--nonce', 'short'])).code, 2)
    t.is((await ifctl(['guard', 'sign', '--key', path, ...request, '--at', 'soon'])).code, 2)
    t.is((await ifctl(['guard', 'sign', '--key', example, ...request])).code, 1)
    t.is((await ifctl(['guard', 'sign', '--key', path, ...request, '--trace', 'a\nb'])).code, 1)
  })
})
