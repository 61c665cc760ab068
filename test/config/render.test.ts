import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Problem } from '../../src/config/pipeline.ts'
import { renderProblems } from '../../src/config/render.ts'

const problem: Problem = {
  severity: 'error',
  file: 'x.yaml',
  line: 12,
  column: 5,
  length: 6,
  message: 'unknown key',
  hint: 'remove it',
  text: '    bukcet: audit',
}

test('uses colours on terminals only, and not if NO_COLOR is set', async (t) => {
  withNoColor(t, undefined)
  const terminal = await renderProblems([problem], { isTTY: true })
  assert.ok(terminal.includes('\u001B[31m^^^^^^\u001B[39m'))
  assert.ok(!(await renderProblems([problem], { isTTY: false })).includes('\u001B'))
  assert.ok(!(await renderProblems([problem])).includes('\u001B'))
  withNoColor(t, '1')
  assert.ok(!(await renderProblems([problem], { isTTY: true })).includes('\u001B'))
})

test('renders a problem without a source line as location, message and hint', async () => {
  const { text: _text, ...bare } = problem
  assert.equal(await renderProblems([bare]), 'x.yaml:12:5 error: unknown key\n   remove it\n')
})

test('replaces control characters', async () => {
  const hostile = { ...problem, text: '    bukcet: \u001B[2Jx', message: 'a\u0007b' }
  assert.equal(
    await renderProblems([hostile]),
    'x.yaml:12:5 error: a\\u0007b\n   12 |     bukcet: \\u001b[2Jx\n      |     ^^^^^^\n   remove it\n',
  )
})

test('aligns the caret after tabs and wide characters', async () => {
  assert.equal(
    await renderProblems([{ ...problem, text: '日\t語: x', column: 3, length: 2 }]),
    'x.yaml:12:5 error: unknown key\n   12 | 日\t語: x\n      |   \t^^^\n   remove it\n'.replace('12:5', '12:3'),
  )
})

function withNoColor(t: TestContext, value: string | undefined): void {
  const before = process.env['NO_COLOR']
  t.after(() => {
    if (before === undefined) delete process.env['NO_COLOR']
    else process.env['NO_COLOR'] = before
  })
  if (value === undefined) delete process.env['NO_COLOR']
  else process.env['NO_COLOR'] = value
}
