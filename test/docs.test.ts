import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { execFile } from 'node:child_process'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
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
import { firstColumn, readGuide, sluiceCommands } from './support/markdown.ts'
import type { Block } from './support/markdown.ts'
import { REPOSITORY } from './support/paths.ts'

const markdown = new Map<string, string>()
for (const name of [...(await pagesIn('.')), ...(await pagesIn('bench')), ...(await pagesBelow('docs'))]) {
  markdown.set(name, await readFile(join(REPOSITORY, name), 'utf8'))
}
const guides = new Map([...markdown].map(([name, text]) => [name, readGuide(text)]))
const handwritten = [...markdown].filter(
  ([name, text]) => name !== 'CONTRIBUTING.md' && !text.startsWith('<!-- Made by '),
)

describe('the guides', () => {
  for (const [name, { links, blocks, code }] of guides) {
    test(`${name} links to what exists`, () => {
      for (const link of links) assert.equal(brokenLink(name, link), undefined)
    })

    test(`${name} names files that exist`, () => {
      for (const path of code.filter((text) => /^(src|test|docs|bench|examples|scripts|schemas)\/[\w./-]+$/.test(text)))
        assert.ok(existsSync(join(REPOSITORY, path)), `${name}: there is no ${path}`)
    })

    test(`the commands of ${name} parse`, async () => {
      for (const { text } of blocks.filter(({ language }) => language === 'sh')) {
        for (const args of sluiceCommands(text)) await parseCommand(args)
      }
      for (const args of code.flatMap(sluiceCommands)) if (args.length > 0) await parseCommand(completed(args))
    })

    test(`the code of ${name} loads, its pipelines check and their tests pass`, async (t) => {
      const root = await openProject(t, componentsOf(blocks))
      for (const path of Object.keys(componentsOf(blocks))) {
        await loadComponent(`../${path}`, kindOf(path), { file: join(root, 'pipelines/x.yaml'), root })
      }
      for (const block of blocks.filter(({ language }) => language === 'yaml')) {
        await assertPipeline(root, block.text, `${name}:${block.line}`)
      }
    })
  }

  for (const [page, path] of [
    ['docs/write-a-source.md', 'sources/csv.ts'],
    ['docs/write-a-sink.md', 'sinks/webhook.ts'],
  ]) {
    test(`${page} shows the example ${path} as it is`, async () => {
      const shown = componentsOf(guides.get(page)?.blocks ?? [])[path]
      assert.equal(shown, `// ${path}\n${await readFile(join(REPOSITORY, 'examples', path), 'utf8')}`)
    })
  }

  test('the unit tests of docs/write-a-transform.md pass', async (t) => {
    const { blocks = [] } = guides.get('docs/write-a-transform.md') ?? {}
    const tests = blocks.filter(({ language, text }) => language === 'ts' && isTest(text))
    assert.equal(tests.length, 1)
    const root = await openProject(t, { ...componentsOf(blocks), 'test/label.test.ts': tests[0].text })
    // A test runner in a test runner would report to that one, in its own format.
    const { NODE_TEST_CONTEXT: _context, ...env } = process.env
    const args = ['--import', 'jiti/register', '--test-reporter=tap', 'test/label.test.ts']
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root, env })
    assert.match(stdout, /^# tests 1\d\n# suites 0\n# pass 1\d\n# fail 0$/m)
  })

  for (const [name, text] of handwritten) {
    test(`${name} is at most 100 characters wide, and 160 in the cells of its tables`, () => {
      assert.deepEqual(tooWide(text), [])
    })
  }

  test('ARCHITECTURE.md has at most 250 lines, and the layers that the layer check has', async () => {
    const page = markdown.get('ARCHITECTURE.md') ?? ''
    assert.ok(page.split('\n').length <= 251)
    const rules = await readFile(join(REPOSITORY, '.dependency-cruiser.mjs'), 'utf8')
    const [, list = ''] = /^const layers = \[\n(.*?)^\]/ms.exec(rules) ?? []
    const layers = list.split('\n').map((line) => [...line.matchAll(/'([^']+)'/g)].map(([, folder]) => folder))
    const section = page.split(/^## Layers$/m)[1] ?? ''
    const drawn = [...section.split(/^## /m)[0].matchAll(/\["([^"]+)"\]/g)].map(([, label]) => label.split(' · '))
    assert.deepEqual(
      drawn,
      layers.filter(({ length }) => length > 0),
    )
    assert.deepEqual(firstColumn(page, 'Layers'), layers.flat())
  })

  test('name all keys of a pipeline file, and no others', async () => {
    const page = markdown.get('docs/pipeline-file.md') ?? ''
    const names = Object.keys(pipelineFields)
    assert.deepEqual(firstColumn(page, 'Top-level keys').slice(0, names.length).toSorted(), names.toSorted())
    const keys = fieldRows({ tests: pipelineFields.tests }).map(({ name }) => name.replace(/^tests\[\]\.?/, ''))
    const expected = keys.filter((key) => /^[a-z]+(\.[a-z]+)?$/.test(key) && !['tests', 'input.file'].includes(key))
    assert.deepEqual(firstColumn(page, 'Tests').toSorted(), expected.toSorted())
  })

  test('list all pipelines of this repository, and their variables', async () => {
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

describe('the pipelines of the repository', () => {
  test('check and pass their tests without environment variables', async (t) => {
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

  test('archive writes the sample archives to a folder, each event once', async (t) => {
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

async function pagesIn(folder: string, recursive = false): Promise<string[]> {
  const names = await readdir(join(REPOSITORY, folder), { recursive })
  return names.filter((name) => name.endsWith('.md')).map((name) => join(folder, name))
}

async function pagesBelow(folder: string): Promise<string[]> {
  return pagesIn(folder, true)
}

/** Lines of prose and cells of tables that are too wide. A line of one long word, link or inline code cannot be wrapped. */
function tooWide(page: string): string[] {
  const prose = page.replaceAll(/^```.*?^```$/gms, '').split('\n')
  const cells = prose.filter((line) => line.startsWith('|')).flatMap((line) => line.split(/(?<!\\)\|/))
  const lines = prose.filter((line) => !/^(\||\[[^\]]+\]: )/.test(line))
  return [
    ...lines.filter(
      (line) =>
        line.length > 100 &&
        line
          .trim()
          .replaceAll(/`[^`]+`/g, 'code')
          .includes(' '),
    ),
    ...cells.map((cell) => cell.trim()).filter((cell) => cell.length > 160 && !/^[- ]+$/.test(cell)),
  ]
}

function brokenLink(from: string, link: string): string | undefined {
  if (/^[a-z]+:/.test(link)) return undefined
  const [path, anchor] = link.split('#')
  const target = path === '' ? from : join(dirname(from), path)
  if (!existsSync(join(REPOSITORY, target))) return `${from}: there is no ${target}`
  if (anchor === undefined || guides.get(target)?.anchors.has(anchor)) return undefined
  return `${from}: ${target} has no heading for #${anchor}`
}

/** Fails where the command line would: unknown commands and options, missing arguments. */
async function parseCommand(args: readonly string[]): Promise<void> {
  // `state` and `rejects` would run their subcommands. So the subcommands are declared here, without handlers.
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

/** Adds the required arguments, which a sentence that mentions a command may leave out. */
function completed([name, ...args]: readonly string[]): string[] {
  if (name === 'state' || name === 'rejects') {
    const words = args.filter((arg) => !arg.startsWith('-')).length
    return words === 1 ? [name, ...args, 'x'] : [name, ...args]
  }
  const usage = commands.map(({ command }) => String(command)).find((text) => text.split(' ')[0] === name) ?? ''
  const wanted = usage.match(/<[^>]+>/g)?.length ?? 0
  const given = args.filter((arg) => !arg.startsWith('-')).length
  return [name, ...args, ...Array<string>(Math.max(0, wanted - given)).fill('x')]
}

/** The components of a page by the path in their first line. Code that imports `sluice/testing` is a test, not a component. */
function componentsOf(blocks: readonly Block[]): { [path: string]: string } {
  const written = blocks.filter(({ language, text }) => language === 'ts' && !isTest(text))
  return Object.fromEntries(
    written.map(({ text, line }) => [
      /^\/\/ ((?:sources|transforms|sinks)\/\S+\.ts)$/m.exec(text)?.[1] ?? `transforms/at-${line}.ts`,
      text,
    ]),
  )
}

function isTest(code: string): boolean {
  return code.includes("from 'sluice/testing'")
}

function kindOf(path: string): 'source' | 'transform' | 'sink' {
  if (path.startsWith('sources/')) return 'source'
  return path.startsWith('sinks/') ? 'sink' : 'transform'
}

/** A project with everything that pages refer to: schemas, examples and the transforms of the page. */
async function openProject(t: TestContext, files: { readonly [path: string]: string }): Promise<string> {
  const root = await makeProject(t, { 'transforms/tag.ts': 'export default (record) => record\n', ...files })
  for (const folder of ['schemas', 'examples'])
    await cp(join(REPOSITORY, folder), join(root, folder), { recursive: true })
  await mkdir(join(root, 'node_modules'))
  await symlink(REPOSITORY, join(root, 'node_modules/sluice'))
  for (const name of ['csv-parse', 'jiti'])
    await symlink(join(REPOSITORY, 'node_modules', name), join(root, 'node_modules', name))
  return root
}

/** Checks a pipeline and runs its tests. Completes a fragment with a source and a sink first. */
async function assertPipeline(root: string, yaml: string, place: string): Promise<void> {
  const written: object = parse(yaml)
  const keys = Object.keys(written)
  const rest = Object.entries({ source: { type: 'file', path: '-' }, sink: { type: 'stdout' } })
  const missing = Object.fromEntries(rest.filter(([key]) => !keys.includes(key)))
  const more = Object.keys(missing).length === 0 ? '' : stringify(missing)
  // A fragment that is only a source lacks the `dedup` that the source may need.
  const repeats = keys.includes('source') && !keys.includes('transforms') && !keys.includes('allowRepeats')
  await writeFiles(root, { 'pipelines/x.yaml': yaml + more + (repeats ? 'allowRepeats: true\n' : '') })
  const path = join(root, 'pipelines/x.yaml')
  const { pipeline, problems } = await loadPipeline(path, { root, mode: 'check', env: {} })
  assert.ok(pipeline, `${place}\n${renderProblems(problems)}`)
  for (const one of pipeline.tests) assert.deepEqual(await runPipelineTest(pipeline, one), [], `${place}: ${one.name}`)
}

/** False for the values of `outcome`, which the table of the report lists too. */
function isField(name: string): boolean {
  return !['done', 'interrupted', 'failed'].includes(name)
}
