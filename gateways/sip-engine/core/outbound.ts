/**
 * Outbound mode: for a new request an HTTP service is asked what to do, or an application that listens is connected to. One connection for
 * each request; the application closes it.
 */
import type { Clock, Log } from '#kernel'
import type { HeaderLine } from '../codec/serialize.ts'
import type { Application } from '../drachtio/application.ts'
import type { ApplicationAddress, Dial } from '../drachtio/application-link.ts'
import type { ProxyObserver } from '../proxy/running.ts'
import type { Asked } from '../transaction/asked.ts'
import type { Core } from './core.ts'
import {
  type AskHttp,
  type HttpAnswer,
  httpQuestion,
  type Instruction,
  parseApplicationAddress,
  parseInstruction
} from './http-routing.ts'

export interface OutboundRoute {
  /** SIP method, any case; `*` for every method that has no route of its own. */
  readonly method: string
  /** `http://…` or `https://…`: a service that is asked. `tcp://host:port` or `tls://host:port`: the application itself. */
  readonly url: string
  /** How the service is asked. Default GET. */
  readonly httpMethod?: 'GET' | 'POST'
  /** Whether the certificate of an `https` or `tls` peer must be valid. Default true. */
  readonly verify?: boolean
}

/** How outbound mode reaches the world; a test puts its own in place. */
export interface OutboundPorts {
  readonly ask: AskHttp
  readonly dial: Dial
}

export interface Outbound {
  /** Who holds a new request of that method until it is decided on; undefined where no route says so. */
  readonly holder: (method: string) => Application | undefined
  /** Decides on a request that has been given to its holder. */
  readonly decide: (asked: Asked, holder: Application) => void
}

type Target =
  | { readonly address: ApplicationAddress; readonly verify: boolean }
  | { readonly url: string; readonly httpMethod: 'GET' | 'POST'; readonly verify: boolean }

const quiet: ProxyObserver = { finalResponse: () => undefined, done: () => undefined, failed: () => undefined }

/** What is wrong with routes, by their place in the configuration. */
export function outboundProblems(routes: readonly OutboundRoute[]): string[] {
  const problems: string[] = []
  const methods = new Set<string>()
  routes.forEach(({ method, url }, at) => {
    if (targetOf({ method, url }) === undefined) {
      problems.push(`outbound[${at}].url: http://…, https://…, tcp://host:port or tls://host:port`)
    }
    if (!/^(\*|[A-Za-z]+)$/.test(method)) problems.push(`outbound[${at}].method: a SIP method or *`)
    else if (methods.has(method.toUpperCase())) problems.push(`outbound[${at}].method: ${method} has a route already`)
    methods.add(method.toUpperCase())
  })
  return problems
}

function targetOf({ url, httpMethod = 'GET', verify = true }: OutboundRoute): Target | undefined {
  if (/^https?:\/\/[^/]/i.test(url) && URL.canParse(url)) return { url, httpMethod, verify }
  const address = /^(tcp|tls):\/\//i.test(url) ? parseApplicationAddress(url) : undefined
  return address === undefined ? undefined : { address, verify }
}

export function createOutbound(
  core: Core,
  routes: readonly OutboundRoute[],
  ports: OutboundPorts | null,
  version: string
): Outbound {
  const targets = new Map<string, Target>()
  for (const route of routes) {
    const target = targetOf(route)
    if (target !== undefined) targets.set(route.method.toUpperCase(), target)
  }
  const find = (method: string): Target | undefined => targets.get(method) ?? targets.get('*')
  const pending = new WeakMap<Application, () => void>()
  const { clock, log }: { clock: Clock; log: Log } = core

  const connect = (asked: Asked, holder: Application, address: ApplicationAddress, verify: boolean): (() => void) =>
    ports!.dial(address, verify, (application) => {
      if (application !== null) return core.uas.handOver(asked.transaction.id, holder, application)
      log.warn({ address }, 'application not reached')
      core.uas.refuseShown(asked.transaction.id, holder, 480)
      return false
    })

  const obey = (asked: Asked, holder: Application, instruction: Instruction, verify: boolean) => {
    const { id } = asked.transaction
    switch (instruction.action) {
      case 'reject': {
        const { status, reason } = instruction
        return core.uas.refuseShown(id, holder, status, reason === null ? {} : { reason })
      }
      case 'redirect': {
        const headers = instruction.contacts.map((uri): HeaderLine => ['Contact', `<${uri}>`])
        return core.uas.refuseShown(id, holder, 302, { headers })
      }
      case 'proxy': {
        if (core.uas.find(id, holder) === undefined) return
        core.uas.release(id)
        const { destinations, recordRoute, followRedirects, simultaneous, provisionalTimeoutMs, finalTimeoutMs } = instruction
        const order = { destinations, followRedirects, simultaneous, provisionalTimeoutMs, finalTimeoutMs, extra: [] }
        return core.proxy.start(asked, { ...order, remainInDialog: recordRoute }, quiet)
      }
      case 'connect':
        return void pending.set(holder, connect(asked, holder, instruction.address, verify))
      case 'tag': {
        const application = core.routes.next(asked.transaction.method, instruction.tag)
        if (application === undefined) return core.uas.refuseShown(id, holder, 480)
        core.uas.handOver(id, holder, application)
      }
    }
  }

  const told = (asked: Asked, holder: Application, answer: HttpAnswer, verify: boolean) => {
    const { id } = asked.transaction
    if (answer === 'unreachable') {
      log.warn({ transaction: id }, 'routing service not reached')
      return core.uas.refuseShown(id, holder, 480)
    }
    const instruction = answer.status >= 200 && answer.status < 300 ? parseInstruction(answer.body) : undefined
    if (instruction !== undefined) return obey(asked, holder, instruction, verify)
    log.warn({ transaction: id, status: answer.status }, 'routing service gave no usable instruction')
    core.uas.refuseShown(id, holder, 500)
  }

  return {
    holder: (method) => {
      if (ports === null || find(method) === undefined) return undefined
      // All that is ever said to a holder is that the caller gave up.
      const holder: Application = { id: 0, tags: [], open: true, send: () => pending.get(holder)?.() }
      return holder
    },
    decide: (asked, holder) => {
      const target = find(asked.transaction.method)!
      const { verify } = target
      if ('address' in target) return void pending.set(holder, connect(asked, holder, target.address, verify))
      const question = httpQuestion(target, asked.received, `Drachtio/${version}`)
      pending.set(
        holder,
        ports!.ask(question, clock, (answer) => told(asked, holder, answer, verify))
      )
    }
  }
}
