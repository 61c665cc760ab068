import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CheckedComponent, CheckedPipeline } from '../../config/pipeline.ts'
import { defineSink } from '../../component.ts'
import type { SinkDeclaration } from '../../component.ts'
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

/** Gives a private temporary folder to a run, and removes it afterwards: others on this machine must not read records. */
export async function inTestFolder<Result>(use: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'sluice-test-run-')))
  try {
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
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

/** A pipeline with its own transforms, and with another source, whose objects become files. */
export function withStandIns(
  pipeline: CheckedPipeline,
  folders: TestFolders,
  { source, capture }: { readonly source: CheckedPipeline['source']; readonly capture: (lines: Buffer) => void },
): CheckedPipeline {
  const { sinks, rejects } = pipeline
  return {
    ...pipeline,
    source,
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
