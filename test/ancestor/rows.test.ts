/** The life of a row: there before the job runs, gone when it succeeded, kept with its error when it failed. */
import { beforeAll, expect, test } from 'vitest'
import type { JobView } from '../../src/daemon/commands.ts'
import type { RunningProcess } from '../harness/process.ts'
import { shareProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

/** No options: the settings decide about its retries. */
const FAILS = `
import { appendFileSync } from 'node:fs'
import { task } from 'ztask'
export const fails = task((what: string) => {
  appendFileSync('ran.log', what + ' ' + process.pid + ' ' + Date.now() + '\\n')
  throw new TypeError('always ' + what)
})
`

let project: TestProject
let daemon: RunningProcess
beforeAll(async () => {
  project = await shareProject({ files: { 'src/fails.ts': FAILS } })
  daemon = await project.daemon(['--workers', '1', '--concurrency', '1'])
})

const rowOf = (id: string) => project.rows().find((row) => row.id === id)

test('K5: a call is a row before it runs, and while it runs', async () => {
  const { act, note } = project.client()
  const running = await act.async('wait', 'go')
  await project.hasRun('wait:go')
  const waiting = await note.async('second')
  expect(project.ran()).not.toContain('second')
  expect(project.rows().map(({ id, task, args }) => [id, task, args])).toEqual([
    [running.id, 'act', '["wait","go"]'],
    [waiting.id, 'note', '["second"]'],
  ])
  project.write('go', '')
  await project.hasRun('second')
})

test('K6: success deletes the row', async () => {
  const { note } = project.client()
  const { id } = await note.async('third')
  await project.hasRun('third')
  await until('its row to go', () => rowOf(id) === undefined)
  expect((await project.ztask('show', id)).stderr).toMatch(new RegExp(`^No job '?${id}'?`))
})

test('B19: failed is set when no retry is left and not before; the error and its stack are kept from the first', async () => {
  const { fails, failOnce } = project.calls(['fails', 'failOnce'])
  const { id } = await fails.async('early')
  const early = await until('its first attempt to be charged', async () => {
    const job = await project.json<JobView>('show', id)
    return job.attempts === 1 ? job : undefined
  })
  expect(early).toMatchObject({ state: 'scheduled', failedAt: null })
  expect(rowOf(id)).toMatchObject({ state: 'queued', failed_at: null })
  expect(early.failure).toMatchObject({ name: 'TypeError', message: 'always early' })
  expect(early.failure?.stack).toMatch(/src\/fails\.ts:6:\d+/)

  const before = Date.now()
  const last = await project.job((await failOnce.async('late')).id, 'failed')
  const failedAt = Date.parse(last.failedAt ?? '')
  expect(failedAt).toBeGreaterThanOrEqual(before)
  expect(failedAt).toBeLessThanOrEqual(Date.now())
  expect(last.failure?.stack).toMatch(/^Error: no retry\n.*src\/tasks\.ts:\d+:\d+/s)
})

test('K7: the next attempt is due 5 s after the last', async () => {
  const { fails } = project.calls(['fails'])
  const { id } = await fails.async('patient')
  const row = await until('its first attempt to be charged', () => {
    const found = rowOf(id)
    return found?.attempts === 1 ? found : undefined
  })
  const [run] = project.runs().filter(({ what }) => what === 'patient')
  expect(row.due).toBeGreaterThanOrEqual((run?.at ?? 0) + 5000)
  expect(row.due).toBeLessThanOrEqual(Date.now() + 5000)
})

test('B18: each task has its own number of retries and its own pause', async () => {
  const { act, failOnce } = project.client()
  const [thrice, once] = await Promise.all([act.async('throw', 'own'), failOnce.async('own once')])
  expect(await project.job(thrice.id, 'failed')).toMatchObject({ attempts: 3 })
  expect(await project.job(once.id, 'failed')).toMatchObject({ attempts: 1 })
  const at = project.runs().flatMap((run) => (run.what === 'throw:own' ? [run.at] : []))
  expect(at).toHaveLength(3)
  for (const [i, start] of at.slice(1).entries()) expect(start - (at[i] ?? 0)).toBeGreaterThanOrEqual(200)
})

test('K8: what has no retry left stays as the failed list, over a restart too, and runs no more', async () => {
  const { failOnce, note } = project.client()
  const ids = [(await failOnce.async('x1')).id, (await failOnce.async('x2')).id]
  for (const id of ids) await project.job(id, 'failed')
  await daemon.kill()
  daemon = await project.daemon()
  const failed = await project.json<JobView[]>('list', '--failed')
  expect(failed.map(({ id }) => id)).toEqual(expect.arrayContaining(ids))
  await note.async('after the restart')
  await project.hasRun('after the restart')
  expect(project.ran().filter((what) => what === 'x1' || what === 'x2')).toEqual(['x1', 'x2'])
})

test('K7: a job that always throws runs 6 times in all, each after the pause, and keeps its last error', async () => {
  await daemon.kill()
  daemon = await project.daemon([], { ZTASKD_RETRY_AFTER: '0.05' })
  const { fails } = project.calls(['fails'])
  const job = await project.job((await fails.async('stubborn')).id, 'failed')
  expect(job).toMatchObject({ attempts: 6, failure: { message: 'always stubborn' } })
  const at = project
    .runs()
    .filter(({ what }) => what === 'stubborn')
    .map((run) => run.at)
  expect(at).toHaveLength(6)
  for (const [index, time] of at.entries())
    if (index > 0) expect(time - (at[index - 1] ?? 0)).toBeGreaterThanOrEqual(50)
})
