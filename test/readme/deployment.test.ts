/** docs/deployment.md: the files that it shows are those beside it, and what it says of them is so. */
import { execFile, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { REPOSITORY, RunningProcess } from '../harness/process.ts'
import { makeProject } from '../harness/project.ts'
import { blocksOf } from './blocks.ts'

const FOLDER = `${REPOSITORY}docs/deployment/`
const PAGE = readFileSync(`${REPOSITORY}docs/deployment.md`, 'utf8')

test.each(readdirSync(FOLDER))('the page shows deployment/%s as it is, and links it', (name) => {
  const shown = blocksOf(PAGE).map(({ text }) => text)
  expect(shown).toContain(readFileSync(`${FOLDER}${name}`, 'utf8'))
  expect(PAGE).toContain(`](deployment/${name})`)
})

const { error } = spawnSync('systemd-analyze', ['--version'])

test.skipIf(error !== undefined)('systemd has nothing to say against the unit', async () => {
  const project = await makeProject()
  const unit = readFileSync(`${FOLDER}ztask.service`, 'utf8')
  // Nothing is installed in /srv/shop here.
  project.write('ztask.service', unit.replace('/srv/shop/node_modules/.bin/ztask', process.execPath))
  const { stdout, stderr } = await promisify(execFile)('systemd-analyze', [
    'verify',
    project.path('ztask.service'),
  ])
  expect(stdout + stderr).toBe('')
})

test('compiled, with no sources left, the daemon finds the registry and runs jobs over an ipc socket', async () => {
  const project = await makeProject()
  symlinkSync(`${REPOSITORY}node_modules/@types`, project.path('node_modules/@types'))
  const flags = '--outDir dist --rootDir src --target es2024 --module nodenext --types node --skipLibCheck'
  const tsc = `${REPOSITORY}node_modules/typescript/bin/tsc`
  const argv = [tsc, ...flags.split(' '), 'src/ztask/registry.ts', 'src/ztask/client.ts']
  const compiled = await new RunningProcess(argv, project.dir).ended
  expect(compiled.code, compiled.stdout).toBe(0)
  rmSync(project.path('src'), { recursive: true })

  const url = `ipc://${project.path('daemon.sock')}`
  await project.daemon(['--noreload'], { ZTASKD_URL: url })
  project.write(
    'call.mjs',
    `import { tasks } from './dist/ztask/client.js'\nawait tasks.note.async('compiled')\n`,
  )
  const called = await project.start(['call.mjs'], { ZTASKD_URL: url }).ended
  expect(called).toMatchObject({ code: 0, stderr: '' })
  await project.hasRun('compiled')
})

test('a backup taken beside a daemon holds what it had stored, and a daemon starts from it', async () => {
  const project = await makeProject()
  const daemon = await project.daemon()
  const { note } = project.client()
  const before = await note.after(3600, 'before')
  const taken = await project.start([`${FOLDER}backup.mjs`, '.ztask/ztask.db', 'copy.db']).ended
  expect(taken).toMatchObject({ code: 0, stderr: '' })
  expect(statSync(project.path('copy.db')).mode & 0o077).toBe(0)
  await note.after(3600, 'after')
  await daemon.kill()

  for (const left of ['ztask.db-wal', 'ztask.db-shm']) rmSync(project.path(`.ztask/${left}`), { force: true })
  renameSync(project.path('copy.db'), project.path('.ztask/ztask.db'))
  await project.daemon()
  const jobs = await project.json<{ id: string }[]>('list')
  expect(jobs.map(({ id }) => id)).toEqual([before.id])
  await note.async('on it goes')
  await project.hasRun('on it goes')
})
