/** A restart: what waits, is scheduled or was running goes on, in order; what has no retry left only when it is asked for. */
import { expect, test } from 'vitest'
import { makeProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

/** One at a time, so that the order of ran.log is the order of the queue. */
const ONE_BY_ONE = ['--workers', '1', '--concurrency', '1']

test('K9: a start replays what was running, waiting and scheduled, in the order in which it was due', async () => {
  const project = await makeProject()
  const first = await project.daemon(ONE_BY_ONE)
  const { act, note, failOnce } = project.client()
  await failOnce.async('x')
  await act.async('wait', 'go')
  await project.hasRun('wait:go')
  await note.async('a')
  await Promise.all([note.async('b'), note.async('c'), note.after(0.5, 'later'), note.async('d')])
  await first.kill()
  project.write('go', '')
  await project.daemon(ONE_BY_ONE)
  await project.hasRun('later')
  expect(project.ran()).toEqual(['x', 'wait:go', 'wait:go', 'done:go', 'a', 'b', 'c', 'd', 'later'])
})

test('K9: --replayfailed adds the exhausted jobs, oldest first, with all their attempts', async () => {
  const project = await makeProject()
  const first = await project.daemon(ONE_BY_ONE)
  const { act, note, failOnce } = project.client()
  for (const what of ['x1', 'x2', 'x3']) await project.job((await failOnce.async(what)).id, 'failed')
  await act.async('wait', 'go')
  await project.hasRun('wait:go')
  await Promise.all([note.async('a'), note.async('b')])
  await first.kill()
  project.write('go', '')
  const second = await project.daemon([...ONE_BY_ONE, '--replayfailed'])
  expect(await second.prints(/Replaying/)).toContain('"count":3')
  await until('the three to have failed again', () => {
    const rows = project.rows()
    return rows.length === 3 && rows.every(({ state, attempts }) => state === 'failed' && attempts === 1)
  })
  expect(project.ran()).toEqual([
    ...['x1', 'x2', 'x3', 'wait:go'],
    ...['wait:go', 'done:go', 'a', 'b', 'x1', 'x2', 'x3'],
  ])
})

test('B1: after a restart each scheduled job runs with its own arguments, at its own time', async () => {
  const project = await makeProject()
  const first = await project.daemon()
  const { note } = project.client()
  const names = ['a', 'b', 'c', 'd', 'e']
  await Promise.all(names.map((name, index) => note.after(1 + index / 20, name)))
  const due = new Map(project.rows().map((row) => [JSON.parse(row.args)[0], row.due]))
  await first.kill()
  expect(project.ran()).toEqual([])
  await project.daemon()
  await until('all to have run', () => project.rows().length === 0)
  expect(project.ran().toSorted()).toEqual(names)
  for (const { what, at } of project.runs()) expect(at).toBeGreaterThanOrEqual(due.get(what) ?? Infinity)
})

const LAST = `
import { appendFileSync, existsSync } from 'node:fs'
import { task } from 'ztask'
export const last = task({ retryCount: 1, retryAfter: 1 }, (what: string) => {
  appendFileSync('ran.log', what + ' ' + process.pid + ' ' + Date.now() + '\\n')
  if (!existsSync('go')) throw new Error('not yet')
})
`

test('B13: a job on its last attempt, and one that has no retry at all, is replayed after a restart', async () => {
  const project = await makeProject({ files: { 'src/last.ts': LAST } })
  const first = await project.daemon()
  const { last, failOnce } = project.calls(['last', 'failOnce'])
  const { id } = await last.async('last')
  await until('its first attempt to be charged', () =>
    project.rows().some((row) => row.id === id && row.attempts === 1 && row.state === 'queued'),
  )
  await failOnce.after(1, 'only')
  await first.kill()
  expect(project.ran()).toEqual(['last'])
  project.write('go', '')
  await project.daemon()
  await until('the last attempt to succeed', () => !project.rows().some((row) => row.id === id))
  await until('the only attempt to fail', () => project.rows()[0]?.state === 'failed')
  expect(project.ran().toSorted()).toEqual(['last', 'last', 'only'])
})
