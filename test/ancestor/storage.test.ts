/** A database that fails: nothing is lost in silence, nothing that has run runs again, nothing runs without end. */
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { makeProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

/**
 * From now on every statement of this kind on the table of jobs fails, with SQLite's general error: it is no job's fault,
 * as that of a broken file is none.
 */
const breakEach = (project: TestProject, kind: 'insert' | 'update' | 'delete') =>
  project.sql(`create trigger broken before ${kind} on jobs begin select json('on fire'); end`)
const mend = (project: TestProject) => project.sql('drop trigger broken')

test('B4: a call that cannot be stored is refused with StorageError, and the next is stored again', async () => {
  const project = await makeProject()
  const daemon = await project.daemon()
  const { note } = project.client()
  breakEach(project, 'insert')
  for (const what of ['one', 'two'])
    await expect(note.async(what)).rejects.toMatchObject({
      name: 'StorageError',
      code: 'ZTASK_STORAGE',
      data: { reason: 'malformed JSON' },
      message: expect.stringContaining('The job is not stored'),
    })
  await daemon.prints(/The database fails: malformed JSON/)
  mend(project)
  await note.async('three')
  await daemon.prints(/The database works again/)
  await project.hasRun('three')
  expect(project.ran()).toEqual(['three'])
})

test('B4: where another process holds the database for too long, the call is refused and not half stored', async () => {
  const project = await makeProject()
  await project.daemon()
  const { note } = project.client({ callTimeout: 60 })
  await note.async('before')
  await until('its row to go', () => project.rows().length === 0)
  const other = new DatabaseSync(project.path('.ztask/ztask.db'))
  other.exec('begin immediate')
  await expect(note.async('locked out')).rejects.toMatchObject({
    name: 'StorageError',
    data: { reason: 'database is locked' },
  })
  other.exec('rollback')
  other.close()
  await note.async('after')
  await project.hasRun('after')
  expect(project.ran()).toEqual(['before', 'after'])
})

test('B11: work that is done does not run again because its row cannot be deleted', async () => {
  const project = await makeProject()
  const daemon = await project.daemon()
  const { note } = project.client()
  breakEach(project, 'delete')
  const { id } = await note.async('once')
  await daemon.prints(/The database fails: malformed JSON/)
  expect(project.rows()).toMatchObject([{ id, state: 'queued', attempts: 0 }])
  // The table is read anew, where the job still stands as queued and due.
  expect(await project.json('retry', '--failed')).toEqual({ count: 0 })
  expect(await project.ask('status')).toMatchObject({ waiting: 0, running: 1 })
  mend(project)
  await until('its row to go', () => project.rows().length === 0)
  await note.async('next')
  await project.hasRun('next')
  expect(project.ran()).toEqual(['once', 'next'])
})

test('B14: a failure that cannot be saved is not retried until it is saved, and then as often as it should be', async () => {
  const project = await makeProject()
  const daemon = await project.daemon()
  const { act, note } = project.client()
  // Five times the pause between the attempts of act.
  await note.after(1.2, 'meanwhile')
  breakEach(project, 'update')
  const { id } = await act.async('throw', 'x')
  await daemon.prints(/The database fails: malformed JSON/)
  await project.hasRun('meanwhile')
  expect(project.ran().toSorted()).toEqual(['meanwhile', 'throw:x'])
  mend(project)
  expect(await project.job(id, 'failed')).toMatchObject({ attempts: 3 })
  expect(project.ran().filter((what) => what === 'throw:x')).toHaveLength(3)
})
