/** The engine as one of the suite's two drachtio servers: `server.ts ADDRESS ADMIN-PORT`. Its settings are those of the compose file's command lines. */
import { createLog } from '#kernel'
import { createSipServer } from '#sip-engine'

const [address, port] = process.argv.slice(2)
await createSipServer({
  listen: [{ transport: 'udp', address: address!, port: 5060 }],
  admin: { address: '127.0.0.1', port: Number(port), secret: 'cymru' },
  log: createLog({ name: 'sip-engine', level: 'info' })
})
