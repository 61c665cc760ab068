import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { REPOSITORY } from '../support/paths.ts'
import { openFleet, shardKeyOf } from '../support/replicas.ts'

interface StatefulSet {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly labels: object }
  readonly spec: {
    readonly serviceName: string
    readonly replicas: number
    readonly selector: { readonly matchLabels: object }
    readonly template: {
      readonly metadata: { readonly labels: object }
      readonly spec: {
        readonly containers: readonly {
          readonly args: readonly string[]
          readonly env: readonly { readonly name: string; readonly value?: string }[]
          readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[]
        }[]
        readonly volumes: readonly { readonly name: string }[]
      }
    }
    readonly volumeClaimTemplates: readonly { readonly metadata: { readonly name: string } }[]
  }
}

test('the pods of the StatefulSet are the replicas that SLUICE_SHARD counts, and its command runs', async (t) => {
  const text = await readFile(join(REPOSITORY, 'deploy/kubernetes/live.yaml'), 'utf8')
  const [service, set]: StatefulSet[] = parseAllDocuments(text).map((document) => {
    assert.deepEqual([...document.errors, ...document.warnings], [])
    const manifest: StatefulSet = document.toJS()
    return manifest
  })
  assert.deepEqual([service.kind, set.kind, set.spec.serviceName], ['Service', 'StatefulSet', service.metadata.name])
  const { replicas, selector, template, volumeClaimTemplates } = set.spec
  assert.deepEqual(selector.matchLabels, template.metadata.labels)
  const [{ args, env, volumeMounts }] = template.spec.containers
  const volumes = [
    ...template.spec.volumes.map(({ name }) => name),
    ...volumeClaimTemplates.map((one) => one.metadata.name),
  ]
  assert.deepEqual(new Set(volumeMounts.map(({ name }) => name)), new Set(volumes))

  const shard = env.find(({ name }) => name === 'SLUICE_SHARD')?.value ?? ''
  const { workspace, jumpcloud } = await openFleet(t, { key: shardKeyOf(replicas) })
  const key = shardKeyOf(replicas)
  assert.ok(jumpcloud)
  for (let ordinal = 0; ordinal < replicas; ordinal++) {
    const state = workspace.path(`volume-${ordinal}`)
    const ended = await workspace.sluice(
      args
        .filter((arg) => arg !== '--follow')
        .map((arg) => ({ '/data/state': state, jumpcloud: 'events', '0.0.0.0:9464': '127.0.0.1:0' })[arg] ?? arg),
      { env: { SLUICE_SHARD: shard.replace('$(POD_NAME)', `${set.metadata.name}-${ordinal}`), SLUICE_SHARD_KEY: key } },
    )
    assert.equal(ended.code, 0, ended.stderr)
    assert.match(ended.stderr, new RegExp(`replica ${ordinal + 1}/${replicas} `))
  }
})
