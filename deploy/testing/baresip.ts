/** baresip as the phone of the expert for safety. */
import { spawnSync } from 'node:child_process'
import type { ExecutionContext } from 'ava'
import { readCredentials, type Suite } from '#suite'
import { type Baresip, type BaresipOptions, startBaresip } from '../../scripts/baresip/baresip.ts'

/** Whether it is installed. */
export const hasBaresip: boolean = spawnSync('baresip', ['-h'], { stdio: 'ignore' }).error === undefined

const address = 'expert-safety@external.advisor'

/** Answers whoever calls it out, over UDP, and says a tone. */
export async function answeringExpert(t: ExecutionContext, toneHz: number): Promise<Baresip> {
  const expert = await startBaresip({ address, transport: 'udp', answer: 'auto', source: { toneHz } })
  t.teardown(expert.stop)
  return expert
}

/** Has called in over TLS with the password of its account, and been let into the council. */
export async function expertInside(
  t: ExecutionContext,
  suite: Suite,
  options: Pick<BaresipOptions, 'srtp' | 'codecs' | 'ice'> = {}
): Promise<Baresip> {
  const { users } = await readCredentials(suite.data.credentials)
  const expert = await startBaresip({
    address,
    transport: 'tls',
    outbound: { host: '127.0.0.1', port: suite.addresses.tls!.port },
    digest: { user: 'expert-safety', password: users['expert-safety']!.password! },
    source: { toneHz: 440 },
    ...options
  })
  t.teardown(expert.stop)
  await expert.dial('sip:council-safety@external.advisor')
  await expert.next('CALL_ESTABLISHED', 10_000)
  return expert
}
