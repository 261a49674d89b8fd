/** Who waits is told, whenever he asks; and what waits holds up nobody. */
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { getJob } from '../../dist/src/index.js'
import { makeProject, shareProject, type TestProject } from '../harness/project.ts'
import { RawClient } from '../harness/raw-client.ts'
import { until } from '../harness/until.ts'

const DEEDS = `
import { appendFileSync, existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { currentJob, getJob, RetryAfter, task } from 'ztask'
import { tasks } from './ztask/client.js'
const say = (what: string) => appendFileSync('ran.log', what + ' ' + process.pid + ' ' + Date.now() + '\\n')
const until = async (file: string) => { while (!existsSync(file)) await sleep(5) }
export const add = task((left: number, right: number) => left + right)
export const wait = task(async (file: string) => { say('wait:' + file); await until(file); return file })
export const kept = task({ keepResult: 30 }, (n: number) => n * 2)
export const brief = task({ keepResult: 0.3 }, () => { say('brief') })
export const forgotten = task({ retryCount: 0, keepFailed: 0.2 }, () => { say('forgotten'); throw new Error('it failed') })
export const flaky = task({ retryCount: 3, retryAfter: 0.02 }, (n: number) => { if (currentJob().attempt === 1) throw new Error('first'); return n })
export const polite = task({ expiresIn: 0.5 }, () => { say('polite'); if (!existsSync('go')) throw new RetryAfter(0.8) })
export const long = task({ expiresIn: 0.5 }, async () => { say('long'); await until('go') })
export const failsOnce = task({ expiresIn: 0.5, retryCount: 0 }, () => { say('failsOnce'); if (!existsSync('go')) throw new Error('broken') })
export const spoilt = task({ retryCount: 0 }, () => { throw Object.assign(new RetryAfter(1), { seconds: -1 }) })
let active = 0
let most = 0
export const outer = task({ retryCount: 0 }, async (n: number) => {
  await tasks.add.run(n, 1)
  most = Math.max(most, ++active)
  await sleep(10)
  active--
  return most
})
export const waiter = task({ retryCount: 0 }, async () => { say('waiter'); return tasks.wait.run('never') })
export const watcher = task({ retryCount: 0 }, async () => {
  const job = await tasks.add.async(1, 2)
  for await (const progress of job.progress()) say(String(progress.fraction))
  return 'over'
})
export const asks = task({ retryCount: 0 }, async (id: string) => {
  say('asks')
  return 'heard: ' + (await getJob(id).result({ timeout: 25 }))
})
export const waitsFor = task({ retryCount: 0 }, async (id: string, timeout: number) => {
  say('waitsFor')
  return getJob(id).result({ timeout }).catch((error: Error) => error.name)
})
export const asksAndDies = task({ retryCount: 0 }, async (id: string) => {
  say('asksAndDies')
  void until('now').then(() => process.exit(3))
  return getJob(id).result({ timeout: 25 })
})
export const dies = task({ retryCount: 0 }, () => process.exit(3))
export const named = task({ name: 'named' }, (n: number) => n)
export const urgent = named.with({ retryCount: 0 })
`
const NAMES = [
  ...['add', 'wait', 'kept', 'brief', 'forgotten', 'flaky', 'polite', 'long', 'failsOnce', 'spoilt'],
  ...['outer', 'waiter', 'watcher', 'asks', 'waitsFor', 'asksAndDies', 'dies', 'named'],
] as const

const withTasks = (project: TestProject) => ({
  project,
  tasks: project.calls(NAMES) as Record<string, ReturnType<TestProject['calls']>[string]>,
})

const make = async () => withTasks(await makeProject({ files: { 'src/deeds.ts': DEEDS } }))

/** Of the tests that leave its daemon as it was. */
let shared: TestProject
beforeAll(async () => {
  shared = await shareProject({ files: { 'src/deeds.ts': DEEDS } })
  await shared.daemon()
})

const ID = '01939f5e-7a3c-7c52-b0a7-2f6d3c1e9a10'

test('a result that is asked for while a retry is being written is not lost', async () => {
  const { tasks } = withTasks(shared)
  const results = Array.from({ length: 300 }, async (_, n) => (await tasks.flaky?.async(n))?.result())
  expect(await Promise.all(results)).toEqual(results.map((_, n) => n))
})

test('of two who wait for one job each gets its result, also the one who waits for longer', async () => {
  const { project } = await make()
  await project.daemon()
  const [one, other] = [new RawClient(project.url), new RawClient(project.url)]
  await one.say({ kind: 'enqueue', seq: 1, jobs: [[ID, 'add', '[1,2]', 800]] })
  await one.hear()
  await Promise.all([
    one.say({ kind: 'await', jobs: [[ID, 200]] }),
    other.say({ kind: 'await', jobs: [[ID, 60_000]] }),
  ])
  expect(await other.hear()).toEqual({
    kind: 'ended',
    jobs: [[ID, { kind: 'succeeded', result: '[3]' }]],
  })
})

test('a job that has begun in time is finished, and one that is retried begins anew', async () => {
  const { project, tasks } = await make()
  const daemon = await project.daemon(['--shutdown-timeout', '0.1'])
  await tasks.polite?.async()
  await tasks.long?.async()
  const broken = await tasks.failsOnce?.async()
  await project.job(broken?.id ?? '', 'failed')
  await project.hasRun('long')
  await project.hasRun('polite', 2)
  await daemon.kill('SIGTERM')
  await sleep(600)
  project.write('go', '')
  await project.daemon()
  await until('both to have ended', () => project.rows().length === 1)
  expect(project.rows()).toMatchObject([
    { task: 'failsOnce', state: 'failed', failure: expect.stringContaining('broken') },
  ])
  expect((await project.ztask('retry', '--failed')).code).toBe(0)
  await until('it to have ended', () => project.rows().length === 0)
})

test('a job whose record has expired is not stored again where its client sends it again', async () => {
  const client = new RawClient(shared.url)
  const jobs = [
    [ID, 'brief', '[]'],
    [ID.replace('10', '11'), 'forgotten', '[]'],
  ]
  for (let times = 1; times <= 2; times++) {
    await client.say({ kind: 'enqueue', seq: times, jobs })
    expect(await client.hear()).toEqual({ kind: 'stored', seq: times })
    await until('their records to be gone', () => shared.rows().length === 0)
  }
  expect(shared.ran().toSorted()).toEqual(['brief', 'forgotten'])
})

test('a result is asked for again at another daemon, whatever calls are answered meanwhile', async () => {
  const { project, tasks } = await make()
  const first = await project.daemon()
  const job = await tasks.wait?.async('go')
  const result = job?.result({ timeout: 25 })
  await until('it to be awaited', () => project.rows()[0]?.awaited !== null)
  let isOver = false
  const calls = (async () => {
    for (; !isOver; await sleep(300)) await tasks.add?.async(1, 1)
  })()
  await first.kill()
  await project.daemon()
  await project.hasRun('wait:go', 2)
  project.write('go', '')
  expect(await result).toBe('go')
  isOver = true
  await calls
})

test('a result that is to be kept stays when it has been read, by run, too', async () => {
  const { project, tasks } = withTasks(shared)
  expect(await tasks.kept?.run(4)).toBe(8)
  const [row] = project.rows()
  expect(row).toMatchObject({ task: 'kept', state: 'done' })
  // What was said of it has arrived by now.
  expect(await tasks.add?.run(1, 2)).toBe(3)
  await until('the other to be gone', () => project.rows().every(({ task }) => task === 'kept'))
  expect(await getJob(row?.id ?? '').result()).toBe(8)
})

test('a large batch with options is stored, and what is wrong with them is told of it alone', async () => {
  const { project, tasks } = await make()
  project.launch(['-l', 'ERROR'])
  const calls = Array.from({ length: 5000 }, (_, n) => [n, 1])
  const options = { retryCount: 0, timeout: 60, expiresIn: 600 }
  const [jobs, sum] = await Promise.all([tasks.add?.with(options).batch(calls), tasks.add?.run(1, 2)])
  expect([jobs?.length, sum]).toEqual([5000, 3])
  const client = new RawClient(project.url)
  await client.say({
    kind: 'enqueue',
    seq: 7,
    together: true,
    options: { retries: 1 },
    jobs: [[ID, 'add', '[1,2]']],
  })
  expect(await client.hear()).toMatchObject({ kind: 'refused', seq: 7, error: { code: 'ZTASK_PROTOCOL' } })
})

test('a job that has waited goes on when there is a slot for it: no more run at a time than are to', async () => {
  const { project, tasks } = await make()
  await project.daemon(['--workers', '1', '--concurrency', '2'])
  const most = await Promise.all(Array.from({ length: 30 }, (_, n) => tasks.outer?.run(n)))
  expect(Math.max(...(most as number[]))).toBeLessThanOrEqual(2)
})

test('a job that waits ends at its signal, alone; one that watches another does not keep it from running', async () => {
  const { project, tasks } = await make()
  const daemon = await project.daemon(['--workers', '1', '--concurrency', '1', '--kill-grace', '20'])
  expect(await tasks.watcher?.run()).toBe('over')
  const waiter = await tasks.waiter?.async()
  await project.hasRun('wait:never')
  expect(await waiter?.cancel()).toBe('signalled')
  await until('it to be gone', () => project.rows().every(({ task }) => task === 'wait'))
  expect(daemon.stdout).not.toContain('Killing')
  // The slots are as many as before.
  project.write('never', '')
  expect(await tasks.add?.run(1, 2)).toBe(3)
})

test('a job whose wait is over goes on, whoever has its slot', async () => {
  const { project, tasks } = await make()
  await project.daemon(['--workers', '1', '--concurrency', '1'])
  const later = await tasks.add?.after(60, 1, 2)
  const result = tasks.waitsFor?.run(later?.id, 1)
  await project.hasRun('waitsFor')
  await tasks.wait?.async('go')
  await project.hasRun('wait:go')
  expect(await result).toBe('ResultTimeoutError')
  project.write('go', '')
})

test('a job that waits for its slot ends at its signal, and its worker with the other goes on', async () => {
  const { project, tasks } = await make()
  const daemon = await project.daemon(['--workers', '2', '--concurrency', '1', '--kill-grace', '20'])
  const awaited = await tasks.wait?.async('go')
  await project.hasRun('wait:go')
  const waits = await tasks.waitsFor?.async(awaited?.id, 60)
  await project.hasRun('waitsFor')
  await tasks.wait?.async('never')
  await project.hasRun('wait:never')
  // Told after the job, which has its answer by then.
  const result = awaited?.result({ timeout: 300 })
  await until('it to be asked', () => (project.rows()[0]?.awaited ?? 0) > Date.now() + 200_000)
  project.write('go', '')
  expect(await result).toBe('go')
  expect(await waits?.cancel()).toBe('signalled')
  await until('it to be gone', () => project.rows().every(({ task }) => task !== 'waitsFor'))
  expect(daemon.stdout + daemon.stderr).not.toContain('Killing')
  project.write('never', '')
})

test('a pause that is none fails its job, and costs no slot', async () => {
  const { project, tasks } = await make()
  await project.daemon(['--workers', '1', '--concurrency', '1'])
  const { id } = (await tasks.spoilt?.async()) ?? { id: '' }
  await project.job(id, 'failed')
  expect(await tasks.add?.run(1, 2)).toBe(3)
})

test('calls with options that a module has written down go where its client says, which is loaded later', async () => {
  const script = shared.script(`
import { urgent } from './src/deeds.js'
await import('./src/ztask/client.js')
console.log('it is', await urgent.run(5), await urgent.with({ timeout: 5 }).run(6))
`)
  expect(await script.ended).toMatchObject({ code: 0, stderr: '', stdout: 'it is 5 6\n' })
})

test('who waits for little is told in time, while daemons die', async () => {
  const { project, tasks } = await make()
  const never = await project.daemon().then(async (daemon) => {
    const job = await tasks.wait?.async('never')
    await project.hasRun('wait:never')
    return { daemon, job }
  })
  const late: number[] = []
  let isOver = false
  const impatient = async (timeout: number): Promise<void> => {
    while (!isOver) {
      const begun = performance.now()
      const error = await never.job?.result({ timeout }).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ name: 'ResultTimeoutError' })
      late.push(performance.now() - begun - timeout * 1000)
    }
  }
  const all = Promise.all([0.01, 0.05, 0.2, 0.7].map(impatient))
  let { daemon } = never
  for (const pause of [50, 300, 120]) {
    await sleep(pause)
    await daemon.kill()
    daemon = await project.daemon()
  }
  isOver = true
  await all
  // Neither before its time, nor a wait that nobody ends.
  expect(Math.min(...late)).toBeGreaterThan(-5)
  expect(Math.max(...late)).toBeLessThan(10_000)
})

test('a suspect whose result is asked for just before it is tried has one', async () => {
  const { project, tasks } = await make()
  const first = await project.daemon()
  const job = await tasks.add?.after(1.5, 1, 2)
  await first.kill()
  project.sql("update jobs set mark = 'suspect'")
  const daemon = await project.daemon()
  const other = new RawClient(project.url)
  const lock = new DatabaseSync(project.path('.ztask/ztask.db'))
  onTestFinished(() => lock.close())
  lock.exec('begin immediate')
  // It is due, and that it is tried cannot be written yet.
  await until('it to be due', () => (project.rows()[0]?.due ?? 0) < Date.now() - 200)
  await other.say({ kind: 'await', jobs: [[job?.id ?? '', 60_000]] })
  await other.say({ kind: 'ask', seq: 1, verb: 'show', params: { id: job?.id } })
  expect(await other.hear()).toMatchObject({ kind: 'answer' })
  lock.exec('rollback')
  expect(await other.hear()).toEqual({
    kind: 'ended',
    jobs: [[job?.id, { kind: 'succeeded', result: '[3]' }]],
  })
  expect(daemon.hasEnded).toBe(false)
})

test('a suspect that another waits for is tried meanwhile; should the daemon die then, it pays, and not the other', async () => {
  const { project, tasks } = await make()
  const first = await project.daemon()
  // The one that waits has the earlier turn.
  const waited = await tasks.wait?.with({ retryCount: 0 }).after(1.2, 'go')
  const asking = await tasks.asks?.after(1.1, waited?.id)
  const heard = asking?.result({ timeout: 25 })
  const lost = waited?.result({ timeout: 25 })
  await until('both to be awaited', () => project.rows().every(({ awaited }) => awaited !== null))
  await first.kill()
  project.sql("update jobs set mark = 'suspect'")
  const second = await project.daemon()
  await project.hasRun('wait:go')
  const marks = (): unknown[] => project.rows().map(({ task, mark }) => [task, mark])
  expect(marks()).toEqual([
    ['wait', 'trial'],
    ['asks', 'suspect'],
  ])
  await second.kill()
  await Promise.all([
    expect(lost).rejects.toMatchObject({ name: 'JobFailedError', cause: { name: 'DaemonDied' } }),
    project.daemon(),
  ])
  // The one that waited was not charged: it asks again, and is told that the other has failed.
  await expect(heard).rejects.toMatchObject({ data: { attempts: 1 }, cause: { name: 'JobFailedError' } })
  expect(project.ran()).toEqual(['asks', 'wait:go', 'asks'])
})

test('a suspect goes on when the one that it waited for has ended', async () => {
  const { project, tasks } = await make()
  const first = await project.daemon()
  const waited = await tasks.wait?.with({ keepResult: 30 }).after(1.2, 'go')
  const asking = await tasks.asks?.after(1.1, waited?.id)
  await first.kill()
  project.sql("update jobs set mark = 'suspect'")
  await project.daemon()
  const heard = asking?.result({ timeout: 25 })
  await project.hasRun('wait:go')
  project.write('go', '')
  expect(await heard).toBe('heard: go')
  await until('both to have ended', () => project.rows().every(({ state }) => state === 'done'))
})

test('many suspects that wait are tried one after the other, in the one worker beside the others', async () => {
  const { project, tasks } = await make()
  const first = await project.daemon()
  const COUNT = 6
  const children = await Promise.all(
    Array.from({ length: COUNT }, (_, at) => tasks.add?.with({ keepResult: 30 }).after(1.3, at, 1)),
  )
  const parents = []
  for (const child of children) parents.push(await tasks.asks?.after(1.2, child?.id))
  const killer = await tasks.dies?.after(1.25)
  const waits = await tasks.asks?.after(1.1, killer?.id)
  const results = parents.map((parent) => parent?.result({ timeout: 25 }))
  const lost = waits?.result({ timeout: 25 }).catch((error: unknown) => error)
  await until(
    'all to be awaited',
    () => project.rows().filter(({ awaited }) => awaited !== null).length > COUNT,
  )
  await first.kill()
  // The children that the last three wait for are no suspects.
  project.sql("update jobs set mark = 'suspect' where not (task = 'add' and args > '[3')")
  const daemon = await project.daemon()
  let most = 0
  await until('all to have ended', async () => {
    const { workers } = await project.ask<{ workers: unknown[] }>('status')
    most = Math.max(most, workers.length)
    return project.rows().every(({ state }) => state === 'failed' || state === 'done')
  })
  expect(await Promise.all(results)).toEqual(parents.map((_, at) => `heard: ${at + 1}`))
  // What died took what waited for it with it, which was not charged for that and ran again.
  expect(await lost).toMatchObject({ name: 'JobFailedError', data: { attempts: 1 } })
  expect(project.rows().filter(({ state }) => state === 'failed')).toMatchObject([
    { task: 'dies', attempts: 1 },
    { task: 'asks', attempts: 1 },
  ])
  expect(project.ran().filter((what) => what === 'asks')).toHaveLength(COUNT + 2)
  expect(most).toBeLessThanOrEqual(3)
  expect(daemon.hasEnded).toBe(false)
})

/** What a daemon that died has left, all of it suspect but for one task's. */
const suspected = async (project: TestProject, but = ''): Promise<void> => {
  project.sql(`update jobs set mark = 'suspect' where task != '${but}'`)
  await project.daemon(['--workers', '1'])
}

test('of two suspects whose worker dies neither pays: what was waited for runs first, then who waited, who alone is to blame', async () => {
  const { project, tasks } = await make()
  const first = await project.daemon()
  const waited = await tasks.wait?.with({ retryCount: 0, keepResult: 30 }).after(1.2, 'go')
  const killer = await tasks.asksAndDies?.after(1.1, waited?.id)
  await first.kill()
  await suspected(project)
  await project.hasRun('wait:go')
  project.write('now', '')
  await project.hasRun('wait:go', 2)
  project.write('go', '')
  await project.job(killer?.id ?? '', 'failed')
  expect(project.rows()).toMatchObject([
    { task: 'wait', state: 'done', attempts: 0 },
    { task: 'asksAndDies', state: 'failed', attempts: 1 },
  ])
  expect(project.ran()).toEqual(['asksAndDies', 'wait:go', 'wait:go', 'asksAndDies'])
})

test('a suspect that kills while it waits is to blame, whoever waits for it', async () => {
  const { project, tasks } = await make()
  const first = await project.daemon()
  const never = await tasks.add?.after(3600, 1, 2)
  const killer = await tasks.asksAndDies?.after(1.2, never?.id)
  const asking = await tasks.asks?.after(1.1, killer?.id)
  await first.kill()
  project.write('now', '')
  await suspected(project, 'add')
  await project.job(asking?.id ?? '', 'failed')
  expect(project.rows()).toMatchObject([
    { task: 'add', state: 'queued' },
    { task: 'asksAndDies', state: 'failed', attempts: 1 },
    { task: 'asks', state: 'failed', attempts: 1, failure: expect.stringContaining('JobFailedError') },
  ])
  expect(project.ran()).toEqual(['asks', 'asksAndDies', 'asksAndDies', 'asks'])
})

test('a suspect that is waited for by way of another job, wherever that runs, is tried meanwhile', async () => {
  const { project, tasks } = await make()
  const first = await project.daemon()
  const waited = await tasks.wait?.with({ keepResult: 30 }).after(1.2, 'go')
  const between = await tasks.waitsFor?.with({ keepResult: 30 }).after(1, waited?.id, 25)
  const asking = await tasks.asks?.after(1.1, between?.id)
  const heard = asking?.result({ timeout: 28 })
  await until('it to be awaited', () => project.rows().some(({ awaited }) => awaited !== null))
  await first.kill()
  await suspected(project, 'waitsFor')
  await project.hasRun('waitsFor')
  await project.hasRun('wait:go')
  project.write('go', '')
  expect(await heard).toBe('heard: go')
})
