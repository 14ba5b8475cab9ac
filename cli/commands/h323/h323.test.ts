import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { type CapturedPacket, pcapOf } from '../../../gateways/h323/testing/capture.ts'
import { ifctl, withFolder } from '../../testing/run.ts'

const gatekeeperConfirm =
  '0680b277060008914a0007120047006e00750047006b002d0061007500740068007f00000106b708d0012010014000070008816b00044fc06b012d6708070008816b000206'

test('decode: hex, a file of hex and a capture are told readably and as JSON', async (t) => {
  const hex = await ifctl(['h323', 'decode', gatekeeperConfirm])
  t.is(hex.code, 0)
  t.true(hex.stdout.startsWith('RAS gatekeeperConfirm\n'))
  t.true(hex.stdout.includes('    gatekeeperIdentifier: GnuGk-auth\n'))
  t.true(hex.stdout.includes('tokens: 1, hidden\n'))
  const secrets = await ifctl(['h323', 'decode', '--secrets', '-'], { input: `${gatekeeperConfirm}\n` })
  t.true(secrets.stdout.includes('timeStamp: 1795239272'))
  await withFolder(async (folder) => {
    const packet: CapturedPacket = {
      transport: 'udp',
      sourcePort: 1719,
      destinationPort: 50_000,
      payload: Buffer.from(gatekeeperConfirm, 'hex')
    }
    const file = join(folder, 'call.pcap')
    await writeFile(file, pcapOf([packet, { ...packet, payload: packet.payload.subarray(0, 9) }]))
    const json = await ifctl(['h323', 'decode', '--json', file])
    t.is(json.code, 1)
    const [good, bad] = json.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    t.like(good, { from: '127.0.0.1:1719', protocol: 'RAS', name: 'gatekeeperConfirm', time: 0 })
    t.is(good.value.gatekeeperConfirm.requestSeqNum, 45_688)
    t.like(bad.error, { code: 'h323.per.short' })
  })
})

test('decode: what is no H.323, no capture or no kind is said so', async (t) => {
  const cut = await ifctl(['h323', 'decode', gatekeeperConfirm.slice(0, 6)])
  t.is(cut.code, 1)
  t.true(cut.stdout.includes('[h323.per.short]'))
  t.is((await ifctl(['h323', 'decode', 'no-such-file'])).code, 1)
  t.is((await ifctl(['h323', 'decode', '--as', 'sip', '00'])).code, 2)
})
