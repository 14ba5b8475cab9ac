/** What a phone needs to call the council, as files and as a QR code. */

/** Everything a phone has to know. */
export interface PhoneProfile {
  readonly id: string
  /** SIP URI of the expert. */
  readonly uri: string
  /** Where the edge is, over TLS. */
  readonly server: { readonly host: string; readonly port: number }
  readonly digest: { readonly user: string; readonly realm: string; readonly password: string | null }
  /** PEM. */
  readonly certificate: string
  readonly key: string
  /** Authority of the server's certificate, PEM. */
  readonly ca: string
  /** ISO 8601: the certificate is good until then. */
  readonly expires: string
  readonly srtp: boolean
}

/** A file of the profile, private to its owner. */
export type ProfileFile = readonly [name: string, content: string]

/** The files of a profile: certificates, generic provisioning in JSON and XML, and baresip's own. */
export function profileFiles(profile: PhoneProfile): readonly ProfileFile[] {
  return [
    ['client.pem', profile.certificate],
    ['client.key', profile.key],
    ['ca.pem', profile.ca],
    ['profile.json', `${JSON.stringify(jsonProfile(profile), null, 2)}\n`],
    ['profile.xml', xmlProfile(profile)],
    ['baresip/accounts', baresipAccount(profile)],
    ['baresip/config', baresipConfig],
    ['baresip/client.pem', `${profile.certificate.trimEnd()}\n${profile.key.trimEnd()}\n`],
    ['baresip/ca.pem', profile.ca]
  ]
}

const jsonProfile = ({ id, uri, server, digest, certificate, key, ca, expires, srtp }: PhoneProfile) => ({
  version: 1,
  id,
  uri,
  transport: 'tls',
  outboundProxy: `sip:${server.host}:${server.port};transport=tls`,
  authentication: { user: digest.user, realm: digest.realm, password: digest.password, algorithms: ['SHA-256', 'MD5'] },
  certificate,
  key,
  ca,
  expires,
  media: { codecs: ['opus', 'G722', 'PCMA', 'PCMU'], srtp: srtp ? 'required' : 'preferred', dtmf: 'rfc4733' }
})

/**
 * What the QR code holds: the profile without what a phone knows or the server shows. It has the private key in it.
 *
 *     {"v":1,"u":URI,"s":"host:port","a":digest user,"r":realm,"c":certificate,"k":key}
 *
 * Certificate and key are DER in base64url; about 1,000 octets altogether, where a QR code holds 2,953.
 */
export function qrText({ uri, server, digest, certificate, key }: PhoneProfile): string {
  const der = (pem: string): string => Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64').toString('base64url')
  return JSON.stringify({
    v: 1,
    u: uri,
    s: `${server.host}:${server.port}`,
    a: digest.user,
    r: digest.realm,
    c: der(certificate),
    k: der(key)
  })
}

const escapeXml = (text: string): string => text.replace(/[<>&"']/g, (character) => `&#${character.charCodeAt(0)};`)

function xmlProfile({ uri, server, digest, expires, srtp }: PhoneProfile): string {
  const account: Readonly<Record<string, string>> = {
    uri,
    transport: 'tls',
    'outbound-proxy': `sip:${server.host}:${server.port};transport=tls`,
    'auth-user': digest.user,
    'auth-realm': digest.realm,
    ...(digest.password === null ? {} : { 'auth-password': digest.password }),
    'client-certificate': 'client.pem',
    'client-key': 'client.key',
    'server-ca': 'ca.pem',
    'certificate-expires': expires,
    srtp: srtp ? 'required' : 'preferred',
    dtmf: 'rfc4733'
  }
  const elements = Object.entries(account).map(([name, value]) => `    <${name}>${escapeXml(value)}</${name}>`)
  return `<?xml version="1.0" encoding="UTF-8"?>\n<profile version="1">\n  <account>\n${elements.join('\n')}\n  </account>\n</profile>\n`
}

/** baresip parts parameters by semicolons and takes texts in quotes. */
const quoted = (text: string): string => `"${text.replace(/["\\;<>\r\n]/g, '')}"`

function baresipAccount({ uri, server, digest, srtp }: PhoneProfile): string {
  const parameters = [
    `auth_user=${quoted(digest.user)}`,
    ...(digest.password === null ? [] : [`auth_pass=${quoted(digest.password)}`]),
    `outbound="sip:${server.host}:${server.port};transport=tls"`,
    'regint=0',
    ...(srtp ? ['mediaenc=srtp-mand'] : []),
    'cert=client.pem'
  ]
  return `<${uri};transport=tls>;${parameters.join(';')}\n`
}

/** To be started as `baresip -f baresip` from the folder that holds it. */
const baresipConfig = `# Beside this file: accounts, client.pem, ca.pem. Start baresip in this folder: baresip -f .
sip_certificate client.pem
sip_cafile ca.pem
call_max_calls 1
audio_player alsa,default
audio_source alsa,default
module_path /usr/lib/baresip/modules
module stdio.so
module opus.so
module g722.so
module g711.so
module alsa.so
module srtp.so
module_tmp uuid.so
module_app account.so
module_app auloop.so
module_app contact.so
module_app menu.so
`
