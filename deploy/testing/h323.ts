/** H.323 terminals of Guardians, registered with a running suite. */
import { readFile } from 'node:fs/promises'
import type { ExecutionContext } from 'ava'
import { parse } from 'yaml'
import type { Capability } from '../../gateways/h323/h245/h245.ts'
import { openTerminal, type Terminal, tone } from '../../gateways/h323/mcu/testing/terminal.ts'
import type { H323Account } from '../h323/accounts.ts'
import type { RunningSuite } from './harness.ts'

/** A Guardian's terminal, registered with the password of its account. */
export async function terminal(
  t: ExecutionContext,
  { suite }: { readonly suite: Pick<RunningSuite['suite'], 'data' | 'addresses'> },
  name: string,
  frequencyHz: number,
  codec = 'PCMU',
  capabilities: readonly Capability[] = []
): Promise<Terminal> {
  const { accounts } = parse(await readFile(suite.data.h323Accounts, 'utf8')) as { accounts: H323Account[] }
  const { password } = accounts.find((account) => account.name === name)!
  const { address, port } = suite.addresses.ras!
  return openTerminal(
    t,
    { codec, says: tone(frequencyHz, codec === 'G722' ? 16_000 : 8000) },
    {
      aliases: [name],
      gatekeeper: { address: `${address}:${port}`, identifier: 'infrafabric', user: { name, password } },
      capabilities
    }
  )
}
