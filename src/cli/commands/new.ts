import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SluiceError } from '../../errors.ts'
import type { CommandDefinition } from '../command.ts'

interface NewArguments {
  kind: string
  name: string
}

export const command: CommandDefinition<NewArguments> = {
  builder: (parser) =>
    parser
      .positional('kind', { choices: ['pipeline', 'transform'], demandOption: true, describe: 'What to write' })
      .positional('name', { type: 'string', demandOption: true, describe: 'Its name' })
      .example('$0 new transform tag-admins', 'transforms/tag-admins.ts and pipelines/tag-admins.yaml'),
  handler: async ({ kind, name }) => {
    if (!/^[a-z][a-z0-9-]{0,62}$/.test(name)) {
      throw new SluiceError('USAGE', `"${name}" is not a name`, {
        hint: 'use small letters, digits and "-", for example tag-admins',
      })
    }
    const files = kind === 'transform' ? transformFiles(name) : pipelineFiles(name)
    const taken = Object.keys(files).find((path) => existsSync(path))
    if (taken !== undefined) throw new SluiceError('USAGE', `${taken} exists already`, { hint: 'choose another name' })
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, content, { flag: 'wx' })
      process.stdout.write(`${path}\n`)
    }
    process.stderr.write(`next: sluice test ${name}\n`)
  },
}

type Scaffold = { readonly [path: string]: string }

function transformFiles(name: string): Scaffold {
  const transform = `import { defineTransform, Type } from 'sluice'

/** Options are declared here; they are checked, documented and completed from this. */
export default defineTransform({
  summary: 'Adds a label to every record.',
  fields: {
    label: Type.String({ default: '${name}', description: 'What is written to \`label\`.' }),
  },
  create({ label }) {
    // Called once for each record. Return the record, null to drop it, several of them, or record.reject('CODE').
    return (record) => record.set('label', label)
  },
})
`
  const pipeline = `${modeline()}
description: Tries the transform ${name}.

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
description: Reads NDJSON from standard input, hides secrets, writes to standard output.

# sluice list shows the components, sluice describe redact explains one.
source:
  type: file
  path: '-'

transforms:
  - type: redact

sink:
  type: stdout

tests:
  - name: hides a password
    input: [{ id: a, password: hunter2 }]
    expect:
      output: [{ id: a, password: '[redacted]' }]
`
  return { [join('pipelines', `${name}.yaml`)]: pipeline }
}

/** Editors find the schema of pipeline files by this line. */
function modeline(): string {
  const schema = fileURLToPath(new URL('../../../../schemas/pipeline.schema.json', import.meta.url))
  return `# yaml-language-server: $schema=${relative(join(process.cwd(), 'pipelines'), schema)}`
}
