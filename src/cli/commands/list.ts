import { listPipelines } from '../../config/find-pipeline.ts'
import { listShipped } from '../../config/shipped.ts'
import { print, printJson } from '../../observe/output.ts'
import { builtIns } from '../../registry.ts'
import type { CommandDefinition } from '../command.ts'
import { jsonOption } from '../options.ts'

interface ListArguments {
  json: boolean
}

export const command: CommandDefinition<ListArguments> = {
  builder: (parser) => parser.option('json', jsonOption),
  handler: list,
}

export async function list({ json }: ListArguments): Promise<void> {
  const pipelines = await listPipelines()
  const shipped = listShipped().filter((name) => !pipelines.includes(name))
  const known = builtIns.map(({ kind, type, summary }) => ({ kind, type, summary }))
  if (json) {
    printJson({ pipelines, shipped, components: known })
    return
  }
  const lines = [
    'pipelines',
    ...(pipelines.length === 0 ? ['(none in pipelines/)'] : pipelines).map((name) => `  ${name}`),
  ]
  const width = Math.max(...known.map(({ type }) => type.length))
  for (const kind of ['source', 'transform', 'sink']) {
    lines.push('', `${kind}s`)
    for (const one of known) if (one.kind === kind) lines.push(`  ${one.type.padEnd(width)}  ${one.summary}`)
  }
  if (shipped.length > 0) lines.push('', 'pipelines to copy with sluice new pipeline --from NAME')
  print(...lines, ...shipped.map((name) => `  ${name}`))
}
