/** So many jobs wait for others that workers begin no more of them: all come to an end all the same. */
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { UntypedCalls } from '../../src/client/client.ts'
import { makeProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

const DEEDS = `
import { writeFileSync } from 'node:fs'
import { currentJob, task } from 'ztask'
import { tasks } from './ztask/client.js'

let waiting = 0
let most = 0
const during = async <T>(wait: Promise<T>): Promise<T> => {
  if (++waiting > most) writeFileSync('most.' + process.pid, String((most = waiting)))
  try { return await wait } finally { waiting-- }
}

export const add = task((left: number, right: number) => left + right)
export const outer = task({ retryCount: 0 }, async (n: number) => { await during(tasks.add.run(n, 1)) })

export const flaky = task({ retryCount: 1, retryAfter: 0.5 }, (n: number) => { if (currentJob().attempt === 1) throw new Error('first'); return n })
export const late = task(async (n: number): Promise<number> => (await tasks.add.after(1, n, 1)).result())
/** Waits for what waits, for what fails at first, for what is due later, and for several that nobody knew to be awaited. */
export const deep = task({ retryCount: 0 }, async (n: number) => {
  if (n % 3 === 0) return void (await during(tasks.flaky.run(n)))
  if (n % 3 === 1) return void (await during(tasks.late.run(n)))
  const jobs = await tasks.add.batch([[n, 1], [n, 2]])
  await during(Promise.all(jobs.map((job) => job.result())))
})
`

const NAMES = ['add', 'outer', 'flaky', 'late', 'deep'] as const
const make = async (): Promise<{
  project: TestProject
  tasks: Record<(typeof NAMES)[number], UntypedCalls>
}> => {
  const project = await makeProject({ files: { 'src/deeds.ts': DEEDS } })
  return { project, tasks: project.calls(NAMES) }
}

/** @returns how many waited at a time, in each worker */
const mostIn = (project: TestProject): number[] =>
  readdirSync(project.path('.'))
    .filter((name) => name.startsWith('most.'))
    .map((name) => Number(readFileSync(project.path(name), 'utf8')))

const allEnd = async (project: TestProject): Promise<void> => {
  await until('all to have ended', () =>
    project.rows().every(({ state }) => state === 'done' || state === 'failed'),
  )
  expect(project.rows().filter(({ state }) => state === 'failed')).toEqual([])
}

test('of jobs that wait no more have begun than a bound, and those come to an end', async () => {
  const { project, tasks } = await make()
  const COUNT = 1500
  await project.daemon(['--workers', '1', '--concurrency', '2'])
  await tasks.outer.batch(Array.from({ length: COUNT }, (_, n) => [n]))
  await allEnd(project)
  const [most] = mostIn(project)
  expect(most).toBeGreaterThanOrEqual(200)
  // And what it had in stock.
  expect(most).toBeLessThanOrEqual(200 + 512 + 2)
})

test('what they wait for may be anywhere in the queue, wait itself, fail, or be due later', async () => {
  const { project, tasks } = await make()
  await project.daemon(['--workers', '2', '--concurrency', '2'])
  await tasks.deep.batch(Array.from({ length: 700 }, (_, n) => [n]))
  await allEnd(project)
  expect(Math.max(...mostIn(project))).toBeGreaterThanOrEqual(200)
})
