import { resolve } from 'node:path'
import { fieldRows, typeAndNeed } from '../../config/field-rows.ts'
import type { Declaration, ComponentKind } from '../../registry.ts'
import { isCustom } from '../../config/component-name.ts'
import { loadComponent } from '../../config/load-component.ts'
import { isShipped } from '../../config/shipped.ts'
import { suggest } from '../../fields/suggest.ts'
import { exampleYaml } from '../../generate/pages.ts'
import { SluiceError } from '../../errors.ts'
import { printJson, printText } from '../../observe/output.ts'
import { builtIns, findComponent } from '../../registry.ts'
import type { CommandDefinition } from '../command.ts'
import { printAwsDocuments } from '../aws-documents.ts'
import type { DocumentArguments } from '../aws-documents.ts'
import { USES } from '../../inspect/iam/rights.ts'
import { jsonOption, setOption } from '../options.ts'

export const command: CommandDefinition<DocumentArguments> = {
  builder: (parser) =>
    parser
      .positional('component', {
        type: 'string',
        demandOption: true,
        describe: 'Type of the component, such as s3 or ./transforms/tag.ts',
      })
      .positional('pipeline', {
        type: 'string',
        array: true,
        describe: 'With --iam and its siblings: pipeline names or paths; default: all in pipelines/',
      })
      .option('json', jsonOption)
      .option('iam', {
        type: 'boolean',
        default: false,
        describe: 'Print the IAM policy that the s3 source and sinks of pipelines need',
      })
      .option('bucket-policy', {
        type: 'boolean',
        default: false,
        describe: 'Print the policy of their buckets, for an identity of another account',
      })
      .option('trust-policy', {
        type: 'boolean',
        default: false,
        describe: 'Print the trust policy of the roles that they assume',
      })
      .option('lifecycle', {
        type: 'boolean',
        default: false,
        describe: 'Print the lifecycle rules that remove unfinished uploads',
      })
      .option('for', {
        choices: USES,
        default: 'run' as const,
        describe:
          'What the identity does: run (everything but a queue), write (the least that writing needs), coordinator and worker (of a backfill with --queue), or verify',
      })
      .option('backfill', {
        type: 'string',
        array: true,
        nargs: 1,
        describe: 'Also read what a backfill reads, such as s3://archive/2026/',
      })
      .option('kms-key', {
        type: 'string',
        array: true,
        nargs: 1,
        describe: 'ARN of a KMS key with which the buckets encrypt by default',
      })
      .option('principal', {
        type: 'string',
        requiresArg: true,
        describe: 'ARN of the role or user that runs Sluice, for --bucket-policy and --trust-policy',
      })
      .option('set', setOption)
      .example('$0 describe redact', 'show the options of `type: redact`')
      .example('$0 describe s3 --iam jumpcloud', 'print the least rights in S3 that a pipeline needs'),
  handler: async (args) => {
    const { component, json } = args
    if (await printAwsDocuments(args)) return
    const found = await findAll(component)
    if (json) printJson(found.map(description))
    else printText(found.map(page).join('\n'))
  },
}

async function findAll(type: string): Promise<Declaration[]> {
  if (isCustom(type)) return [await loadAny(type)]
  const kinds = builtIns.filter((one) => one.type === type).map(({ kind }) => kind)
  const found = await Promise.all(kinds.map((kind) => findComponent(kind, type)))
  if (found.length > 0) return found.flatMap((one) => one ?? [])
  const types = [...new Set(builtIns.map((one) => one.type))]
  throw new SluiceError('USAGE', `there is no component "${type}"`, {
    hint: isShipped(type)
      ? `it is a pipeline: copy it into this project with sluice new pipeline --from ${type}`
      : suggest(type, types, 'components'),
  })
}

/** Loads a custom component of unknown kind. */
async function loadAny(type: string): Promise<Declaration> {
  const base = { file: resolve('pipeline.yaml'), root: process.cwd() }
  let firstError: unknown
  for (const kind of ['transform', 'source', 'sink'] satisfies ComponentKind[]) {
    try {
      return await loadComponent(type, kind, base)
    } catch (error) {
      firstError ??= error
    }
  }
  throw firstError
}

function description(declaration: Declaration) {
  const { kind, type, summary, fields, examples, lists } = declaration
  return { kind, type, summary, fields: fieldRows(fields), examples, ...(lists && { lists }) }
}

function page(declaration: Declaration): string {
  const { kind, type, summary, fields, examples, lists = [] } = declaration
  const rows = fieldRows(fields)
  const lines = [`${type} (${kind})`, ...wrap(summary, 2)]
  lines.push('', rows.length === 0 ? 'This component has no options.' : 'fields')
  for (const row of rows) {
    lines.push(`  ${row.name}: ${typeAndNeed(row)}`, ...wrap(row.description, 6))
  }
  for (const example of examples) {
    const yaml = exampleYaml(declaration, example).trimEnd().split('\n')
    lines.push('', `example: ${example.title}`, ...yaml.map((line) => `  ${line}`))
  }
  for (const { title, about, items } of lists) {
    lines.push('', title, ...wrap(about, 2))
    for (const { term, about: reason } of items) lines.push(...wrap(`- ${term}: ${reason}`, 2))
  }
  return `${lines.join('\n')}\n`
}

function wrap(text: string, indent: number): string[] {
  const width = Math.min(process.stdout.columns ?? 100, 100) - indent
  const lines: string[] = []
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`
    else if (word !== '') lines.push(word)
  }
  return lines.map((line) => ' '.repeat(indent) + line)
}
