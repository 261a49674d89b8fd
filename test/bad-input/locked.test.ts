/** Another process holds the database, for longer than a call may take. */
import { randomUUID } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { StorageError } from '../../dist/src/index.js'
import { exchange } from '../harness/dealer.ts'
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
    expect(await project.ask('status')).toMatchObject({ running: 1 })
    answered++
    // What it answers costs it and this process next to nothing: it would be asked a thousand times a second.
    await sleep(100)
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

test('a job that is sent again while the end of its run waits for the lock runs once', async () => {
  const project = await makeProject()
  await project.daemon()
  const id = randomUUID()
  const message = { kind: 'enqueue', project: 'fixture', seq: 1, jobs: [[id, 'act', '["wait","go"]']] }
  const send = () => exchange(project.url, ['ztask/1', JSON.stringify(message)])
  expect(await send()).toMatchObject({ kind: 'stored' })
  await project.hasRun('wait:go')
  const other = new DatabaseSync(project.path('.ztask/ztask.db'), { timeout: 5000 })
  other.exec('begin immediate')
  project.write('go', '')
  // When its worker is idle its outcome has been reported.
  await until('its worker to be idle', async () => {
    const { workers } = await project.json<{ workers: { running: number }[] }>('status')
    return workers.every(({ running }) => running === 0)
  })
  const again = send()
  // The daemon reads in turn: what it answers now comes after that.
  await project.json('status')
  other.exec('rollback')
  other.close()
  expect(await again).toEqual({ kind: 'stored', seq: 1 })
  await project.client().note.async('last')
  await project.hasRun('last')
  await until('the queue to be empty', () => project.rows().length === 0)
  expect(project.ran()).toEqual(['wait:go', 'done:go', 'last'])
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
  let retried = false
  const retrying = project.ztask('retry', '--failed').then((command) => {
    retried = true
    return command
  })
  // It answers others while the call and the command wait.
  for (let i = 0; i < 2; i++) await project.json('status')
  expect([ended, retried]).toEqual([false, false])
  other.exec('rollback')
  other.close()
  await stored
  expect(await retrying).toMatchObject({ code: 0, stdout: '0 retried\n' })
  await project.hasRun('patient')
  expect(daemon.stdout).not.toContain('The database fails')
})
