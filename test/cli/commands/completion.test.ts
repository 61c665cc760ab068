import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { chmod, readdir } from 'node:fs/promises'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { openProject } from '../../support/cli-project.ts'
import { MAIN } from '../../support/paths.ts'

const PIPELINE = `source: { type: file, path: in.ndjson }\nsink: { type: file, path: out, key: all }\n`

async function open(t: TestContext) {
  const work = await openProject(t, {
    'in.ndjson': '{"id":1}\n',
    'pipelines/events.yaml': PIPELINE,
    'pipelines/okta.eu.yml': PIPELINE,
    // A shell would run it.
    'pipelines/$(touch pwned).yaml': PIPELINE,
    'bin/sluice': `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`,
  })
  await chmod(work.path('bin/sluice'), 0o755)
  const complete = async (...words: string[]): Promise<string[]> => {
    const args = ['--get-yargs-completions', 'sluice', ...words]
    const { code, stdout, stderr } = await work.sluice(args, { env: { SHELL: '/bin/bash' } })
    assert.deepEqual([code, stderr], [0, ''])
    return stdout.split('\n').filter((word) => word !== '')
  }
  return { work, complete }
}

test('completes commands, actions, options, names of pipelines, components, and pipelines to copy', async (t) => {
  const { work, complete } = await open(t)
  const commands = await complete('')
  for (const name of ['run', 'init', 'state', 'completion']) assert.ok(commands.includes(name), name)
  assert.deepEqual(await complete('run', ''), ['events', 'okta.eu'])
  assert.deepEqual(await complete('run', 'events', ''), ['okta.eu'])
  for (const line of ['check', 'test', 'verify', 'backfill', 'preview', 'state show', 'rejects replay'])
    assert.deepEqual(await complete(...line.split(' '), ''), ['events', 'okta.eu'], line)
  assert.deepEqual(await complete('run', '--state', 'x', ''), ['events', 'okta.eu'])
  assert.deepEqual(await complete('rejects', ''), ['show', 'replay'])
  assert.deepEqual(await complete('new', ''), ['pipeline', 'transform', 'key', 'shard-key'])
  assert.ok((await complete('new', 'pipeline', '--from', '')).includes('okta'))
  assert.ok((await complete('init', '--from', 'o')).includes('okta'))
  assert.ok((await complete('describe', '')).includes('redact'))
  assert.deepEqual(await complete('completion', ''), ['bash', 'zsh', 'fish'])
  const options = await complete('run', '--')
  for (const name of ['--follow', '--env-file', '--set']) assert.ok(options.includes(name), name)
  // Paths are left to the shell.
  for (const line of ['backfill events', 'run --report', 'run --env-file', 'init', 'run --set'])
    assert.deepEqual(await complete(...line.split(' '), ''), [], line)
  // Nothing of this has run a command.
  assert.deepEqual((await readdir(work.folder)).toSorted(), ['bin', 'in.ndjson', 'package.json', 'pipelines'])
})

test('knows every option that takes a value', async (t) => {
  const { work, complete } = await open(t)
  const commands = (await complete('')).filter((name) => !['state', 'runs', 'rejects'].includes(name))
  for (const group of ['state', 'runs', 'rejects'])
    commands.push(...(await complete(group, '')).map((action) => `${group} ${action}`))
  for (const command of commands) {
    const { stdout } = await work.sluice([...command.split(' '), '--help'])
    const [, options = ''] = stdout.replaceAll(/\s+/g, ' ').split(' Options: ')
    for (const [, name = '', type] of options.matchAll(/(--[a-z-]+) [^[]*\[(string|number|array|boolean)\]/g)) {
      const found = await complete(...command.split(' '), name, '')
      if (type !== 'boolean')
        assert.ok(found.length === 0 || name === '--from', `${command} ${name}: add it to WITH_VALUE of candidates.ts`)
    }
  }
})

const SESSIONS: { readonly [shell: string]: readonly string[] } = {
  bash: [
    '--norc',
    '-c',
    `eval "$(sluice completion bash)"
complete_words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sluice; echo "\${COMPREPLY[*]}"; }
complete_words sluice veri; complete_words sluice run ''; complete_words sluice run --fo`,
  ],
  zsh: [
    '-f',
    '-c',
    `compdef() { :; }; _files() { :; }; _describe() { local -a all=("\${(@P)2}"); print -- \${\${(M)all:#$words[-1]*}%%:*} }
eval "$(sluice completion zsh)"
words=(sluice veri); CURRENT=2; _sluice; words=(sluice run ''); CURRENT=3; _sluice; words=(sluice run --fo); CURRENT=3; _sluice`,
  ],
  fish: [
    '-c',
    `sluice completion fish | source
for line in 'sluice veri' 'sluice run ' 'sluice run --fo'; echo (complete -C $line | string replace -r '\\t.*' ''); end`,
  ],
}

for (const [shell, args] of Object.entries(SESSIONS)) {
  const skip = spawnSync(shell, ['-c', 'true']).status === 0 ? false : `${shell} is not installed`
  test(`${shell} completes with the script that is printed for it`, { skip }, async (t) => {
    const { work } = await open(t)
    const env = { ...process.env, PATH: `${work.path('bin')}:${process.env['PATH']}`, HOME: work.folder }
    const { stdout } = await promisify(execFile)(shell, args, { cwd: work.folder, env })
    assert.deepEqual(stdout.replaceAll(/ +$/gm, '').split('\n').slice(0, 3), ['verify', 'events okta.eu', '--follow'])
    assert.ok(!(await readdir(work.folder)).includes('pwned'))
  })
}

test('completion takes the shell of $SHELL, and refuses one that it does not know', async (t) => {
  const { work } = await open(t)
  const zsh = await work.sluice(['completion'], { env: { SHELL: '/usr/bin/zsh' } })
  assert.match(zsh.stdout, /^#compdef sluice\n/)
  const unknown = await work.sluice(['completion'], { env: { SHELL: '/bin/ksh' } })
  assert.equal(unknown.code, 2)
  assert.match(unknown.stderr, /no completion for the shell "ksh"\n {2}name one: sluice completion bash, zsh, fish/)
})

test('--version names Sluice, Node.js and the scanner in use, with any command', async (t) => {
  const { work } = await open(t)
  for (const args of [['--version'], ['run', 'events', '--version']]) {
    const { code, stdout } = await work.sluice(args)
    assert.equal(code, 0)
    assert.match(stdout, /^sluice \d+\.\d+\.\d+, Node\.js \d+\.\d+\.\d+, scanner (WebAssembly SIMD|TypeScript .*)\n$/)
    assert.ok(stdout.includes(`Node.js ${process.versions.node},`))
  }
  const forced = await work.sluice(['--version'], { env: { SLUICE_SCANNER: 'typescript' } })
  assert.match(forced.stdout, /scanner TypeScript \(SLUICE_SCANNER is typescript\)\n$/)
})
