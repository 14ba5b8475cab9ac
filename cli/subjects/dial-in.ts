import type { Suite } from '#suite'

/**
 * How a first phone gets into the council, as rows of a name and what is to be said; none where no phone is let in here (external edge), or nobody is known.
 * Passwords are named by their file: what is shown on a terminal is kept in its history.
 */
export function dialIn({ config, addresses, data, inside }: Suite): string[][] {
  const { tls } = addresses
  const caller = inside.guard.registry().parties.find(({ specialisations }) => specialisations.length > 0)
  if (tls === null || caller === undefined) return []
  const to = `${config.conferences?.[0] ?? 'council'}-${caller.specialisations[0]}`
  const from = caller.uri.replace(/^sips?:/i, '')
  const domain = from.slice(from.indexOf('@') + 1)
  const server = `${tls.address.includes(':') ? `[${tls.address}]` : tls.address}:${tls.port}`
  return [
    ['dial in', `sip:${to}@${domain} as ${from}, user ${caller.digestUser}, over TLS by ${server}`],
    ['password', `${config.profile === 'development' ? 'in' : 'its hashes in'} ${data.credentials}`],
    ['a phone', `ifctl expert invite ${caller.id} --data ${data.folder} --server ${server}`],
    ...(config.md5OnlyUsers.includes(caller.digestUser)
      ? []
      : [['', `baresip 1 and SIPp 3.6 know MD5 only: md5OnlyUsers: [${caller.digestUser}] in a file for --config`]])
  ]
}
