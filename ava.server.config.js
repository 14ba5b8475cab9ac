import base from './ava.config.js'

/** Tests with servers and clients of their own that wait for each other more than they work, and keep no time that is heard. */
export const servers = [
  'kamailio/**/*.test.ts',
  'sipp-scenarios/**/*.test.ts',
  'scripts/**/*.test.ts',
  'gateways/sip-engine/sipp/**/*.test.ts',
  'gateways/sip-engine/srf-suite/**/*.test.ts',
  'ledger/client/**/*.test.ts',
  'ledger/store/**/*.test.ts',
  'ledger/fault/**/*.test.ts'
]

export default { ...base, files: servers }
