/** Options of a task and of a call: the call's win over the task's, which win over the settings; all are kept with the job. */
import { expect, test } from 'vitest'
import { getJob } from '../../dist/src/index.js'
import type { UntypedCalls } from '../../src/client/client.ts'
import { makeProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

const DEEDS = `
import { appendFileSync, existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { currentJob, DoNotRetry, RetryAfter, task } from 'ztask'

const say = (what: string) => appendFileSync('ran.log', what + ' ' + process.pid + ' ' + Date.now() + '\\n')
const fail = () => { say('attempt:' + currentJob().attempt); throw new Error('not yet') }

export const once = task({ retryCount: 0 }, fail)
export const listed = task({ retryCount: 3, retryAfter: [0.05, 0.4] }, fail)
export const growing = task({ retryCount: 3, retryAfter: { backoff: 'exponential', first: 0.1, most: 0.25, jitter: 0 } }, fail)
export const vain = task({ retryCount: 5, retryAfter: 0 }, () => {
  say('vain')
  throw new DoNotRetry('no such card', { cause: new Error('the bank says so') })
})
export const later = task({ retryCount: 0 }, (file: string) => {
  say('later:' + currentJob().attempt)
  if (!existsSync(file)) throw new RetryAfter(0.1)
})
export const slow = task({ retryCount: 0 }, async () => { await sleep(60_000, undefined, { signal: currentJob().signal as AbortSignal }) })
export const quick = task({ expiresIn: 0.2 }, (name: string) => say('quick:' + name))
export const kept = task({ keepResult: 2 }, (n: number) => n * 2)
export const wait = task({ retryCount: 0, priority: 10 }, async (file: string) => {
  say('wait:' + file)
  while (!existsSync(file)) await sleep(5)
})
export const plain = task((name: string) => say('plain:' + name))
export const ranked = task({ priority: 5 }, (name: string) => say('ranked:' + name))
export const forgotten = task({ retryCount: 0, keepFailed: 0.5 }, fail)
`

const NAMES = [
  'once',
  'listed',
  'growing',
  'vain',
  'later',
  'slow',
  'quick',
  'kept',
  'forgotten',
  'wait',
  'plain',
  'ranked',
] as const
type Calls = Record<(typeof NAMES)[number], UntypedCalls>

const make = async (): Promise<{ project: TestProject; tasks: Calls }> => {
  const project = await makeProject({ files: { 'src/deeds.ts': DEEDS } })
  return { project, tasks: project.calls(NAMES) }
}

const rowsOf = (project: TestProject, task: string) => project.rows().filter((row) => row.task === task)

/** How long after one another it ran, ms. */
const pauses = (project: TestProject): number[] => {
  const times = project.runs().map(({ at }) => at)
  return times.slice(1).map((time, at) => time - (times[at] as number))
}

test('pauses between attempts may be listed, and grow; a call has its own', async () => {
  const { project, tasks } = await make()
  await project.daemon()
  const { id } = await tasks.listed.async()
  await project.job(id, 'failed')
  const [first, second, third] = pauses(project) as [number, number, number]
  expect(first).toBeGreaterThanOrEqual(45)
  expect(second).toBeGreaterThanOrEqual(395)
  expect(third).toBeGreaterThanOrEqual(395)
  project.remove('ran.log')
  const grown = await tasks.growing.async()
  await project.job(grown.id, 'failed')
  const [one, two, three] = pauses(project) as [number, number, number]
  expect(one).toBeGreaterThanOrEqual(95)
  expect(two).toBeGreaterThanOrEqual(195)
  expect(three).toBeGreaterThanOrEqual(245)
  project.remove('ran.log')
  const twice = await tasks.once.with({ retryCount: 1, retryAfter: 0 }).async()
  expect(await project.job(twice.id, 'failed')).toMatchObject({ attempts: 2 })
  expect((await project.job((await tasks.once.async()).id, 'failed')).attempts).toBe(1)
})

test('a task decides: in vain, and the job fails at once; later, and it costs no attempt', async () => {
  const { project, tasks } = await make()
  await project.daemon()
  const { id } = await tasks.vain.async()
  expect(await project.job(id, 'failed')).toMatchObject({
    attempts: 1,
    failure: { name: 'DoNotRetry', message: 'no such card', cause: { message: 'the bank says so' } },
  })
  expect(project.ran()).toEqual(['vain'])
  await tasks.later.async('go')
  await project.hasRun('later:1', 4)
  expect(rowsOf(project, 'later')).toMatchObject([{ state: 'queued', attempts: 0, failure: null }])
  project.write('go', '')
  await until('it to have ended', () => rowsOf(project, 'later').length === 0)
})

test('a timeout of a call, with options that outlive the daemon', async () => {
  const { project, tasks } = await make()
  const daemon = await project.daemon()
  const job = await tasks.slow.with({ timeout: 0.3, keepFailed: 60 }).after(0.5)
  await daemon.kill()
  expect(JSON.parse(String(project.rows()[0]?.options))).toEqual({ timeout: 0.3, keepFailed: 60 })
  await project.daemon()
  expect(await project.job(job.id, 'failed')).toMatchObject({ failure: { name: 'TimeoutError' } })
  expect(project.rows()[0]?.expires).toBeGreaterThan(Date.now() + 50_000)
})

test('a job that has not begun in time does not run', async () => {
  const { project, tasks } = await make()
  const daemon = await project.daemon()
  await tasks.quick.async('in time')
  await project.hasRun('quick:in time')
  const late = await tasks.quick.after(0.3, 'late')
  const own = await tasks.quick.with({ expiresIn: 600 }).after(0.3, 'own')
  await daemon.kill()
  await new Promise((resolve) => setTimeout(resolve, 800))
  await project.daemon()
  await project.hasRun('quick:own')
  expect(await project.job(late.id, 'failed')).toMatchObject({
    attempts: 0,
    failure: { name: 'Expired', message: expect.stringMatching(/^quick was to begin by 20/) },
  })
  expect(project.ran()).toEqual(['quick:in time', 'quick:own'])
  await until('the other to be over', async () => (await getJob(own.id).status()) === 'gone')
})

/** The first in the order in which they are to run; enqueued the other way round, and in one batch. */
const RANKED = [
  'plain:first',
  'plain:first too',
  'ranked:second',
  'plain:third',
  'ranked:third',
  'plain:last',
]

test('of what is due the greatest priority runs first, after a reload and a kill, too', async () => {
  const { project, tasks } = await make()
  const enqueue = async (): Promise<void> => {
    await tasks.plain.with({ priority: -10 }).async('last')
    await tasks.plain.async('third')
    await tasks.ranked.with({ priority: 0 }).async('third')
    await tasks.ranked.async('second')
    await tasks.plain.with({ priority: 10 }).batch([['first'], ['first too']])
  }
  const args = ['--reload', '--workers', '1', '--concurrency', '1']
  const daemon = await project.daemon(args)
  await tasks.wait.async('go')
  await project.hasRun('wait:go')
  // Whatever is not due is behind what is.
  const later = await tasks.plain.with({ priority: 10 }).after(3600, 'later')
  await enqueue()
  const listed = await project.json<{ task: string; args: string; priority: number }[]>('list', '--waiting')
  expect(listed.map(({ task, args }) => `${task}:${JSON.parse(args)}`)).toEqual(RANKED)
  expect(listed.map(({ priority }) => priority)).toEqual([10, 10, 5, 0, 0, -10])
  expect((await project.json<{ id: string }[]>('list', '--scheduled')).map(({ id }) => id)).toEqual([
    later.id,
  ])
  expect((await project.ztask('show', later.id)).stdout).toMatch(/^priority +10$/m)
  // The new generation's worker is free.
  project.write('src/deeds.ts', `${DEEDS}// saved`)
  await project.hasRun('plain:last')
  expect(project.ran()).toEqual(['wait:go', ...RANKED])
  project.write('go', '')
  await until('it to have ended', () => project.rows().length === 1)
  await tasks.wait.async('stop')
  await project.hasRun('wait:stop')
  await enqueue()
  await daemon.kill()
  project.remove('ran.log')
  project.write('stop', '')
  await project.daemon(args)
  await project.hasRun('plain:last')
  expect(project.ran().filter((what) => what !== 'wait:stop')).toEqual(RANKED)
})

test('a result is kept for as long as the task or the call says, and a failed job, too', async () => {
  const { project, tasks } = await make()
  const daemon = await project.daemon()
  const kept = await tasks.kept.async(2)
  const longer = await tasks.kept.with({ keepResult: 60 }).async(3)
  const none = await tasks.kept.with({ keepResult: 0 }).async(4)
  await until('all to have ended', () => project.rows().every(({ state }) => state === 'done'))
  expect(await kept.result()).toBe(4)
  expect([await kept.status(), await none.status()]).toEqual(['succeeded', 'gone'])
  await expect(none.result()).rejects.toMatchObject({ name: 'ResultGoneError' })
  // Asked before: that is no reason to take it away, and it may be asked again.
  expect(await getJob(kept.id).result()).toBe(4)
  const { id } = await tasks.forgotten.async()
  await project.job(id, 'failed')
  await daemon.kill()
  await project.daemon()
  await until('what has expired to be gone', () => project.rows().length === 1)
  expect(await longer.result()).toBe(6)
  await expect(kept.result()).rejects.toMatchObject({ name: 'ResultGoneError' })
  // Given its attempts back, a job is no failed one.
  const again = await tasks.forgotten.with({ retryAfter: 0, keepFailed: 600 }).async()
  await project.job(again.id, 'failed')
  project.sql(`update jobs set task = 'nowhere' where id = '${again.id}'`)
  expect((await project.ztask('retry', again.id)).code).toBe(0)
  await until('it to be held', () => rowsOf(project, 'nowhere')[0]?.state === 'held')
  expect(rowsOf(project, 'nowhere')).toMatchObject([{ expires: null }])
})

test('options that cannot be are refused at the call', async () => {
  const { tasks } = await make()
  for (const [options, message] of [
    [{ retrycount: 1 }, "There is no option 'retrycount'. Did you mean 'retryCount'?"],
    [{ retryCount: -1 }, "The option 'retryCount' is -1. It must be a whole number"],
    [{ retryAfter: [] }, "The option 'retryAfter' is []. It must be a number of seconds"],
    [{ retryAfter: { backoff: 'linear', first: 1 } }, "The option 'retryAfter' is"],
    [{ retryAfter: { backoff: 'exponential', first: 1, min: 1 } }, "The option 'retryAfter' is"],
    [{ expiresIn: 0 }, "The option 'expiresIn' is 0. It must be a number of seconds above 0"],
    [{ priority: 11 }, "The option 'priority' is 11. It must be a whole number, -10 to 10"],
    [{ priority: 0.5 }, "The option 'priority' is 0.5."],
    [{ name: 'other' }, "There is no option 'name'. The options are retryCount, retryAfter, timeout"],
    [null, 'The options of a call are no object.'],
  ] as const)
    expect(() => tasks.once.with(options as object)).toThrow(message)
})
