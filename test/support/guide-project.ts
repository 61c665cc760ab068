import { cp, mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { makeProject } from './config-project.ts'
import type { Block } from './markdown.ts'
import { REPOSITORY } from './paths.ts'

/**
 * The components of a page by the path in their first line. Code that imports `sluice/testing` is a
 * test, not a component.
 */
export function componentsOf(blocks: readonly Block[]): { [path: string]: string } {
  const written = blocks.filter(({ language, text }) => language === 'ts' && !isTest(text) && !isProgram(text))
  return Object.fromEntries(
    written.map(({ text, line }) => [
      /^\/\/ ((?:sources|transforms|sinks)\/\S+\.ts)$/m.exec(text)?.[1] ?? `transforms/at-${line}.ts`,
      text,
    ]),
  )
}

/** Code that tests a component of the page. */
export function isTest(code: string): boolean {
  return code.includes("from 'sluice/testing'")
}

/** Code that runs pipelines; its first line names a file of the project's root: `// collect.ts`. */
export function isProgram(code: string): boolean {
  return /^\/\/ [\w-]+\.ts\n/.test(code)
}

/**
 * A project with everything that pages refer to: schemas, tables, examples and the transforms of the page.
 */
export async function openProject(t: TestContext, files: { readonly [path: string]: string }): Promise<string> {
  const root = await makeProject(t, { 'transforms/tag.ts': 'export default (record) => record\n', ...files })
  for (const folder of ['schemas', 'examples', 'transforms', 'samples'])
    await cp(join(REPOSITORY, folder), join(root, folder), { recursive: true })
  await cp(join(REPOSITORY, 'samples/tables'), join(root, 'tables'), { recursive: true })
  await mkdir(join(root, 'node_modules'))
  await symlink(REPOSITORY, join(root, 'node_modules/sluice'))
  for (const name of ['csv-parse', 'jiti'])
    await symlink(join(REPOSITORY, 'node_modules', name), join(root, 'node_modules', name))
  return root
}
