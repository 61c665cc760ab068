import { stringify } from 'yaml'
import type { Example } from '../component.ts'
import { errorCodes, rejectCodes } from '../errors.ts'
import { fieldRows } from './field-table.ts'
import type { Kind } from '../registry.ts'
import type { Declaration } from '../registry.ts'

const NOTE = '<!-- Made by `npm run generated`; edit the declaration instead. -->'

/** The documentation page of a component, in Markdown. */
export function componentPage(declaration: Declaration): string {
  const { type, kind, summary, fields, examples } = declaration
  const rows = fieldRows(fields).map(({ name, type: words, required, default: standard, description }) => {
    return [
      `\`${name}\``,
      words,
      standard === undefined ? (required ? 'required' : '') : `\`${standard}\``,
      description,
    ]
  })
  const table = rows.length === 0 ? 'It takes no options.' : tableOf(['field', 'type', 'default', 'description'], rows)
  const shown = examples.map(
    (example) => `### ${example.title}\n\n\`\`\`yaml\n${exampleYaml(declaration, example)}\`\`\``,
  )
  const facts = factsOf(declaration)
  return [
    NOTE,
    `# ${type} (${kind})`,
    summary,
    ...facts,
    table,
    ...(shown.length > 0 ? ['## Examples', ...shown] : []),
  ].join('\n\n')
}

/** An example as it stands in a pipeline file. */
export function exampleYaml({ type, kind }: Declaration, { config }: Example): string {
  const component = { type, ...config }
  return stringify(kind === 'transform' ? { transforms: [component] } : { [kind]: component }, { lineWidth: 0 })
}

/** The page of all error and reject codes, in Markdown. */
export function errorsPage(): string {
  const errors = Object.entries(errorCodes).map(([code, { exit, retryable, summary }]) => [
    `\`${code}\``,
    String(exit),
    retryable ? 'yes' : 'no',
    summary,
  ])
  const rejects = Object.entries(rejectCodes).map(([code, summary]) => [`\`${code}\``, summary])
  return [
    NOTE,
    '# Error codes',
    'A run that fails prints one of these codes on stderr and ends with its exit status; 0 means done. What is retryable has been tried again as often as the configuration says.',
    tableOf(['code', 'exit', 'retryable', 'meaning'], errors),
    '# Reject codes',
    'A record that is refused goes to `rejects` with one of these codes, or with one of a custom transform.',
    tableOf(['code', 'meaning'], rejects),
  ].join('\n\n')
}

function factsOf(declaration: Declaration): string[] {
  if (declaration.kind === 'source' && declaration.repeats) {
    return ['It may yield a record more than once: put a `dedup` transform behind it.']
  }
  if (declaration.kind !== 'sink') return []
  return declaration.delivers === 'objects'
    ? ['An object sink: records are kept in the outbox until their objects are published, each once.']
    : ['A stream sink: bytes leave as they come, and nothing is kept.']
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.map(escapeCell).join(' | ')} |`).join('\n')
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}

/** `sink-s3`: the name of a component's page. */
export function pageName({ kind, type }: { readonly kind: Kind; readonly type: string }): string {
  return `${kind}-${type}.md`
}
