/**
 * `npm run containers`: builds the image, runs docker-compose.yml on a Docker Engine that is here, and calls into it from a network namespace outside: baresip
 * as an expert, with a client certificate and SRTP, and a Guardian. What came of it is checked in the ledger in Redis.
 *
 *     netns: baresip, Guardian ── TLS, RTP ──► 198.51.100.1:5061, :20000… ──► edge ──► SIP server ──► application ──► Redis
 *
 * drachtio-server is replaced by the embedded SIP server (stand-in.yaml) unless `--drachtio` is given. Needs root, for the namespace.
 */
import { execFile, spawn } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs, promisify } from 'node:util'
import { parse, stringify } from 'yaml'
import { RtpPhone, sine, toneLevel } from '#media'
import { openPhone } from '../../../gateways/sip/testing/phone.ts'
import { startBaresip } from '../../../scripts/baresip/baresip.ts'
import { prepare } from '../prepare.ts'

const run = promisify(execFile)
const root = new URL('../../..', import.meta.url).pathname
/** Documentation addresses (RFC 5737): of this host as telephones see it, and of theirs. */
const host = '198.51.100.1'
const phones = '198.51.100.2'
const namespace = 'infrafabric-phones'
const heardDbfs = -30

const say = (text: string) => process.stdout.write(`${text}\n`)
let failures = 0
const check = (good: boolean, what: string): void => {
  if (!good) failures++
  say(`${good ? 'ok  ' : 'FAIL'} ${what}`)
}

/** What the phones need, told to the process in their namespace by a file. */
interface Invited {
  readonly user: string
  readonly address: string
  readonly password: string
  readonly certificate: string
  readonly key: string
  readonly ca: string
}

/** Both phones in the council: in the namespace. Prints what was heard. */
async function call(file: string): Promise<number> {
  const { expert, guardian } = JSON.parse(await readFile(file, 'utf8')) as { expert: Invited; guardian: Invited }
  const sound = await RtpPhone.open({ address: phones, says: sine(8000, 1000, -12, 8000) })
  const seat = await openPhone({ host, port: 5061, uri: `sip:${guardian.address}`, digestUser: guardian.user, ...guardian })
  const joined = await seat.invite({ to: 'council', sdp: sound.sdp() })
  say(JSON.stringify({ guardian: joined.status, where: /^c=.*$/m.exec(joined.response.body)?.[0].trim() }))
  sound.talkTo(joined.response.body)
  const baresip = await startBaresip({
    address: expert.address,
    host: phones,
    transport: 'tls',
    outbound: { host, port: 5061 },
    digest: expert,
    tls: expert,
    source: { toneHz: 440 },
    srtp: true
  })
  await baresip.dial('sip:council-safety@external.advisor')
  const beganMs = performance.now()
  await baresip.next('CALL_ESTABLISHED', 15_000)
  const setupMs = performance.now() - beganMs
  await sleep(2000)
  sound.takeHeard()
  await sleep(1000)
  const heard = sound.takeHeard()
  await baresip.hangup()
  await sleep(500)
  const recording = (await baresip.recording())!
  await joined.bye()
  say(
    JSON.stringify({
      setupMs: Math.round(setupMs),
      guardianHears: toneLevel(heard.subarray(-4000), 8000, 440),
      expertHears: toneLevel(recording.samples.slice(-8000, -2000), recording.sampleRateHz, 1000)
    })
  )
  await baresip.stop()
  seat.close()
  sound.close()
  return 0
}

async function inNamespace(file: string): Promise<Record<string, unknown>> {
  const { stdout } = await run('ip', ['netns', 'exec', namespace, process.execPath, import.meta.filename, '--call', file], {
    cwd: root,
    timeout: 60_000
  })
  return Object.assign(
    {},
    ...stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  )
}

async function openNamespace(): Promise<void> {
  const ip = (...words: string[]) => run('ip', words)
  await ip('netns', 'add', namespace)
  await ip('link', 'add', 'ift-host', 'type', 'veth', 'peer', 'name', 'ift-phones', 'netns', namespace)
  await ip('address', 'add', `${host}/24`, 'dev', 'ift-host')
  await ip('link', 'set', 'ift-host', 'up')
  const inside = (...words: string[]) => ip('-n', namespace, ...words)
  await inside('address', 'add', `${phones}/24`, 'dev', 'ift-phones')
  await inside('link', 'set', 'ift-phones', 'up')
  await inside('link', 'set', 'lo', 'up')
}

async function main(): Promise<number> {
  const flag = { type: 'boolean' } as const
  const { values } = parseArgs({ options: { call: { type: 'string' }, drachtio: flag, 'no-build': flag, keep: flag } })
  if (values.call !== undefined) return call(values.call)
  const engine = await run('docker', ['compose', 'version', '--short']).catch(() => null)
  if (engine === null || (await run('docker', ['info']).catch(() => null)) === null) {
    say('no Docker Engine with Compose here: nothing was tried')
    return 3
  }
  const folder = await mkdtemp(join(tmpdir(), 'containers-'))
  const files = [
    '-f',
    join(root, 'docker-compose.yml'),
    ...(values.drachtio ? [] : ['-f', join(root, 'deploy/containers/stand-in.yaml')])
  ]
  const compose = (...words: string[]) =>
    run('docker', ['compose', '-p', 'infrafabric-try', '--project-directory', folder, ...files, ...words], {
      maxBuffer: 1 << 24,
      env: { ...process.env, HOST_ADDRESS: host }
    })
  /** A command in a container. @returns its output and exit code */
  const inside = (service: string, ...words: string[]): Promise<{ stdout: string; code: number }> =>
    compose('exec', '-T', service, ...words).then(
      ({ stdout }) => ({ stdout, code: 0 }),
      (error: { stdout?: string; stderr?: string; code?: number }) => ({
        stdout: `${error.stdout ?? ''}${error.stderr ?? ''}`,
        code: error.code ?? 1
      })
    )
  try {
    if (!values['no-build'])
      await passOn('docker', 'build', '-f', 'deploy/containers/Dockerfile', '-t', 'infrafabric-telephony:0.1.0', '.')
    const out = join(folder, 'var/compose')
    const passwords = await prepare(out, host, null, ['198.51.100.0/24'])
    await forTrial(out)
    await openNamespace()
    const begunMs = performance.now()
    await compose('up', '--detach', '--wait')
    say(`all healthy after ${((performance.now() - begunMs) / 1000).toFixed(1)} s`)

    const invited = async (user: string, address: string): Promise<Invited> => {
      const made = await inside(
        'application',
        'ifctl',
        'expert',
        'invite',
        user,
        '--server',
        `${host}:5061`,
        '--realm',
        'council',
        '--out',
        `/tmp/${user}`
      )
      check(made.code === 0, `ifctl expert invite ${user}${made.code === 0 ? '' : `: ${made.stdout}`}`)
      const text = async (name: string) => (await inside('application', 'cat', `/tmp/${user}/${name}`)).stdout
      const [certificate, key, ca] = await Promise.all(['client.pem', 'client.key', 'ca.pem'].map(text))
      return { user, address, password: passwords.get(user)!, certificate: certificate!, key: key!, ca: ca! }
    }
    const expert = await invited('expert-safety', 'expert-safety@external.advisor')
    const guardian = await invited('guardian-1', 'guardian-1@council.local')
    const file = join(folder, 'phones.json')
    await writeFile(file, JSON.stringify({ expert, guardian }), { mode: 0o600 })
    // revocations and authorities reach the edge within two seconds
    await sleep(3000)
    const heard = await inNamespace(file)
    check(
      heard.guardian === 200 && heard.where === `c=IN IP4 ${host}`,
      `the Guardian is in the council: ${heard.guardian}, ${heard.where}`
    )
    check(Number(heard.guardianHears) > heardDbfs, `the Guardian hears the expert: ${heard.guardianHears} dBFS`)
    check(
      Number(heard.expertHears) > heardDbfs,
      `the expert hears the Guardian: ${heard.expertHears} dBFS (set up in ${heard.setupMs} ms)`
    )
    await sleep(1000)
    const verified = await inside('application', 'ifctl', 'witness', 'verify')
    check(verified.code === 0, `ifctl witness verify: ${verified.stdout.trim().replaceAll('\n', ' | ')}`)
    const calls = await inside('application', 'ifctl', 'witness', 'query', '--event', 'INVITE', '--json')
    const sources = calls.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).payload?.edge?.sourceAddress)
    check(
      sources.length === 2 && sources.every((source) => source === phones),
      `calls in the record came from ${sources.join(', ')}`
    )

    for (const service of ['edge', 'application', 'drachtio', 'application-tls', 'redis']) {
      const state = await inside(
        service,
        'sh',
        '-c',
        'id -u; grep -E "CapEff|NoNewPrivs" /proc/1/status | tr "\\n\\t" "  "; touch /x 2>&1 || true'
      )
      say(`     ${service}: ${state.stdout.trim().replaceAll('\n', '; ')}`)
    }
    const stopMs = performance.now()
    await compose('stop')
    say(`stopped in ${((performance.now() - stopMs) / 1000).toFixed(1)} s`)
    const { stdout } = await compose('ps', '--all', '--format', '{{.Service}} {{.ExitCode}}')
    check(/^application 0$/m.test(stdout) && /^edge 0$/m.test(stdout), `exit codes: ${stdout.trim().replaceAll('\n', ', ')}`)
  } catch (error) {
    check(false, String(error))
  } finally {
    if (failures > 0) say((await compose('logs', '--no-color', '--tail', '40').catch(() => ({ stdout: '' }))).stdout)
    if (values.keep) say(`left as it is: ${folder}`)
    else {
      await compose('down', '--volumes').catch((error: unknown) => check(false, String(error)))
      await run('ip', ['netns', 'delete', namespace]).catch(() => undefined)
      await rm(folder, { recursive: true, force: true })
    }
  }
  return failures === 0 ? 0 : 1
}

/** What only the trial has: an account for baresip 1.0, which knows MD5 alone, and the settings of the stand-in. */
async function forTrial(out: string): Promise<void> {
  const file = join(out, 'settings/suite.yaml')
  const settings = parse(await readFile(file, 'utf8')) as Record<string, unknown>
  await writeFile(file, stringify({ ...settings, md5OnlyUsers: ['expert-safety'] }))
  await mkdir(join(out, 'stand-in'))
  await chmod(join(out, 'stand-in'), 0o755)
  await writeFile(
    join(out, 'stand-in/server.yaml'),
    stringify({
      listen: ['udp:172.30.0.20:5080', 'tcp:172.30.0.20:5080'],
      admin: {
        secretFile: '/run/secrets/drachtio_secret',
        address: '0.0.0.0',
        tls: { port: 9023, key: '/run/secrets/drachtio_key', cert: '/run/secrets/drachtio_certificate' }
      }
    })
  )
}

/** Runs a program whose output is shown. */
function passOn(program: string, ...words: string[]): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  spawn(program, words, { cwd: root, stdio: 'inherit' }).once('exit', (code) =>
    code === 0 ? resolve() : reject(new Error(`${program} ${words[0]} ended with ${code}`))
  )
  return promise
}

process.exitCode = await main()
