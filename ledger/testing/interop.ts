/**
 * `npm run interop:ledger`: what a ledger serves, held against tools that nobody here wrote (golang.org/x/mod/sumdb, transparency-dev's formats, merkle and
 * tessera; modules pinned in `interop/go.sum`), and a log that tessera writes, witnessed by seats of ours. It needs Go; without it, it says so and tests nothing.
 *
 * Part of it is a service that lies: where a tool does not see it, the check is worth nothing, and fails.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { newTraceId, silentLog } from '#kernel'
import { connectLog, draftEntry, ledgerFiles, openLedger, openSeat, parseCheckpoint, parseVerifierKey, type Seat } from '#ledger'
import { parsePolicy } from '../log/policy.ts'
import { checkTlogProof, parseTlogProof } from '../log/tlog-proof.ts'
import { startLedgerService } from '../service/service.ts'
import { addToken } from '../service/tokens.ts'

const origin = 'interop.example/witness'
const theirOrigin = 'interop.example/tessera'
/** Borders of tiles: one entry, a tile less one, whole, and begun. The last is asked for. */
const borders = [1, 255, 256, 257]

/** What a lying service changes, and what sees it. */
const lies: readonly { readonly what: string; readonly path: RegExp; readonly hash?: 'first'; readonly seenBy: RegExp }[] = [
  { what: 'the root in a checkpoint', path: /^\/checkpoint$/, hash: 'first', seenBy: /^x\/mod note\.Open/ },
  { what: 'a cosignature', path: /^\/checkpoint$/, seenBy: /^the policy is not/ },
  { what: 'a tile of leaves', path: /^\/tile\/0\//, seenBy: /^tessera fsck:/ },
  { what: 'a tile of the level above', path: /^\/tile\/1\//, seenBy: /^tessera fsck:/ },
  { what: 'an entry bundle', path: /^\/tile\/entries\//, seenBy: /^tessera fsck:/ },
  {
    what: 'a proof of inclusion',
    path: /^\/v1\/proof\/inclusion/,
    seenBy: /^merkle VerifyInclusion|^proofs of inclusion differ/
  },
  { what: 'a proof of consistency', path: /^\/v1\/proof\/consistency/, seenBy: /^merkle VerifyConsistency|^roots differ/ },
  { what: 'a proof as one text', path: /^\/v1\/proof\/tlog/, hash: 'first', seenBy: /TLogProof/ }
]

const say = (text: string) => process.stdout.write(`${text}\n`)

function fail(text: string): never {
  throw new Error(text)
}

/** Builds the tools. Null where there is no Go. */
function build(dir: string): string | null {
  if (spawnSync('go', ['version']).error !== undefined) return null
  const program = join(dir, 'interop')
  const { status, stderr } = spawnSync('go', ['build', '-o', program, '.'], {
    cwd: join(import.meta.dirname, 'interop'),
    encoding: 'utf8'
  })
  return status === 0 ? program : fail(`the tools were not built:\n${stderr}`)
}

/** Runs the tools over what is served at `url`. */
async function check(program: string, url: string, vkey: string, token: string, policyPath: string) {
  const child = spawn(program, ['check', `${url}/`, vkey, token, policyPath])
  let [said, error] = ['', '']
  child.stdout.on('data', (data: Buffer) => {
    said += data.toString()
  })
  child.stderr.on('data', (data: Buffer) => {
    // tessera writes its own log there
    error += data.toString().replace(/^[IWE]\d{4} .*\n/gm, '')
  })
  const status = await new Promise((resolve) => child.once('close', resolve))
  return { good: status === 0, said, error }
}

/** Passes requests on, and changes one octet of the answers whose path is the one. */
async function lyingService(url: string, { path, hash }: (typeof lies)[number]) {
  const server = createServer(async (request, response) => {
    const { authorization } = request.headers
    const answer = await fetch(url + request.url, { headers: authorization === undefined ? {} : { authorization } })
    const body = Buffer.from(await answer.arrayBuffer())
    if (path.test(request.url!) && body.length > 0) {
      // in text a digit of a hash or signature, in octets a bit in the middle
      const isText = answer.headers.get('content-type') !== 'application/octet-stream'
      const at = isText ? body[hash === 'first' ? 'indexOf' : 'lastIndexOf']('=') - 9 : body.length >> 1
      body[at] = isText ? (body[at] === 0x41 ? 0x42 : 0x41) : body[at]! ^ 1
    }
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' }).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close }
}

interface ServedSeat {
  readonly seat: Seat
  /** Its line of a policy. */
  readonly line: string
  /** Keys of the logs it watches. */
  readonly vkeys: string[]
  readonly close: () => Promise<void>
}

async function serveSeat(dir: string, name: string): Promise<ServedSeat> {
  const vkeys: string[] = []
  const seat = await openSeat({
    name: `${name}.example/seat`,
    keyPath: join(dir, `${name}.pem`),
    statePath: join(dir, `${name}.db`),
    create: true,
    logs: () => vkeys.map((vkey) => parseVerifierKey(vkey)),
    log: silentLog
  })
  const server = await seat.serve('127.0.0.1', 0)
  const close = async () => {
    await server.close()
    await seat.close()
  }
  return { seat, line: `witness ${name} ${seat.vkey} ${server.url}\n`, vkeys, close }
}

const policyOf = (seats: readonly ServedSeat[]): string =>
  `${seats.map(({ line }) => line).join('')}group council all ${seats.map(({ line }) => line.split(' ')[1]).join(' ')}\nquorum council\n`

/** A ledger of ours, cosigned by seats of ours, seen by the tools at each size. */
async function checkOurs(program: string, dir: string, seats: readonly ServedSeat[], entries: number): Promise<void> {
  const ledgerDir = join(dir, 'ledger')
  mkdirSync(ledgerDir)
  const { published, policy, vkey: vkeyPath } = ledgerFiles(ledgerDir)
  writeFileSync(policy, policyOf(seats))
  const ledger = await openLedger({ dir: ledgerDir, origin, log: silentLog, publishIntervalMs: 0 })
  for (const { vkeys } of seats) vkeys.push(ledger.vkey)
  const tokensPath = join(ledgerDir, 'tokens.json')
  const { token } = addToken(tokensPath, 'auditor', 'auditor', Date.now())
  const often = { perSecond: 100_000, burst: 100_000 }
  const service = await startLedgerService({
    reader: ledger.reader,
    append: null,
    publishedPath: published,
    policyPath: policy,
    vkeyPath,
    tokensPath,
    log: silentLog,
    addressRate: often,
    tokenRate: often
  })
  try {
    let size = 0
    const growTo = async (wanted: number) => {
      for (; size < wanted; size = Math.min(wanted, size + 1000)) {
        const events = Array.from({ length: Math.min(1000, wanted - size) }, (_, at) => size + at)
        const items = events.map((n) => ({
          draft: draftEntry(
            { event: 'test_event', component: 'IF.test', traceId: newTraceId(), payload: { n, text: 'ä"\\\u2028' } },
            n
          ),
          key: `interop:${n}`
        }))
        await ledger.append(items, null)
      }
      const until = Date.now() + 20_000
      while (ledger.witnessing().publishedSize < wanted) {
        if (Date.now() > until) fail(`the head of ${wanted} entries was not cosigned: ${JSON.stringify(ledger.witnessing())}`)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    for (const wanted of [...borders, entries]) {
      await growTo(wanted)
      const { good, said, error } = await check(program, service.url, ledger.vkey, token, policy)
      if (!good) fail(`${wanted} entries:\n${said}${error}`)
      say(said.trimEnd())
    }
    for (const lie of lies) {
      const { what, seenBy } = lie
      const lying = await lyingService(service.url, lie)
      const { good, error } = await check(program, lying.url, ledger.vkey, token, policy)
      lying.close()
      if (good || !seenBy.test(error)) fail(`${what} was changed, and the tools say: ${good ? 'good' : error}`)
      say(`${what} was changed: seen, ${error.split('\n')[0]!.slice(0, 120)}`)
    }
  } finally {
    await service.close()
    await ledger.close()
  }
}

/** A log of tessera's, cosigned by seats of ours while it is written; another seat comes to it by itself, and its proofs are checked here. */
async function checkTheirs(program: string, dir: string, seats: readonly ServedSeat[], comes: ServedSeat): Promise<void> {
  const child = spawn(program, ['write', join(dir, 'tessera'), theirOrigin], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const answer = async (): Promise<{ vkey: string; url: string; size: number; proof: string }> => {
    const { value, done } = await lines.next()
    return done === true ? fail('tessera has ended') : JSON.parse(value)
  }
  const ask = (request: object) => {
    child.stdin.write(`${JSON.stringify(request)}\n`)
    return answer()
  }
  try {
    const { vkey } = await answer()
    for (const { vkeys } of [...seats, comes]) vkeys.push(vkey)
    child.stdin.write(`${JSON.stringify({ policy: policyOf(seats) })}\n`)
    let seen = 0
    for (const write of [1, 254, 1, 1, 300]) {
      const { url, size } = await ask({ write })
      const log = connectLog(url)
      const head = (await log.head()) ?? fail('tessera has published no head')
      const { size: published } = parseCheckpoint(head.note).checkpoint
      if (published !== size) fail(`tessera has written ${size} entries and published ${published}`)
      const { status, body } = await comes.seat.cosign(head.note, log.tiles(size))
      if (status !== 200) fail(`from ${seen} to ${size} entries the seat answers ${status}: ${body}`)
      seen = size
      const policy = parsePolicy(`log ${vkey}\n${policyOf([...seats, comes])}`)
      for (const index of [0, size >> 1, size - 1]) {
        const { proof } = await ask({ prove: index })
        const told = parseTlogProof(proof + body)
        if (told.index !== index || !checkTlogProof(told, { logs: [], policy }).good)
          fail(`entry ${index} of ${size} is not proved:\n${proof}`)
        if (checkTlogProof(told, { logs: [], policy }, Buffer.from('another entry')).good) fail('another entry is proved')
      }
    }
    say(
      `a log of tessera's, ${seen} entries: each head cosigned by two seats that were asked and one that came; its proofs are good`
    )
  } finally {
    child.stdin.end()
    await new Promise((resolve) => child.once('close', resolve))
  }
}

const { values } = parseArgs({ options: { entries: { type: 'string', default: '66000' } } })
const entries = Number(values.entries)
if (!Number.isSafeInteger(entries) || entries < 600) fail('--entries: expected a number, at least 600')
const dir = mkdtempSync(join(tmpdir(), 'interop-'))
try {
  const program = build(dir)
  if (program === null) say('skipped: Go is not installed, nothing was tested')
  else {
    const seats = await Promise.all(['guardian-1', 'guardian-2', 'guardian-3'].map((name) => serveSeat(dir, name)))
    const [first, second, third] = seats as [ServedSeat, ServedSeat, ServedSeat]
    try {
      await checkOurs(program, dir, [first, second], entries)
      await checkTheirs(program, dir, [first, second], third)
    } finally {
      for (const { close } of seats) await close()
    }
    say('everything holds')
  }
} finally {
  rmSync(dir, { recursive: true, force: true })
}
