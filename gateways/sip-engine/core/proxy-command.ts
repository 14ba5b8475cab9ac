/** `srf.proxyRequest`: an application has a request that it was shown sent on. */
import type { SipResponse } from '../codec/message.ts'
import type { HeaderLine } from '../codec/serialize.ts'
import { newId } from '../common/ids.ts'
import { hostPort } from '../common/own-address.ts'
import type { Application } from '../drachtio/application.ts'
import type { ProxyMessage } from '../drachtio/client-message.ts'
import { readDraft, wireOthers } from '../drachtio/header-rules.ts'
import { nokReply, okReply, proxyProgress } from '../drachtio/server-message.ts'
import type { Path } from '../next-hop/paths.ts'
import { maxTargets } from '../proxy/response-context.ts'
import type { Core } from './core.ts'

/** A command that cannot be followed is refused with NOK, and the application can still answer the request. */
export function proxyCommand(core: Core, application: Application, message: ProxyMessage) {
  const { uas, proxy } = core
  const fail = (text: string): void => application.send(nokReply(newId(), message.id, text))
  const asked = uas.find(message.transactionId, application)
  if (asked === undefined) return fail(`Unknown transaction id: ${message.transactionId.slice(0, 64)}`)
  const provisionalTimeoutMs = durationMs(message.provisionalTimeout)
  const finalTimeoutMs = durationMs(message.finalTimeout)
  if (provisionalTimeoutMs === undefined) return fail(`invalid timeout: ${message.provisionalTimeout.slice(0, 64)}`)
  if (finalTimeoutMs === undefined) return fail(`invalid timeout: ${message.finalTimeout.slice(0, 64)}`)
  if (message.destinations.length > maxTargets) return fail(`more than ${maxTargets} destinations`)
  let extra: readonly HeaderLine[]
  try {
    extra = wireOthers(readDraft(message.sip, core.limits.message, core.preserved), hostPort(asked.received.flow.listener))
  } catch {
    return fail('invalid proxy request: header fields cannot be read')
  }
  const { remainInDialog, followRedirects, simultaneous } = message
  uas.release(message.transactionId)
  proxy.start(
    asked,
    {
      // drachtio-srf puts `sip:` before what does not begin so, `sips:` too.
      destinations: message.destinations.map((uri) => uri.replace(/^sip:(?=sips?:)/i, '')),
      remainInDialog,
      followRedirects,
      simultaneous,
      provisionalTimeoutMs,
      finalTimeoutMs,
      extra
    },
    {
      finalResponse: (response, path) => {
        if (!message.fullResponse || !application.open) return
        application.send(proxyProgress(newId(), message.id, facts(core, response, path)), response.bytes)
      },
      done: () => {
        if (application.open) application.send(okReply(newId(), message.id, 'done'))
      },
      failed: (text) => {
        if (application.open) fail(text)
      }
    }
  )
}

function facts(core: Core, response: SipResponse, { listener, destination }: Path) {
  return {
    octets: response.bytes.length,
    transport: listener.transport,
    address: destination?.address ?? '',
    port: destination?.port ?? 0,
    time: core.time()
  }
}

/** `2s`, `1500ms`; null for the empty text, undefined for any other. */
function durationMs(text: string): number | null | undefined {
  if (text === '') return null
  const match = /^(\d{1,8})(ms|s)$/.exec(text.trim())
  if (match === null) return undefined
  const ms = Number(match[1]) * (match[2] === 's' ? 1000 : 1)
  return ms > 0 && ms < 0x7fff_ffff ? ms : undefined
}
