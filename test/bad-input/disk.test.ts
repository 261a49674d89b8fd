/** A disk that fills up while the daemon runs: calls are refused, and taken again when there is space. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { StorageError } from '../../dist/src/index.js'
import { EXECUTABLE, logLines, type RunningProcess, withFileLimit } from '../harness/process.ts'
import { makeProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

const LARGE = 'x'.repeat(100_000)

/** Stores jobs for later until one is refused. @returns how many were taken, and why the next was not */
const fill = async (project: TestProject): Promise<[number, StorageError]> => {
  const { note } = project.client({ callTimeout: 30 })
  for (let taken = 0; taken < 100; taken++) {
    try {
      await note.after(3600, LARGE)
    } catch (error) {
      return [taken, error as StorageError]
    }
  }
  throw new Error('the disk took 10 MB')
}

const tried = async (project: TestProject, daemon: RunningProcess, free: () => void): Promise<void> => {
  await daemon.prints(/Listening on/)
  await project.client().note.async('before')
  await project.hasRun('before')
  await until('its row to go', () => project.rows().length === 0)
  const { id } = await project.client().act.async('wait', 'go')
  await project.hasRun('wait:go')
  const [taken, error] = await fill(project)
  expect(error).toBeInstanceOf(StorageError)
  expect(error.message).toMatch(
    /^The daemon could not write to its database: (database or disk is full|disk I\/O error)\. The job is not stored; call again when the database works\.$/,
  )
  const line = await daemon.prints(/The database fails/)
  expect(line).toContain(`free space for ${project.path('.ztask/ztask.db')}, or mend what is said`)
  expect(project.rows()).toHaveLength(taken + 1)
  // It answers, though it cannot write.
  expect(await project.ask('status')).toMatchObject({ scheduled: taken, running: 1 })
  project.write('go', '')
  await project.hasRun('done:go')
  await expect(project.client().note.async(LARGE)).rejects.toBeInstanceOf(StorageError)
  free()
  await until('what ended meanwhile to be written', () => project.rows().every((row) => row.id !== id))
  await project.client().note.async('after')
  await daemon.prints(/The database works again/)
  await project.hasRun('after')
  expect(project.ran()).toEqual(['before', 'wait:go', 'done:go', 'after'])
  const said = (what: string): number =>
    logLines(daemon.stdout).filter(({ msg }) => msg.startsWith(what)).length
  // The end of the job may still find a little room: then it is one outage more, and one line more.
  await until(
    () => `as many ends as outages in ${daemon.stdout}`,
    () => said('The database works again') === said('The database fails'),
  )
  expect(said('The database fails')).toBeLessThanOrEqual(2)
  expect(daemon.hasEnded).toBe(false)
}

test('what a file of the daemon may hold is full, as by a quota', async () => {
  const project = await makeProject()
  const argv = withFileLimit(1024, [EXECUTABLE, 'daemon', '--workers', '1', '--noreload'])
  const daemon = project.start(argv)
  // The test has no such limit: it empties the log beside the database.
  await tried(project, daemon, () => project.sql('pragma wal_checkpoint(truncate)'))
})

test('the file system is full', async (context) => {
  const project = await makeProject()
  const folder = project.path('.ztask')
  mkdirSync(folder)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'ztask-test', folder]).status === 0
  if (!mounted) context.skip('only who may mount can make a small file system')
  try {
    const ballast = project.path('.ztask/ballast')
    writeFileSync(ballast, Buffer.alloc(3_000_000))
    await tried(project, project.launch(['--workers', '1']), () => rmSync(ballast))
  } finally {
    // The daemon, which still uses it, ends with the project.
    spawnSync('umount', ['--lazy', folder])
  }
})
