/** The command line itself: what is wrong usage, and what is said about it. */
import { readdirSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import { EXECUTABLE, RunningProcess } from '../harness/process.ts'
import { makeFolder, shareProject, type TestProject } from '../harness/project.ts'

let project: TestProject
beforeAll(async () => {
  project = await shareProject()
})

test('--help and --version go to stdout and are no failure', async () => {
  const [help, ofDaemon, version] = await Promise.all([
    project.ztask('--help'),
    project.ztask('daemon', '--help'),
    project.ztask('--version'),
  ])
  for (const ended of [help, ofDaemon, version]) expect(ended).toMatchObject({ code: 0, stderr: '' })
  for (const command of [
    'init',
    'generate',
    'daemon',
    'status',
    'list',
    'show',
    'retry',
    'cancel',
    'delete',
    'run',
    'migrate',
  ])
    expect(help.stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'))
  expect(ofDaemon.stdout).toContain('--shutdown-timeout <seconds>')
  expect(version.stdout).toBe('0.1.0\n')
})

test('help is a command too', async () => {
  const [help, flag, ofRun, unknown] = await Promise.all([
    project.ztask('help'),
    project.ztask('--help'),
    project.ztask('help', 'run'),
    project.ztask('help', 'rnu'),
  ])
  expect(help).toEqual(flag)
  expect(ofRun).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('Usage: ztask run [options] <task> [args]'),
  })
  expect(unknown).toMatchObject({ code: 2, stdout: '' })
  expect(unknown.stderr).toMatch(
    /^error: unknown command 'rnu'\n\(Did you mean run\?\)\n\(--help shows .+\)\n$/,
  )
})

test('outside of every project a command says so, and makes nothing; where a daemon is named it needs none', async () => {
  const nowhere = await makeFolder()
  const { ZTASKD_URL: _, ...env } = process.env
  for (const argv of [['status'], ['daemon'], ['generate'], ['run', 'note'], ['migrate']]) {
    const command = new RunningProcess([EXECUTABLE, ...argv], nowhere.dir, { ...env, ZTASKD_URL: undefined })
    const { code, stderr } = await command.ended
    expect({ code, stderr }, argv[0]).toEqual({
      code: 1,
      stderr: `There is no project in ${nowhere.dir}, nor above it: no ztask.config.ts and no package.json. Change to the folder of yours, or begin one here: npx ztask init.\n`,
    })
  }
  expect(readdirSync(nowhere.dir)).toEqual([])
  const daemon = await project.daemon(['--workers', '1'])
  const named = await nowhere.start([EXECUTABLE, 'status', '--live', '--url', project.url], {
    ZTASKD_PROJECT: 'fixture',
  }).ended
  expect(named).toMatchObject({ code: 0, stderr: '' })
  await daemon.kill('SIGTERM')
})

test('--reload is what a daemon does by itself, and is not taken for --noreload', async () => {
  // Unknown options are told before words that are too many: so it was known.
  const { code, stdout, stderr } = await project.ztask('daemon', '--reload', 'extra')
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain('too many arguments')
})

test('a reader that has had enough ends a command, quietly', async () => {
  const { code, stderr } = await project.start(['-e', CLOSE_AT_ONCE, EXECUTABLE]).ended
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
})

/** As in a shell's pipe: the end that reads is closed before anything is written. */
const CLOSE_AT_ONCE = `
const child = require('node:child_process').spawn(process.execPath, [process.argv[1], 'generate', '--json'], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
child.stdout.destroy()
child.once('close', (code) => process.exit(code))
`

test.each([
  [['stauts'], 'Did you mean status?'],
  [['status', '--jsno'], 'Did you mean --json?'],
  [['show'], "missing required argument 'id'"],
  [['cancel'], "missing required argument 'ids'"],
  [['retry'], 'all failed ones with --failed'],
  [['delete', 'an-id', '--failed'], 'all failed ones with --failed'],
  [['list', '--failed', '--held'], 'cannot be used with'],
  [['list', '--limit', '0'], 'whole number from 1 to 10000'],
  [['list', '--since', 'yesterday'], 'a number of seconds, or a date'],
  [['list', '--since', '-5'], 'a number of seconds, or a date'],
  [['list', '--since', '1e999'], 'a number of seconds, or a date'],
  [['daemon', '--inspect=80'], 'a port from 1024 to 65535'],
  [['completion', 'tcsh'], 'Allowed choices are bash, zsh, fish'],
  [['status', '--url', 'localhost:5555'], "--url is 'localhost:5555': it must be an address such as 'tcp:"],
  [['list', '--database', 'jobs.db'], "--database is 'jobs.db': it must be 'sqlite:PATH'"],
  [['daemon', '--workers', 'many'], 'whole number from 0 to 1024'],
  [['daemon', '--concurrency', '0'], 'whole number from 1 to 10000'],
  [['daemon', '--shutdown-timeout', 'soon'], 'number of seconds'],
])('ztask %j is wrong usage: exit 2, the reason on stderr', async (argv, reason) => {
  const { code, stdout, stderr } = await project.ztask(...argv)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain(reason)
})
