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
