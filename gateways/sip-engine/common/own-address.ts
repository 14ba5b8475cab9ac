/** How this engine is addressed at its listeners. */
import { bracketed } from '../codec/uri.ts'
import type { Listener } from '../transport/port.ts'

export function hostPort(endpoint: { readonly address: string; readonly port: number }): string {
  return `${bracketed(endpoint.address)}:${endpoint.port}`
}

/** Contact of this engine at a listener. */
export function ownContact(listener: Listener): string {
  const where = hostPort(listener)
  if (listener.transport === 'udp') return `<sip:${where}>`
  // RFC 7118 §5.2.2: there is no `transport=wss`; a WebSocket inside TLS is `ws` in a `sips:` URI.
  if (listener.transport === 'wss') return `<sips:${where};transport=ws>`
  return `<${listener.transport === 'tls' ? 'sips' : 'sip'}:${where};transport=${listener.transport}>`
}
