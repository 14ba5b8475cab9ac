/** The configuration files of baresip 1.0.0 for one instance. Pure. */
import { InfraFabricError } from '#kernel'

export interface BaresipFiles {
  readonly config: string
  readonly accounts: string
}

export interface BaresipAccount {
  /** User and host of the address of record, `expert-safety@external.advisor`. */
  readonly address: string
  readonly transport: 'udp' | 'tcp' | 'tls'
  /** Where every request goes first, `127.0.0.1:5061`. */
  readonly outbound?: string
  /** Registers over each of these (RFC 5626), `127.0.0.1:5061;transport=tls`; the first takes the place of `outbound`. */
  readonly flows?: readonly string[]
  readonly digest?: { readonly user: string; readonly password: string }
  readonly answer: 'manual' | 'auto'
  /** Seconds between registrations. 0: never. */
  readonly registerIntervalS: number
  readonly srtp: boolean
  readonly ice: boolean
}

export interface BaresipSettings {
  readonly account: BaresipAccount
  readonly modulePath: string
  /** TLS takes the port above. */
  readonly sipPort: number
  readonly controlPort: number
  /** Own address, IPv4 or IPv6. */
  readonly host: string
  readonly rtpPorts: readonly [first: number, last: number]
  /** WAV that is sent, at the rate and with the channels of the codec. */
  readonly sourceFile: string
  /** Takes `dump-<time>-dec.wav` (heard) and `dump-<time>-enc.wav` (sent). */
  readonly recordingDirectory: string
  readonly caFile?: string
  readonly certificateFile?: string
  readonly codecs: readonly string[]
}

/** @throws {InfraFabricError} `baresip.setting` for a value that cannot be written into a line of these files. */
export function renderBaresip(settings: BaresipSettings): BaresipFiles {
  const { account } = settings
  const plain = (name: string, value: string) => {
    if (!/^[^\s;<>",\x00-\x1f\x7f]+$/.test(value))
      throw new InfraFabricError('baresip.setting', `${name} cannot hold ${JSON.stringify(value)}`)
    return value
  }
  const flows = account.flows?.map((flow) =>
    flow
      .split(';transport=')
      .map((part) => plain('flow', part))
      .join(';transport=')
  )
  const parameters = [
    `regint=${account.registerIntervalS}`,
    ...(account.outbound === undefined
      ? []
      : [`outbound="sip:${plain('outbound', account.outbound)};transport=${account.transport}"`]),
    ...(account.digest === undefined
      ? []
      : [
          `auth_user=${plain('digest user', account.digest.user)}`,
          `auth_pass=${plain('digest password', account.digest.password)}`
        ]),
    ...(flows === undefined
      ? []
      : ['sipnat=outbound', ...flows.map((flow, at) => `outbound${at === 0 ? '' : at + 1}="sip:${flow}"`)]),
    `audio_codecs=${settings.codecs.map((codec) => plain('codec', codec)).join(',')}`,
    `answermode=${account.answer}`,
    ...(account.srtp ? ['mediaenc=srtp-mand'] : []),
    ...(account.ice ? ['medianat=ice'] : [])
  ]
  return {
    accounts: `<sip:${plain('address', account.address)};transport=${account.transport}>;${parameters.join(';')}\n`,
    config: [
      'poll_method epoll',
      `net_interface ${plain('host', settings.host)}`,
      // Addresses only: nothing is ever asked of a name server.
      'dns_server 127.0.0.1:9',
      `sip_listen ${plain('host', settings.host.includes(':') ? `[${settings.host}]` : settings.host)}:${settings.sipPort}`,
      ...(settings.certificateFile === undefined
        ? []
        : [`sip_certificate ${plain('certificate file', settings.certificateFile)}`]),
      ...(settings.caFile === undefined ? [] : [`sip_cafile ${plain('authorities file', settings.caFile)}`]),
      `module_path ${plain('module path', settings.modulePath)}`,
      ...['ctrl_tcp', 'g711', 'g722', 'opus', 'aufile', 'aubridge', 'sndfile', 'srtp', 'ice'].map(
        (module) => `module ${module}.so`
      ),
      // an instance of its own, which tells its flows from those of others
      ...(flows === undefined ? [] : ['module uuid.so']),
      ...['account', 'menu'].map((module) => `module_app ${module}.so`),
      `ctrl_tcp_listen 127.0.0.1:${settings.controlPort}`,
      `rtp_ports ${settings.rtpPorts[0]}-${settings.rtpPorts[1]}`,
      // aufile 1.0.0 cannot play into a file: sndfile records what is decoded, and aubridge is the sink behind it.
      `audio_source aufile,${plain('source file', settings.sourceFile)}`,
      'audio_player aubridge,sink',
      `snd_path ${plain('recording folder', settings.recordingDirectory)}`,
      'audio_srate 8000',
      'audio_channels 1',
      'menu_bell no',
      'ringback_disabled yes',
      ''
    ].join('\n')
  }
}
