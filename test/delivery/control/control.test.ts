import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { askOwner } from '../../../src/delivery/control/ask-owner.ts'
import type { ControlAnswer, ControlRequest } from '../../../src/delivery/control/ask-owner.ts'
import { ControlRequests } from '../../../src/delivery/control/control-requests.ts'
import { isHeld } from '../../../src/delivery/state/owner-lock.ts'
import { openDatabase } from '../../../src/delivery/state/database.ts'
import { databaseFolder } from '../../../src/delivery/state/state-reader.ts'
import { State } from '../../../src/delivery/state/state.ts'
import { SluiceError } from '../../../src/errors.ts'
import { realFiles } from '../../../src/files.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

interface Owned {
  readonly folder: string
  readonly state: State
  readonly requests: ControlRequests
}

async function own(t: TestContext, name = 'state'): Promise<Owned> {
  const folder = join(await temporaryFolder(t), name)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const requests = new ControlRequests()
  const state = await State.open({ folder, files: realFiles, pipeline: 'p', keys: { code: [] }, control: requests })
  return { folder, state, requests }
}

async function ask(folder: string, request: ControlRequest): Promise<ControlAnswer[]> {
  const answers: ControlAnswer[] = []
  for await (const answer of askOwner(request, { folder, pipeline: 'p' })) answers.push(answer)
  return answers
}

/** The code of the error, and its text. */
async function refusal(folder: string, command = 'status'): Promise<string> {
  const error: unknown = await ask(folder, { command }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof SluiceError)
  return `${error.code}: ${error.message}${error.hint === undefined ? '' : `; ${error.hint}`}`
}

/** A peer of the socket that is no client of ours. */
async function peer({ folder, state }: Owned): Promise<Socket> {
  const socket = connect({ path: join(folder, state.owner?.socket ?? ''), allowHalfOpen: true })
  await once(socket, 'connect')
  return socket
}

async function all(socket: Socket): Promise<string> {
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text
}

for (const [kind, name] of [
  ['short', 'state'],
  ['long', join('x'.repeat(120), 'y'.repeat(120))],
] as const)
  test(`a ${kind} path: the owner answers a request in parts, with the options of the request`, async (t) => {
    const { folder, state, requests } = await own(t, name)
    requests.on('count', ({ to }, reply) => {
      for (let n = 1; n <= Number(to); n++) reply.send({ n })
    })
    assert.deepEqual(await ask(folder, { command: 'count', to: 3 }), [
      { kind: 'data', data: { n: 1 } },
      { kind: 'data', data: { n: 2 } },
      { kind: 'data', data: { n: 3 } },
      { kind: 'end', reason: 'done' },
    ])
    await state.close()
  })

test('an error of a command is the answer, and the owner answers the next request', async (t) => {
  const { folder, state, requests } = await own(t)
  requests.on('fail', () => {
    throw new SluiceError('CONFIG_INVALID', 'there is a mistake', { hint: 'correct it' })
  })
  assert.equal(await refusal(folder, 'fail'), 'CONFIG_INVALID: there is a mistake; correct it')
  const forget = requests.on('status', (_request, reply) => void reply.send(1))
  assert.equal((await ask(folder, { command: 'status' })).length, 2)
  assert.equal(
    await refusal(folder, 'dance'),
    'UNSUPPORTED: this process does not answer "dance"; it answers fail, status',
  )
  forget()
  assert.match(await refusal(folder), /^UNSUPPORTED: this process does not answer "status"; it answers fail$/)
  await state.close()
})

test('requests that are not understood get an error, and a silent peer does no harm', async (t) => {
  const owned = await own(t)
  owned.requests.on('status', (_request, reply) => void reply.send(1))
  const send = async (text: string): Promise<string> => {
    const socket = await peer(owned)
    socket.end(text)
    return all(socket)
  }
  assert.match(await send('hello\n'), /"code":"USAGE","message":"the request is not an object/)
  assert.match(await send('{"version":1}\n'), /names no command/)
  assert.match(await send('{"version":2,"command":"status"}\n'), /"code":"UNSUPPORTED".*version 1 only/)
  assert.match(await send(`{"version":1,"command":"${'x'.repeat(70_000)}"}\n`), /longer than 65536 bytes/)
  assert.equal(await send(''), '')
  // As `printf` sends it, without a line feed.
  assert.match(await send('{"version":1,"command":"status"}'), /^\{"kind":"data","data":1\}\n\{"kind":"end"/)
  const silent = await peer(owned)
  assert.equal(await isHeld(owned.folder, { pid: 0, socket: owned.state.owner?.socket ?? '' }), true)
  assert.equal((await ask(owned.folder, { command: 'status' })).length, 2)
  const closed = once(silent, 'end')
  await owned.state.close()
  await closed
  silent.destroy()
})

test('with too many peers, the next one gets an error', async (t) => {
  const owned = await own(t)
  owned.requests.on('status', (_request, reply) => void reply.send(1))
  const peers = await Promise.all(Array.from({ length: 16 }, () => peer(owned)))
  assert.equal(await refusal(owned.folder), 'UNSUPPORTED: 16 connections are open')
  const [first] = peers
  first?.destroy()
  while ((await refusalOrNothing(owned.folder)) !== undefined);
  for (const one of peers) one.destroy()
  await owned.state.close()
})

async function refusalOrNothing(folder: string): Promise<unknown> {
  return ask(folder, { command: 'status' }).then(
    () => undefined,
    (error: unknown) => error,
  )
}

test('a peer that does not read loses parts of the answer, learns how many, and holds nothing up', async (t) => {
  const owned = await own(t)
  const text = 'x'.repeat(10_000)
  const flooded = new Promise<number>((resolve) => {
    owned.requests.on('flood', async (_request, reply) => {
      let refused = 0
      for (let n = 0; n < 1000; n++) if (!reply.send(text)) refused++
      resolve(refused)
      while (!reply.send('last')) await new Promise((later) => setTimeout(later, 5))
    })
  })
  const socket = await peer(owned)
  socket.pause()
  socket.write('{"version":1,"command":"flood"}\n')
  const refused = await flooded
  assert.ok(refused > 500, `${refused} were dropped`)
  const lines = (await all(socket)).trim().split('\n')
  const dropped = lines.filter((line) => line.startsWith('{"kind":"dropped"'))
  assert.equal(dropped.length, 1)
  const { messages }: { messages: number } = JSON.parse(dropped[0] ?? '')
  // Attempts to send the last part count too.
  assert.ok(messages >= refused)
  assert.deepEqual(lines.slice(-2), ['{"kind":"data","data":"last"}', '{"kind":"end","reason":"done"}'])
  await owned.state.close()
})

test('a command learns that its peer has gone, and that the state is released', async (t) => {
  const owned = await own(t)
  const ends: string[] = []
  owned.requests.on('watch', async ({ name }, reply) => {
    reply.send('here')
    await new Promise((resolve) => reply.gone.addEventListener('abort', resolve))
    ends.push(JSON.stringify(name))
  })
  const leaving = new AbortController()
  for await (const answer of askOwner(
    { command: 'watch', name: 'leaves' },
    { folder: owned.folder, pipeline: 'p', signal: leaving.signal },
  )) {
    assert.equal(answer.kind, 'data')
    leaving.abort()
  }
  while (ends[0] !== '"leaves"') await new Promise((resolve) => setImmediate(resolve))
  const asked = new Promise<void>((resolve) => {
    owned.requests.on('stay', async (_request, reply) => {
      resolve()
      await new Promise((left) => reply.gone.addEventListener('abort', left))
      reply.send('the last')
    })
  })
  const stays = ask(owned.folder, { command: 'stay' })
  await asked
  await owned.state.close()
  assert.deepEqual(await stays, [
    { kind: 'data', data: 'the last' },
    { kind: 'end', reason: 'closing' },
  ])
})

test('whoever asks learns why nobody answers', async (t) => {
  const { folder, state } = await own(t)
  assert.match(await refusal(folder), /^UNSUPPORTED: .*"status"; it holds the state for maintenance, and is no run$/)
  await state.close()
  assert.match(
    await refusal(folder),
    new RegExp(`^NOT_RUNNING: no process runs p with this state; process ${process.pid} was the last; start it`),
  )
  assert.match(await refusal(join(folder, 'none')), /^STATE_NOT_FOUND/)
})

test('the owner on another machine, an older one and one that dies are named', async (t) => {
  const { folder, state } = await own(t)
  const socket = state.owner?.socket ?? ''
  await state.close()
  const database = await openDatabase(databaseFolder(folder))
  database.putSync('owner', { pid: 7, host: 'elsewhere', socket })
  assert.match(
    await refusal(folder),
    /^NOT_RUNNING: no process of this machine .* process 7 was the last, on elsewhere; /,
  )
  database.putSync('owner', { pid: 8, socket: 'owner-8.sock' })
  await database.close()
  let answer = ''
  const server = createServer((connection) => connection.end(answer))
  server.listen(join(folder, 'owner-8.sock'))
  await once(server, 'listening')
  assert.match(await refusal(folder), /^UNSUPPORTED: process 8 does not answer requests: it runs an older version/)
  answer = '{"kind":"data","data":1}\n{"kind":"da'
  assert.match(await refusal(folder), /^NOT_RUNNING: process 8, which ran p, has died/)
  answer = '{"kind":"other"}\n'
  assert.match(await refusal(folder), /^UNSUPPORTED: the process answers in a way/)
  server.close()
})
