import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import stdout from '../../../src/sinks/stdout.ts'
import { streamSinkContract } from '../../../src/testing/index.ts'
import type { Receiver, StreamSinkFixture } from '../../../src/testing/index.ts'

/**
 * The reader is the parent process; it answers each question with the path of a file that holds
 * what it has read.
 */
const parent: StreamSinkFixture<Receiver> = {
  open: () => Promise.resolve({ config: {}, received: async () => readFile(await ask('read')) }),
  stall: 'where its reader is slow, writing to a pipe blocks the process',
  fail: async () => void (await ask('leave')),
  code: 'SINK_CLOSED',
}

async function ask(question: 'read' | 'leave'): Promise<string> {
  process.send?.(question)
  const [path] = await once(process, 'message')
  return String(path)
}

/** Names of the cases. `node stdout-contract.js NAME` runs one of them. */
export function stdoutCases(): string[] {
  return streamSinkContract(stdout, parent).map(({ name }) => name)
}

if (process.send !== undefined && process.argv[1] === import.meta.filename) {
  const wanted = streamSinkContract(stdout, parent).find(({ name }) => name === process.argv[2])
  await wanted?.run()
  process.disconnect()
}
