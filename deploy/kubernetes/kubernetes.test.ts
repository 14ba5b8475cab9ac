/** The manifests against the project: ports, paths, names and settings. Their schemas are Kubernetes' own to check (`kubectl apply --dry-run=server -k …`). */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import test from 'ava'
import { parse, parseAllDocuments } from 'yaml'
import { parseRegistry } from '#guard'
import { defaultHazards } from '#kernel'
import { commands } from '../../cli/commands.ts'
import { loadSuiteConfig } from '../settings/config.ts'
import { environmentVariables, settingsFromEnvironment } from '../settings/environment.ts'

const folder = new URL('.', import.meta.url).pathname

interface Container {
  readonly name: string
  readonly image: string
  readonly args?: readonly string[]
  readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[]
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[]
  readonly securityContext: Record<string, unknown>
  readonly resources: { readonly requests: unknown; readonly limits: unknown }
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[]
  readonly startupProbe?: Record<string, unknown>
  readonly readinessProbe?: Record<string, unknown>
  readonly livenessProbe?: Record<string, unknown>
}
interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly replicas: number
    readonly selector: { readonly matchLabels: Record<string, string> }
    readonly scaleTargetRef: { readonly kind: string; readonly name: string }
    readonly minReplicas: number
    readonly maxReplicas: number
    readonly volumeClaimTemplates: readonly { readonly metadata: { readonly name: string } }[]
    readonly template: {
      readonly metadata: { readonly labels: Record<string, string> }
      readonly spec: {
        readonly securityContext: Record<string, unknown>
        readonly containers: readonly Container[]
        readonly initContainers?: readonly Container[]
        readonly volumes?: readonly { readonly name: string; readonly secret?: { readonly secretName: string } }[]
      }
    }
  }
}

async function manifestsOf(kustomization: string): Promise<Manifest[]> {
  const read = async (file: string) =>
    parseAllDocuments(await readFile(file, 'utf8'), { merge: true }).map((document) => {
      if (document.errors.length > 0) throw document.errors[0]!
      return document.toJS()
    })
  const [{ resources }] = (await read(kustomization)) as [{ resources: string[] }]
  return (await Promise.all(resources.map((file) => read(join(dirname(kustomization), file))))).flat()
}

const base = await manifestsOf(join(folder, 'base/kustomization.yaml'))
const find = (kind: string, name: string): Manifest => {
  const found = base.find((each) => each.kind === kind && each.metadata.name === name)
  if (found === undefined) throw new Error(`no ${kind} ${name}`)
  return found
}
const podOf = (name: string) => find('StatefulSet', name).spec.template.spec

/** The environment that a container has, on the node with this address. */
const environmentOf = (container: Container, address: string): Record<string, string> =>
  Object.fromEntries(
    container.env!.map(({ name, value, valueFrom }) => [
      name,
      value ?? (JSON.stringify(valueFrom).includes('hostIP') ? address : 'application-0')
    ])
  )

const settings = join(folder, 'example/suite.yaml')

test('pods run as users without rights, on file systems that cannot be written, with probes and bounds; no secret is in the files', (t) => {
  const sets = base.filter(({ kind }) => kind === 'StatefulSet')
  t.deepEqual(sets.map(({ metadata }) => metadata.name).sort(), ['application', 'edge', 'redis'])
  for (const { metadata, spec } of sets) {
    const pod = spec.template.spec
    t.like(pod.securityContext, { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
    t.deepEqual(spec.selector.matchLabels, spec.template.metadata.labels, metadata.name)
    const volumes = [
      ...(pod.volumes ?? []).map(({ name }) => name),
      ...spec.volumeClaimTemplates.map((claim) => claim.metadata.name)
    ]
    for (const container of [...pod.containers, ...(pod.initContainers ?? [])]) {
      t.deepEqual(container.securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] }
      })
      t.truthy(container.resources.requests && container.resources.limits, container.name)
      for (const mount of container.volumeMounts) t.true(volumes.includes(mount.name), `${container.name}: ${mount.name}`)
    }
    for (const container of pod.containers) t.truthy(container.readinessProbe && container.livenessProbe, container.name)
  }
  for (const { kind, metadata, spec } of base) {
    t.not(kind, 'Secret', metadata.name)
    if (kind === 'PodDisruptionBudget')
      t.notThrows(() => find('StatefulSet', spec.selector.matchLabels['app.kubernetes.io/name']!))
  }
})

test('three to ten application servers', (t) => {
  const { spec } = find('HorizontalPodAutoscaler', 'application')
  t.like(spec, { minReplicas: 3, maxReplicas: 10, scaleTargetRef: { kind: 'StatefulSet', name: 'application' } })
  t.is(find('StatefulSet', 'application').spec.replicas, 3)
})

test('commands, variables, ports and paths are those of the suite, and the example is a configuration for both', async (t) => {
  const configs = []
  for (const [name, address, own] of [
    ['application', '192.0.2.21', {}],
    ['edge', '192.0.2.10', { edge: 'embedded' }]
  ] as const) {
    const container = podOf(name).containers[0]!
    t.true(
      commands.some(({ words }) => words.join(' ') === container.args![0]),
      `ifctl ${container.args![0]}`
    )
    const environment = environmentOf(container, address)
    for (const variable of Object.keys(environment)) t.true(variable in environmentVariables, variable)
    const config = await loadSuiteConfig(settings, settingsFromEnvironment(environment), own)
    configs.push(config)
    const mounted = container.volumeMounts.map(({ mountPath }) => mountPath)
    const files = [
      container.args![2]!,
      config.data,
      config.registry!,
      config.escalation.key!,
      ...Object.values(config.certificates!)
    ]
    for (const file of files)
      t.true(
        mounted.some((path) => file === path || file!.startsWith(`${path}/`)),
        `${name}: ${file}`
      )
  }
  const [application, edge] = configs as [(typeof configs)[0], (typeof configs)[0]]
  t.deepEqual(application.trustedEdges, [edge.edgeServer!.address])
  t.is(application.escalation.proxy, `sip:${edge.edgeServer!.address}:${edge.edgeServer!.port};transport=udp`)
  t.true(edge.edgeServer!.applications.length >= 3)
  for (const { port } of edge.edgeServer!.applications) t.is(port, application.sip.udp)
  t.deepEqual(edge.edgeServer!.applications[0], { address: application.sip.address, port: application.sip.udp })
  t.is(podOf('application').containers[0]!.ports![0]!.containerPort, application.sip.udp)
  t.is(podOf('edge').containers[0]!.ports![0]!.containerPort, edge.listen.tls)
  t.true(
    JSON.stringify(podOf('application').containers[0]!.readinessProbe).includes(`:${application.ledger.service.port}/healthz`)
  )
  const store = new URL((application.ledger.store as { url: string }).url)
  t.is(
    store.hostname,
    `${find('Service', 'redis').metadata.name}.${find('Namespace', 'infrafabric').metadata.name}.svc.cluster.local`
  )
  t.is(Number(store.port), podOf('redis').containers[0]!.ports![0]!.containerPort)
})

test('the example is whole: its files are there, its registry can be read', async (t) => {
  const text = await readFile(join(folder, 'example/registry.yaml'), 'utf8')
  t.true(parseRegistry(text, 'registry.yaml', defaultHazards).parties.length > 0)
  const kustomization = await readFile(join(folder, 'example/kustomization.yaml'), 'utf8')
  const { resources, configMapGenerator } = parse(kustomization)
  for (const file of [...resources, ...configMapGenerator[0].files]) t.true(existsSync(join(folder, 'example', file)), file)
  t.is(configMapGenerator[0].name, 'settings')
  const wanted = ['application', 'edge'].flatMap((name) => podOf(name).volumes!.flatMap(({ secret }) => secret?.secretName ?? []))
  for (const secret of wanted) t.true(kustomization.includes(`create secret generic ${secret} `), secret)
})
