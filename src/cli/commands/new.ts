import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { readShipped } from '../../config/shipped.ts'
import type { Variable } from '../../config/shipped.ts'
import { formatShardKey, newShardKey, SHARD_KEY } from '../../delivery/replicas/shard-key.ts'
import { SluiceError } from '../../errors.ts'
import { print, say } from '../../observe/output.ts'
import type { CommandDefinition } from '../command.ts'
import { commandIn, editorSchemaIn, modeline, OWN_SCHEMA } from '../project/installation.ts'
import { pipelineFiles } from '../project/new-project.ts'
import { parseCount } from '../shard.ts'
import { writeFiles } from '../project/write-files.ts'
import type { ProjectFiles } from '../project/write-files.ts'

interface NewArguments {
  kind: string
  name?: string | undefined
  from?: string | undefined
}

export const command: CommandDefinition<NewArguments> = {
  builder: (parser) =>
    parser
      .positional('kind', {
        choices: ['pipeline', 'transform', 'key', 'shard-key'],
        demandOption: true,
        describe: 'What to create',
      })
      .positional('name', {
        type: 'string',
        describe:
          'Name of the new pipeline or transform; of a key, the variable (default: SLUICE_HMAC_KEY); of a shard key, the number of replicas',
      })
      .option('from', {
        type: 'string',
        requiresArg: true,
        describe: 'Copy a pipeline that comes with Sluice, such as okta, with its schema and transforms',
      })
      .example('$0 new pipeline --from okta', 'create pipelines/okta.yaml and schemas/okta-event.schema.json')
      .example('$0 new transform tag-admins', 'create transforms/tag-admins.ts and pipelines/tag-admins.yaml')
      .example('$0 new key >> sluice.env', 'append a fresh key for pseudonyms to an environment file')
      .example('$0 new shard-key 5 >> sluice.env', 'append what five new replicas of a pipeline have in common')
      .example('$0 new key SLUICE_QUEUE_KEY >> sluice.env', 'a key that seals what goes through a queue'),
  handler: async ({ kind, name: given, from }) => {
    if (from !== undefined && kind !== 'pipeline')
      throw new SluiceError('USAGE', '--from copies a pipeline', { hint: `sluice new pipeline --from ${from}` })
    if (kind === 'key') return printKey(given ?? 'SLUICE_HMAC_KEY')
    if (kind === 'shard-key') return printShardKey(given)
    const name = checkName(kind, given ?? from)
    const shipped = from === undefined ? undefined : readShipped(from)
    const own = kind === 'transform' ? transformFiles(name) : newPipelineFiles(name)
    const files = shipped === undefined ? own : pipelineFiles(name, shipped, editorSchema())
    // A pipeline that is copied brings a schema that the project may have.
    const mustBeNew = shipped === undefined ? Object.keys(files) : [pipelinePath(name)]
    const existing = [...mustBeNew, pipelinePath(name, '.yml')].find((path) => existsSync(path))
    if (existing !== undefined)
      throw new SluiceError('USAGE', `${existing} already exists`, { hint: `choose another name${again(kind, from)}` })
    const { created, kept } = await writeFiles('.', files)
    print(...created)
    if (kept.length > 0) say(`kept as they were: ${kept.join(', ')}`)
    if (shipped !== undefined) sayVariables(shipped.variables)
    say(`next: ${commandIn(process.cwd())} test ${name}`)
  },
}

function checkName(kind: string, name: string | undefined): string {
  if (name === undefined)
    throw new SluiceError('USAGE', `give the new ${kind} a name`, { hint: `sluice new ${kind} NAME` })
  if (/^[a-z][a-z0-9-]{0,62}$/.test(name)) return name
  throw new SluiceError('USAGE', `"${name}" is not a valid name`, {
    hint: 'use lower-case letters, digits and "-", for example tag-admins',
  })
}

function pipelinePath(name: string, ending = '.yaml'): string {
  return join('pipelines', `${name}${ending}`)
}

function again(kind: string, from: string | undefined): string {
  return from === undefined ? '' : `: sluice new ${kind} NAME --from ${from}`
}

/** What the pipeline reads from the environment. */
function sayVariables(variables: readonly Variable[]): void {
  const required = variables.filter((one) => one.default === undefined)
  if (required.length > 0)
    say(`set these variables, for example in .env: ${required.map(({ name }) => name).join(', ')}`)
  const optional = variables.filter((one) => one.default !== undefined)
  if (optional.length > 0) say(`these have defaults: ${optional.map(({ name }) => name).join(', ')}`)
}

/** One line for an environment file, and nothing else. The key is never written to a file. */
function printKey(variable: string): void {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(variable)) {
    throw new SluiceError('USAGE', `"${variable}" is not a name of an environment variable`, {
      hint: 'use letters, digits and "_", for example SLUICE_HMAC_KEY',
    })
  }
  print(`${variable}=${randomBytes(KEY_BYTES).toString('base64url')}`)
}

const KEY_BYTES = 32

function printShardKey(count: string | undefined): void {
  if (count === undefined)
    throw new SluiceError('USAGE', 'give the number of replicas', { hint: 'sluice new shard-key 5' })
  print(`${SHARD_KEY}=${formatShardKey(newShardKey(parseCount(count, 'shard-key')))}`)
}

function transformFiles(name: string): ProjectFiles {
  const transform = `import { defineTransform, Type } from 'sluice'

/** The fields below declare the options. Sluice validates and documents them. */
export default defineTransform({
  summary: 'Adds a label to every record.',
  fields: {
    label: Type.String({ default: '${name}', description: 'Value of the field \`label\`.' }),
  },
  create({ label }) {
    // Called once per record. Return the record, an array of records, null to drop it, or
    // record.reject('CODE').
    return (record) => record.set('label', label)
  },
})
`
  const pipeline = `${modeline(editorSchema())}
description: Tests the transform ${name}.

source:
  type: file
  path: '-'

transforms:
  - type: ../transforms/${name}.ts
    label: seen

sink:
  type: stdout

tests:
  - name: adds the label
    input: [{ id: a }]
    expect:
      output: [{ id: a, label: seen }]
`
  return { [join('transforms', `${name}.ts`)]: transform, [pipelinePath(name)]: pipeline }
}

function newPipelineFiles(name: string): ProjectFiles {
  const pipeline = `${modeline(editorSchema())}
description: Reads NDJSON from standard input, redacts secrets and writes to standard output.

# "sluice list" shows all components, "sluice describe redact" explains one of them.
source:
  type: file
  path: '-'

transforms:
  - type: redact

sink:
  type: stdout

tests:
  - name: redacts a password
    input: [{ id: a, password: hunter2 }]
    expect:
      output: [{ id: a, password: '[redacted]' }]
`
  return { [pipelinePath(name)]: pipeline }
}

/** The editor's schema for a new file, relative to the project. */
function editorSchema(): string {
  return editorSchemaIn(process.cwd()) ?? relative(process.cwd(), OWN_SCHEMA)
}
