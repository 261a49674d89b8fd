/** No answer is lost, whoever dies, and none is kept for longer than somebody waits. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { getJob, ZtaskError } from '../../dist/src/index.js'
import type { RunningProcess } from '../harness/process.ts'
import { makeProject, type TestProject } from '../harness/project.ts'
import { RawClient } from '../harness/raw-client.ts'
import { until } from '../harness/until.ts'

const DEEDS = `
import { appendFileSync, existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { currentJob, task } from 'ztask'
import { tasks } from './ztask/client.js'

const say = (what: string) => appendFileSync('ran.log', what + ' ' + process.pid + ' ' + Date.now() + '\\n')
const until = async (file: string) => { while (!existsSync(file)) await sleep(5) }

export const add = task((left: number, right: number) => left + right)
export const wait = task({ retryAfter: 0 }, async (file: string) => { say('wait:' + file); await until(file); return file + ' is there' })
export const dieOnce = task({ retryCount: 1, retryAfter: 0 }, () => {
  const { attempt } = currentJob()
  if (attempt === 1) process.kill(process.pid, 'SIGKILL')
  return 'attempt ' + attempt
})
export const outer = task(async (file: string) => { say('outer'); return 'it says: ' + (await tasks.wait.run(file)) })
`

const NAMES = ['add', 'wait', 'dieOnce', 'outer'] as const
const make = (more: Record<string, string> = {}): Promise<TestProject> =>
  makeProject({ files: { 'src/deeds.ts': DEEDS, ...more } })

const ID = '01939f5e-7a3c-7c52-b0a7-2f6d3c1e9a10'
const isEmpty = (project: TestProject): Promise<true> =>
  until('no row to be left', () => project.rows().length === 0 || undefined)

/** Who waited may have been gone, or the daemon, before it was said that a result had arrived: it goes when its time is over. */
const noJobs = (project: TestProject): Promise<true> =>
  until('no job to be left', () => project.rows().every(({ state }) => state === 'done') || undefined)

test('a daemon that is killed while somebody waits is asked again when it is back', async () => {
  const project = await make()
  const { wait, add } = project.calls(NAMES)
  const daemon = await project.daemon()
  const run = wait.run('go')
  const job = await wait.async('go')
  const result = job.result()
  await project.hasRun('wait:go', 2)
  await until('both to be awaited', () => project.rows().every(({ awaited }) => awaited !== null))
  await daemon.kill()
  // While there is none.
  const called = add.run(1, 2)
  await project.daemon()
  expect(await called).toBe(3)
  project.write('go', '')
  expect(await Promise.all([run, result])).toEqual(['go is there', 'go is there'])
  await noJobs(project)
})

test('a result stays on disk until all who wait for it have said that it has arrived', async () => {
  const project = await make()
  await project.daemon()
  const [client, other] = [new RawClient(project.url), new RawClient(project.url)]
  await client.say({ kind: 'enqueue', seq: 1, jobs: [[ID, 'wait', '["go"]', null, null, 60_000]] })
  expect(await client.hear()).toEqual({ kind: 'stored', seq: 1 })
  await other.say({ kind: 'await', jobs: [[ID, 70_000]] })
  await until('both to be waited for', () => (project.rows()[0]?.awaited ?? 0) > Date.now() + 60_000)
  project.write('go', '')
  const ended = { kind: 'ended', jobs: [[ID, { kind: 'succeeded', result: '["go is there"]' }]] }
  expect([await client.hear(), await other.hear()]).toEqual([ended, ended])
  await client.say({ kind: 'seen', ids: [ID] })
  await client.say({ kind: 'ask', seq: 2, verb: 'show', params: { id: ID } })
  expect(await client.hear()).toMatchObject({ kind: 'answer', value: { state: 'succeeded' } })
  await other.say({ kind: 'seen', ids: [ID] })
  await isEmpty(project)
})

test('who waits for a job that was cancelled is told so by the next daemon, where the first died before its run had ended', async () => {
  const project = await make()
  const { wait } = project.calls(NAMES)
  const daemon = await project.daemon()
  const job = await wait.async('never')
  const result = job.result()
  await project.hasRun('wait:never')
  await until('it to be awaited', () => project.rows()[0]?.awaited !== null)
  expect(await job.cancel()).toBe('signalled')
  await daemon.kill()
  await Promise.all([expect(result).rejects.toMatchObject({ name: 'JobCancelledError' }), project.daemon()])
  await isEmpty(project)
})

test('a result that is on disk when the daemon dies stays until the time of those who wait is over', async () => {
  const project = await make()
  const daemon = await project.daemon()
  // Whom getJob asks.
  project.calls(NAMES)
  const client = new RawClient(project.url)
  await client.say({ kind: 'enqueue', seq: 1, jobs: [[ID, 'add', '[1,2]', null, null, 60_000]] })
  const heard = [await client.hear(), await client.hear()]
  expect(heard).toContainEqual({ kind: 'stored', seq: 1 })
  const ended = { kind: 'ended', jobs: [[ID, { kind: 'succeeded', result: '[3]' }]] }
  expect(heard).toContainEqual(ended)
  await daemon.kill()
  expect(project.rows()).toMatchObject([{ state: 'done', result: '[3]' }])
  await project.daemon()
  const other = new RawClient(project.url)
  for (const one of [client, other]) {
    await one.say({ kind: 'await', jobs: [[ID, 100]] })
    expect(await one.hear()).toEqual(ended)
  }
  expect(await project.ask('show', { id: ID })).toMatchObject({ state: 'succeeded', result: '[3]' })
  expect((await project.ztask('show', ID)).stdout).toMatch(
    /its result is kept until .*\n.*arguments.*result\n {2}3\n/s,
  )
  expect(await project.ask('status')).toMatchObject({
    waiting: 0,
    scheduled: 0,
    running: 0,
    held: 0,
    failed: 0,
  })
  expect(await project.ask('list')).toEqual([])
  expect(await getJob(ID).status()).toBe('succeeded')
  expect(await getJob(ID).cancel()).toBe('finished')
  // Whoever has said so: another may have waited before the death, and not have found this daemon yet.
  for (const one of [client, other]) {
    await one.say({ kind: 'seen', ids: [ID] })
    await one.say({ kind: 'ask', seq: 2, verb: 'show', params: { id: ID } })
    expect(await one.hear()).toMatchObject({ kind: 'answer', value: { state: 'succeeded' } })
  }
  const late = new RawClient(project.url)
  await late.say({ kind: 'await', jobs: [[ID, 100]] })
  expect(await late.hear()).toEqual(ended)
})

test('a result that nobody fetches goes when its time is over, also where the daemon was dead by then', async () => {
  const project = await make()
  const first = await project.daemon()
  const client = new RawClient(project.url)
  const send = (id: string, wait: number): Promise<void> =>
    client.say({ kind: 'enqueue', seq: 1, jobs: [[id, 'add', '[1,2]', null, null, wait]] })
  await send(ID, 300)
  await send(ID.replace('10', '11'), 600)
  await until('both to be done', () => project.rows().filter(({ state }) => state === 'done').length === 2)
  await first.kill()
  await project.daemon()
  await isEmpty(project)
})

test('a worker that dies, or whose code is replaced, costs no result', async () => {
  const project = await make()
  const daemon = await project.daemon(['--workers', '2', '--concurrency', '1'])
  const { dieOnce, outer } = project.calls(NAMES)
  expect(await dieOnce.run()).toBe('attempt 2')
  const result = outer.run('go')
  await project.hasRun('wait:go')
  // What waits does so in the old generation; what it waits for is cut with its worker, and runs in the new one.
  expect(await project.ztask('reload')).toMatchObject({ code: 0 })
  await daemon.prints(/Reloaded/)
  const inner = project.runs().find(({ what }) => what === 'wait:go')
  process.kill(inner?.pid as number, 'SIGKILL')
  await project.hasRun('wait:go', 2)
  project.write('go', '')
  expect(await result).toBe('it says: go is there')
  await noJobs(project)
})

test('a result that the database does not take fails its job, and who waits is told', async () => {
  const project = await make()
  await project.daemon()
  project.sql(
    `create trigger no_results before update on jobs when new.state = 'done' begin select raise(abort, 'no results'); end`,
  )
  const { add } = project.calls(NAMES)
  await expect(add.run(1, 2)).rejects.toMatchObject({
    name: 'JobFailedError',
    cause: { name: 'Unstorable', message: expect.stringContaining('no results') },
  })
})

const KILLS = fc.sample(fc.integer({ min: 20, max: 400 }), { numRuns: 6, seed: 9 })

test('whenever the daemon is killed, each who waits gets the result or an error in time', async () => {
  const project = await make()
  const { add } = project.calls(NAMES, { callTimeout: 20 })
  let daemon: RunningProcess = await project.daemon()
  let isOver = false
  const told: unknown[] = []
  const caller = async (): Promise<void> => {
    for (let n = 0; !isOver; n++) {
      // What left and was not answered may have been stored: then its result is unknown.
      const sum = await add.run(n, 1).catch((error: unknown) => error)
      if (sum !== n + 1) expect(sum).toBeInstanceOf(ZtaskError)
      told.push(sum)
    }
  }
  const callers = Promise.all(Array.from({ length: 20 }, caller))
  for (const pause of KILLS) {
    await new Promise((resolve) => setTimeout(resolve, pause))
    await daemon.kill()
    daemon = await project.daemon()
    const before = told.length
    await until('calls to go on', () => told.length > before + 20)
  }
  isOver = true
  await callers
  expect(told.filter((one) => typeof one !== 'number')).toEqual([])
  await noJobs(project)
})
