import test from 'ava'
import { ConfigError } from '#kernel'
import { resolveConfig } from './config.ts'

test('a configuration is completed, or every problem is named at once', (t) => {
  const drachtio = { host: '127.0.0.1', port: 9022, secret: 's' }
  t.like(resolveConfig({ drachtio }), { maxCalls: 1000, failClosed: ['policy_decision', 'INVITE'], conferences: ['council'] })
  const error = t.throws(
    () => resolveConfig({ drachtio: { ...drachtio, port: 0 }, maxCalls: 0, hazards: ['Bad Name'], trustedEdges: ['edge'] }),
    { instanceOf: ConfigError }
  )
  t.deepEqual(
    error.problems.map((problem) => problem.split(':')[0]),
    ['drachtio.port', 'trustedEdges.0', 'hazards.0', 'maxCalls']
  )
  t.throws(() => resolveConfig({ drachtio, sessionExpiresSeconds: 100, minSessionExpiresSeconds: 200 }), {
    instanceOf: ConfigError
  })
})
