import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { SluiceError } from '../../errors.ts'
import { print, say } from '../../observe/output.ts'
import { PACKAGE } from '../../package.ts'
import type { CommandDefinition } from '../command.ts'

interface NewArguments {
  kind: string
  name?: string | undefined
}

export const command: CommandDefinition<NewArguments> = {
  builder: (parser) =>
    parser
      .positional('kind', { choices: ['pipeline', 'transform', 'key'], demandOption: true, describe: 'What to create' })
      .positional('name', {
        type: 'string',
        describe: 'Name of the new pipeline or transform; of a key, the variable (default: SLUICE_HMAC_KEY)',
      })
      .example('$0 new transform tag-admins', 'create transforms/tag-admins.ts and pipelines/tag-admins.yaml')
      .example('$0 new key >> sluice.env', 'append a fresh key for pseudonyms to an environment file'),
  handler: async ({ kind, name }) => {
    if (kind === 'key') return printKey(name ?? 'SLUICE_HMAC_KEY')
    if (name === undefined)
      throw new SluiceError('USAGE', `give the new ${kind} a name`, { hint: `sluice new ${kind} NAME` })
    if (!/^[a-z][a-z0-9-]{0,62}$/.test(name)) {
      throw new SluiceError('USAGE', `"${name}" is not a valid name`, {
        hint: 'use lower-case letters, digits and "-", for example tag-admins',
      })
    }
    const files = kind === 'transform' ? transformFiles(name) : pipelineFiles(name)
    const existing = Object.keys(files).find((path) => existsSync(path))
    if (existing !== undefined)
      throw new SluiceError('USAGE', `${existing} already exists`, { hint: 'choose another name' })
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, content, { flag: 'wx' })
      print(path)
    }
    say(`next: sluice test ${name}`)
  },
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

type Scaffold = { readonly [path: string]: string }

function transformFiles(name: string): Scaffold {
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
  const pipeline = `${modeline()}
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
  return { [join('transforms', `${name}.ts`)]: transform, [join('pipelines', `${name}.yaml`)]: pipeline }
}

function pipelineFiles(name: string): Scaffold {
  const pipeline = `${modeline()}
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
  return { [join('pipelines', `${name}.yaml`)]: pipeline }
}

/** The comment with which editors find the schema of pipeline files. */
function modeline(): string {
  const schema = join(PACKAGE, 'schemas/pipeline.schema.json')
  return `# yaml-language-server: $schema=${relative(join(process.cwd(), 'pipelines'), schema)}`
}
