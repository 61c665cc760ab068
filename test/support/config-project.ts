import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { temporaryFolder } from './temporary-folder.ts'

/** A temporary project folder with these files, removed after the test. */
export async function makeProject(
  t: TestContext,
  files: { readonly [path: string]: string | Buffer },
): Promise<string> {
  const root = await temporaryFolder(t)
  await writeFiles(root, { 'package.json': '{}', ...files })
  return root
}

export async function writeFiles(root: string, files: { readonly [path: string]: string | Buffer }): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    const absolute = join(root, path)
    await mkdir(dirname(absolute), { recursive: true })
    await writeFile(absolute, content)
  }
}

/** Components with one field of every sort, so that messages do not depend on the built-in ones. */
export const parts = {
  'parts/feed.ts': `
    import { Choice, defineSource, Duration, ExistingFile, FilePath, RecordCondition, RecordPath, Secret, Type } from 'sluice'

    export default defineSource({
      summary: 'A source.',
      repeats: false,
      fields: {
        path: Type.Union([Type.String({ description: 'One.' }), Type.Array(Type.String())], { description: 'What to read.' }),
        every: Duration({ default: '5m', description: 'How often.' }),
        apiKey: Type.Optional(Secret({ description: 'The key.' })),
        mode: Choice(['auto', 'json', 'ndjson'], { default: 'auto', description: 'The format.' }),
        level: Type.Optional(Type.Union([Type.Literal('low'), Type.Literal('high')], { description: 'The level.' })),
        count: Type.Optional(Type.Integer({ minimum: 1, maximum: 10, description: 'How many.' })),
        ratio: Type.Optional(Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 1, multipleOf: 0.25, description: 'How much.' })),
        strict: Type.Boolean({ default: false, description: 'Strict.' }),
        name: Type.Optional(Type.String({ minLength: 3, maxLength: 5, pattern: '^[a-z]+$', examples: ['abc'], description: 'A name.' })),
        tags: Type.Optional(Type.Array(Type.String(), { minItems: 1, maxItems: 2, uniqueItems: true, description: 'Tags.' })),
        headers: Type.Optional(Type.Record(Type.String(), Type.String(), { minProperties: 1, maxProperties: 2, propertyNames: { minLength: 3 }, description: 'Headers.' })),
        field: Type.Optional(RecordPath({ description: 'A path.' })),
        when: Type.Optional(RecordCondition({ description: 'A condition.' })),
        schema: Type.Optional(ExistingFile({ description: 'A file.' })),
        folder: Type.Optional(FilePath({ description: 'A folder.' })),
        page: Type.Optional(
          Type.Union([
            Type.Object({ type: Type.Literal('cursor'), from: Type.String({ description: 'Where.' }) }),
            Type.Object({ type: Type.Literal('offset'), step: Duration({ default: '1s', description: 'Wait.' }), limit: Type.Integer() }),
          ], { description: 'Pages.' }),
        ),
      },
      check: ({ count, tags }) =>
        count !== undefined && tags !== undefined && tags.length > count
          ? [{ at: ['tags', count], message: 'more tags than count', hint: 'raise count' }]
          : [],
      create: () => ({ async *read() {} }),
    })
  `,
  'parts/store.ts': `
    import { defineSink, KeyTemplate, Size, Type } from 'sluice'

    export default defineSink({
      summary: 'A sink.',
      delivers: 'objects',
      fields: {
        bucket: Type.String({ minLength: 3, description: 'Name of the bucket.' }),
        key: KeyTemplate({ default: 'audit', description: 'The key.' }),
        region: Type.Optional(Type.String({ description: 'The region.' })),
        roll: Type.Object({ maxBytes: Size({ default: '128MiB', description: 'How large.' }) }, { default: {}, description: 'When to roll.' }),
      },
      create() { throw new Error('not in these tests') },
    })
  `,
  'parts/pipe.ts': `
    import { defineSink } from 'sluice'
    export default defineSink({ summary: 'A stream.', delivers: 'stream', fields: {}, create() { throw new Error('not in these tests') } })
  `,
  'parts/poll.ts': `
    import { defineSource } from 'sluice'
    export default defineSource({ summary: 'Repeats.', repeats: true, fields: {}, create: () => ({ async *read() {} }) })
  `,
  'parts/pass.ts': 'export default (record) => record\n',
}

/** A pipeline without a mistake, made of these parts. */
export const validPipeline = `source:
  type: ../parts/feed.ts
  path: in
sink:
  type: ../parts/store.ts
  bucket: audit
`
