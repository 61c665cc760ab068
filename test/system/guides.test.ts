import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { componentsOf, isTest, openProject } from '../support/guide-project.ts'
import { readGuide } from '../support/markdown.ts'
import { REPOSITORY } from '../support/paths.ts'

for (const page of ['docs/write-a-source.md', 'docs/write-a-sink.md', 'docs/write-a-transform.md']) {
  test(`the tests of ${page} pass`, async (t) => {
    const { blocks } = readGuide(await readFile(join(REPOSITORY, page), 'utf8'))
    const tests = blocks.filter(({ language, text }) => language === 'ts' && isTest(text))
    assert.equal(tests.length, 1)
    const root = await openProject(t, { ...componentsOf(blocks), 'test/guide.test.ts': tests[0].text })
    // A test runner in a test runner would report to that one, in its own format.
    const { NODE_TEST_CONTEXT: _context, ...env } = process.env
    const args = ['--import', 'jiti/register', '--test-reporter=tap', 'test/guide.test.ts']
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root, env }).catch((error) => error)
    assert.match(stdout, /^# tests ([12]\d)\n# suites 0\n# pass \1\n# fail 0$/m)
  })
}
