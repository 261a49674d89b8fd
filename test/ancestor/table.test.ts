/** The table: what a row holds, in which units, and what finds it. */
import { beforeAll, expect, test } from 'vitest'
import { shareProject, type TestProject } from '../harness/project.ts'

let project: TestProject
beforeAll(async () => {
  project = await shareProject()
  await project.daemon()
})

test('K17: a row has the id, name, arguments, attempts, error, next attempt, created and failed', async () => {
  const { failOnce } = project.client()
  const { id } = await failOnce.async('z')
  await project.job(id, 'failed')
  const row = project.rows().find((one) => one.id === id)
  expect(row).toMatchObject({ id, task: 'failOnce', args: '["z"]', attempts: 1, state: 'failed' })
  expect(Object.keys(row ?? {})).toEqual(
    expect.arrayContaining(['id', 'task', 'args', 'attempts', 'failure', 'due', 'created', 'failed_at']),
  )
  expect(JSON.parse(row?.failure ?? '')).toMatchObject({ name: 'Error', message: 'no retry' })
})

test('B24: every time in a row is in epoch milliseconds', async () => {
  const { failOnce, note } = project.client()
  const before = Date.now()
  const failed = await failOnce.async('timed')
  await project.job(failed.id, 'failed')
  const planned = await note.at(new Date('2101-01-01T00:00:00Z'), 'far')
  const after = Date.now()
  const types = project.sql<Record<string, string>>(
    'select distinct typeof(created) as created, typeof(due) as due from jobs',
  )
  expect(types).toEqual([{ created: 'integer', due: 'integer' }])
  const [one, other] = [failed, planned].map(({ id }) => project.rows().find((row) => row.id === id))
  for (const time of [one?.created, one?.due, one?.failed_at, other?.created]) {
    expect(time).toBeGreaterThanOrEqual(before)
    expect(time).toBeLessThanOrEqual(after)
  }
  expect(other?.due).toBe(Date.UTC(2101, 0, 1))
})

test('B24: what is next and what failed is found by an index, without sorting', () => {
  const planOf = (query: string) =>
    project
      .sql<{ detail: string }>(`explain query plan ${query}`)
      .map(({ detail }) => detail)
      .join('; ')
  const next = planOf(`select * from jobs where state = 'queued' order by due, seq limit 10`)
  expect(next).toContain('USING INDEX jobs_by_turn')
  expect(next).not.toContain('TEMP B-TREE')
  expect(planOf(`select count(*) from jobs where state = 'queued' and due > 1`)).toContain('jobs_by_turn')
  expect(planOf(`select * from jobs where state = 'failed' order by seq`)).toBe('')
})
