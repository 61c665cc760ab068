import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { REPOSITORY } from '../support/paths.ts'
import { openWorkspace } from '../support/command.ts'

const FOLDER = join(REPOSITORY, 'deploy/kubernetes')

interface Labels {
  readonly [name: string]: string
}

interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly podSelector: { readonly matchLabels: Labels }
    readonly policyTypes: readonly string[]
    readonly ingress?: unknown
    readonly selector?: { readonly matchLabels: Labels }
    readonly podMetricsEndpoints?: readonly { readonly port: string }[]
    readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[]
    readonly template: {
      readonly metadata: { readonly labels: Labels }
      readonly spec: {
        readonly terminationGracePeriodSeconds: number
        readonly automountServiceAccountToken: boolean
        readonly securityContext: { readonly [name: string]: unknown }
        readonly containers: readonly Container[]
        readonly volumes: readonly { readonly name: string; readonly persistentVolumeClaim?: object }[]
      }
    }
  }
}

interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: string }
}

interface Container {
  readonly args: readonly string[]
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[]
  readonly startupProbe?: Probe
  readonly livenessProbe?: Probe
  readonly readinessProbe?: Probe
  readonly image: string
  readonly env?: readonly { readonly name: string; readonly value?: string }[]
  readonly resources: { readonly limits: { readonly memory?: string } }
  readonly securityContext: object
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[]
}

async function readManifests(): Promise<Manifest[]> {
  const names = (await readdir(FOLDER)).toSorted()
  const texts = await Promise.all(names.map((name) => readFile(join(FOLDER, name), 'utf8')))
  return texts.flatMap((text) =>
    parseAllDocuments(text).map((document) => {
      assert.deepEqual([...document.errors, ...document.warnings], [])
      const manifest: Manifest = document.toJS()
      return manifest
    }),
  )
}

const WORKLOADS = ['StatefulSet', 'Deployment', 'Job']

test('every workload runs as a plain user on a root that it cannot write to, and stops in time', async () => {
  const workloads = (await readManifests()).filter(({ kind }) => WORKLOADS.includes(kind))
  assert.ok(workloads.length >= 4)
  for (const { metadata, spec } of workloads) {
    const pod = spec.template.spec
    assert.ok(pod.terminationGracePeriodSeconds >= 60, metadata.name)
    assert.equal(pod.automountServiceAccountToken, false)
    assert.equal(pod.securityContext['runAsNonRoot'], true)
    assert.deepEqual(pod.securityContext['seccompProfile'], { type: 'RuntimeDefault' })
    for (const { image, securityContext, resources, env = [] } of pod.containers) {
      assert.match(image, /:\d+\.\d+\.\d+$/)
      assert.ok(resources.limits.memory)
      assert.deepEqual(securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      })
      for (const { name, value } of env)
        if (/KEY|TOKEN|SECRET|PASSWORD/.test(name)) assert.equal(value, undefined, `${name} is in the manifest`)
    }
  }
})

test('a state is on a volume that outlives its pod', async () => {
  const workloads = (await readManifests()).filter(({ kind }) => WORKLOADS.includes(kind))
  const states: string[] = []
  for (const { metadata, spec } of workloads) {
    const { containers, volumes } = spec.template.spec
    const lasting = [
      ...(spec.volumeClaimTemplates ?? []).map((claim) => claim.metadata.name),
      ...volumes.filter(({ persistentVolumeClaim }) => persistentVolumeClaim).map(({ name }) => name),
    ]
    for (const { args, volumeMounts } of containers) {
      const known = [...lasting, ...volumes.map(({ name }) => name)]
      for (const { name } of volumeMounts) assert.ok(known.includes(name), `${metadata.name}: ${name}`)
      const state = args[args.indexOf('--state') + 1]
      if (state === undefined || !args.includes('--state')) continue
      const mount = volumeMounts.find(({ mountPath }) => state === mountPath || state.startsWith(`${mountPath}/`))
      assert.ok(mount && lasting.includes(mount.name), `${metadata.name}: ${state}`)
      states.push(metadata.name)
    }
  }
  assert.deepEqual(states.toSorted(), ['sluice-backfill', 'sluice-live', 'sluice-okta'])
})

test('the network policy selects every pod, and lets only Prometheus connect, to the port of metrics', async () => {
  const all = await readManifests()
  const policy = all.find(({ kind }) => kind === 'NetworkPolicy')
  assert.ok(policy)
  assert.ok(policy.spec.policyTypes.includes('Ingress'))
  assert.deepEqual(policy.spec.ingress, [
    {
      from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }],
      ports: [{ port: 'metrics', protocol: 'TCP' }],
    },
  ])
  for (const { kind, spec } of all) {
    if (!WORKLOADS.includes(kind)) continue
    for (const [name, value] of Object.entries(policy.spec.podSelector.matchLabels))
      assert.equal(spec.template.metadata.labels[name], value)
  }
})

test('pipelines that run all the time show their metrics and their health on a named port', async () => {
  const all = await readManifests()
  const sets = all.filter(({ kind }) => kind === 'StatefulSet')
  assert.equal(sets.length, 2)
  const monitor = all.find(({ kind }) => kind === 'PodMonitor')
  for (const { metadata, spec } of sets) {
    const [container] = spec.template.spec.containers
    assert.ok(container)
    const [port, ...others] = container.ports ?? []
    assert.ok(port && others.length === 0)
    assert.equal(container.args[container.args.indexOf('--metrics') + 1], `0.0.0.0:${port.containerPort}`)
    const { startupProbe, livenessProbe, readinessProbe } = container
    const paths = [startupProbe, livenessProbe, readinessProbe].map((probe) => {
      assert.equal(probe?.httpGet?.port, port.name, metadata.name)
      return probe.httpGet.path
    })
    assert.deepEqual(paths, ['/healthz', '/healthz', '/readyz'])
    assert.deepEqual(
      monitor?.spec.podMetricsEndpoints?.map((endpoint) => endpoint.port),
      [port.name],
    )
    for (const [name, value] of Object.entries(monitor?.spec.selector?.matchLabels ?? {}))
      assert.equal(spec.template.metadata.labels[name], value)
  }
})

test('the command of the single pipeline parses', async (t) => {
  const all = await readManifests()
  const workload = all.find(({ kind, metadata }) => kind === 'StatefulSet' && metadata.name === 'sluice-okta')
  const workspace = await openWorkspace(t)
  const args = (workload?.spec.template.spec.containers[0]?.args ?? []).map((arg) =>
    arg.replace(/^0\.0\.0\.0:.*/, '127.0.0.1:0'),
  )
  const { stderr } = await workspace.sluice([...args])
  assert.match(stderr, /PIPELINE_NOT_FOUND: there is no pipeline "okta"/)
})
