import { format } from 'prettier'
import { components } from '../registry.ts'
import { editorSchema } from './editor-schema.ts'
import { componentPage, errorsPage, pageName } from './pages.ts'

/** Folder whose files are all generated. */
export const PAGES = 'docs/components'

/** The files that are made from declarations, by their path in the repository, formatted as the repository is. */
export async function generatedFiles(): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  for (const component of components) {
    files.set(
      `${PAGES}/${pageName(component)}`,
      await format(componentPage(component), { ...STYLE, parser: 'markdown' }),
    )
  }
  files.set('docs/errors.md', await format(errorsPage(), { ...STYLE, parser: 'markdown' }))
  files.set('schemas/pipeline.schema.json', await format(JSON.stringify(editorSchema()), { ...STYLE, parser: 'json' }))
  return files
}

/** As `.prettierrc.json` says; the formatting check of the repository covers these files. */
const STYLE = { printWidth: 120, singleQuote: true, semi: false }
