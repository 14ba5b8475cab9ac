/**
 * A recording as a vCon, unsigned and signed.
 *
 * Of the draft's choices: the mix and each track are dialogs of type `recording`; proofs of the ledger, packets and the list of seconds are attachments; roles
 * come from the contact-center extension (`CC`). Files are referred to by `url` and `content_hash`, or stand in the vCon itself.
 *
 * Signed is the JWS general JSON serialization with EdDSA. The draft wants `x5c` or `x5u` beside the signature and only recommends RS256. `alg` stands in the
 * protected header alone: RFC 7515 §7.2.1 forbids a name in both headers, which the draft's own examples do.
 *
 * @see draft-ietf-vcon-vcon-core-04 (7 September 2026), draft-ietf-vcon-cc-extension-02, RFC 7515 §7.2.1, RFC 8037 §3.1 (EdDSA)
 */
import { createHash, createPrivateKey, hash, randomBytes, sign, verify, X509Certificate } from 'node:crypto'
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { InfraFabricError, type JsonObject } from '#kernel'
import type { RecordingSigner } from './certificate.ts'
import { recordingFiles, streamFile } from './files.ts'
import type { ReadRecording } from './read.ts'

const vconSyntax = '0.4.0'

export interface VconOptions {
  /** HTTPS address of a folder from which the files can be fetched; null to put them into the vCon itself. */
  readonly url: string | null
  /** Host name in whose name the uuid is made. */
  readonly domain: string
  /** Each batch's entry in the ledger with its proof, a C2SP tlog-proof. */
  readonly proofs: readonly { readonly batch: number; readonly text: string }[]
  readonly nowMs: number
}

/** Octets of files that a vCon holds itself at most. */
const largestInline = 32 << 20

/**
 * Version 8, made like version 7, with the high 62 bits of the SHA-1 of a host name for random ones.
 *
 * @see draft-ietf-vcon-vcon-core-04 §4.1.2, RFC 9562 §5.7, §5.8
 */
export function vconUuid(domain: string, nowMs: number, random: Uint8Array = randomBytes(2)): string {
  const octets = Buffer.alloc(16)
  octets.writeUIntBE(nowMs, 0, 6)
  octets.set(random.subarray(0, 2), 6)
  octets[6] = 0x80 | (octets[6]! & 0x0f)
  const name = BigInt(`0x${hash('sha1', domain, 'hex').slice(0, 16)}`)
  octets.writeBigUInt64BE((2n << 62n) | (name >> 2n), 8)
  return octets.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** `sha512-` and base64url without padding, of a file of any size. @see draft-ietf-vcon-vcon-core-04 §2.4.2 */
function contentHash(path: string): string {
  const digest = createHash('sha512')
  const fd = openSync(path, 'r')
  try {
    const part = Buffer.alloc(1 << 20)
    for (let got = readSync(fd, part); got > 0; got = readSync(fd, part)) digest.update(part.subarray(0, got))
  } finally {
    closeSync(fd)
  }
  return `sha512-${digest.digest('base64url')}`
}

const mediaTypes = { wav: 'audio/x-wav', opus: 'audio/ogg' } as const
const dumpType = 'application/octet-stream'
const date = (ms: number) => new Date(ms).toISOString()

/**
 * The unsigned form.
 *
 * @throws {InfraFabricError} `recording.vcon.url` for an address that is not HTTPS, `recording.vcon.large` for files beyond {@link largestInline}
 */
export function buildVcon(recording: ReadRecording, { url, domain, proofs, nowMs }: VconOptions): JsonObject {
  const { manifest, streams, folder } = recording
  const { id, conference, startedAt, audio, parties: people } = manifest
  if (url !== null && !/^https:\/\/[^\s]+$/.test(url))
    throw new InfraFabricError('recording.vcon.url', `expected an https address, got ${JSON.stringify(url)}`)
  let inline = 0
  const content = (name: string): JsonObject => {
    const path = join(folder, name)
    if (url !== null) return { url: `${url.replace(/\/$/, '')}/${encodeURIComponent(name)}`, content_hash: contentHash(path) }
    inline += statSync(path).size
    if (inline > largestInline)
      throw new InfraFabricError(
        'recording.vcon.large',
        `more than ${largestInline} octets: give the address at which the files lie`
      )
    return { body: readFileSync(path).toString('base64url'), encoding: 'base64url' }
  }
  const names = [...new Set(people.map(({ participant }) => participant))]
  /** The council that holds the conference, who takes part, and the recorder. */
  const parties = [
    { name: conference, validation: 'none', type: 'organization', role: 'host' },
    ...names.map((name) => ({
      name,
      validation: 'infrafabric registry',
      type: 'person',
      role: people.find(({ participant }) => participant === name)!.role
    })),
    { name: 'infrafabric-telephony', validation: 'none', type: 'bot', role: 'recorder' }
  ]
  const partyOf = (participant: string) => 1 + names.indexOf(participant)
  const recorder = parties.length - 1
  const partyHistory = people
    .flatMap(({ participant, since, until }) => [
      { party: partyOf(participant), time: since, event: 'join' },
      ...(until === null ? [] : [{ party: partyOf(participant), time: until, event: 'drop' }])
    ])
    .sort((a, b) => a.time - b.time)
    .map((event) => ({ ...event, time: date(event.time) }))
  const dialog: JsonObject[] = []
  const attachments: JsonObject[] = []
  for (const [stream, lines] of streams) {
    const first = lines[0]?.second ?? 0
    const slot = Number(stream.split('/')[1] ?? 0)
    const person = people.find((party) => party.slot === slot)
    const name = streamFile(stream, audio.format)
    if (stream.startsWith('rtp/')) {
      attachments.push({
        purpose: 'received RTP packets (rtpdump)',
        start: date(startedAt + 1000 * first),
        party: person === undefined ? recorder : partyOf(person.participant),
        dialog: 0,
        mediatype: dumpType,
        filename: name,
        ...content(name)
      })
      continue
    }
    dialog.push({
      type: 'recording',
      start: date(startedAt + 1000 * first),
      duration: lines.length,
      parties: stream === 'mix' ? names.map(partyOf) : person === undefined ? [] : [partyOf(person.participant)],
      originator: 0,
      mediatype: mediaTypes[audio.format],
      filename: name,
      ...content(name),
      ...(stream === 'mix' ? { party_history: partyHistory, application: 'infrafabric-telephony' } : {})
    })
  }
  const own = { start: date(nowMs), party: recorder, dialog: 0 }
  attachments.push({
    purpose: 'hashes of each second (infrafabric-recording/1)',
    ...own,
    mediatype: 'application/jsonl',
    filename: 'seconds.jsonl',
    ...content(recordingFiles('').index)
  })
  for (const { batch, text } of proofs) {
    attachments.push({
      purpose: 'entry of the ledger with its proof (C2SP tlog-proof)',
      ...own,
      mediatype: 'text/plain',
      filename: `entry-${batch}.tlog-proof`,
      body: text,
      encoding: 'none'
    })
  }
  return {
    vcon: vconSyntax,
    uuid: vconUuid(domain, nowMs),
    extensions: ['CC'],
    created_at: date(nowMs),
    subject: `${conference}, recording ${id}`,
    parties,
    dialog,
    attachments
  }
}

/** Files that a vCon refers to and that are not, in this folder, what it says. Names that lead elsewhere are none of its files. */
export function strangeFiles(vcon: JsonObject, folder: string): string[] {
  const parts = [vcon.dialog, vcon.attachments].flatMap((list) => (Array.isArray(list) ? (list as readonly JsonObject[]) : []))
  return parts.flatMap(({ filename, content_hash: expected }) => {
    if (expected === undefined) return []
    if (typeof filename !== 'string' || basename(filename) !== filename) return [`${JSON.stringify(filename)} names no file`]
    const path = join(folder, filename)
    if (!existsSync(path)) return [`${filename} is missing`]
    return contentHash(path) === expected ? [] : [`${filename} is not the file of the vCon`]
  })
}

export interface SignedVcon extends JsonObject {
  readonly payload: string
  readonly signatures: readonly { readonly protected: string; readonly header: JsonObject; readonly signature: string }[]
}

const base64url = (value: JsonObject) => Buffer.from(JSON.stringify(value), 'utf8').toString('base64url')

/** The signed form. @see draft-ietf-vcon-vcon-core-04 §5.2 */
export function signVcon(vcon: JsonObject, { keyPem, certificate }: RecordingSigner): SignedVcon {
  const payload = base64url(vcon)
  const header = base64url({ alg: 'EdDSA' })
  const signature = sign(null, Buffer.from(`${header}.${payload}`, 'ascii'), createPrivateKey(keyPem))
  return {
    payload,
    signatures: [
      {
        protected: header,
        header: { x5c: [certificate.raw.toString('base64')], uuid: vcon.uuid! },
        signature: signature.toString('base64url')
      }
    ]
  }
}

/**
 * Opens a signed vCon.
 *
 * @returns the unsigned form and the fingerprint of the certificate that signed it: whether that one is to be trusted is for the caller to say
 * @throws {InfraFabricError} `recording.vcon.malformed`, `recording.vcon.signature`
 */
export function openVcon(text: string): { readonly vcon: JsonObject; readonly fingerprint: string } {
  const malformed = (cause?: unknown) => new InfraFabricError('recording.vcon.malformed', 'no signed vCon', { cause })
  let signed: SignedVcon
  let certificate: X509Certificate
  let algorithm: unknown
  let vcon: JsonObject
  try {
    signed = JSON.parse(text)
    const [first] = signed.signatures
    certificate = new X509Certificate(Buffer.from((first!.header.x5c as string[])[0]!, 'base64'))
    algorithm = JSON.parse(Buffer.from(first!.protected, 'base64url').toString('utf8')).alg
    vcon = JSON.parse(Buffer.from(signed.payload, 'base64url').toString('utf8'))
  } catch (cause) {
    throw malformed(cause)
  }
  const { protected: header, signature, header: beside } = signed.signatures[0]!
  const input = Buffer.from(`${header}.${signed.payload}`, 'ascii')
  const good =
    algorithm === 'EdDSA' &&
    certificate.publicKey.asymmetricKeyType === 'ed25519' &&
    verify(null, input, certificate.publicKey, Buffer.from(signature, 'base64url'))
  if (!good) throw new InfraFabricError('recording.vcon.signature', 'the signature of the vCon is wrong')
  if (beside.uuid !== vcon.uuid)
    throw new InfraFabricError('recording.vcon.signature', 'the uuid beside the signature is another')
  return { vcon, fingerprint: hash('sha256', certificate.raw, 'hex') }
}
