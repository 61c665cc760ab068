import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { describe, test } from 'node:test'
import fileSink from '../../../src/sinks/file.ts'
import s3 from '../../../src/sinks/s3.ts'
import { objectSinkContract } from '../../../src/testing/index.ts'
import type { ObjectSinkFixture, ObjectStore } from '../../../src/testing/index.ts'
import { startS3Server } from '../../servers/s3.ts'
import type { S3Server } from '../../servers/s3.ts'
import { codeFile } from '../../support/paths.ts'
import { createFolder, temporaryFolder } from '../../support/temporary-folder.ts'
import { stdoutCases } from './stdout-contract.ts'

describe('the file sink keeps the contract', () => {
  interface Folder extends ObjectStore {
    readonly path: string
  }
  const folders: ObjectSinkFixture<Folder> = {
    async open() {
      const base = await createFolder()
      const path = join(base.path, 'out')
      return {
        path,
        config: { path },
        objects: async () =>
          new Map([...(await readFolder(path))].filter(([key]) => !key.startsWith('.sluice-staged/'))),
        staged: async () => (await readFolder(join(path, '.sluice-staged'))).size,
        close: base.remove,
      }
    },
    outage: 'a folder is there or it is not',
    refuse: ({ path }) => writeFile(path, 'a file in place of the folder'),
    async loseStaged({ path }) {
      const staged = join(path, '.sluice-staged')
      for (const name of await readdir(staged)) await rm(join(staged, name), { recursive: true })
    },
  }
  for (const { name, run } of objectSinkContract(fileSink, folders)) test(name, run)
})

async function readFolder(folder: string): Promise<Map<string, Uint8Array>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
  const contents = await Promise.all(files.map((path) => readFile(path)))
  return new Map(files.map((path, at) => [relative(folder, path).replaceAll(sep, '/'), contents[at]]))
}

describe('the s3 sink keeps the contract', () => {
  interface Bucket extends ObjectStore {
    readonly server: S3Server
  }
  const buckets: ObjectSinkFixture<Bucket> = {
    async open() {
      const server = await startS3Server({ buckets: ['audit'] })
      process.env['AWS_ACCESS_KEY_ID'] = server.accessKeyId
      process.env['AWS_SECRET_ACCESS_KEY'] = server.secretAccessKey
      process.env['AWS_EC2_METADATA_DISABLED'] = 'true'
      const { endpoint, region } = server
      return {
        server,
        config: { bucket: 'audit', endpoint, region, forcePathStyle: true, partSize: '5MiB' },
        objects: () => Promise.resolve(new Map([...server.objects('audit')].map(([key, { body }]) => [key, body]))),
        staged: () => Promise.resolve(server.openUploads('audit')),
        close: () => server.close(),
      }
    },
    loseStaged: ({ server }) => Promise.resolve(server.clearUploads('audit')),
    outage({ server }) {
      const fault = server.faults.add({ kind: 'error', code: 'ServiceUnavailable', times: Infinity })
      return Promise.resolve(() => Promise.resolve(fault.remove()))
    },
    refuse({ server }) {
      server.faults.add({ kind: 'error', code: 'AccessDenied', times: Infinity })
      return Promise.resolve()
    },
    secrets: ['test/secret+key'],
  }
  for (const { name, run } of objectSinkContract(s3, buckets)) test(name, run)
})

describe('the stdout sink keeps the contract', () => {
  for (const name of stdoutCases()) {
    test(name, async (t) => {
      const folder = await temporaryFolder(t)
      // The sink writes to the standard output of its process: so each case has a process, and this
      // one is the reader.
      const child = spawn(process.execPath, [codeFile('test/system/contracts/stdout-contract.ts'), name], {
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      })
      t.after(() => child.kill('SIGKILL'))
      const chunks: Buffer[] = []
      let said = ''
      child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk))
      child.stderr?.on('data', (text) => (said += String(text)))
      child.on('message', (question) => {
        if (question === 'leave') child.stdout?.destroy()
        const path = join(folder, 'received')
        const answer = writeFile(path, Buffer.concat(chunks)).then(() => child.send(path))
        answer.catch((error: unknown) => assert.fail(String(error)))
      })
      const [code] = await once(child, 'exit')
      assert.equal(code, 0, said)
    })
  }
})
