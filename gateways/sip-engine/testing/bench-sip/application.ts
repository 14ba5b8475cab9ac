/** The application in a process of its own. */
import { answerCalls } from './answer.ts'
import { serveParent } from './child.ts'

serveParent(
  async ({ port }: { port: number }) => {
    await answerCalls((srf) => srf.connect({ host: '127.0.0.1', port, secret: 'bench', reconnect: { maxAttempts: 1 } }))
    return 'connected'
  },
  () => null
)
