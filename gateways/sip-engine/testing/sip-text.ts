/** Short ways to write and read SIP text in tests. */

export interface RequestText {
  readonly method: string
  readonly uri?: string
  readonly port?: number
  readonly address?: string
  readonly transport?: string
  readonly branch: string
  readonly callId?: string
  readonly fromTag?: string
  /** Whole To value. */
  readonly to?: string
  readonly cseq?: number
  readonly extra?: readonly string[]
  readonly body?: string
}

/** A request of a caller at 10.0.0.9:5090 (unless said otherwise) to the engine of the test bench. */
export function requestText(request: RequestText): string {
  const { method, branch, uri = 'sip:bob@10.0.0.1', port = 5090, address = '10.0.0.9', transport = 'UDP' } = request
  const { callId = 'call-1', fromTag = 'ft', to = '<sip:bob@10.0.0.1>', cseq = 1, extra = [], body = '' } = request
  return [
    `${method} ${uri} SIP/2.0`,
    `Via: SIP/2.0/${transport} ${address}:${port};branch=z9hG4bK${branch}`,
    `From: "A" <sip:alice@${address}>${fromTag === '' ? '' : `;tag=${fromTag}`}`,
    `To: ${to}`,
    `Call-ID: ${callId}`,
    `CSeq: ${cseq} ${method}`,
    'Max-Forwards: 70',
    ...(method === 'INVITE' || method === 'SUBSCRIBE' || method === 'UPDATE' ? [`Contact: <sip:alice@${address}:${port}>`] : []),
    ...extra,
    `Content-Length: ${body.length}`,
    '',
    body
  ].join('\r\n')
}

/** A response to a request as it arrived: Via, From, Call-ID and CSeq copied. */
export function responseText(
  request: string,
  status: number,
  options: { tag?: string; extra?: readonly string[]; body?: string; reason?: string } = {}
): string {
  const { tag = 'rt', extra = [], body = '', reason = 'Reason' } = options
  const to = headerOf(request, 'To')!
  return [
    `SIP/2.0 ${status} ${reason}`,
    ...headersOf(request, 'Via').map((value) => `Via: ${value}`),
    ...headersOf(request, 'Record-Route').map((value) => `Record-Route: ${value}`),
    `From: ${headerOf(request, 'From')}`,
    `To: ${to}${to.includes('tag=') || status === 100 ? '' : `;tag=${tag}`}`,
    `Call-ID: ${headerOf(request, 'Call-ID')}`,
    `CSeq: ${headerOf(request, 'CSeq')}`,
    ...extra,
    `Content-Length: ${body.length}`,
    '',
    body
  ].join('\r\n')
}

export function headersOf(text: string, name: string): string[] {
  const head = text.split('\r\n\r\n', 1)[0]!
  const lines = head.split('\r\n').filter((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
  return lines.map((line) => line.slice(name.length + 1).trim())
}

export function headerOf(text: string, name: string): string | undefined {
  return headersOf(text, name)[0]
}

export function startLine(text: string): string {
  return text.slice(0, text.indexOf('\r\n'))
}

/** Status line or method, with the CSeq method of responses: `180 INVITE`, `BYE`. */
export function shape(text: string): string {
  const line = startLine(text)
  if (!line.startsWith('SIP/2.0 ')) return line.split(' ', 1)[0]!
  return `${line.split(' ')[1]} ${headerOf(text, 'CSeq')?.split(' ')[1]}`
}
