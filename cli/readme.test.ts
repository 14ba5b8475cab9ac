import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { newTraceId, silentLog, type WitnessEvent } from '#kernel'
import { appendItem, openLedger } from '#ledger'
import { pcapOf } from '../gateways/h323/testing/capture.ts'
import { captured } from '../gateways/h323/testing/vectors.ts'
import { keepRules } from '../plugins/guard/guard.ts'
import { context, openBench, request } from '../plugins/guard/testing/fixtures.ts'
import { commonOptions } from './arguments.ts'
import { commands } from './commands.ts'
import { cleanEnvironment, shim, withFolder } from './testing/run.ts'

const run = promisify(execFile)
const readme = readFileSync(new URL('README.md', import.meta.url), 'utf8')
const examples = /```sh\n([\s\S]*?)```/
  .exec(readme)![1]!
  .replace(/\\\n\s*/g, '')
  .split('\n')
  .map((line) => line.replace(/\s+# .*$/, ''))
  .filter((line) => line !== '')

/** They go on until they are told to stop; what they do is tested elsewhere. */
const goesOn = (line: string): boolean => /^ifctl (?:up|sip-server|witness serve)\b|--serve\b|--follow\b/.test(line)

/** They ask a suite that runs, or the network; that is tested in h323-suite.test.ts and ndi-commands.test.ts. */
const asksSuite = (line: string): boolean =>
  /^ifctl (?:escalate|ndi|council|h323 (?:dial|endpoints|calls|conference))\b/.test(line)

test('every example names a command there is, with options it has', (t) => {
  t.true(examples.length > 20)
  for (const line of examples) {
    const words = line.slice('ifctl '.length).split(' ')
    const command = commands
      .filter((each) => each.words.every((word, at) => word === words[at]))
      .sort((a, b) => b.words.length - a.words.length)[0]
    t.truthy(command, line)
    for (const [, name] of line.split(/&&|\|\|/)[0]!.matchAll(/ --([a-z-]+)/g))
      t.true(
        [...command!.options, ...commonOptions].some((option) => option.name === name),
        `${line}: --${name}`
      )
  }
})

/** A decision of IF.guard as it stands in the ledger; its rules are kept in the data folder. */
async function decision(folder: string): Promise<WitnessEvent['payload']> {
  const { guard, clock, close } = await openBench({ keepRules: (rules) => keepRules(join(folder, 'var/policies'), rules) })
  const { verdict, code, receipt } = await guard.decide(context(), request(clock))
  await close()
  return { verdict, code, receipt: { ...receipt! } }
}

/** What the examples find in their data folder. */
async function prepare(folder: string): Promise<void> {
  await mkdir(join(folder, 'bin'))
  await symlink(shim, join(folder, 'bin/ifctl'))
  await copyFile(fileURLToPath(new URL('../plugins/guard/experts.example.yaml', import.meta.url)), join(folder, 'registry.yaml'))
  await copyFile(fileURLToPath(new URL('../plugins/governor/policy.example.yaml', import.meta.url)), join(folder, 'policy.yaml'))
  await mkdir(join(folder, 'var'))
  for (const [from, to] of [
    ['experts.example.yaml', 'var/registry.yaml'],
    ['guard.cedar', 'rules.cedar'],
    ['guard.table.yaml', 'table.yaml']
  ] as const)
    await copyFile(fileURLToPath(new URL(`../plugins/guard/${from}`, import.meta.url)), join(folder, to))
  const ras = captured().find(({ proto }) => proto === 'ras')!
  const payload = Buffer.from(ras.hex, 'hex')
  await writeFile(
    join(folder, 'call.pcap'),
    pcapOf([{ transport: 'udp', sourcePort: ras.src, destinationPort: ras.dst, payload }])
  )
  const ledger = await openLedger({ dir: join(folder, 'var/ledger'), origin: 'council.example/witness', log: silentLog })
  const call = { traceId: '0af7651916cd43dd8448eb211c80319c', payload: { callId: 'x@y' } }
  const told: Partial<WitnessEvent>[] = [
    { ...call, event: 'INVITE' },
    {
      ...call,
      event: 'policy_decision',
      component: 'IF.guard',
      payload: { callId: 'x@y', ...(await decision(folder)) }
    },
    { traceId: 'T', cost: '300', model: 'gpt-5' },
    ...Array.from({ length: 39 }, () => ({})),
    { erasable: { name: 'somebody' } }
  ]
  const items = told.map((event, at) =>
    appendItem({ event: 'E', component: 'IF.proxy', traceId: newTraceId(), payload: {}, ...event }, Date.now(), `k${at}`)
  )
  await ledger.append(items, 1)
  await ledger.close()
  await copyFile(join(folder, 'var/ledger/vkey'), join(folder, 'log.vkey'))
}

test('the examples that end by themselves do what they say', async (t) => {
  await withFolder(async (folder) => {
    await prepare(folder)
    const path = `${join(folder, 'bin')}:${join(process.execPath, '..')}:${process.env.PATH}`
    for (const line of examples.filter((each) => !goesOn(each) && !asksSuite(each))) {
      const ended = await run('bash', ['-c', line], { cwd: folder, env: cleanEnvironment({ PATH: path }) }).catch(
        (error) => error
      )
      t.is(ended.code ?? 0, 0, `${line}\n${ended.stdout}${ended.stderr}`)
      if (line.includes('alerts')) t.regex(ended.stdout, /^notice {3}month[\s\S]*spent, or more: 20\n$/)
      else if (line.includes('||')) t.notRegex(ended.stdout, /exit code/)
    }
  })
})
