/** Turns a drachtio.conf.xml into settings of this server, and says of everything it does not take over where it stands and why. */
import { isIPv6 } from 'node:net'
import { stringify } from 'yaml'
import { isTransportName, transportTraits } from '../transport/port.ts'
import type { SettingsInput } from './schema.ts'
import { parseXml, type XmlElement } from './xml.ts'

export interface ImportNote {
  readonly line: number
  /** Element, with its attribute: `sip/contacts/contact@dns-names`. */
  readonly path: string
  readonly text: string
}

export interface Imported {
  readonly settings: SettingsInput
  /** In the order of the file. */
  readonly notes: readonly ImportNote[]
}

type Writable<T> = { -readonly [key in keyof T]: T[key] }

interface Draft {
  readonly settings: Writable<SettingsInput>
  readonly listen: Exclude<SettingsInput['listen'][number], string>[]
  readonly note: (element: XmlElement, text: string, attribute?: string) => void
  /** Address in place of `*`. */
  readonly anyAddress: string | undefined
}

/** What an element means: it, and which of its attributes and children are known. A child without a rule is unknown. */
interface Rule {
  readonly attributes?: readonly string[]
  readonly children?: Readonly<Record<string, Rule>>
  readonly read?: (element: XmlElement, draft: Draft) => void
}

/** Of no effect here; the reason is told. */
const without = (reason: string, rest: Rule = {}): Rule => ({
  ...rest,
  read: (element, { note }) => note(element, `not taken over: ${reason}`)
})

/** An element whose children say everything. */
const group = (children: Readonly<Record<string, Rule>>): Rule => ({ children })
/** A child that its parent reads. */
const part: Rule = {}

const whole = (text: string): number | undefined => (/^\d{1,9}$/.test(text) ? Number(text) : undefined)
const isTrue = (text: string): boolean => /^(?:true|yes|on|1)$/i.test(text)
const child = (element: XmlElement, name: string): XmlElement | undefined => element.children.find((each) => each.name === name)

/** Reads a number, and notes what is none. */
function numberOf(draft: Draft, element: XmlElement, text: string, attribute?: string): number | undefined {
  const value = whole(text)
  if (value === undefined) draft.note(element, `not taken over: ${JSON.stringify(text)} is no number`, attribute)
  return value
}

function readAdmin(element: XmlElement, draft: Draft): void {
  const { attributes, text } = element
  const admin: Writable<NonNullable<SettingsInput['admin']>> = {
    address: text === '' || text === 'localhost' ? '127.0.0.1' : text
  }
  admin.port = (attributes.port === undefined ? undefined : numberOf(draft, element, attributes.port, 'port')) ?? 9022
  admin.secret = attributes.secret ?? 'admin'
  if (attributes.secret === undefined)
    draft.note(element, 'no secret: drachtio-server takes "admin" then, written out here', 'secret')
  if (attributes.tls !== undefined) draft.note(element, 'not taken over: drachtio-server does not heed it either', 'tls')
  if (attributes['tcp-keepalive'] !== undefined) {
    draft.note(element, 'not taken over: connections of applications are probed when silent for a second', 'tcp-keepalive')
  }
  draft.settings.admin = admin
}

const contactForm = /^<?(sips?):(\*|\[[0-9A-Fa-f:.]+\]|[^:;\s[\]<>]+)(?::(\d{1,5}))?((?:;[^>]*)?)>?$/i

function readContact(element: XmlElement, draft: Draft): void {
  const found = contactForm.exec(element.text)
  if (found === null) {
    draft.note(element, `not taken over: ${JSON.stringify(element.text)} is no address to listen on`)
    return
  }
  const [, scheme, host, portText, parameters] = found
  const secure = scheme!.toLowerCase() === 'sips'
  const named = /;transport=([^;]*)/i.exec(parameters!)?.[1]
  const transports = (named ?? (secure ? 'tls' : 'udp,tcp'))
    .toLowerCase()
    .split(',')
    .map((each) => each.trim())
  for (const parameter of parameters!.split(';').slice(1)) {
    if (!/^transport=/i.test(parameter)) draft.note(element, `not taken over: parameter ${JSON.stringify(parameter)}`)
  }
  const external = element.attributes['external-ip']?.split(/[,;\s]+/).filter((each) => each !== '') ?? []
  if (external.length > 1) draft.note(element, `only the first of ${external.length} addresses is taken over`, 'external-ip')
  if (element.attributes['local-net'] !== undefined) {
    draft.note(element, 'not taken over: the external address stands in Via and Contact for every peer', 'local-net')
  }
  if (element.attributes['dns-names'] !== undefined) {
    draft.note(element, 'not taken over: names of this server are not configured', 'dns-names')
  }
  let address = host!.replace(/^\[|\]$/g, '')
  let advertise = external[0]
  if (address === '*') {
    if (draft.anyAddress === undefined) {
      address = '0.0.0.0'
      if (advertise === undefined) draft.note(element, '* needs an address of this host: set address, or advertise')
    } else address = draft.anyAddress
  } else if (address === 'localhost') address = '127.0.0.1'
  if (advertise === address) advertise = undefined
  for (const transport of transports) {
    if (!isTransportName(transport)) {
      draft.note(element, `not taken over: transport ${JSON.stringify(transport)}`)
      continue
    }
    const port = portText === undefined ? transportTraits[transport].defaultPort : Number(portText)
    draft.listen.push({ transport, address, port, ...(advertise === undefined ? {} : { advertise }) })
  }
}

function readTimers(element: XmlElement, draft: Draft): void {
  const timers: Record<string, number> = {}
  for (const [name, key] of [
    ['t1', 't1Ms'],
    ['t2', 't2Ms'],
    ['t4', 't4Ms']
  ] as const) {
    const given = child(element, name)
    const value = given === undefined ? undefined : numberOf(draft, given, given.text)
    if (value !== undefined) timers[key] = value
  }
  const whole64 = child(element, 't1x64')
  const value = whole64 === undefined ? undefined : numberOf(draft, whole64, whole64.text)
  if (value !== undefined && value !== 64 * (timers.t1Ms ?? 500)) {
    draft.note(whole64!, 'not taken over: transactions end after 64 times t1 here, as RFC 3261 has it')
  }
  if (Object.keys(timers).length > 0) draft.settings.timers = timers
}

function readTls(element: XmlElement, draft: Draft): void {
  const key = child(element, 'key-file')?.text
  const cert = child(element, 'cert-file')?.text
  const chain = child(element, 'chain-file')?.text
  if (!key) draft.note(element, 'no key-file: listeners with TLS need one')
  if (!cert && !chain) draft.note(element, 'no cert-file: listeners with TLS need one')
  if (!key || !(cert || chain)) return
  // A chain file may begin with the certificate itself (fullchain.pem); the same file twice would present it twice.
  const files = [...new Set([cert, chain].filter((each) => each !== undefined && each !== ''))] as string[]
  const verify = child(element, 'verify-server-cert')?.text
  draft.settings.tls = {
    key,
    cert: files.length === 1 ? files[0]! : files,
    verifyServer: verify !== undefined && isTrue(verify)
  }
  if (verify === undefined) {
    draft.note(element, 'verifyServer is false, as in drachtio-server: true checks the certificates of servers we connect to')
  }
}

function readMinTls(element: XmlElement, draft: Draft): void {
  const version = Number(element.text)
  if (!(version <= 1.2)) draft.note(element, 'not taken over: the least version is TLS 1.2')
  else if (version < 1.2) draft.note(element, 'TLS 1.2 is the least version here')
}

/** `tls-port` of the admin element: its key and certificate are those of SIP. */
function readAdminTls(element: XmlElement, draft: Draft): void {
  const { 'tls-port': text } = element.attributes
  if (text === undefined) return
  const port = numberOf(draft, element, text, 'tls-port')
  const { tls, admin } = draft.settings
  if (port === 0 || port === undefined) return
  if (tls === undefined) draft.note(element, 'not taken over: needs key-file and cert-file', 'tls-port')
  else draft.settings.admin = { ...admin, tls: { port, key: tls.key, cert: tls.cert } }
}

function options(draft: Draft): Writable<NonNullable<SettingsInput['options']>> {
  draft.settings.options ??= {}
  return draft.settings.options
}

function readHandler(element: XmlElement, draft: Draft): void {
  const { 'sip-method': method = '*', 'http-method': httpMethod, 'verify-peer': verify = 'false' } = element.attributes
  const web = /^https?:/i.test(element.text)
  if (!web && !/^(?:tcp|tls):\/\//i.test(element.text)) {
    draft.note(element, `not taken over: ${JSON.stringify(element.text)} is no http, https, tcp or tls address`)
    return
  }
  const asked = httpMethod?.toUpperCase()
  if (web && asked !== undefined && asked !== 'GET' && asked !== 'POST') {
    draft.note(element, 'GET is used: the method is GET or POST', 'http-method')
  }
  options(draft).outbound = [
    ...(options(draft).outbound ?? []),
    {
      method: method.toUpperCase(),
      url: element.text,
      ...(web && asked === 'POST' ? { httpMethod: 'POST' as const } : {}),
      verify: isTrue(verify)
    }
  ]
}

const spamLists = { 'user-agent': 'userAgents', to: 'toUsers', from: 'fromUsers' } as const

function readSpammers(element: XmlElement, draft: Draft): void {
  const spam: Record<'userAgents' | 'toUsers' | 'fromUsers', string[]> = { userAgents: [], toUsers: [], fromUsers: [] }
  for (const header of element.children) {
    if (header.name !== 'header') continue
    const name = header.attributes.name?.toLowerCase() ?? ''
    if (Object.hasOwn(spamLists, name)) {
      spam[spamLists[name as keyof typeof spamLists]].push(
        ...header.children.map((each) => each.text).filter((text) => text !== '')
      )
    } else if (name === '') draft.note(header, 'not taken over: no name, and drachtio-server does not heed it either')
    else draft.note(header, 'not taken over: User-Agent, To and From are looked at', 'name')
  }
  const { action = 'discard', 'tcp-action': tcpAction = 'discard' } = element.attributes
  if (action !== 'reject') draft.note(element, 'such requests get 603 Decline: they are not discarded', 'action')
  if (tcpAction !== 'reject') draft.note(element, 'such requests get 603 Decline over TCP too', 'tcp-action')
  options(draft).spam = spam
}

function readCapture(element: XmlElement, draft: Draft): void {
  const { attributes, text } = element
  const port = attributes.port === undefined ? 9060 : numberOf(draft, element, attributes.port, 'port')
  const agentId = attributes.id === undefined ? undefined : numberOf(draft, element, attributes.id, 'id')
  if (attributes['hep-version'] !== undefined && attributes['hep-version'] !== '3') {
    draft.note(element, 'HEP version 3 is sent', 'hep-version')
  }
  if (text === '' || !agentId || port === undefined) {
    draft.note(element, 'not taken over: needs an address and an id above 0')
    return
  }
  draft.settings.capture = { address: text, port, agentId }
}

function readPrometheus(element: XmlElement, draft: Draft): void {
  const port = numberOf(draft, element, element.attributes.port ?? '', 'port')
  if (port !== undefined) draft.settings.metrics = { address: element.text === '' ? '0.0.0.0' : element.text, port }
}

const levels: Readonly<Record<string, SettingsInput['logLevel']>> = {
  notice: 'info',
  info: 'info',
  warning: 'warn',
  error: 'error',
  debug: 'debug'
}

function readLogLevel(element: XmlElement, draft: Draft): void {
  const level = levels[element.text]
  if (level === undefined) draft.note(element, `${JSON.stringify(element.text)} is no level: info is taken`)
  draft.settings.logLevel = level ?? 'info'
}

function readMtu(element: XmlElement, draft: Draft): void {
  const octets = numberOf(draft, element, element.text)
  if (octets !== undefined && octets > 0) draft.settings.limits = { transport: { datagram: octets } }
}

const contact: Rule = { attributes: ['external-ip', 'local-net', 'dns-names'], read: readContact }
const logRotation = group({
  name: part,
  archive: part,
  size: part,
  maxSize: part,
  minSize: part,
  'auto-flush': part,
  maxFiles: part
})
const oneLog = 'the log goes to standard error'

const rules: Rule = group({
  admin: { attributes: ['port', 'secret', 'tls-port', 'tls', 'tcp-keepalive'], read: readAdmin },
  'request-handlers': group({
    'request-handler': { attributes: ['sip-method', 'http-method', 'verify-peer'], read: readHandler }
  }),
  sip: group({
    contact,
    contacts: group({ contact }),
    timers: { children: { t1: part, t2: part, t4: part, t1x64: part }, read: readTimers },
    tls: {
      children: {
        'key-file': part,
        'cert-file': part,
        'chain-file': part,
        'dh-param': without('key exchange is elliptic-curve, which needs none'),
        'min-tls-version': { read: readMinTls },
        client: without('the key and certificate of the listener are shown to servers too', {
          children: { 'key-file': part, 'cert-file': part, 'ca-file': part }
        }),
        'verify-server-cert': part,
        'verify-server-name': without('a certificate that is checked is checked for the name too'),
        sni: without('the name that was looked up is always sent')
      },
      read: readTls
    },
    'outbound-proxy': without('requests go where the application or DNS says'),
    'udp-mtu': { read: readMtu },
    'capture-server': { attributes: ['port', 'id', 'hep-version'], read: readCapture },
    'user-agent-options-auto-respond': {
      read: (element, draft) => {
        if (element.text !== '') options(draft).answerOptionsOf = [element.text]
      }
    },
    spammers: {
      attributes: ['action', 'tcp-action'],
      children: { header: { attributes: ['name'], children: { value: part } } },
      read: readSpammers
    },
    blacklist: without('addresses are refused in front of this server', {
      children: { 'redis-address': part, 'redis-port': part, 'redis-key': part, 'refresh-secs': part }
    }),
    'aggressive-nat-detection': without('peers behind NAT are answered where their packets come from (RFC 3581)'),
    'reject-register-with-no-realm': without('REGISTER goes to the application'),
    'session-timers': without('an interval without refresher is not armed', { attributes: ['default-refresher'] })
  }),
  cdrs: {
    read: (element, draft) => {
      if (isTrue(element.text)) options(draft).cdrs = true
    }
  },
  monitoring: group({ prometheus: { attributes: ['port'], read: readPrometheus } }),
  logging: group({
    console: part,
    syslog: without(oneLog, { children: { address: part, port: part, facility: part } }),
    file: without(oneLog, logRotation),
    'sofia-loglevel': without('there is one log level'),
    loglevel: { read: readLogLevel }
  })
})

/**
 * @param anyAddress stands where the file listens on `*`.
 * @throws {InfraFabricError} `sip-engine.xml` for a file that is no XML or whose root is no `drachtio`.
 */
export function importConf(source: string, anyAddress?: string): Imported {
  const root = parseXml(source)
  const notes: ImportNote[] = []
  const paths = new Map<XmlElement, string>()
  const draft: Draft = {
    settings: { listen: [] },
    listen: [],
    anyAddress,
    note: (element, text, attribute) => {
      const path = paths.get(element)!
      notes.push({ line: element.line, path: attribute === undefined ? path : `${path}@${attribute}`, text })
    }
  }
  const name = (element: XmlElement, path: string): void => {
    paths.set(element, path)
    for (const each of element.children) name(each, path === '' ? each.name : `${path}/${each.name}`)
  }
  name(root, '')
  paths.set(root, root.name)

  const walk = (element: XmlElement, rule: Rule): void => {
    for (const attribute of Object.keys(element.attributes)) {
      if (!rule.attributes?.includes(attribute)) draft.note(element, 'unknown attribute', attribute)
    }
    rule.read?.(element, draft)
    for (const each of element.children) {
      const known = rule.children !== undefined && Object.hasOwn(rule.children, each.name) ? rule.children[each.name] : undefined
      if (known === undefined) draft.note(each, 'unknown element')
      else walk(each, known)
    }
  }
  if (root.name === 'drachtio') walk(root, rules)
  else draft.note(root, 'unknown element: the file should begin with <drachtio>')
  const admin = child(root, 'admin')
  if (admin !== undefined) readAdminTls(admin, draft)
  else draft.note(root, 'no admin element: applications have no secret to log in with')
  if (draft.listen.length === 0) draft.note(root, 'no contact: nothing to listen on')
  draft.settings.listen = draft.listen.map(shortest)
  return { settings: draft.settings, notes: notes.sort((a, b) => a.line - b.line) }
}

/** `udp:127.0.0.1:5060` where that says everything. */
function shortest(each: Draft['listen'][number]): SettingsInput['listen'][number] {
  if (each.advertise !== undefined) return each
  return `${each.transport}:${isIPv6(each.address) ? `[${each.address}]` : each.address}:${each.port}`
}

/** Settings as a YAML file, the notes as comments in front. */
export function importedYaml(source: string, { settings, notes }: Imported): string {
  const oneLine = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ')
  const head = [
    `# From ${oneLine(source)}.`,
    ...(notes.length === 0 ? [] : ['#', '# To look at:']),
    ...notes.map(({ line, path, text }) => oneLine(`#   line ${line}, ${path}: ${text}`))
  ]
  return `${head.join('\n')}\n\n${stringify(settings, { lineWidth: 0, aliasDuplicateObjects: false })}`
}
