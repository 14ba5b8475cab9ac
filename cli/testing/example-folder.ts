/** What the examples of the documentation find: files and, in `var`, the data folder. */
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { newTraceId, silentLog, type WitnessEvent } from '#kernel'
import { appendItem, openLedger } from '#ledger'
import { pcapOf } from '../../gateways/h323/testing/capture.ts'
import { captured } from '../../gateways/h323/testing/vectors.ts'
import { keepRules } from '../../plugins/guard/guard.ts'
import { context, openBench, request } from '../../plugins/guard/testing/fixtures.ts'
import { prepareRecording } from './recorded.ts'

/** A decision of IF.guard as it stands in the ledger; its rules are kept in the data folder. */
async function decision(folder: string): Promise<WitnessEvent['payload']> {
  const { guard, clock, close } = await openBench({ keepRules: (rules) => keepRules(join(folder, 'var/policies'), rules) })
  const { verdict, code, receipt } = await guard.decide(context(), request(clock))
  await close()
  return { verdict, code, receipt: { ...receipt! } }
}

/** What the examples find in their data folder. */
export async function prepareFolder(folder: string): Promise<void> {
  await copyFile(
    fileURLToPath(new URL('../../plugins/guard/experts.example.yaml', import.meta.url)),
    join(folder, 'registry.yaml')
  )
  await copyFile(
    fileURLToPath(new URL('../../plugins/governor/policy.example.yaml', import.meta.url)),
    join(folder, 'policy.yaml')
  )
  await mkdir(join(folder, 'var'))
  for (const [from, to] of [
    ['experts.example.yaml', 'var/registry.yaml'],
    ['rules/guard.cedar', 'rules.cedar'],
    ['rules/guard.table.yaml', 'table.yaml']
  ] as const)
    await copyFile(fileURLToPath(new URL(`../../plugins/guard/${from}`, import.meta.url)), join(folder, to))
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
  await prepareRecording(join(folder, 'var'), (_, event) => event)
  await copyFile(join(folder, 'var/ledger/vkey'), join(folder, 'log.vkey'))
  await copyFile(fileURLToPath(new URL('../../plugins/chassis/testing/words.wasm', import.meta.url)), join(folder, 'words.wasm'))
  await writeFile(join(folder, 'secret'), 'a secret of applications\n', { mode: 0o600 })
  await writeFile(join(folder, 'words.txt'), 'one two')
  await mkdir(join(folder, 'texts'))
  await writeFile(join(folder, 'texts/text'), 'three small words')
  await mkdir(join(folder, 'var/chassis'))
  const services = { council: { kind: 'hmac-sha256', secret: 'a secret of the council' } }
  await writeFile(join(folder, 'var/chassis/services.json'), JSON.stringify(services), { mode: 0o600 })
  await writeFile(
    join(folder, 'drachtio.conf.xml'),
    '<drachtio><admin port="9022" secret="x">127.0.0.1</admin><sip><contact>sip:127.0.0.1:5060</contact></sip></drachtio>'
  )
}
