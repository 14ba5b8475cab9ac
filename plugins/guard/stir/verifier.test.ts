import type { RequestListener } from 'node:http'
import test from 'ava'
import { ConfigError, type ManualClock, manualClock, systemClock } from '#kernel'
import { type Issued, openStirAuthority, serveHttps } from '../testing/stir-authority.ts'
import { formatIdentity } from './identity-header.ts'
import { type PassportClaims, signPassport } from './passport.ts'
import { signIdentity } from './sign.ts'
import { identityStatus } from './status.ts'
import { createIdentityVerifier, type IdentityConfig, type IdentityOutcome } from './verifier.ts'

const authority = openStirAuthority()
const impostors = openStirAuthority()
test.after.always(() => {
  authority.remove()
  impostors.remove()
})

const ca = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign']
const root = authority.issue('root', { extensions: ca })
const middle = authority.issue('middle', { issuer: root, extensions: ca })
const short = authority.issue('short', { issuer: root, extensions: ['basicConstraints=critical,CA:TRUE,pathlen:0', ca[1]!] })
const under = authority.issue('under', { issuer: short, extensions: ca })
const stranger = authority.issue('stranger', { extensions: ca })
const provider = authority.forNumbers('provider', middle, { providers: ['1234'] })
const range = authority.forNumbers('range', root, { ranges: [{ start: '12155551000', count: 1_000 }] })
const number = authority.forNumbers('number', root, { numbers: ['12155551213'] })
const ofDomain = (name: string, domain: string) =>
  authority.issue(name, {
    issuer: root,
    extensions: ['keyUsage=critical,digitalSignature', '1.3.6.1.5.5.7.1.26=DER:3008a006160431323334', `subjectAltName=${domain}`]
  })
const domain = ofDomain('domain', 'DNS:gw.example')
const wildcard = ofDomain('wildcard', 'DNS:*.example')
const https = authority.issue('https', { issuer: root, extensions: ['subjectAltName=DNS:cert.example.org'] })
const leafOf = (...extensions: string[]) => ['1.3.6.1.5.5.7.1.26=DER:3008a006160431323334', ...extensions]
/** No keyUsage keeps it from issuing, basicConstraints do. */
const plain = authority.issue('plain', { issuer: root, extensions: leafOf('basicConstraints=CA:FALSE') })
/** By a key of its own, under the name of the authority. */
const forged = impostors.issue('provider', {
  issuer: impostors.issue('root', { extensions: ca }),
  extensions: leafOf('authorityKeyIdentifier=none')
})

const chains: Record<string, string> = {
  '/good.pem': provider.pem + middle.pem,
  '/turned.pem': provider.pem + root.pem + middle.pem,
  '/range.pem': range.pem,
  '/number.pem': number.pem,
  '/domain.pem': domain.pem,
  '/wildcard.pem': wildcard.pem,
  '/no-middle.pem': provider.pem,
  '/forged.pem': forged.pem,
  '/stranger.pem': authority.forNumbers('of-stranger', stranger, { providers: ['1'] }).pem + stranger.pem,
  '/self.pem': authority.issue('self', { extensions: leafOf() }).pem,
  '/by-leaf.pem': authority.forNumbers('by-leaf', provider, { providers: ['1'] }).pem + provider.pem + middle.pem,
  '/by-plain.pem': authority.forNumbers('by-plain', plain, { providers: ['1'] }).pem + plain.pem,
  '/deep.pem': authority.forNumbers('deep', under, { providers: ['1'] }).pem + under.pem + short.pem,
  '/no-list.pem': authority.issue('no-list', { issuer: root, extensions: ['basicConstraints=CA:FALSE'] }).pem,
  '/p384.pem': authority.forNumbers('p384', root, { providers: ['1'] }, 'P-384').pem,
  '/critical.pem': authority.issue('critical', { issuer: root, extensions: leafOf('1.2.3.4=critical,DER:0500') }).pem,
  '/constrained.pem': authority.issue('constrained', { issuer: root, extensions: leafOf('1.3.6.1.5.5.7.1.27=DER:3000') }).pem,
  '/usage.pem': authority.issue('usage', { issuer: root, extensions: leafOf('keyUsage=critical,keyAgreement') }).pem,
  '/rubbish.pem': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
  '/many.pem': middle.pem.repeat(7),
  '/large.pem': 'x'.repeat(70_000)
}

interface Bench {
  readonly verify: (url: string, change?: Partial<PassportClaims>, by?: Issued) => Promise<IdentityOutcome>
  readonly verifyHeaders: (headers: readonly string[]) => Promise<IdentityOutcome>
  readonly at: (path: string) => string
  readonly asked: string[]
  readonly clock: ManualClock
  readonly held: () => { readonly certificates: number; readonly fetches: number }
  readonly nowMs: number
}

async function withServer(
  run: (bench: Bench) => Promise<void>,
  config: Partial<IdentityConfig> = {},
  listener?: RequestListener
): Promise<void> {
  const asked: string[] = []
  const { port, close } = await serveHttps(https, (request, response) => {
    asked.push(request.url!)
    if (listener !== undefined) return listener(request, response)
    const pem = chains[request.url!.split('?')[0]!]
    if (pem === undefined) response.writeHead(404).end()
    else response.writeHead(200, { 'cache-control': 'public, max-age=120' }).end(pem)
  })
  const clock = manualClock(Date.now())
  const nowMs = clock.now()
  const verifier = createIdentityVerifier(
    {
      anchors: root.pem,
      hosts: ['cert.example.org'],
      ports: [port],
      tlsAuthorities: root.pem,
      resolve: async () => ['127.0.0.1'],
      mayAsk: () => true,
      ...config
    },
    clock
  )
  const at = (path: string) => `https://cert.example.org:${port}${path}`
  const named = { fromUri: 'sip:+12155551212@gw.example;user=phone', toUri: 'sip:+12155551213@council.example' }
  const verifyHeaders = (headers: readonly string[]) => verifier.verify(headers, named, nowMs)
  const verify: Bench['verify'] = (url, change = {}, by = provider) => {
    const claims = {
      orig: { tn: '12155551212' },
      dest: { tn: ['12155551213'], uri: [] },
      issuedAt: Math.floor(nowMs / 1000),
      attestation: 'A',
      originId: '123e4567-e89b-12d3-a456-426614174000',
      ...change
    } as const
    return verifyHeaders([
      formatIdentity({ token: signPassport(by.key, claims, url), info: url, algorithm: 'ES256', type: 'shaken' })
    ])
  }
  try {
    await run({ verify, verifyHeaders, at, asked, clock, held: verifier.held, nowMs })
  } finally {
    verifier.close()
    await close()
  }
}

const told = (outcome: IdentityOutcome): string =>
  outcome.state === 'refused' ? outcome.code.replace('guard.identity.', '') : outcome.state

test('a PASSporT whose certificate leads to an anchor, in any order of the file, is verified', async (t) => {
  await withServer(async ({ verify, at }) => {
    t.deepEqual(await verify(at('/good.pem')), {
      state: 'verified',
      attestation: 'A',
      originId: '123e4567-e89b-12d3-a456-426614174000',
      providers: ['1234']
    })
    t.is(told(await verify(at('/turned.pem'), { attestation: 'C' })), 'verified')
  })
})

for (const [path, expected] of [
  ['/no-middle.pem', 'untrusted'],
  ['/forged.pem', 'untrusted'],
  ['/stranger.pem', 'untrusted'],
  ['/self.pem', 'untrusted'],
  ['/by-leaf.pem', 'untrusted'],
  ['/by-plain.pem', 'untrusted'],
  ['/deep.pem', 'untrusted'],
  ['/no-list.pem', 'untrusted'],
  ['/p384.pem', 'untrusted'],
  ['/critical.pem', 'untrusted'],
  ['/constrained.pem', 'untrusted'],
  ['/usage.pem', 'untrusted'],
  ['/rubbish.pem', 'certificate'],
  ['/many.pem', 'certificate'],
  ['/large.pem', 'fetch'],
  ['/absent.pem', 'fetch']
] as const)
  test(`a certificate is not taken: ${path}`, async (t) => {
    await withServer(async ({ verify, at }) => {
      const outcome = await verify(at(path))
      t.is(told(outcome), expected, JSON.stringify(outcome))
      t.is(identityStatus((outcome as { code: string }).code)!.status, expected === 'fetch' ? 436 : 437)
    })
  })

test('what a PASSporT claims is held against the request, before anything is fetched', async (t) => {
  await withServer(async ({ verify, at, asked, nowMs }) => {
    const url = at('/good.pem')
    const now = Math.floor(nowMs / 1000)
    t.is(told(await verify(url, { orig: { tn: '12155559999' } })), 'orig-mismatch')
    t.is(told(await verify(url, { dest: { tn: ['12155559999'], uri: [] } })), 'dest-mismatch')
    t.is(told(await verify(url, { dest: { tn: [], uri: ['sip:other@council.example'] } })), 'dest-mismatch')
    t.is(told(await verify(url, { issuedAt: now - 62 })), 'stale')
    t.is(told(await verify(url, { issuedAt: now + 62 })), 'future')
    t.deepEqual(asked, [])
    t.is(told(await verify(url, { issuedAt: now - 55 })), 'verified')
    t.is(told(await verify(url, { dest: { tn: ['1', '12155551213'], uri: [] } })), 'verified')
    t.is(told(await verify(url, { dest: { tn: [], uri: ['sip:%2B12155551213@COUNCIL.example:5060'] } })), 'verified')
    t.is(told(await verify(url, {}, stranger)), 'invalid')
    t.is(asked.length, 1)
    for (const [code, status] of [
      ['stale', 403],
      ['future', 403],
      ['missing', 428],
      ['invalid', 438],
      ['orig-mismatch', 438],
      ['malformed', 438],
      ['algorithm', 438]
    ] as const)
      t.is(identityStatus(`guard.identity.${code}`)?.status, status)
    t.is(identityStatus('guard.signature.invalid'), null)
  })
})

test('a certificate of numbers speaks for these alone', async (t) => {
  await withServer(async ({ verify, at }) => {
    t.is(told(await verify(at('/range.pem'), {}, range)), 'verified')
    t.is(told(await verify(at('/number.pem'), {}, number)), 'certificate-scope')
  })
})

test('of a URI only a certificate of its domain speaks: one of numbers, or of all below a name, vouches for nobody there', async (t) => {
  await withServer(async ({ verifyHeaders, at, nowMs }) => {
    const of = async (path: string, { key }: Issued, uri = 'sip:+12155551212@gw.example'): Promise<string> => {
      const claims = {
        dest: { tn: ['12155551213'], uri: [] },
        issuedAt: Math.floor(nowMs / 1000),
        attestation: null,
        originId: null
      }
      const token = signPassport(key, { ...claims, orig: { uri } }, at(path))
      return told(await verifyHeaders([formatIdentity({ token, info: at(path), algorithm: 'ES256', type: null })]))
    }
    t.is(await of('/domain.pem', domain), 'verified')
    t.is(await of('/domain.pem', domain, 'sip:+12155551212@GW.example:5060'), 'verified')
    t.is(await of('/good.pem', provider), 'certificate-scope')
    t.is(await of('/range.pem', range), 'certificate-scope')
    t.is(await of('/wildcard.pem', wildcard), 'certificate-scope')
    t.is(await of('/domain.pem', domain, 'sip:+12155551212@other.example'), 'orig-mismatch')
  })
})

test('the certificate is held against the time of the call', async (t) => {
  await withServer(async ({ at, clock }) => {
    const later = createIdentityVerifier(
      {
        anchors: root.pem,
        hosts: null,
        ports: [Number(new URL(at('/')).port)],
        tlsAuthorities: root.pem,
        resolve: async () => ['127.0.0.1'],
        mayAsk: () => true
      },
      clock
    )
    const days = 86_400_000
    const of = async (nowMs: number): Promise<string> => {
      const call = { fromUri: 'tel:+12155551212', toUri: 'tel:+12155551213' }
      const header = signIdentity({ key: provider.key, certificateUrl: at('/good.pem') }, { ...call, attestation: 'B' }, nowMs)
      return told(await later.verify([header], call, nowMs))
    }
    t.is(await of(clock.now()), 'verified')
    t.is(await of(clock.now() + 31 * days), 'certificate-dates')
    t.is(await of(clock.now() - 2 * days), 'certificate-dates')
    later.close()
  })
})

test('header and token have to say the same', async (t) => {
  await withServer(async ({ verifyHeaders, at, nowMs }) => {
    const call = { fromUri: 'tel:+12155551212', toUri: 'tel:+12155551213', attestation: 'A' } as const
    const good = signIdentity({ key: provider.key, certificateUrl: at('/good.pem') }, call, nowMs)
    t.is(told(await verifyHeaders([good])), 'verified')
    t.is(told(await verifyHeaders([good.replace('/good.pem', '/range.pem')])), 'info-mismatch')
    t.is(told(await verifyHeaders([good.replace('alg=ES256', 'alg=none')])), 'algorithm')
    t.is(told(await verifyHeaders([good.replace('ppt=shaken', 'ppt=div')])), 'type-mismatch')
    t.is(told(await verifyHeaders(['..x'])), 'compact')
    t.is(told(await verifyHeaders(['rubbish', good])), 'verified', 'one that is good is enough')
    t.is(told(await verifyHeaders([good, good, good, good, good])), 'malformed')
  })
})

test('a URL is not fetched twice; failures are kept shortly, and a flood of URLs stays bounded', async (t) => {
  await withServer(async ({ verify, at, asked, clock, held }) => {
    await Promise.all(Array.from({ length: 20 }, () => verify(at('/good.pem'))))
    t.is(asked.length, 1)
    clock.advance(119_000)
    await verify(at('/good.pem'))
    t.is(asked.length, 1)
    clock.advance(2_000)
    await verify(at('/good.pem'))
    t.is(asked.length, 2)

    await verify(at('/absent.pem'))
    await verify(at('/absent.pem'))
    t.is(asked.length, 3)
    clock.advance(31_000)
    await verify(at('/absent.pem'))
    t.is(asked.length, 4)

    const outcomes: string[] = []
    for (let round = 0; round < 20; round++)
      outcomes.push(
        ...(await Promise.all(Array.from({ length: 20 }, (_, n) => verify(at(`/absent-${round}-${n}.pem`))))).map((each) =>
          told(each)
        )
      )
    t.true(outcomes.every((each) => each === 'fetch'))
    t.is(asked.length, 4 + 20 * 16, 'sixteen at a time')
    t.deepEqual(held(), { certificates: 256, fetches: 0 })
    t.is(clock.pending(), 0)
  })
})

test('nothing but what is allowed is asked', async (t) => {
  await withServer(
    async ({ verify, at, asked }) => {
      t.is(told(await verify(at('/good.pem'))), 'fetch')
      t.deepEqual(asked, [])
    },
    { mayAsk: (address) => address !== '127.0.0.1' }
  )
  await withServer(
    async ({ verify, at, asked }) => {
      t.is(told(await verify(at('/good.pem').replace('cert.example.org', 'other.example.org'))), 'fetch')
      t.is(told(await verify(at('/good.pem').replace('https:', 'http:'))), 'fetch')
      t.deepEqual(asked, [])
    },
    { hosts: ['cert.example.org'] }
  )
  await withServer(
    async ({ verify, at, asked }) => {
      t.is(told(await verify(at('/good.pem'))), 'fetch', 'one public address beside a private one')
      t.deepEqual(asked, [])
    },
    { resolve: async () => ['127.0.0.1', '10.0.0.1'], mayAsk: (address) => address === '127.0.0.1' }
  )
  await withServer(
    async ({ verify, at }) => {
      const outcome = await verify(at('/good.pem'))
      t.regex(outcome.state === 'refused' ? outcome.reason : '', /certificate/, 'a server that nobody vouches for')
    },
    { tlsAuthorities: stranger.pem }
  )
})

test('the name is resolved once: an answer that changes afterwards leads nowhere else', async (t) => {
  let times = 0
  const resolve = async () => (times++ === 0 ? ['127.0.0.1'] : ['10.0.0.1'])
  await withServer(
    async ({ verify, at }) => {
      t.is(told(await verify(at('/good.pem'))), 'verified')
      t.is(times, 1)
    },
    { resolve }
  )
})

test('a redirect is not followed, and a server that dawdles is left', async (t) => {
  await withServer(
    async ({ verify, at, asked }) => {
      t.is(told(await verify(at('/good.pem'))), 'fetch')
      t.is(asked.length, 1)
    },
    {},
    (_request, response) => response.writeHead(302, { location: '/good.pem' }).end()
  )
  const dawdling: RequestListener[] = [
    () => undefined,
    (_request, response) => void response.writeHead(200).write('-----BEGIN'),
    (_request, response) => void response.socket!.destroy()
  ]
  for (const listener of dawdling) {
    const { port, close } = await serveHttps(https, listener)
    const url = `https://cert.example.org:${port}/x`
    const verifier = createIdentityVerifier(
      {
        anchors: root.pem,
        hosts: null,
        ports: [port],
        tlsAuthorities: root.pem,
        resolve: async () => ['127.0.0.1'],
        mayAsk: () => true,
        timeoutMs: 150
      },
      systemClock
    )
    const call = { fromUri: 'tel:1', toUri: 'tel:2' }
    const header = signIdentity({ key: provider.key, certificateUrl: url }, { ...call, attestation: 'A' }, Date.now())
    t.is(told(await verifier.verify([header], call, Date.now())), 'fetch')
    verifier.close()
    await close()
  }
})

test('anchors that cannot be read are told at the start', (t) => {
  t.throws(() => createIdentityVerifier({ anchors: 'nothing', hosts: null }, systemClock), { instanceOf: ConfigError })
})

test('a call that names nobody, and an attestation without a number, are not signed', (t) => {
  const signer = { key: provider.key, certificateUrl: 'https://cert.example.org/x' }
  const call = { fromUri: 'sip:council@council.example', toUri: 'sip:expert@external.advisor' }
  t.throws(() => signIdentity(signer, { ...call, attestation: 'A' }, 0), { code: 'guard.identity.unsignable' })
  t.throws(() => signIdentity(signer, { ...call, toUri: 'mailto:x', attestation: null }, 0), {
    code: 'guard.identity.unsignable'
  })
  t.regex(signIdentity(signer, { ...call, attestation: null }, 0), /^[\w.-]+;info=<https:\/\/cert\.example\.org\/x>;alg=ES256$/)
})
