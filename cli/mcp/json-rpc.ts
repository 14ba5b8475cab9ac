/** JSON-RPC 2.0 messages as MCP uses them: requests with an id that is no null, no batches. */

export type RequestId = string | number

export interface Request {
  readonly kind: 'request'
  readonly id: RequestId
  readonly method: string
  readonly params: Readonly<Record<string, unknown>>
}

export interface Notification {
  readonly kind: 'notification'
  readonly method: string
  readonly params: Readonly<Record<string, unknown>>
}

/** What cannot be taken; `id` is null where none could be read (JSON-RPC 2.0 §5). */
export interface Refused {
  readonly kind: 'refused'
  readonly id: RequestId | null
  readonly error: RpcError
}

export interface RpcError {
  readonly code: number
  readonly message: string
  readonly data?: unknown
}

/** JSON-RPC 2.0 §5.1; the last one is MCP 2026-07-28's. */
export const rpcCodes = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  serverBusy: -32000,
  unsupportedProtocolVersion: -32022
} as const

const longestId = 256

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isId = (value: unknown): value is RequestId =>
  (typeof value === 'string' && value.length <= longestId) || (typeof value === 'number' && Number.isFinite(value))

const refuse = (id: RequestId | null, code: number, message: string): Refused => ({
  kind: 'refused',
  id,
  error: { code, message }
})

/** Reads one line. Answers to requests of ours are `null`: none are ever made. */
export function readMessage(line: string): Request | Notification | Refused | null {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return refuse(null, rpcCodes.parseError, 'the line is not JSON')
  }
  if (Array.isArray(value)) return refuse(null, rpcCodes.invalidRequest, 'batches are no part of this protocol')
  if (!isObject(value)) return refuse(null, rpcCodes.invalidRequest, 'the message is not an object')
  const { jsonrpc, id, method, params = {} } = value
  const known = isId(id) ? id : null
  if (jsonrpc !== '2.0') return refuse(known, rpcCodes.invalidRequest, 'jsonrpc is not "2.0"')
  if (method === undefined && known !== null && ('result' in value || 'error' in value)) return null
  if (typeof method !== 'string') return refuse(known, rpcCodes.invalidRequest, 'method is not a string')
  if (id !== undefined && known === null)
    return refuse(null, rpcCodes.invalidRequest, `id is neither a number nor a string of at most ${longestId} characters`)
  if (!isObject(params))
    return known === null
      ? refuse(null, rpcCodes.invalidRequest, 'params is not an object')
      : refuse(known, rpcCodes.invalidParams, 'params is not an object')
  return known === null ? { kind: 'notification', method, params } : { kind: 'request', id: known, method, params }
}

export const answer = (id: RequestId, result: object) => ({ jsonrpc: '2.0', id, result })

export const failure = (id: RequestId | null, error: RpcError) => ({ jsonrpc: '2.0', id, error })
