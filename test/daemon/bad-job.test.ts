/** A job that the database does not take: a trigger of the user's, say. */
import { expect, test } from 'vitest'
import { makeProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

const refuse = (way: 'insert' | 'delete', row: 'new' | 'old'): string =>
  `create trigger bad_${way} before ${way} on jobs when ${row}.args like '%bad%'
   begin select raise(abort, 'no bad ones here'); end`

test('of a hundred calls of one tick the one that is bad is refused, and the others run', async () => {
  const project = await makeProject()
  await project.daemon()
  project.sql(refuse('insert', 'new'))
  const { note } = project.client()
  const names = Array.from({ length: 100 }, (_, index) => (index === 42 ? 'bad' : `good ${index}`))
  const ends = await Promise.allSettled(names.map((name) => note.async(name)))
  const refused = ends.flatMap((end, index) => (end.status === 'rejected' ? [[index, end.reason]] : []))
  expect(refused).toMatchObject([[42, { code: 'ZTASK_STORAGE', data: { reason: 'no bad ones here' } }]])
  await until('the others to run', () => project.ran().length === 99)
  expect(project.ran()).not.toContain('bad')

  // By a batch all of them are refused.
  const batch = note.batch([['good too'], ['bad'], ['good as well']])
  await expect(batch).rejects.toMatchObject({ code: 'ZTASK_STORAGE', data: { reason: 'no bad ones here' } })
  await note.async('after')
  await project.hasRun('after')
  expect(project.ran().filter((what) => /too|as well/.test(what))).toEqual([])
})

test('a job whose end the database does not take is failed, and says why; the daemon goes on', async () => {
  const project = await makeProject()
  const daemon = await project.daemon()
  project.sql(refuse('delete', 'old'))
  const { note } = project.client()
  const [bad] = await Promise.all([note.async('bad'), note.async('good')])
  const { failure } = await project.job(bad?.id ?? '', 'failed')
  expect(failure).toMatchObject({ name: 'Unstorable', message: expect.stringContaining('no bad ones here') })
  await until('the other row to go', () => project.rows().length === 1)
  expect(project.ran().sort()).toEqual(['bad', 'good'])
  expect(daemon.stdout).toContain('does not take what became of note')
})

test('a suspect of which it cannot be written that it is tried is failed, and not tried', async () => {
  const project = await makeProject()
  const daemon = await project.daemon(['--workers', '1'])
  project.sql(`create trigger bad_trial before update on jobs when new.mark = 'trial' and new.args like '["kill%'
    begin select raise(abort, 'no trial'); end`)
  const { act, note } = project.client()
  // The second time the place of who is tried must be free again.
  for (const name of ['bad one', 'bad two']) {
    const good = await act.async('wait', `go ${name}`)
    const bad = await act.async('kill', name)
    // It runs once, beside the other, whose turn to be tried alone comes first.
    await project.hasRun(`kill:${name}`)
    project.write(`go ${name}`, '')
    const { failure } = await project.job(bad.id, 'failed')
    expect(failure).toMatchObject({ name: 'Unstorable', message: expect.stringContaining('no trial') })
    await until('the other row to go', () => project.rows().every(({ id }) => id !== good.id))
  }
  await note.async('after')
  await project.hasRun('after')
  expect(project.ran().filter((what) => what.startsWith('kill:'))).toHaveLength(2)
  expect(daemon.hasEnded).toBe(false)
})

test('a cancel that cannot be written says so, and the run is told to end nevertheless', async () => {
  const project = await makeProject()
  await project.daemon()
  project.sql(`create trigger bad_cancel before update on jobs when new.mark = 'cancelled'
    begin select raise(abort, 'no cancels'); end`)
  const { act } = project.client()
  const job = await act.async('wait', 'go')
  await project.hasRun('wait:go')
  const told = { code: 'ZTASK_STORAGE', data: { reason: 'no cancels' } }
  await expect(job.cancel()).rejects.toMatchObject(told)
  project.write('go', '')
  await until('its row to go', () => project.rows().length === 0)
})

test('what a daemon that died left under way and cannot be written does not keep the next from starting', async () => {
  const project = await makeProject()
  const first = await project.daemon()
  const { act, note } = project.client()
  const bad = await act.async('wait', 'bad')
  const good = await act.async('wait', 'good')
  await project.hasRun('wait:bad')
  await until('both to be marked', () => project.rows().every(({ mark }) => mark === 'started'))
  project.sql(`create trigger bad_update before update on jobs when old.args like '%bad%'
    begin select raise(abort, 'frozen'); end`)
  await first.kill('SIGKILL')
  const second = await project.daemon()
  await second.prints(new RegExp(`Nor that act \\(${bad.id}\\) is failed: frozen`))
  project.write('good', '')
  await until('the other row to go', () => project.rows().every(({ id }) => id !== good.id))
  await note.async('after')
  await project.hasRun('after')
  expect(project.ran().filter((what) => what === 'wait:bad')).toHaveLength(1)
  // Who cancels it learns why that cannot be, and does not wait for ever.
  const told = { code: 'ZTASK_STORAGE', data: { reason: 'frozen' } }
  await expect(bad.cancel()).rejects.toMatchObject(told)
  // Mended, it goes on where it was.
  project.write('bad', '')
  project.sql('drop trigger bad_update')
  await until('its row to go', () => project.rows().length === 0)
  expect(project.ran().filter((what) => what === 'wait:bad')).toHaveLength(2)
})
