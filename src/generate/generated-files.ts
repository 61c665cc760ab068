import { format } from 'prettier'
import { loadComponents } from '../registry.ts'
import { editorSchema, testSchema } from './editor-schema.ts'
import { eventsPage } from './events-page.ts'
import { logPage } from './log-page.ts'
import { metricsPage } from './metrics-page.ts'
import { componentPage, errorsPage, pageName } from './pages.ts'

/** A folder that contains generated files only. */
export const PAGES = 'docs/components'

/**
 * Content of the files generated from declarations, formatted with prettier, by path in the
 * repository.
 */
export async function generatedFiles(): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  const components = await loadComponents()
  for (const component of components) {
    files.set(`${PAGES}/${pageName(component)}`, await formatMarkdown(componentPage(component)))
  }
  files.set('docs/errors.md', await formatMarkdown(errorsPage()))
  files.set('docs/log.md', await formatMarkdown(logPage()))
  files.set('docs/events.md', await formatMarkdown(await eventsPage()))
  files.set('docs/metrics.md', await formatMarkdown(metricsPage()))
  files.set('schemas/pipeline.schema.json', await formatJson(editorSchema(components)))
  files.set('schemas/test.schema.json', await formatJson(testSchema()))
  return files
}

async function formatJson(value: object): Promise<string> {
  return format(JSON.stringify(value), { ...STYLE, parser: 'json' })
}

/** Wraps prose at 100 characters. Code blocks keep the width of the repository. */
async function formatMarkdown(text: string): Promise<string> {
  const options = { parser: 'markdown', proseWrap: 'always', embeddedLanguageFormatting: 'off' } as const
  return format(await format(text, { ...options, printWidth: 100 }), { ...STYLE, parser: 'markdown' })
}

/** Must match `.prettierrc.json`: the formatting check covers generated files. */
const STYLE = { printWidth: 120, singleQuote: true, semi: false }
