import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readPipelineOf, readShipped } from '../../config/shipped.ts'
import type { Shipped, Variable } from '../../config/shipped.ts'
import { PACKAGE } from '../../package.ts'
import { editorSchemaIn, OWN_SCHEMA, testSchemaBeside, withModeline } from './installation.ts'
import type { ProjectFiles } from './write-files.ts'

/** The pipeline of a new project, unless another one is chosen. */
export const FIRST_PIPELINE = 'events'

const TEMPLATE = join(PACKAGE, 'template')

/**
 * The files of a new project around one pipeline.
 * @param from a pipeline that comes with Sluice; undefined for the one of the template; `none` for a
 * project that has pipelines
 */
export function projectFiles(project: string, from: string | undefined | { readonly none: true }): ProjectFiles {
  const known = editorSchemaIn(project)
  const schema = known ?? 'schemas/pipeline.schema.json'
  const name = typeof from === 'string' ? from : FIRST_PIPELINE
  const pipeline = typeof from === 'object' ? undefined : readFirst(from)
  return {
    'package.json': json({ private: true, type: 'module', scripts: { check: 'sluice check', test: 'sluice test' } }),
    ...(pipeline && pipelineFiles(name, pipeline, schema)),
    ...(known === undefined && {
      [schema]: readFileSync(OWN_SCHEMA),
      [testSchemaBeside(schema)]: readFileSync(testSchemaBeside(OWN_SCHEMA)),
    }),
    'tsconfig.json': readFileSync(join(TEMPLATE, 'tsconfig.json')),
    '.env.example': environmentExample(pipeline, from === undefined),
    '.gitignore': readFileSync(join(TEMPLATE, 'gitignore')),
    '.vscode/settings.json': json({
      'yaml.schemas': {
        [`./${schema}`]: ['pipelines/*.yaml', 'pipelines/*.yml'],
        [`./${testSchemaBeside(schema)}`]: ['tests/*/*.yaml', 'tests/*/*.yml'],
      },
    }),
    '.vscode/extensions.json': json({ recommendations: ['redhat.vscode-yaml'] }),
  }
}

/** A pipeline with all that it refers to. */
export function pipelineFiles(name: string, { yaml, files, tests }: Shipped, schema: string): ProjectFiles {
  const own = Object.entries(tests).map(([file, text]) => [`tests/${name}/${file}`, text])
  return { [`pipelines/${name}.yaml`]: withModeline(yaml, schema), ...Object.fromEntries(own), ...files }
}

function readFirst(from: string | undefined): Shipped {
  return from === undefined ? readPipelineOf(TEMPLATE, FIRST_PIPELINE) : readShipped(from)
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`
}

function environmentExample(pipeline: Shipped | undefined, isTemplate: boolean): string {
  const head = '# Copy this file to .env and fill it in. A variable that is set outside of .env takes precedence.\n'
  if (pipeline === undefined) return head
  const variables = pipeline.variables.map(exampleLine).join('')
  const store = isTemplate ? LOCAL_STORE : AWS
  return `${head}\n${variables}${/type: s3\b/.test(pipeline.yaml) ? store : ''}`
}

function exampleLine({ name, default: fallback }: Variable): string {
  if (fallback !== undefined) return `# ${name}=${fallback}\n`
  if (name === 'SLUICE_HMAC_KEY') return `# "sluice new key" prints a line with a fresh one.\n${name}=\n`
  return `${name}=${name === 'SLUICE_BUCKET' ? 'audit' : ''}\n`
}

const LOCAL_STORE = `
# An S3 store on this machine: these are the defaults of MinIO. For AWS, delete all four lines, or
# write your own region and keys.
AWS_ENDPOINT_URL_S3=http://127.0.0.1:9000
AWS_REGION=us-east-1
AWS_ACCESS_KEY_ID=minioadmin
AWS_SECRET_ACCESS_KEY=minioadmin
`

const AWS = `
# Only without a profile or a role. Another store than AWS needs its endpoint.
# AWS_REGION=us-east-1
# AWS_ACCESS_KEY_ID=
# AWS_SECRET_ACCESS_KEY=
# AWS_ENDPOINT_URL_S3=http://127.0.0.1:9000
`
