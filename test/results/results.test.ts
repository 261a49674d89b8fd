/** What a task returns reaches whoever waits for it, through deaths and reloads; nothing hangs. */
import { beforeAll, expect, test } from 'vitest'
import { getJob, JobFailedError } from '../../dist/src/index.js'
import type { UntypedCalls } from '../../src/client/client.ts'
import { makeProject, shareProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

const DEEDS = `
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { task } from 'ztask'
import { tasks } from './ztask/client.js'

const until = async (file: string) => { while (!existsSync(file)) await sleep(5) }

export const add = task((left: number, right: number) => left + right)
export const echo = task((value: unknown) => value)
export const nothing = task(() => {})
export const afterFile = task(async (file: string, value: string) => { await until(file); return { value, at: new Date(0) } })
export const fails = task({ retryCount: 1, retryAfter: 0 }, (message: string) => {
  throw Object.assign(new RangeError(message, { cause: new TypeError('the cause of it') }))
})
export const unsendable = task((): unknown => ({ save: () => {} }))
export const large = task((bytes: number) => 'x'.repeat(bytes))
export const factorial = task(async (n: number): Promise<number> => n <= 1 ? 1 : n * await tasks.factorial.run(n - 1))
`

const NAMES = ['add', 'echo', 'nothing', 'afterFile', 'fails', 'unsendable', 'large', 'factorial'] as const
type Calls = Record<(typeof NAMES)[number], UntypedCalls>

const make = async (config = ''): Promise<{ project: TestProject; tasks: Calls }> => {
  const project = await makeProject({ files: { 'src/deeds.ts': DEEDS }, config })
  return { project, tasks: project.calls(NAMES) }
}

const isEmpty = (project: TestProject): Promise<true> =>
  until('no row to be left', () => project.rows().length === 0 || undefined)

/** Of the tests that leave its daemon as it was, and no row behind. */
let shared: TestProject
beforeAll(async () => {
  shared = await shareProject({ files: { 'src/deeds.ts': DEEDS } })
  await shared.daemon()
})
const share = (): { project: TestProject; tasks: Calls } => ({ project: shared, tasks: shared.calls(NAMES) })

test('run and result give what the task returns, of its own types, and leave nothing behind', async () => {
  const { project, tasks } = share()
  expect(await tasks.add.run(1, 2)).toBe(3)
  expect(await tasks.nothing.run()).toBeUndefined()
  const value = { when: new Date(5), all: new Set([1, 2]), none: undefined }
  expect(await tasks.echo.run(value)).toEqual(value)
  const job = await tasks.afterFile.async('go, late', 'late')
  const [one, other] = [job.result(), job.result({ timeout: 30 })]
  await until('it to be awaited', () => project.rows()[0]?.awaited !== null)
  project.write('go, late', '')
  expect(await one).toEqual({ value: 'late', at: new Date(0) })
  expect(await other).toEqual(await one)
  await isEmpty(project)
})

test('the error of a task arrives with its name, message, stack and cause', async () => {
  const { project, tasks } = share()
  const error = await tasks.fails.run('no good').catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(JobFailedError)
  expect(error).toMatchObject({ code: 'ZTASK_JOB_FAILED', data: { task: 'fails', attempts: 2 } })
  const { cause } = error as { cause: Error }
  expect(cause).toMatchObject({ name: 'RangeError', message: 'no good' })
  expect(cause.stack).toMatch(/RangeError: no good\n.*deeds\.ts:\d+/)
  expect(cause.cause).toMatchObject({ name: 'TypeError', message: 'the cause of it' })
  expect(String(error)).toMatch(/^JobFailedError: fails \([0-9a-f-]{36}\) has failed: no good$/)
  // A failed job stays, and can be asked for later, too.
  const { id } = (error as JobFailedError).data as { id: string }
  await expect(getJob(id).result()).rejects.toMatchObject({
    name: 'JobFailedError',
    cause: { message: 'no good' },
  })
  expect(project.rows()).toMatchObject([{ state: 'failed', attempts: 2 }])
  project.sql('delete from jobs')
})

test('what a task returns and cannot be sent is told to who waits; its job has succeeded', async () => {
  const { project, tasks } = await make('maxPayload: 2000')
  await project.daemon()
  await expect(tasks.unsendable.run()).rejects.toMatchObject({
    name: 'ResultNotSentError',
    message: expect.stringContaining('result.save: a function'),
  })
  await expect(tasks.large.run(3000)).rejects.toMatchObject({
    name: 'ResultNotSentError',
    data: { reason: 'it takes 3004 bytes; maxPayload is 2000' },
  })
  // Where nobody waits nobody is told.
  await tasks.unsendable.async()
  await isEmpty(project)
})

test('a result that nobody had asked for is gone; one that is asked in time is pushed; a cancelled job has none', async () => {
  const { project, tasks } = share()
  const early = await tasks.add.async(1, 2)
  await isEmpty(project)
  const gone = { name: 'ResultGoneError', data: { id: early.id, task: 'add' } }
  await expect(early.result()).rejects.toMatchObject(gone)
  await expect(getJob(early.id).result()).rejects.toMatchObject({ name: 'ResultGoneError' })
  expect(await early.status()).toBe('gone')
  const running = await tasks.afterFile.async('go, cancelled', 'never')
  const later = await tasks.add.after(60, 1, 2)
  expect([await running.status(), await later.status()]).toEqual(['running', 'scheduled'])
  const cancelled = [running, later].map((job) =>
    expect(job.result()).rejects.toMatchObject({ name: 'JobCancelledError', data: { id: job.id } }),
  )
  await until('both to be awaited', () => project.rows().every((row) => row.awaited !== null))
  expect(await later.cancel()).toBe('removed')
  expect(await running.cancel()).toBe('signalled')
  project.write('go, cancelled', '')
  await Promise.all(cancelled)
  await isEmpty(project)
})

test('whatever is given for an id harms no other call; of an id the letters may be of either case', async () => {
  const { project, tasks } = share()
  const other = tasks.afterFile.run('go, another', 'of another')
  for (const id of ['nonsense', '', undefined as unknown as string]) {
    const none = getJob(id)
    const heard: unknown[] = []
    for await (const progress of none.progress()) heard.push(progress)
    expect([heard, await none.status(), await none.cancel()]).toEqual([[], 'gone', 'finished'])
    await expect(none.result()).rejects.toMatchObject({ name: 'ResultGoneError' })
  }
  await until('it to be awaited', () => (project.rows()[0]?.awaited ?? null) !== null)
  const same = getJob(String(project.rows()[0]?.id).toUpperCase()).result()
  project.write('go, another', '')
  expect(await Promise.all([other, same])).toMatchObject([{ value: 'of another' }, { value: 'of another' }])
  await isEmpty(project)
})

test('nobody waits for longer than he said, with and without a daemon; the job goes on', async () => {
  const { project, tasks } = await make()
  const daemon = await project.daemon()
  const job = await tasks.afterFile.async('go', 'later')
  await expect(job.result({ timeout: 0.2 })).rejects.toMatchObject({
    name: 'ResultTimeoutError',
    data: { id: job.id, task: 'afterFile', timeout: 0.2 },
  })
  const again = getJob(job.id).result({ timeout: 30 })
  await until('it to be awaited', () => (project.rows()[0]?.awaited ?? 0) > Date.now() + 20_000)
  project.write('go', '')
  expect(await again).toMatchObject({ value: 'later' })
  await daemon.kill()
  await expect(getJob(job.id).result({ timeout: 0.5 })).rejects.toMatchObject({ name: 'ResultTimeoutError' })
  for (const timeout of [-1, Number.NaN, 1e9, '5'])
    await expect(job.result({ timeout: timeout as number })).rejects.toMatchObject({
      name: 'InvalidDelayError',
    })
})

test('within a job a run gives its slot back: a chain of calls ends where one job runs at a time', async () => {
  const { project, tasks } = await make()
  await project.daemon(['--workers', '1', '--concurrency', '1'])
  expect(await tasks.factorial.run(12)).toBe(479_001_600)
  // So many at once, each of which waits for one that comes after all of them.
  const all = await Promise.all(Array.from({ length: 30 }, () => tasks.factorial.run(3)))
  expect(all).toEqual(all.map(() => 6))
  await isEmpty(project)
})

test('ten thousand results that are awaited at once all arrive', async () => {
  const { project, tasks } = await make()
  project.launch(['-l', 'ERROR'])
  const sums = await Promise.all(Array.from({ length: 10_000 }, (_, n) => tasks.add.run(n, 1)))
  expect(sums).toEqual(Array.from({ length: 10_000 }, (_, n) => n + 1))
  const jobs = await tasks.afterFile.batch(Array.from({ length: 100 }, (_, n) => ['go', String(n)]))
  const values = Promise.all(jobs.map((job) => job.result()))
  await until('all to be awaited', () => project.rows().every((row) => row.awaited !== null))
  project.write('go', '')
  expect(await values).toEqual(jobs.map((_, n) => ({ value: String(n), at: new Date(0) })))
  await isEmpty(project)
})

test('eager, disabled and inline calls have results, too', async () => {
  const { project } = await make()
  const script = (env: Readonly<Record<string, string>>) =>
    project.script(
      `
import { tasks } from './src/ztask/client.js'
const told = async (what: Promise<unknown>) =>
  console.log('told', await what.then((value) => value, ({ name, cause }) => name + ', ' + cause?.message))
await told(tasks.add.run(1, 2))
await told(tasks.fails.with({ retryCount: 0 }).run('no good'))
await told(tasks.unsendable.run())
const job = await tasks.add.async(3, 4).catch(() => undefined)
await told(Promise.resolve(job?.result()))
console.log('told', await job?.status())
for await (const progress of job?.progress() ?? []) console.log('told', progress)
`,
      env,
    ).ended
  const saidIn = async (env: Readonly<Record<string, string>>): Promise<string[]> => {
    const { stdout, code, stderr } = await script(env)
    expect(code, stderr).toBe(0)
    return stdout.split('\n').flatMap((line) => (line.startsWith('told ') ? [line.slice(5)] : []))
  }
  const ran = ['3', 'JobFailedError, no good', 'ResultNotSentError, undefined', '7', 'succeeded']
  expect(await saidIn({ ZTASKD_ALWAYS_EAGER: 'true' })).toEqual(ran)
  expect(await saidIn({ ZTASKD_ON_UNAVAILABLE: 'inline', ZTASKD_CALL_TIMEOUT: '0.2' })).toEqual(ran)
  const gone = 'ResultGoneError, undefined'
  expect(await saidIn({ ZTASKD_DISABLED: 'true' })).toEqual([gone, gone, gone, gone, 'disabled'])
})

test('an eager run of what cannot be run tells why, as async does', async () => {
  const { project } = await make()
  const script = project.script(
    `
import { makeClient } from './node_modules/ztask/dist/src/client/client.js'
import './src/ztask/registry.js'
const spec = { project: 'fixture', url: '', tasks: ['none'], load: async () => undefined }
for (const project of ['fixture', 'another']) {
  const { none } = makeClient({ ...spec, project })
  for (const call of [none.async(), none.run()])
    await call.catch((error: Error) => console.log('told', error.name))
}
`,
    { ZTASKD_ALWAYS_EAGER: 'true' },
  )
  const { stdout } = await script.ended
  expect(stdout.match(/(?<=told )\w+/g)).toEqual([
    'UnknownTaskError',
    'UnknownTaskError',
    'RegistryNotLoadedError',
    'RegistryNotLoadedError',
  ])
})

test('a script that has awaited its results ends by itself, and leaves nothing behind', async () => {
  const { project } = share()
  const script = project.script(`
import { tasks } from './src/ztask/client.js'
const sums = await Promise.all([1, 2, 3].map((n) => tasks.add.run(n, 1)))
console.log('sums', sums.join())
`)
  expect(await script.ended).toMatchObject({ code: 0, stderr: '', stdout: 'sums 2,3,4\n' })
  await isEmpty(project)
})
