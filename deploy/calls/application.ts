/** The SIP application, as the suite is set and as its registry has it. */
import { isBridgeConference } from '#bridge'
import type { Registry } from '#guard'
import type { Clock, ConferencePort, Guard, Log, Witness } from '#kernel'
import { type SipApplication, type SipApplicationConfig, type SipApplicationPorts, startSipApplication } from '#sip'
import type { DataLayout } from '../data/layout.ts'
import { calleeByUri, callsOverTls, ownSigner, voucher } from '../escalation/escalation.ts'
import type { SuiteConfig } from '../settings/settings.ts'

export interface ApplicationPorts extends Pick<SipApplicationPorts, 'isPlace' | 'openCalls' | 'onResponse'> {
  /** Where the drachtio protocol is spoken. */
  readonly server: SipApplicationConfig['drachtio']
  /** Null where that is another process. */
  readonly join: SipApplicationPorts['join'] | null
  readonly witness: Witness
  readonly guard: Guard
  /** As it is now. */
  readonly registry: () => Registry
  readonly conference: ConferencePort
  /** Whether a phone that has registered under a URI is in a browser, and wants a browser's session description; null where there are none. */
  readonly isInBrowser: ((uri: string) => Promise<boolean>) | null
  readonly clock: Clock
  readonly log: Log
}

/** Whether a contact is an address, and says by that of which family its phone is. For any other an offer of ours would have to guess. */
const isAtAddress = (contact: string) => /^sips?:(?:[^@[\]]*@)?(?:\[|\d{1,3}(?:\.\d{1,3}){3}(?:[:;?]|$))/i.test(contact)

export async function startApplication(
  config: SuiteConfig,
  layout: DataLayout,
  { server, join, registry, isInBrowser, ...ports }: ApplicationPorts
): Promise<SipApplication> {
  const vouch = await voucher(config.escalation, ports.clock)
  const calleeOf = (uri: string) => calleeByUri(registry(), uri, callsOverTls(config))
  const { proxy, domain, number, callsPerExpert, transfer } = config.escalation
  return startSipApplication(
    {
      drachtio: server,
      trustedEdges: config.trustedEdges,
      application: config.application,
      conferences: config.conferences,
      hazards: config.hazards,
      failClosed: config.failClosed,
      sessionExpiresSeconds: config.sessionExpiresSeconds,
      setupTimeoutMs: config.setupTimeoutMs,
      maxCalls: config.limits.maxCalls,
      maxCallsPerExpert: callsPerExpert,
      proxy,
      domain,
      number
    },
    {
      ...ports,
      sign: await ownSigner(layout.escalationKey, ports.clock),
      ...(vouch === null ? {} : { vouch }),
      ...(join == null ? {} : { join }),
      describesFirst: async (uri, contact) => {
        const isFamilyKnown =
          config.listen.address6 === null || (registry().byUri(uri)?.registers !== true && isAtAddress(contact))
        return !isFamilyKnown || ((await isInBrowser?.(uri)) ?? false)
      },
      ...(transfer === 'never' ? {} : { transferTo: calleeOf }),
      roleOf: (id) => registry().byId(id)?.role ?? 'expert',
      // nobody would be in a conference that was made for a terminal and the expert whom it had called
      ...(config.restart === 'hang-up'
        ? {}
        : { takeUp: (uri, conference) => (isBridgeConference(conference) ? null : calleeOf(uri)) })
    }
  )
}
