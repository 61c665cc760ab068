/* The files of deploy/, as far as they can be checked without containers. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { parseAddress } from '../../../src/queue/address.ts'
import { REPOSITORY } from '../../support/paths.ts'
import { openWorkspace } from '../../support/command.ts'

const folder = join(REPOSITORY, 'deploy')

interface Container {
  readonly image: string
  readonly args: string[]
  readonly envFrom: { readonly secretRef: { readonly name: string } }[]
  readonly env?: unknown
  readonly livenessProbe?: { readonly exec: { readonly command: string[] } }
  readonly securityContext: { readonly [name: string]: unknown }
  readonly volumeMounts: { readonly name: string; readonly mountPath: string }[]
}

interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly stringData?: { readonly [name: string]: string }
  readonly spec: {
    readonly selector?: { readonly matchLabels: object }
    readonly template: {
      readonly metadata: { readonly labels: object }
      readonly spec: {
        readonly containers: Container[]
        readonly volumes: { readonly name: string }[]
        readonly securityContext: { readonly [name: string]: unknown }
        readonly terminationGracePeriodSeconds: number
        readonly automountServiceAccountToken: boolean
        readonly restartPolicy?: string
      }
    }
  }
}

async function manifests(): Promise<Manifest[]> {
  const names = ['backfill.yaml', 'secret.example.yaml', 'worker.yaml']
  const texts = await Promise.all(names.map((name) => readFile(join(folder, 'kubernetes', name), 'utf8')))
  return texts.flatMap((text) =>
    parseAllDocuments(text).map((document) => {
      assert.deepEqual(document.errors, [])
      const manifest: Manifest = document.toJS()
      return manifest
    }),
  )
}

/** https://github.com/zegl/kube-score */
const NO_LINTER =
  spawnSync('kube-score', ['version']).status === 0 ? false : 'kube-score is not installed, which lints the manifests'

test('a linter accepts the Kubernetes manifests', { skip: NO_LINTER }, async () => {
  const names = (await readdir(join(folder, 'kubernetes'))).map((name) => join(folder, 'kubernetes', name))
  const { status, stdout } = spawnSync('kube-score', ['score', ...names], { encoding: 'utf8' })
  assert.equal(status, 0, stdout)
})

test('the Kubernetes manifests run as a plain user, with secrets from a Secret and a probe for workers', async () => {
  const all = await manifests()
  const kinds = all.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`).toSorted()
  assert.deepEqual(kinds, [
    'apps/v1 Deployment',
    'batch/v1 Job',
    'policy/v1 PodDisruptionBudget',
    'v1 PersistentVolumeClaim',
    'v1 Secret',
  ])
  const secret = all.find(({ kind }) => kind === 'Secret')
  assert.equal(parseAddress(secret?.stringData?.['SLUICE_QUEUE'] ?? '').name, 'rediss://redis.example.com:6380')
  for (const { kind, spec } of all.filter((one) => one.kind === 'Deployment' || one.kind === 'Job')) {
    const { template } = spec
    const [container, ...others] = template.spec.containers
    assert.ok(container && others.length === 0)
    assert.match(container.image, /:\d+\.\d+\.\d+$/, 'an image needs a version')
    assert.deepEqual(container.envFrom, [{ secretRef: { name: secret?.metadata.name } }])
    assert.equal(container.env, undefined)
    assert.equal(template.spec.automountServiceAccountToken, false)
    const { runAsNonRoot, seccompProfile } = template.spec.securityContext
    assert.deepEqual(
      { runAsNonRoot, seccompProfile },
      { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    )
    assert.deepEqual(container.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    const volumes = template.spec.volumes.map(({ name }) => name).toSorted()
    assert.deepEqual(container.volumeMounts.map(({ name }) => name).toSorted(), volumes)
    if (kind === 'Deployment') {
      assert.deepEqual(spec.selector?.matchLabels, template.metadata.labels)
      assert.ok(template.spec.terminationGracePeriodSeconds >= 120)
      const alive = container.args[container.args.indexOf('--alive') + 1] ?? '?'
      assert.ok(container.livenessProbe?.exec.command.join(' ').includes(alive))
    } else {
      assert.equal(template.spec.restartPolicy, 'OnFailure')
      const state = container.args[container.args.indexOf('--state') + 1]
      assert.ok(container.volumeMounts.some(({ mountPath }) => mountPath === state))
    }
  }
})

test('the Compose file has Redis, an S3 server, workers and a coordinator, and no secret of its own', async () => {
  const text = await readFile(join(folder, 'compose.yaml'), 'utf8')
  const { services }: { services: { [name: string]: { image: string; command?: string; environment?: object } } } =
    parse(text, { merge: true })
  assert.deepEqual(Object.keys(services).toSorted(), ['bucket', 'coordinator', 'redis', 's3', 'worker'])
  for (const { image } of Object.values(services)) assert.match(image, /:[\w.-]+$|\$\{SLUICE_IMAGE/)
  assert.match(services['redis']?.command ?? '', /--appendonly yes .*--maxmemory-policy noeviction/)
  for (const { environment = {} } of Object.values(services))
    for (const [name, value] of Object.entries(environment))
      if (/KEY|PASSWORD|AUTH|USER/.test(name)) assert.match(String(value), /^\$\{\w+:\?/, name)
})

test('the commands in the files of deploy/ parse', async (t) => {
  const workspace = await openWorkspace(t)
  const containers = (await manifests()).flatMap(({ kind, spec }) =>
    kind === 'Deployment' || kind === 'Job' ? spec.template.spec.containers : [],
  )
  for (const { args } of containers) {
    const { stderr } = await workspace.sluice(args)
    // No project and no queue is here. The command line itself is right.
    assert.match(stderr, /USAGE: there is no queue|PIPELINE_NOT_FOUND/, args.join(' '))
  }
})
