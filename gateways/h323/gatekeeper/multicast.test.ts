import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const script = fileURLToPath(new URL('testing/discover.ts', import.meta.url))
const isolated = (command: string) =>
  spawnSync('unshare', ['-rn', 'sh', '-c', `ip link set lo up multicast on && ip route add 224.0.0.0/4 dev lo && ${command}`], {
    encoding: 'utf8',
    timeout: 60_000
  })

test('discovery by multicast, where it is configured', (t) => {
  if (isolated('true').status !== 0) {
    t.log('no network namespaces here')
    t.pass()
    return
  }
  const { stdout, stderr } = isolated(`exec "${process.execPath}" --disable-warning=ExperimentalWarning "${script}"`)
  t.is(stdout, 'gatekeeperConfirm\nterminalExcluded\n0 more, 0 endpoints\n', stderr)
})
