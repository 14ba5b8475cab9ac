import { isIP, SocketAddress } from 'node:net'
import { type EdgeFacts, type Layer, layers } from '#kernel'

export type EdgeFactsResult =
  | { readonly ok: true; readonly facts: EdgeFacts; readonly layers: readonly Layer[] }
  | { readonly ok: false; readonly code: EdgeFactsProblem; readonly header: string }

/** `missing` and `malformed` speak of a misconfigured edge, `smuggled` of a header that the edge did not write. */
export type EdgeFactsProblem = 'edge.facts.missing' | 'edge.facts.malformed' | 'edge.facts.smuggled'

const prefix = 'X-IF-Edge-'
const known = ['Source', 'Transport', 'TLS-Version', 'TLS-Cipher', 'Certificate', 'User', 'Digest', 'Seat', 'Layers'] as const
type Known = (typeof known)[number]

const transports = ['udp', 'tcp', 'tls', 'ws', 'wss'] as const
const isTransport = (value: string): value is EdgeFacts['transport'] => (transports as readonly string[]).includes(value)

const forms: Readonly<Record<Exclude<Known, 'Source' | 'Transport' | 'Layers'>, RegExp>> = {
  'TLS-Version': /^TLSv1\.[0-3]$/,
  'TLS-Cipher': /^[A-Za-z0-9_-]{1,64}$/,
  Certificate: /^[^\s,<>"][^\r\n<>"]{0,255}$/,
  User: /^[^\s,<>"]{1,128}$/,
  Digest: /^(?:MD5|SHA-256)$/,
  Seat: /^[A-Za-z0-9_-]{1,27}$/
}

/**
 * Reads what the edge vouches for.
 *
 * The edge writes its headers in exactly the form `X-IF-Edge-…` and removes all others of that name, in any case. One that reaches us in another
 * form was written by somebody else in a way the edge did not recognise, so the whole request is refused.
 *
 * @param headers header values by name, as drachtio-srf gives them.
 */
export function readEdgeFacts(headers: Readonly<Record<string, string>>): EdgeFactsResult {
  const found = new Map<Known, string>()
  for (const [name, value] of Object.entries(headers)) {
    if (!name.toLowerCase().startsWith(prefix.toLowerCase())) continue
    const rest = name.slice(prefix.length)
    if (!name.startsWith(prefix) || !(known as readonly string[]).includes(rest)) return problem('edge.facts.smuggled', name)
    found.set(rest as Known, value.trim())
  }
  const source = found.get('Source')
  const transport = found.get('Transport')
  if (source === undefined) return problem('edge.facts.missing', `${prefix}Source`)
  if (transport === undefined) return problem('edge.facts.missing', `${prefix}Transport`)
  const address = source.replace(/^\[(.*)\]$/, '$1')
  if (isIP(address) === 0) return problem('edge.facts.malformed', `${prefix}Source`)
  const transportName = transport.toLowerCase()
  if (!isTransport(transportName)) return problem('edge.facts.malformed', `${prefix}Transport`)
  for (const [name, form] of Object.entries(forms)) {
    const value = found.get(name as Known)
    if (value !== undefined && !form.test(value)) return problem('edge.facts.malformed', prefix + name)
  }
  const passed = (found.get('Layers') ?? '').split(',').map((layer) => layer.trim())
  const named = passed.filter((layer) => layer !== '')
  if (!named.every((layer): layer is Layer => (layers as readonly string[]).includes(layer)))
    return problem('edge.facts.malformed', `${prefix}Layers`)
  return {
    ok: true,
    layers: named as readonly Layer[],
    facts: {
      sourceAddress: plain(address),
      transport: transportName,
      tlsVersion: found.get('TLS-Version') ?? null,
      tlsCipher: found.get('TLS-Cipher') ?? null,
      certificateIdentity: found.get('Certificate') ?? null,
      authenticatedUser: found.get('User') ?? null,
      digestAlgorithm: found.get('Digest') ?? null,
      ...(found.has('Seat') ? { seat: found.get('Seat')! } : {})
    }
  }
}

/** IPv6 in the one form of RFC 5952, so that an address is always the same text. */
const plain = (address: string) => (isIP(address) === 6 ? new SocketAddress({ address, family: 'ipv6' }).address : address)

const problem = (code: EdgeFactsProblem, header: string): EdgeFactsResult => ({ ok: false, code, header: header.slice(0, 64) })
