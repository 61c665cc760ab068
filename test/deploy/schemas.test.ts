import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Ajv } from 'ajv'
import type { AnySchemaObject, ValidateFunction } from 'ajv'
import { parse, parseAllDocuments, parseDocument } from 'yaml'
import { fixture, REPOSITORY } from '../support/paths.ts'

const FOLDER = join(REPOSITORY, 'deploy')

interface Manifest {
  readonly apiVersion: string
  readonly kind: string
}

/** A schema for each kind of manifest. The operator's kinds have a schema of their own. */
async function readKinds(): Promise<Map<string, ValidateFunction>> {
  const ajv = new Ajv({ allErrors: true, strict: false })
  const kinds = new Map<string, ValidateFunction>()
  for (const name of ['kubernetes', 'prometheus-operator']) {
    const { oneOfKinds, $defs }: { oneOfKinds: { [kind: string]: AnySchemaObject }; $defs: object } = JSON.parse(
      await readFile(fixture(`deploy/${name}.schema.json`), 'utf8'),
    )
    for (const [kind, schema] of Object.entries(oneOfKinds)) kinds.set(kind, ajv.compile({ ...schema, $defs }))
  }
  return kinds
}

async function readManifests(): Promise<{ file: string; manifest: Manifest }[]> {
  const folder = join(FOLDER, 'kubernetes')
  const files = (await readdir(folder)).map(async (file) => {
    const documents = parseAllDocuments(await readFile(join(folder, file), 'utf8'))
    return documents.map((document) => ({ file, manifest: manifestOf(document.toJS()) }))
  })
  return (await Promise.all(files)).flat()
}

function manifestOf(value: Manifest): Manifest {
  return value
}

test('every Kubernetes manifest follows the schema of its kind', async () => {
  const kinds = await readKinds()
  const manifests = await readManifests()
  assert.ok(manifests.length >= 10)
  for (const { file, manifest } of manifests) {
    const validate = kinds.get(`${manifest.apiVersion} ${manifest.kind}`)
    assert.ok(validate, `${file}: ${manifest.apiVersion} ${manifest.kind} has no schema in test/fixtures/deploy`)
    assert.ok(validate(manifest), `${file}: ${JSON.stringify(validate.errors, null, 2)}`)
  }
})

test('a member that is misspelt, or of another type, does not follow the schema of its kind', async () => {
  const kinds = await readKinds()
  const text = await readFile(join(FOLDER, 'kubernetes/pipeline.yaml'), 'utf8')
  const validate = kinds.get('apps/v1 StatefulSet')
  assert.ok(validate)
  const mistakes = [
    ['readOnlyRootFilesystem: true', 'readonlyRootFilesystem: true'],
    ['livenessProbe:', 'livenessprobe:'],
    ['periodSeconds: 30', 'periodSeconds: 30s'],
    ['replicas: 1', 'replicas: one'],
    ['mountPath: /data', 'path: /data'],
  ]
  for (const [right = '', wrong = ''] of mistakes) {
    assert.ok(text.includes(right), right)
    const [, set] = parseAllDocuments(text.replace(right, wrong))
    assert.equal(validate(set?.toJS()), false, wrong)
  }
})

test('the Compose files follow the Compose Specification', async () => {
  const validate = new Ajv({ allErrors: true, strict: false }).compile(
    JSON.parse(await readFile(fixture('deploy/compose.schema.json'), 'utf8')),
  )
  const files = (await readdir(FOLDER)).filter((name) => name.startsWith('compose'))
  assert.deepEqual(files.toSorted(), ['compose.live.yaml', 'compose.yaml'])
  for (const file of files) {
    const text = await readFile(join(FOLDER, file), 'utf8')
    const document = parseDocument(text, { merge: true })
    assert.deepEqual([...document.errors, ...document.warnings], [], file)
    assert.ok(validate(document.toJS()), `${file}: ${JSON.stringify(validate.errors, null, 2)}`)
    assert.equal(validate(parse(text.replace('read_only:', 'readonly:'), { merge: true })), false)
  }
})
