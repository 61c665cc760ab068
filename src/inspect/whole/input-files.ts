import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import type { PipelineTest } from '../../config/pipeline.ts'
import { contentOf } from './input-content.ts'

/** Writes the files of a test below a folder. */
export async function writeInput(test: PipelineTest, folder: string): Promise<void> {
  for (const file of test.files ?? []) {
    const path = join(folder, belowInput(file.name))
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, await contentOf(file, file.name, test))
  }
}

/**
 * Where a path is below the folder with the files of a test. Files, globs and folders are relative to the
 * working directory; what is outside of it keeps its whole path. `-` is standard input.
 */
export function belowInput(path: string): string {
  if (path === '-') return 'stdin.ndjson'
  const absolute = resolve(path)
  const below = relative(process.cwd(), absolute)
  return below.startsWith('..') ? absolute : below
}
