/** Runs a suite in a process of its own, so that a test can kill it. Settings come as JSON in the first argument; addresses go back as a message. */
import { startSuite } from '#suite'

const suite = await startSuite({ logLevel: 'silent', ...JSON.parse(process.argv[2]!) })
process.on('SIGTERM', () => void suite.stop().then(() => process.exit(0)))
process.send!({
  port: suite.addresses.tls?.port ?? suite.addresses.appTcp.port,
  ras: suite.addresses.ras,
  h323Accounts: suite.data.h323Accounts
})
