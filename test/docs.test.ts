import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { cp, readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { parse, stringify } from 'yaml'
import yargs from 'yargs'
import { command as rejectsReplay } from '../src/cli/commands/rejects/replay.ts'
import { command as rejectsShow } from '../src/cli/commands/rejects/show.ts'
import { command as stateReset } from '../src/cli/commands/state/reset.ts'
import { command as stateRewind } from '../src/cli/commands/state/rewind.ts'
import { command as stateShow } from '../src/cli/commands/state/show.ts'
import { commands } from '../src/cli/commands.ts'
import { fieldRows } from '../src/generate/field-table.ts'
import { loadComponent } from '../src/config/load-component.ts'
import { listPipelines, loadPipeline } from '../src/config/load.ts'
import { pipelineFields } from '../src/config/pipeline-fields.ts'
import { renderProblems } from '../src/config/render.ts'
import { errorCodes } from '../src/errors.ts'
import { runPipelineTest } from '../src/inspect/pipeline-tests.ts'
import { openWorkspace } from './support/command.ts'
import { makeProject, writeFiles } from './support/config-project.ts'
import { firstColumn, readGuide, sluiceCommands } from './markdown.ts'
import type { Block } from './markdown.ts'
import { REPOSITORY } from './support/paths.ts'

const markdown = new Map<string, string>()
for (const name of ['README.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md', ...(await pagesBelow('docs'))]) {
  markdown.set(name, await readFile(join(REPOSITORY, name), 'utf8'))
}
const guides = new Map([...markdown].map(([name, text]) => [name, readGuide(text)]))

describe('the guides', () => {
  for (const [name, { links, blocks, code }] of guides) {
    test(`${name} links to what exists`, () => {
      for (const link of links) assert.equal(brokenLink(name, link), undefined)
    })

    test(`the commands of ${name} are commands`, async () => {
      for (const { text } of blocks.filter(({ language }) => language === 'sh')) {
        for (const args of sluiceCommands(text)) await parseCommand(args)
      }
      for (const args of code.flatMap(sluiceCommands)) if (args.length > 0) await parseCommand(completed(args))
    })

    test(`the code of ${name} loads, its pipelines check and their tests hold`, async (t) => {
      const root = await openProject(t, transformsOf(blocks))
      for (const path of Object.keys(transformsOf(blocks))) {
        await loadComponent(`../${path}`, 'transform', { file: join(root, 'pipelines/x.yaml'), root })
      }
      for (const block of blocks.filter(({ language }) => language === 'yaml')) {
        await assertPipeline(root, block.text, `${name}:${block.line}`)
      }
    })
  }

  test('name all keys of a pipeline file, and no others', async () => {
    const page = markdown.get('docs/pipeline-file.md') ?? ''
    const names = Object.keys(pipelineFields)
    assert.deepEqual(firstColumn(page, 'Top-level keys').slice(0, names.length).toSorted(), names.toSorted())
    const keys = fieldRows({ tests: pipelineFields.tests }).map(({ name }) => name.replace(/^tests\[\]\.?/, ''))
    const expected = keys.filter((key) => /^[a-z]+(\.[a-z]+)?$/.test(key) && !['tests', 'input.file'].includes(key))
    assert.deepEqual(firstColumn(page, 'Tests').toSorted(), expected.toSorted())
  })

  test('list all pipelines that are here, with the variables that they take', async () => {
    const page = markdown.get('docs/pipelines.md') ?? ''
    const files = await readdir(join(REPOSITORY, 'pipelines'))
    const listed = [...page.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => `${name}.yaml`)
    assert.deepEqual(listed.toSorted(), files.toSorted())
    for (const file of files) {
      const text = await readFile(join(REPOSITORY, 'pipelines', file), 'utf8')
      for (const [, name] of text.matchAll(/\$\{env:(\w+)/g))
        assert.ok(page.includes(`\`${name}\``), `${file}: ${name}`)
    }
  })

  test('name every exit status and every field of a report', async (t) => {
    const page = markdown.get('docs/run-a-pipeline.md') ?? ''
    for (const exit of new Set(Object.values(errorCodes).map((facts) => facts.exit))) {
      assert.match(page, new RegExp(`^\\| ${exit} +\\|`, 'm'), `status ${exit}`)
    }
    const workspace = await openWorkspace(t)
    await workspace.write('in.ndjson', '{"id":1}\n')
    await workspace.write('cut.json', '[{"id":1')
    await workspace.write('pipelines/p.yaml', stringify({ source: { type: 'file', path: 'in.ndjson' }, sink: FILE }))
    const done = await workspace.report(['run', 'p'])
    const failed = await workspace.report(['run', 'p', '--set', 'source.path=cut.json'], { code: 3 })
    const fields = new Set([...Object.keys(done), ...Object.keys(failed)])
    assert.deepEqual(firstColumn(page, 'The report').filter(isField).toSorted(), [...fields].toSorted())
  })
})

describe('the pipelines of the project', () => {
  test('check and pass their tests without an environment', async (t) => {
    const workspace = await openWorkspace(t)
    for (const folder of ['pipelines', 'schemas', 'examples']) {
      await cp(join(REPOSITORY, folder), workspace.path(folder), { recursive: true })
    }
    const checked = await workspace.sluice(['check'])
    assert.equal(checked.code, 0, checked.stdout)
    const tested = await workspace.sluice(['test'])
    assert.equal(tested.code, 0, tested.stdout)
    for (const name of await listPipelines(REPOSITORY)) assert.match(tested.stdout, new RegExp(`^${name}\n  ok `, 'm'))
  })

  test('archive puts the sample archives into a folder, each event once', async (t) => {
    const workspace = await openWorkspace(t)
    for (const folder of ['pipelines', 'schemas', 'examples']) {
      await cp(join(REPOSITORY, folder), workspace.path(folder), { recursive: true })
    }
    const first = await workspace.report(['run', 'archive'])
    const { read, added, written, duplicate, rejected, dropped } = first
    assert.deepEqual([read, added, written, duplicate, rejected], [14, 4, 8, 5, 2])
    assert.deepEqual(dropped, { filter: 2, 'split-changes': 1 })
    assert.equal((await workspace.report(['run', 'archive'])).read, 0)
  })
})

const FILE = { type: 'file', path: 'out' }
async function pagesBelow(folder: string): Promise<string[]> {
  const names = await readdir(join(REPOSITORY, folder), { recursive: true })
  return names.filter((name) => name.endsWith('.md')).map((name) => join(folder, name))
}

function brokenLink(from: string, link: string): string | undefined {
  if (/^[a-z]+:/.test(link)) return undefined
  const [path, anchor] = link.split('#')
  const target = path === '' ? from : join(dirname(from), path)
  if (!existsSync(join(REPOSITORY, target))) return `${from}: there is no ${target}`
  if (anchor === undefined || guides.get(target)?.anchors.has(anchor)) return undefined
  return `${from}: ${target} has no heading for #${anchor}`
}

/** Fails as the command line would: unknown commands and options, missing arguments. */
async function parseCommand(args: readonly string[]): Promise<void> {
  // A command with commands of its own would run them: they are declared here in its place, all of them without their handlers.
  const own = args[0] === 'state' ? stateCommands : args[0] === 'rejects' ? [rejectsShow, rejectsReplay] : undefined
  const [declared, words] = own ? [own, args.slice(1)] : [commands, args]
  await yargs([...words])
    .exitProcess(false)
    .strict()
    .demandCommand(1)
    .command([...declared].map((command) => ({ ...command, handler: () => undefined })))
    .fail((message, error) => {
      throw new Error(`sluice ${args.join(' ')}: ${message || error.message}`)
    })
    .parseAsync()
}

const stateCommands = [stateShow, stateRewind, stateReset]

/** A mention of a command in a sentence may leave out its arguments. */
function completed([name, ...args]: readonly string[]): string[] {
  if (name === 'state') return args.length === 1 ? [name, ...args, 'x'] : [name, ...args]
  const usage = commands.map(({ command }) => String(command)).find((text) => text.split(' ')[0] === name) ?? ''
  const wanted = usage.match(/<[^>]+>/g)?.length ?? 0
  const given = args.filter((arg) => !arg.startsWith('-')).length
  return [name, ...args, ...Array<string>(Math.max(0, wanted - given)).fill('x')]
}

/** The transforms of a page, by the path that their first line names. */
function transformsOf(blocks: readonly Block[]): { [path: string]: string } {
  const written = blocks.filter(({ language }) => language === 'ts')
  return Object.fromEntries(
    written.map(({ text, line }) => [
      /^\/\/ (transforms\/\S+\.ts)$/m.exec(text)?.[1] ?? `transforms/at-${line}.ts`,
      text,
    ]),
  )
}

/** Everything that pages name: schemas and examples of the project, and their own transforms. */
async function openProject(t: TestContext, files: { readonly [path: string]: string }): Promise<string> {
  const root = await makeProject(t, { 'transforms/tag.ts': 'export default (record) => record\n', ...files })
  for (const folder of ['schemas', 'examples'])
    await cp(join(REPOSITORY, folder), join(root, folder), { recursive: true })
  return root
}

/** A part of a pipeline is made whole first. */
async function assertPipeline(root: string, yaml: string, place: string): Promise<void> {
  const written: object = parse(yaml)
  const keys = Object.keys(written)
  const rest = Object.entries({ source: { type: 'file', path: '-' }, sink: { type: 'stdout' } })
  const missing = Object.fromEntries(rest.filter(([key]) => !keys.includes(key)))
  const more = Object.keys(missing).length === 0 ? '' : stringify(missing)
  // A page shows a source by itself, without the transform that it needs.
  const repeats = keys.includes('source') && !keys.includes('transforms') && !keys.includes('allowRepeats')
  await writeFiles(root, { 'pipelines/x.yaml': yaml + more + (repeats ? 'allowRepeats: true\n' : '') })
  const path = join(root, 'pipelines/x.yaml')
  const { pipeline, problems } = await loadPipeline(path, { root, mode: 'check', env: {} })
  assert.ok(pipeline, `${place}\n${renderProblems(problems)}`)
  for (const one of pipeline.tests) assert.deepEqual(await runPipelineTest(pipeline, one), [], `${place}: ${one.name}`)
}

/** The table of the report tells of members of fields, too. */
function isField(name: string): boolean {
  return !['done', 'interrupted', 'failed'].includes(name)
}
