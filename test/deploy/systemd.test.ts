import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { errorCodes } from '../../src/errors.ts'
import { openWorkspace } from '../support/command.ts'
import type { Workspace } from '../support/command.ts'
import { REPOSITORY } from '../support/paths.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const FOLDER = join(REPOSITORY, 'deploy/systemd')
const UNIT = join(FOLDER, 'sluice@.service')
const DROP_IN = 'sluice@jumpcloud.service.d/secrets.conf'

type Section = Map<string, string[]>

/** Reads a unit file. Fails on a line, a section or a directive that systemd does not know. */
async function parseUnit(path: string): Promise<Map<string, Section>> {
  const sections = new Map<string, Section>()
  let current: [name: string, section: Section] | undefined
  for (const line of (await readFile(path, 'utf8')).split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const name = /^\[(\w+)\]$/.exec(line)?.[1]
    if (name !== undefined) {
      assert.ok(KNOWN[name] && !sections.has(name), line)
      current = [name, new Map()]
      sections.set(...current)
      continue
    }
    const [, directive = '', value = ''] = /^([A-Z]\w*)=(.*)$/.exec(line) ?? []
    assert.ok(current && KNOWN[current[0]]?.includes(directive), `${path}: ${line}`)
    const values = current[1].get(directive) ?? []
    assert.ok(values.length === 0 || REPEATABLE.includes(directive), `${directive} is there twice`)
    current[1].set(directive, [...values, value])
  }
  return sections
}

/** Directives of systemd 249 and later that fit a service: man systemd.unit, systemd.service, systemd.exec. */
const KNOWN: { readonly [section: string]: readonly string[] } = {
  Unit: 'Description Documentation Wants Requires After Before StartLimitIntervalSec StartLimitBurst'.split(' '),
  Install: ['WantedBy'],
  Service: `Type ExecStart ExecStartPre ExecReload KillMode KillSignal TimeoutStopSec TimeoutStartSec Restart RestartSec
    RestartPreventExitStatus SuccessExitStatus WatchdogSec User Group DynamicUser WorkingDirectory Environment
    EnvironmentFile LoadCredential LoadCredentialEncrypted StateDirectory StateDirectoryMode UMask LimitNOFILE LimitCORE
    ProtectSystem ProtectHome PrivateTmp PrivateDevices ProtectProc ProtectClock ProtectHostname ProtectControlGroups
    ProtectKernelLogs ProtectKernelModules ProtectKernelTunables NoNewPrivileges CapabilityBoundingSet
    AmbientCapabilities KeyringMode LockPersonality RemoveIPC RestrictNamespaces RestrictRealtime RestrictSUIDSGID
    RestrictAddressFamilies SystemCallArchitectures SystemCallFilter SystemCallErrorNumber MemoryDenyWriteExecute
    ReadWritePaths`.split(/\s+/),
}
const REPEATABLE = ['SystemCallFilter', 'LoadCredential', 'Environment']

async function serviceOf(): Promise<Section> {
  const service = (await parseUnit(UNIT)).get('Service')
  assert.ok(service)
  return service
}

test('the unit takes all rights away that a pipeline does not need', async () => {
  const service = await serviceOf()
  const strict = {
    NoNewPrivileges: 'yes',
    ProtectSystem: 'strict',
    ProtectHome: 'yes',
    PrivateTmp: 'yes',
    PrivateDevices: 'yes',
    CapabilityBoundingSet: '',
    AmbientCapabilities: '',
    RestrictNamespaces: 'yes',
    RestrictSUIDSGID: 'yes',
    LockPersonality: 'yes',
    SystemCallArchitectures: 'native',
    StateDirectoryMode: '0700',
    UMask: '0077',
    // With yes, Node.js could not compile.
    MemoryDenyWriteExecute: 'no',
  }
  for (const [name, value] of Object.entries(strict)) assert.deepEqual(service.get(name), [value], name)
  assert.deepEqual(service.get('SystemCallFilter'), ['@system-service', '~@privileged'])
  assert.equal(service.has('WatchdogSec'), false, 'Sluice does not notify systemd')
  await parseUnit(join(FOLDER, DROP_IN))
})

test('only errors that a restart cannot help prevent it', async () => {
  const service = await serviceOf()
  assert.deepEqual(service.get('Restart'), ['on-failure'])
  const [prevented] = service.get('RestartPreventExitStatus') ?? []
  const codes = Object.values(errorCodes).filter(({ exit }) => String(exit) === prevented)
  assert.ok(codes.length > 0)
  for (const { retryable } of codes) assert.equal(retryable, false)
  assert.equal(errorCodes.CONFIG_INVALID.exit, Number(prevented))
  assert.deepEqual(service.get('SuccessExitStatus'), [String(errorCodes.INTERRUPTED.exit)])
})

const PIPELINE = (credentials: string) => `source: { type: file, path: in.ndjson }
transforms:
  - { type: redact, rules: [{ path: user, action: hmac, key: '\${file:${credentials}/hmac-key}' }] }
  - { type: dedup, key: id }
sink: { type: file, path: '\${env:OUT}', key: all, compression: none, roll: { maxRecords: 1 } }
`

/** The command of the unit for the pipeline `jumpcloud`, with folders of a test. */
async function openService(
  t: TestContext,
  options = '',
): Promise<{ args: string[]; env: { [name: string]: string }; workspace: Workspace }> {
  const workspace = await openWorkspace(t)
  const [command = ''] = (await serviceOf()).get('ExecStart') ?? []
  const [program, ...args] = command
    .replaceAll('%S', workspace.path('var/lib'))
    .replaceAll('%i', 'jumpcloud')
    .replace(' $SLUICE_OPTIONS', options)
    .split(' ')
  assert.equal(program, '/opt/sluice/node_modules/.bin/sluice')
  const drop = await parseUnit(join(FOLDER, DROP_IN))
  const text = await readFile(join(FOLDER, DROP_IN), 'utf8')
  for (const credential of drop.get('Service')?.get('LoadCredential') ?? []) {
    const [id = '', path = ''] = credential.split(':')
    assert.ok(text.includes(`\${file:/run/credentials/sluice@jumpcloud.service/${id}}`))
    assert.match(path, /^\/etc\/sluice\/jumpcloud\//)
  }
  await workspace.write('run/credentials/hmac-key', 'k'.repeat(32))
  await chmod(workspace.path('run/credentials/hmac-key'), 0o400)
  await workspace.write('pipelines/jumpcloud.yaml', PIPELINE(workspace.path('run/credentials')))
  await workspace.write('in.ndjson', '{"id":1,"user":"ada"}\n')
  await mkdir(workspace.path('var/lib/sluice/jumpcloud'), { recursive: true, mode: 0o700 })
  return { args, env: { OUT: workspace.path('var/lib/sluice/jumpcloud/out') }, workspace }
}

test(
  'the command runs with a credential in a file, keeps its state where the unit says, and SIGTERM is a success',
  { timeout: 60_000 },
  async (t) => {
    const { args, env, workspace } = await openService(t)
    const running = workspace.start(args, { env })
    while (!existsSync(workspace.path('var/lib/sluice/jumpcloud/out/all'))) {
      const early = await Promise.race([running.ended, sleep(20)])
      assert.equal(early, undefined, early?.stderr)
    }
    running.kill('SIGTERM')
    const { code } = await running.ended
    assert.deepEqual((await serviceOf()).get('SuccessExitStatus'), [String(code)])
    const shown = await workspace.sluice(['state', 'show', 'jumpcloud', '--state', 'var/lib/sluice/jumpcloud'], { env })
    assert.match(shown.stdout, /written +1\b/)
  },
)

test('a mistake in the pipeline ends with the status that prevents a restart', async (t) => {
  const { args, env, workspace } = await openService(t)
  await workspace.write('pipelines/jumpcloud.yaml', 'source: { type: fil }\n')
  const { code } = await workspace.sluice(args, { env })
  assert.deepEqual((await serviceOf()).get('RestartPreventExitStatus'), [String(code)])
})

/** https://www.freedesktop.org/software/systemd/man/systemd-analyze.html; options of systemd 250. */
const VERSION = Number(
  /^systemd (\d+)/.exec(spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' }).stdout)?.[1] ?? 0,
)
const NO_SYSTEMD = VERSION >= 250 ? false : 'systemd-analyze 250 or later is not installed, which verifies the unit'

if (NO_SYSTEMD !== false) process.stderr.write(`the systemd unit is not verified: ${NO_SYSTEMD}\n`)

/** A copy of the units whose program exists. */
async function installUnit(t: TestContext): Promise<string> {
  const folder = await temporaryFolder(t)
  await cp(FOLDER, folder, { recursive: true })
  const program = join(folder, 'node_modules/.bin/sluice')
  await mkdir(join(folder, 'node_modules/.bin'), { recursive: true })
  await writeFile(program, '#!/bin/sh\n', { mode: 0o755 })
  const unit = join(folder, 'sluice@jumpcloud.service')
  await writeFile(unit, (await readFile(UNIT, 'utf8')).replaceAll('/opt/sluice', folder))
  return unit
}

test('systemd accepts the unit, and finds it hardened', { skip: NO_SYSTEMD }, async (t) => {
  const unit = await installUnit(t)
  const verified = spawnSync('systemd-analyze', ['verify', '--man=no', '--recursive-errors=no', unit], {
    encoding: 'utf8',
  })
  assert.deepEqual([verified.status, verified.stderr], [0, ''], verified.stderr)
  // An exposure of 2.0 of 10.
  const rated = spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=20', unit], {
    encoding: 'utf8',
  })
  assert.equal(rated.status, 0, rated.stdout.split('\n').slice(-3).join('\n') + rated.stderr)
})

test('systemd would find a directive that does not exist', { skip: NO_SYSTEMD }, async (t) => {
  const unit = await installUnit(t)
  await writeFile(unit, (await readFile(unit, 'utf8')).replace('StateDirectoryMode', 'StateDirectoryMoode'))
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', '--recursive-errors=no', unit], {
    encoding: 'utf8',
  })
  assert.notEqual(status, 0)
  assert.match(stderr, /StateDirectoryMoode/)
})
