/** How far a job is reaches whoever watches it, and never slows the task. */
import { expect, test } from 'vitest'
import { getJob, type Progress } from '../../dist/src/index.js'
import type { UntypedCalls } from '../../src/client/client.ts'
import { Connection } from '../../src/client/connection.ts'
import { makeProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

const DEEDS = `
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { currentJob, getJob, task } from 'ztask'

const until = async (file: string) => { while (!existsSync(file)) await sleep(5) }

export const pages = task({ retryAfter: 0 }, async () => {
  for (let page = 1; page <= 4; page++) {
    currentJob().progress(page / 4, 'page ' + page)
    await until('page' + page)
  }
})
export const often = task({ retryCount: 0 }, async (times: number) => {
  for (let n = 1; n <= times; n++) currentJob().progress(n / times, String(n))
  await until('go')
})
export const wrong = task({ retryCount: 0 }, (value: unknown) => currentJob().progress(value as number))
export const sums = task({ retryCount: 0 }, async () => {
  for (const n of [Number.NaN, 0.1 + 0.7 + 0.2000000000000001, -1]) {
    currentJob().progress(n)
    await until('told')
    await sleep(150)
  }
})
export const watches = task({ retryCount: 0 }, async (id: string) => {
  for await (const { message } of getJob(id).progress()) currentJob().log.info(message ?? '')
})
export const silent = task({ retryCount: 0 }, async () => until('go'))
`

const NAMES = ['pages', 'often', 'wrong', 'silent', 'sums', 'watches'] as const
const make = async (): Promise<{
  project: TestProject
  tasks: Record<(typeof NAMES)[number], UntypedCalls>
}> => {
  const project = await makeProject({ files: { 'src/deeds.ts': DEEDS } })
  return { project, tasks: project.calls(NAMES) }
}

/** Reads all of it, into the list. */
const read = async (progress: AsyncIterable<Progress>, into: Progress[]): Promise<void> => {
  for await (const one of progress) into.push(one)
}

test('each who watches is told how far a job is, over a death of the daemon, until it is over', async () => {
  const { project, tasks } = await make()
  const daemon = await project.daemon()
  const job = await tasks.pages.async()
  const [one, other]: [Progress[], Progress[]] = [[], []]
  const loops = [read(job.progress(), one), read(getJob(job.id).progress(), other)]
  await until('the first page', () => one.length > 0 && other.length > 0)
  expect(one).toEqual([{ fraction: 0.25, message: 'page 1' }])
  expect(await project.ask('show', { id: job.id })).toMatchObject({
    progress: { fraction: 0.25, message: 'page 1' },
  })
  expect((await project.ztask('show', job.id)).stdout).toMatch(/progress +25%, page 1/)
  // Whoever asks is answered, and hears alone what the others know.
  const third: Progress[] = []
  loops.push(read(job.progress(), third))
  await until('it to be told again', () => third.length > 0)
  expect([one, other]).toEqual([third, third])
  project.write('page1', '')
  await until('the second page', () => one.at(-1)?.message === 'page 2')
  await daemon.kill()
  await project.daemon()
  // It runs anew.
  project.write('page2', '')
  await until('the third page', () => one.at(-1)?.message === 'page 3' && other.at(-1)?.message === 'page 3')
  for (const page of [3, 4]) project.write(`page${page}`, '')
  await Promise.all(loops)
  expect(one.at(-1)).toEqual({ fraction: 1, message: 'page 4' })
  // Who comes late hears nothing, and no loop hangs.
  const late: Progress[] = []
  await read(job.progress(), late)
  expect(late).toEqual([])
})

test('of what is said at once the last is told, and a hundred thousand times slow down nobody', async () => {
  const { project, tasks } = await make()
  await project.daemon()
  const job = await tasks.often.async(100_000)
  const told: Progress[] = []
  const loop = read(job.progress(), told)
  await until('the last', () => told.at(-1)?.fraction === 1)
  expect(told.length).toBeLessThan(100)
  project.write('go', '')
  await loop
})

test('a loop may be left, and ends with its job, however that ends; what is no number fails the task', async () => {
  const { project, tasks } = await make()
  await project.daemon()
  const pages = await tasks.pages.async()
  for await (const { fraction } of pages.progress()) {
    expect(fraction).toBe(0.25)
    break
  }
  const silent = await tasks.silent.async()
  const heard: Progress[] = []
  const loop = read(silent.progress(), heard)
  await until('it to run', async () => (await silent.status()) === 'running')
  await silent.cancel()
  project.write('go', '')
  await loop
  expect(heard).toEqual([])
  const wrong = await tasks.wrong.async('half')
  await read(wrong.progress(), heard)
  expect(await project.job(wrong.id, 'failed')).toMatchObject({
    failure: { name: 'TypeError', message: 'progress(half): it takes a number from 0 to 1.' },
  })
})

test('of a sum of parts a little over 1 is 1, and nothing out of nothing is 0', async () => {
  const { project, tasks } = await make()
  await project.daemon()
  const job = await tasks.sums.async()
  const told: Progress[] = []
  const loop = read(job.progress(), told)
  await until('the first', () => told.length > 0)
  project.write('told', '')
  await loop
  expect(told.map(({ fraction }) => fraction)).toEqual([0, 1, 0])
})

test('within a job a loop ends at its signal, also while it waits for what comes next', async () => {
  const { project, tasks } = await make()
  const daemon = await project.daemon(['--kill-grace', '5'])
  const job = await tasks.pages.async()
  const watches = await tasks.watches.async(job.id)
  await daemon.prints(/page 1/)
  await watches.cancel()
  await until('it to have ended', async () => (await watches.status()) === 'gone')
  expect(await job.status()).toBe('running')
  expect(daemon.stdout + daemon.stderr).not.toMatch(/kill/i)
})

test('of a client that is closed a loop ends, and none begins', async () => {
  const { project, tasks } = await make()
  await project.daemon()
  const link = new Connection(project.url, 'fixture', 5000)
  const job = await tasks.silent.async()
  const { signal } = new AbortController()
  const loop = read(link.watch(job.id, signal), [])
  const ended = expect(loop).rejects.toMatchObject({ name: 'ClientClosedError' })
  link.close()
  await ended
  expect(() => link.watch(job.id, signal)).toThrow('The client is closed.')
})

test('a script that has watched its job to the end ends by itself', async () => {
  const { project } = await make()
  await project.daemon()
  const script = project.script(`
import { tasks } from './src/ztask/client.js'
const job = await tasks.often.async(3)
for await (const { fraction } of job.progress()) { console.log('at', fraction); break }
console.log('sum', await tasks.often.async(1).then((other) => other.id.length))
`)
  await script.prints(/at 1/)
  expect(await script.ended).toMatchObject({ code: 0, stderr: '' })
})
