/** Another process holds the database, for longer than a call may take. */
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { StorageError } from '../../dist/src/index.js'
import { logLines } from '../harness/process.ts'
import { makeProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

test('calls are refused within their timeout, what runs ends and is written later, and the daemon answers throughout', async () => {
  const project = await makeProject()
  const daemon = await project.daemon()
  const { act, note } = project.client()
  const { id } = await act.async('wait', 'go')
  await project.hasRun('wait:go')
  const other = new DatabaseSync(project.path('.ztask/ztask.db'), { timeout: 5000 })
  other.exec('begin immediate')
  const refused = Promise.all(['one', 'two'].map((what) => note.async(what).catch((error: Error) => error)))
  let answered = 0
  let over = false
  void refused.then(() => {
    over = true
  })
  while (!over) {
    expect(await project.json('status')).toMatchObject({ running: 1 })
    answered++
  }
  for (const error of await refused) {
    expect(error).toBeInstanceOf(StorageError)
    expect(error).toMatchObject({ data: { reason: 'database is locked' } })
  }
  // A daemon that waits in SQLite answers once: when that is over.
  expect(answered).toBeGreaterThan(2)
  project.write('go', '')
  await project.hasRun('done:go')
  await expect(note.async('three')).rejects.toBeInstanceOf(StorageError)
  expect(project.rows()).toMatchObject([{ id, state: 'queued' }])
  other.exec('rollback')
  other.close()
  await until('its outcome to be written', () => project.rows().length === 0)
  await note.async('after')
  await project.hasRun('after')
  expect(project.ran()).toEqual(['wait:go', 'done:go', 'after'])
  const said = logLines(daemon.stdout).map(({ msg }) => msg)
  expect(said.filter((msg) => msg.startsWith('The database fails'))).toHaveLength(1)
  expect(said.filter((msg) => msg.startsWith('The database works again'))).toHaveLength(1)
})

test('for a moment: the call waits and is stored, and nothing is said of it', async () => {
  const project = await makeProject()
  const daemon = await project.daemon()
  const { note } = project.client()
  const other = new DatabaseSync(project.path('.ztask/ztask.db'), { timeout: 5000 })
  other.exec('begin immediate')
  let ended = false
  const stored = note.async('patient').then(() => {
    ended = true
  })
  // It answers others while the call waits.
  for (let i = 0; i < 2; i++) await project.json('status')
  expect(ended).toBe(false)
  other.exec('rollback')
  other.close()
  await stored
  await project.hasRun('patient')
  expect(daemon.stdout).not.toContain('The database fails')
})
