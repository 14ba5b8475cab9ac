import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { connect } from 'node:tls'
import test from 'ava'
import { createAuthority, issueCertificate } from '#kamailio'
import { exitCodes } from '../line/exit-codes.ts'
import { ifctl, start, withFolder } from '../testing/run.ts'

test('edge serves TLS until SIGTERM, also where the settings say that the edge is elsewhere', (t) =>
  withFolder(async (folder) => {
    const data = join(folder, 'data')
    await mkdir(data, { mode: 0o700 })
    await writeFile(join(data, 'registry.yaml'), 'experts: []\n')
    const authority = await createAuthority(join(data, 'certificates'))
    await issueCertificate(authority, { name: 'server', commonName: 'edge', usage: 'server', subjectAltNames: ['IP:127.0.0.1'] })
    const config = join(folder, 'suite.yaml')
    await writeFile(
      config,
      'edge: external\nlisten: { tls: 0 }\nedgeServer: { address: 127.0.0.1, port: 5779, applications: [{ address: 127.0.0.1, port: 5778 }] }\n'
    )
    const child = start(['edge', '--config', config, '--data', data, '--json'])
    t.teardown(() => child.kill('SIGKILL'))
    const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next()
    const ready = JSON.parse(value ?? '')
    t.like(ready, { type: 'ready', inside: { address: '127.0.0.1', port: 5779 } })
    const socket = connect({ host: '127.0.0.1', port: ready.addresses.tls.port, rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    t.is(socket.getPeerX509Certificate()?.subject, 'CN=edge')
    socket.destroy()
    child.kill('SIGTERM')
    await once(child, 'close')
    t.is(child.exitCode, exitCodes.ok)
  }))

test('edge without edgeServer says what is missing', (t) =>
  withFolder(async (folder) => {
    const { code, stderr } = await ifctl(['edge', '--data', folder])
    t.is(code, exitCodes.failure)
    t.regex(stderr, /edgeServer/)
  }))
