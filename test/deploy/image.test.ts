/*
 * The image: what its Dockerfile says, and its command as process 1 of a read-only root. Where a Docker
 * daemon answers, the image is built and run.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openWorkspace } from '../support/command.ts'
import { freePort } from '../support/listen.ts'
import { copyCheckout, NO_SCRIPTS, runShell } from '../support/packed.ts'
import { MAIN, REPOSITORY } from '../support/paths.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const FOLDER = join(REPOSITORY, 'deploy')

interface Stage {
  readonly from: string
  readonly instructions: readonly (readonly [name: string, value: string])[]
}

/** The stages of the Dockerfile, with continued lines joined. */
function readStages(): Stage[] {
  const text = readFileSync(join(FOLDER, 'Dockerfile'), 'utf8')
    .replace(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '')
  const lines = text.split('\n').filter((line) => line !== '')
  const instructions = lines.map((line): [string, string] => {
    const [, name = '', value = ''] = /^([A-Z]+) (.*)$/.exec(line) ?? []
    assert.notEqual(name, '', line)
    return [name, value]
  })
  const starts = instructions.flatMap(([name], i) => (name === 'FROM' ? [i] : []))
  return starts.map((start, n) => ({
    from: instructions[start]?.[1] ?? '',
    instructions: instructions.slice(start + 1, starts[n + 1]),
  }))
}

function lastStage(): Stage {
  const stage = readStages().at(-1)
  assert.ok(stage)
  return stage
}

function valuesOf({ instructions }: Stage, wanted: string): string[] {
  return instructions.filter(([name]) => name === wanted).map(([, value]) => value)
}

function wordsOf(name: string): string[] {
  const [value = '[]'] = valuesOf(lastStage(), name)
  const words: string[] = JSON.parse(value.replace(/^.*?\[/, '['))
  return words
}

test('the image has several stages on one version of Node.js, and ends as a plain user', () => {
  const stages = readStages()
  assert.equal(stages.length, 3)
  for (const { from } of stages) assert.match(from, /^node:\$\{NODE\}( AS \w+)?$/)
  assert.match(readFileSync(join(FOLDER, 'Dockerfile'), 'utf8'), /^ARG NODE=\d+\.\d+-\w+-slim$/m)
  const last = lastStage()
  assert.deepEqual(valuesOf(last, 'USER'), ['node'])
  assert.deepEqual(valuesOf(last, 'VOLUME'), ['/state'])
  // What the image starts is not a shell, which would not pass signals on.
  assert.deepEqual(wordsOf('ENTRYPOINT'), ['tini', '--', 'sluice'])
  // Packages and the init come from the stages before.
  assert.deepEqual(
    valuesOf(last, 'RUN').filter((line) => /npm (ci|install)|apt-get/.test(line)),
    [],
  )
})

test('secrets of the project stay outside of the image', async () => {
  const ignored = (await readFile(join(FOLDER, '.dockerignore'), 'utf8')).split('\n')
  for (const name of ['**/.env', '**/.env.*', '**/*.env', '**/.sluice', 'node_modules'])
    assert.ok(ignored.includes(name), name)
})

const PIPELINE = `source: { type: file, path: in.ndjson }
transforms: [{ type: dedup, key: id }]
sink: { type: file, path: state/out, key: all, compression: none, roll: { maxRecords: 1 } }
`

const MISSING =
  spawnSync('unshare', ['--pid', '--fork', '--mount', 'true']).status !== 0
    ? 'unshare may not make namespaces here'
    : spawnSync('tini', ['--version']).status !== 0 && 'tini is not installed, the init of the image'
if (MISSING !== false) process.stderr.write(`the command of the image is not tried as process 1: ${MISSING}\n`)

/** Leaves only the folder `state` to write to, and becomes the command. */
const READ_ONLY = `set -e
mount --make-rprivate /
mount --bind state state
mount -o remount,ro,bind /
! touch forbidden 2>/dev/null
exec "$@"`

/** The command of the image as process 1 of its own namespace, with the tini of this machine. */
async function startIsolated(t: TestContext, args: readonly string[]) {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/events.yaml', PIPELINE)
  await workspace.write('in.ndjson', '{"id":1}\n')
  await mkdir(workspace.path('state'), { mode: 0o700 })
  const command = wordsOf('ENTRYPOINT').flatMap((word) => (word === 'sluice' ? [process.execPath, MAIN] : [word]))
  const child = spawn(
    'unshare',
    ['--pid', '--fork', '--kill-child', '--mount', 'sh', '-c', READ_ONLY, 'sh', ...command, ...args],
    { cwd: workspace.folder, stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: '/nonexistent' } },
  )
  t.after(() => child.kill('SIGKILL'))
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text))
  const ended = once(child, 'close').then(([code]: (number | null)[]) => code)
  const until = async (holds: () => boolean) => {
    while (!holds()) assert.equal(await Promise.race([ended, sleep(5)]), undefined, log)
  }
  /** tini as process 1, once it has started Sluice. */
  const findInit = async (): Promise<number> => {
    await until(() => nameOf(childOf(child.pid)) === 'tini' && childOf(childOf(child.pid)) !== undefined)
    return childOf(child.pid) ?? 0
  }
  return { workspace, findInit, until, ended, log: () => log }
}

function nameOf(pid: number | undefined): string | undefined {
  const path = `/proc/${pid}/comm`
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined
}

function childOf(pid: number | undefined): number | undefined {
  const path = `/proc/${pid}/task/${pid}/children`
  const [child] = existsSync(path) ? readFileSync(path, 'utf8').split(' ') : []
  return child === undefined || child === '' ? undefined : Number(child)
}

test(
  'on a read-only root it writes its state and nothing else, answers the health check, and SIGTERM ends it cleanly',
  { skip: MISSING, timeout: 60_000 },
  async (t) => {
    const port = await freePort()
    const args = ['run', 'events', '--follow', '--state', 'state', '--metrics', `127.0.0.1:${port}`]
    const { workspace, findInit, until, ended, log } = await startIsolated(t, args)
    const init = await findInit()
    await until(() => existsSync(workspace.path('state/out/all')))
    const [program = '', ...probe] = wordsOf('HEALTHCHECK').map((word) => word.replace('9464', String(port)))
    assert.equal(program, 'node')
    const check = () => spawnSync(process.execPath, probe, { encoding: 'utf8' }).status
    assert.equal(check(), 0)
    process.kill(init, 'SIGTERM')
    assert.equal(await ended, 130, log())
    assert.equal(check(), 1)
    assert.equal(existsSync(workspace.path('forbidden')), false)
    const { stdout } = await workspace.sluice(['state', 'show', 'events', '--state', 'state'])
    assert.match(stdout, /written +1\b/)
  },
)

test('a SIGTERM while Node.js starts ends the container', { skip: MISSING, timeout: 60_000 }, async (t) => {
  const { findInit, ended, log } = await startIsolated(t, ['run', 'events', '--follow', '--state', 'state'])
  process.kill(await findInit(), 'SIGTERM')
  // 143: Node.js had no handler yet.
  assert.ok([130, 143].includes((await ended) ?? 0), log())
})

const NO_DAEMON =
  spawnSync('docker', ['version', '--format', '{{.Server.Version}}']).status === 0
    ? false
    : 'no Docker daemon answers, which would build and run it'
if (NO_DAEMON !== false) process.stderr.write(`the image is not built: ${NO_DAEMON}\n`)

test(
  'Docker builds the image, which runs on a read-only root, and stops after a commit',
  { skip: NO_DAEMON, timeout: 600_000 },
  async (t) => {
    const image = `sluice-test-${process.pid}`
    t.after(() => {
      docker('rm', '--force', '--volumes', image)
      docker('rmi', '--force', image)
    })
    const built = await runShell(`docker build --tag ${image} .`, { cwd: await makeProject(t) })
    assert.equal(built.code, 0, built.stderr)
    const script = 'id -u; test ! -e .env; test ! -e /usr/local/bin/npm; test ! -w .; sluice --version'
    const shown = docker('run', '--rm', '--entrypoint', 'sh', image, '-ec', script)
    assert.match(shown.stdout, /^1000\nsluice /, shown.stderr)

    const hardened = ['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--volume', '/state']
    const command = 'run events --follow --state /state --metrics 127.0.0.1:9464'.split(' ')
    const started = docker('run', '--detach', '--name', image, ...hardened, image, ...command)
    assert.equal(started.status, 0, started.stderr)
    const isWritten = () =>
      docker('exec', image, 'sluice', 'state', 'show', 'events', '--state', '/state').stdout.match(/written +1\b/)
    while (!isWritten()) {
      assert.match(docker('ps', '--filter', `name=${image}`).stdout, /Up/, docker('logs', image).stderr)
      await sleep(200)
    }
    const [program = '', ...probe] = wordsOf('HEALTHCHECK')
    assert.equal(docker('exec', image, program, ...probe).status, 0)
    docker('stop', '--time', '60', image)
    assert.equal(docker('inspect', '--format', '{{.State.ExitCode}}', image).stdout, '130\n')
  },
)

function docker(...args: string[]) {
  return spawnSync('docker', args, { encoding: 'utf8' })
}

/** A project with Sluice installed, as docs/install.md says, and with the files of the image. */
async function makeProject(t: TestContext): Promise<string> {
  const folder = await temporaryFolder(t)
  const project = join(folder, 'project')
  await mkdir(join(folder, 'checkout'))
  await mkdir(join(project, 'pipelines'), { recursive: true })
  await copyCheckout(join(folder, 'checkout'))
  const line = 'npm pack --silent ../checkout && npm install --silent ./sluice-*.tgz'
  const installed = await runShell(line, { cwd: project, env: NO_SCRIPTS })
  assert.equal(installed.code, 0, installed.stderr)
  for (const name of ['Dockerfile', '.dockerignore']) await cp(join(FOLDER, name), join(project, name))
  await writeFile(join(project, '.env'), 'API_KEY=secret\n')
  await writeFile(join(project, 'pipelines/events.yaml'), PIPELINE.replace('state/out', '/state/out'))
  // The image's user reads it whatever its rights are here.
  await writeFile(join(project, 'in.ndjson'), '{"id":1}\n', { mode: 0o600 })
  return project
}
