import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { CheckedComponent, CheckedPipeline, PipelineTest } from '../../config/pipeline.ts'
import { defineSink } from '../../component.ts'
import type { SinkDeclaration } from '../../component.ts'
import { SluiceError } from '../../errors.ts'
import { folderSink } from '../../sinks/file/folder-sink.ts'

/** Where a test keeps what the pipeline would keep elsewhere: below one temporary folder. */
export interface TestFolders {
  readonly state: string
  /** A folder for the objects of each sink, by its name. */
  readonly objects: string
  readonly rejects: string
  /** The files that the source reads. */
  readonly input: string
}

export function foldersIn(folder: string): TestFolders {
  return {
    state: join(folder, 'state'),
    objects: join(folder, 'objects'),
    rejects: join(folder, 'rejects'),
    input: join(folder, 'input'),
  }
}

/**
 * The value of a variable that a test does not set: the same everywhere, and long enough for a key.
 * The environment of the process is not used: a test needs no credentials, and uses none.
 */
export function standIn(name: string): string {
  return `test-value-of-${name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}`
}

/** A pipeline with its own source and transforms, whose objects become files. */
export function withStandIns(
  pipeline: CheckedPipeline,
  folders: TestFolders,
  { capture }: { readonly capture: (lines: Buffer) => void },
): CheckedPipeline {
  const { sinks, rejects } = pipeline
  return {
    ...pipeline,
    source: withInput(pipeline, folders),
    sinks: sinks.map((sink) => ({
      ...(sink.declaration.delivers === 'objects'
        ? folderOf(sink, join(folders.objects, sink.name))
        : captured(sink, capture)),
      name: sink.name,
    })),
    rejects: rejects && folderOf(rejects, folders.rejects),
  }
}

/** Key, compression and roll are options of the commit, so they stay. */
function folderOf(component: CheckedComponent<SinkDeclaration>, folder: string): CheckedComponent<SinkDeclaration> {
  const { fields, delivers } = component.declaration
  const declaration = defineSink({
    type: component.declaration.type,
    summary: 'Keeps the objects of a test.',
    delivers,
    fields,
    create: () => folderSink(folder),
  })
  return { ...component, declaration }
}

function captured(
  component: CheckedComponent<SinkDeclaration>,
  capture: (lines: Buffer) => void,
): CheckedComponent<SinkDeclaration> {
  const declaration = defineSink({
    type: component.declaration.type,
    summary: 'Keeps the records of a test.',
    delivers: 'stream',
    fields: component.declaration.fields,
    create: () => ({
      write: async (bytes: Buffer) => capture(Buffer.from(bytes)),
      flush: async () => {},
    }),
  })
  return { ...component, declaration }
}

/** A source of files finds them below the folder of the test. */
function withInput({ source }: CheckedPipeline, { input }: TestFolders): CheckedPipeline['source'] {
  if (source.declaration.type !== 'file') return source
  const paths = [source.config['path']].flat().filter((path) => typeof path === 'string')
  const path = paths.map((one) => join(input, one === '-' ? '' : belowInput(one)))
  return { ...source, config: { ...source.config, path } }
}

/** Globs and folders are relative to the working directory. */
function belowInput(path: string): string {
  if (!isAbsolute(path)) return path.replaceAll(/(^|\/)\.\.(?=\/)/g, '$1__')
  const below = relative(process.cwd(), path)
  return below.startsWith('..') ? path : below
}

/** Writes the files that the source reads. @throws SluiceError CONFIG_INVALID if it reads none */
export async function writeInput(
  { files = [], path: testPath }: PipelineTest,
  { source }: CheckedPipeline,
  { input }: TestFolders,
): Promise<void> {
  if (source.declaration.type !== 'file')
    throw new SluiceError('CONFIG_INVALID', `files are for the source file, but the pipeline reads ${source.stage}`, {
      hint: 'use pages for an API, or input for the transforms',
    })
  for (const { name, lines, json, file } of files) {
    const path = join(input, belowInput(name))
    await mkdir(dirname(path), { recursive: true })
    const content =
      file === undefined
        ? compressed(name, lines === undefined ? JSON.stringify(json) : lines.map(lineOf).join(''))
        : await readFile(resolve(dirname(testPath), file))
    await writeFile(path, content)
  }
}

function lineOf(line: unknown): string {
  return `${typeof line === 'string' ? line : JSON.stringify(line)}\n`
}

function compressed(name: string, content: string): Buffer | string {
  return name.endsWith('.gz') ? gzipSync(content) : content
}
