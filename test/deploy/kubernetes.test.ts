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

interface Container {
  readonly args: readonly string[]
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

test('the network policy selects every pod, and lets nothing connect to one', async () => {
  const all = await readManifests()
  const policy = all.find(({ kind }) => kind === 'NetworkPolicy')
  assert.ok(policy)
  assert.ok(policy.spec.policyTypes.includes('Ingress'))
  assert.equal(policy.spec.ingress, undefined)
  for (const { kind, spec } of all) {
    if (!WORKLOADS.includes(kind)) continue
    for (const [name, value] of Object.entries(policy.spec.podSelector.matchLabels))
      assert.equal(spec.template.metadata.labels[name], value)
  }
})

test('the command of the single pipeline parses', async (t) => {
  const all = await readManifests()
  const workload = all.find(({ kind, metadata }) => kind === 'StatefulSet' && metadata.name === 'sluice-okta')
  const workspace = await openWorkspace(t)
  const args = workload?.spec.template.spec.containers[0]?.args ?? []
  const { stderr } = await workspace.sluice([...args])
  assert.match(stderr, /PIPELINE_NOT_FOUND: there is no pipeline "okta"/)
})
