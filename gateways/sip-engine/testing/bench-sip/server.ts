/** The engine, alone or with the application in its process. */
import { createLog } from '#kernel'
import { createSipServer, type SipServer } from '#sip-engine'
import { answerCalls } from './answer.ts'
import { serveParent } from './child.ts'
import type { Ports, ServerSettings } from './processes.ts'

const secret = 'bench'
const address = '127.0.0.1'
let server: SipServer | undefined

serveParent(
  async ({ inProcess, tls, t1Ms }: ServerSettings): Promise<Ports> => {
    server = await createSipServer({
      listen: [
        { transport: 'udp', address, port: 0 },
        { transport: 'tcp', address, port: 0 },
        { transport: 'tls', address, port: 0, tls }
      ],
      ...(inProcess ? {} : { admin: { address, port: 0, secret } }),
      timers: { t1Ms },
      log: createLog({ name: 'bench', level: 'error' })
    })
    if (inProcess) await answerCalls((srf) => server!.connect(srf))
    const [udp, tcp, tlsListener] = server.addresses
    return { udp: udp!.port, tcp: tcp!.port, tls: tlsListener!.port, admin: server.adminPort }
  },
  () => server?.stats() ?? null
)
