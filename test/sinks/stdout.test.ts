import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { codeFile } from '../support/paths.ts'

const WRITER = codeFile('test/sinks/stdout-writer.ts')

describe('the stdout sink', () => {
  it('writes all bytes in order to a slow reader', async () => {
    const child = spawn(process.execPath, [WRITER, '200'], { stdio: ['ignore', 'pipe', 'pipe'] })
    const exit = once(child, 'exit')
    let text = ''
    for await (const chunk of child.stdout) text += String(chunk)
    const [code] = await exit
    assert.equal(code, 0)
    const numbers = text
      .trim()
      .split('\n')
      .map((line): number => JSON.parse(line).n)
    assert.deepEqual(
      numbers,
      Array.from({ length: 200 }, (_, n) => n),
    )
  })

  it('waits for a reader that does not read, and ends with SINK_CLOSED when the reader closes its end', async () => {
    const child = spawn(process.execPath, [WRITER, '100000'], { stdio: ['ignore', 'pipe', 'pipe'] })
    const exit = once(child, 'exit')
    let stderr = ''
    child.stderr.on('data', (chunk) => (stderr += String(chunk)))
    await once(child.stdout, 'readable')
    child.stdout.destroy()
    const [code] = await exit
    assert.equal(code, 0)
    assert.match(stderr, /^SINK_CLOSED after (\d+)\n$/)
    assert.ok(Number(/\d+/.exec(stderr)?.[0]) < 1000, stderr)
  })
})
