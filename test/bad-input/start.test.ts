/** What keeps a daemon from starting: one sentence that ends with the cure, exit code 1; and then a start that is good. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { takeLock } from '../../src/store/lock.ts'
import { EXECUTABLE, isAlive, logLines, withFileLimit } from '../harness/process.ts'
import { shareProject, type TestProject } from '../harness/project.ts'

let project: TestProject
beforeAll(async () => {
  project = await shareProject()
})

const ARGV = ['daemon', '--workers', '1', '--noreload']

/** Runs a daemon that must not start. @returns the sentence */
const sentenceOf = async (argv: string[], env: Record<string, string> = {}): Promise<string> => {
  const { code, stdout, stderr } = await project.start(argv, env).ended
  expect(code, stdout).toBe(1)
  // In the log, too, for whoever reads only that.
  expect(logLines(stdout).at(-1)).toMatchObject({ level: 'fatal', message: stderr.trimEnd() })
  expect(stderr.trimEnd()).not.toContain('\n')
  return stderr.trimEnd()
}

const refusal = (flags: string[] = [], env: Record<string, string> = {}): Promise<string> =>
  sentenceOf([EXECUTABLE, ...ARGV, ...flags], env)

/** Whatever kept a daemon from starting: it leaves nothing behind that keeps the next one from it. */
let starts = 0
afterEach(async () => {
  const daemon = await project.daemon(['--workers', '1'])
  await project.client().note.async(`start ${++starts}`)
  await project.hasRun(`start ${starts}`)
  await daemon.kill('SIGTERM')
})

const ANOTHER = 'or name another (--database, ZTASKD_DATABASE).'
const CHECK = `Check the path and its rights, ${ANOTHER}`
const REPLACE = `Put a copy back, move the file away to begin without its jobs, ${ANOTHER}`

test('the url is in use, by whatever it is, or cannot be bound', async () => {
  const server = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve) => server.listen(Number(new URL(project.url).port), '127.0.0.1', resolve))
  expect(await refusal()).toBe(
    `${project.url} cannot be bound: another process uses it. Stop that one, or choose another url (ZTASKD_URL, --url).`,
  )
  await new Promise((resolve) => server.close(resolve))
  const url = `ipc://${project.path('no/such/folder/s.sock')}`
  expect(await refusal(['--url', url])).toMatch(
    /s\.sock cannot be bound: .+\. Choose another url \(ZTASKD_URL, --url\)\.$/,
  )
})

test('the url is in use, by a daemon at an ipc path: it goes on, and is not cut off from its clients', async () => {
  const url = `ipc://${project.path('s.sock')}`
  const flags = ['--workers', '1', '--url', url]
  const first = await project.daemon(flags)
  expect(await refusal(['--url', url, '--database', 'sqlite:second.db'])).toContain(
    `${url} cannot be bound: another process uses it.`,
  )
  const { code, stderr } = await project.ztask('run', 'note', '["by path"]', '--url', url)
  expect(code, stderr).toBe(0)
  await project.hasRun('by path')
  // A file that a killed one left is nobody's.
  await first.kill('SIGKILL')
  expect(existsSync(project.path('s.sock'))).toBe(true)
  const next = await project.daemon(flags)
  await next.kill('SIGTERM')
})

test('the database is no database, or corrupt behind its first page', async () => {
  project.write('no.db', 'this is no database, however long one looks at it')
  expect(await refusal(['--database', 'sqlite:no.db'])).toBe(
    `The database ${project.path('no.db')} cannot be opened: file is not a database. ${REPLACE}`,
  )
  expect(readFileSync(project.path('no.db'), 'utf8')).toContain('however long')
  const file = project.path('corrupt.db')
  copyFileSync(project.path('.ztask/ztask.db'), file)
  const bytes = readFileSync(file)
  writeFileSync(file, bytes.fill(0xaa, 4096))
  const flags = ['--database', 'sqlite:corrupt.db']
  const sentence = `The database ${file} cannot be used: database disk image is malformed. ${REPLACE}`
  expect(await refusal(flags)).toBe(sentence)
  const { code, stderr } = await project.ztask('status', ...flags)
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: `No daemon answers: this is what ${file} holds.\n${sentence}\n`,
  })
})

test('the disk is full, or its quota: of a file of the daemon, which binds root as well', async () => {
  const argv = withFileLimit(10, [EXECUTABLE, ...ARGV, '--database', 'sqlite:full/ztask.db'])
  expect(await sentenceOf(argv)).toMatch(
    /^The database \S+full\/ztask\.db cannot be (opened|used): .+\. Free space on its disk, or name another \(--database, ZTASKD_DATABASE\)\.$/,
  )
})

test('nothing can be written at the path, by nobody: a folder there, a file above, a place without files', async () => {
  mkdirSync(project.path('folder.db'))
  project.write('file', '')
  // Not even root makes a file there.
  symlinkSync('/proc', project.path('nobody'))
  for (const path of ['folder.db', 'file/ztask.db', 'nobody/ztask.db']) {
    const sentence = await refusal(['--database', `sqlite:${path}`])
    expect(sentence).toContain(`The database ${project.path(path)} cannot be opened: `)
    expect(sentence.endsWith(CHECK)).toBe(true)
  }
  renameSync(project.path('.ztask'), project.path('kept'))
  project.write('.ztask', '')
  expect(await refusal()).toContain(`The database ${project.path('.ztask/ztask.db')} cannot be opened: `)
  rmSync(project.path('.ztask'))
  renameSync(project.path('kept'), project.path('.ztask'))
})

/** Modes bind everybody but root, who can be somebody else, where that one may read this repository. */
const MODES = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
const obeys =
  spawnSync(process.execPath, ['-e', 'fs.accessSync(process.argv[1])', EXECUTABLE], MODES).status === 0

test.skipIf(!obeys)('this user may not write the database, or its folder', () => {
  const modes = { 'read-only': [0o777, 0o444], closed: [0o555, 0o666] } as const
  chmodSync(project.dir, 0o755)
  for (const [folder, [ofFolder, ofFile]] of Object.entries(modes)) {
    const file = project.path(`${folder}/ztask.db`)
    mkdirSync(project.path(folder))
    copyFileSync(project.path('.ztask/ztask.db'), file)
    chmodSync(file, ofFile)
    chmodSync(project.path(folder), ofFolder)
    const argv = [EXECUTABLE, ...ARGV, '--database', `sqlite:${folder}/ztask.db`]
    const { status, stderr } = spawnSync(process.execPath, argv, { ...MODES, cwd: project.dir })
    expect({ status, stderr: String(stderr) }).toEqual({
      status: 1,
      stderr: expect.stringMatching(
        new RegExp(`^The database ${file} cannot be (opened|used): .+\\. Check the path`),
      ),
    })
    expect(String(stderr).trimEnd().split('\n')).toHaveLength(1)
    chmodSync(project.path(folder), 0o777)
  }
})

test('another daemon holds the database: its pid and its address are named; a command does, or another process writes: none is blamed', async () => {
  // Says that a daemon has it which is gone.
  for (const copy of ['held.db', 'locked.db'])
    copyFileSync(project.path('.ztask/ztask.db'), project.path(copy))
  const first = await project.daemon(['--workers', '1'])
  const elsewhere = ['--url', `${project.url.slice(0, project.url.lastIndexOf(':'))}:0`]
  const lock = takeLock(project.path('held.db'), 0)
  const writer = new DatabaseSync(project.path('locked.db'))
  writer.exec('begin immediate')
  // Each waits a while for the holder to go.
  const [byDaemon, byCommand, byWriter] = await Promise.all([
    refusal(elsewhere),
    refusal([...elsewhere, '--database', 'sqlite:held.db']),
    refusal([...elsewhere, '--database', 'sqlite:locked.db']),
  ])
  lock?.release()
  writer.close()
  const cure = 'Stop it, or give this one another database (--database, ZTASKD_DATABASE).'
  expect(byDaemon).toBe(
    `${project.path('.ztask/ztask.db')} is held by another daemon (pid ${first.pid}, ${project.url}). ${cure}`,
  )
  expect(byCommand).toBe(`${project.path('held.db')} is held by another process. ${cure}`)
  expect(byWriter).toBe(
    `The database ${project.path('locked.db')} cannot be used: database is locked. Another process writes to it and does not end: end that one, wait until it has ended, ${ANOTHER}`,
  )
  expect(isAlive(first.pid)).toBe(true)
  await first.kill('SIGTERM')
})

test('the registry is missing, with --noreload, which makes none; or the one that the setting names', async () => {
  renameSync(project.path('src/ztask'), project.path('away'))
  expect(await refusal()).toMatch(
    /^There is no registry in src\/ztask .*\. Run ztask generate first; or, .*the setting 'registry'\.$/,
  )
  renameSync(project.path('away'), project.path('src/ztask'))
  expect(await refusal([], { ZTASKD_REGISTRY: 'dist/ztask/registry.js' })).toBe(
    `There is no registry ${project.path('dist/ztask/registry.js')}, which the setting 'registry' names. Build it, or correct the setting (ZTASKD_REGISTRY).`,
  )
})

test('what the workers load is missing, or is not what it should be: no stack of ztask or of Node', async () => {
  const cure = 'Put it back or install it; or correct the setting that names it: onLoad, onExit or loader.'
  const [gone, lacks] = await Promise.all([
    refusal(['--database', 'sqlite:gone.db'], { ZTASKD_ON_LOAD: './src/nowhere.ts#open' }),
    refusal(['--database', 'sqlite:lacks.db'], { ZTASKD_ON_LOAD: './src/tasks.ts#nothing' }),
  ])
  expect(gone).toMatch(
    /^The workers cannot load the code: Cannot find module '\S+\/src\/nowhere\.ts' imported from /,
  )
  expect(gone.endsWith(cure)).toBe(true)
  expect(lacks).toBe(
    "The workers cannot load the code: './src/tasks.ts#nothing': the module exports no function 'nothing'. Export it there, or correct the setting.",
  )
  const registry = readFileSync(project.path('src/ztask/registry.ts'), 'utf8')
  project.write('src/ztask/registry.ts', '')
  expect(await refusal()).toBe(
    `The workers cannot load the code: ${project.path('src/ztask/registry.ts')} is no registry. Run ztask generate again.`,
  )
  project.write('src/ztask/registry.ts', registry)
})
