/** The measured processes of the proxy benchmark: `server` or `application`. Ends with its parent. */
import { createLog } from '#kernel'
import { createSipServer } from '../sip-engine.ts'
import { connectSrf } from './srf.ts'

const address = '127.0.0.1'
const [role, settings] = [process.argv[2], JSON.parse(process.argv[3]!)]

async function serve() {
  const server = await createSipServer({
    listen: [{ transport: 'udp', address, port: 0 }],
    admin: { address, port: 0, secret: 'bench' },
    log: createLog({ name: 'bench', level: 'error' })
  })
  return { port: server.addresses[0]!.port, admin: server.adminPort }
}

async function application({ admin, callee }: { admin: number; callee: number }) {
  const destination = `sip:${address}:${callee}`
  await connectSrf(
    admin,
    (srf) =>
      srf.invite((request) => void srf.proxyRequest(request, destination, { remainInDialog: true }).catch(() => undefined)),
    'bench'
  )
  return 'connected'
}

process.on('disconnect', () => process.exit())
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send!((user + system) / 1000)
})
process.send!(role === 'server' ? await serve() : await application(settings))
