/** Several daemons, one database. */
import { connect } from 'node:net'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { PostgresServer } from '../harness/postgres.ts'
import { processesIn } from '../harness/process.ts'
import { makeProject, type TestProject } from '../harness/project.ts'
import { TcpProxy } from '../harness/proxy.ts'
import { until } from '../harness/until.ts'

/** Ends when it is told to, or when the file named by its argument is there. */
const LISTEN = `
import { appendFileSync, existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { currentJob, task } from 'ztask'

const say = (what: string) => appendFileSync('ran.log', what + ' ' + process.pid + ' ' + Date.now() + '\\n')

export const listen = task({ retryCount: 0 }, async (file: string) => {
  const { signal } = currentJob()
  say('begin:' + file)
  while (!existsSync(file)) {
    if (signal.aborted) say(signal.reason.name + ':' + file)
    signal.throwIfAborted()
    await sleep(10)
  }
  say('done:' + file)
})

/** Lets nothing else happen meanwhile. */
export const compute = task((ms: number) => {
  for (const end = performance.now() + ms; performance.now() < end; );
})
`

const nodes = async (count: number, server?: PostgresServer): Promise<TestProject[]> => {
  server ??= await own()
  return Promise.all(
    Array.from({ length: count }, () =>
      makeProject({ config: `database: '${server.url}'`, files: { 'src/listen.ts': LISTEN } }),
    ),
  )
}

const own = async (): Promise<PostgresServer> => {
  const server = await PostgresServer.start()
  onTestFinished(() => server.stop())
  return server
}

const ranOn = (all: readonly TestProject[]): string[] => all.flatMap((project) => project.ran())

test('the backlog of one is shared by those that are idle, and each job runs once', async () => {
  const all = await nodes(3)
  const [first] = all as [TestProject]
  await Promise.all(all.map((project) => project.daemon(['--concurrency', '2'])))
  const { note } = first.client()
  const jobs = Array.from({ length: 3000 }, (_, at) => [String(at)])
  await note.batch(jobs)
  await until('all to have run', () => ranOn(all).length >= jobs.length)
  expect(all.map((project) => project.ran().length > 0)).toEqual([true, true, true])
  expect(
    ranOn(all)
      .map(Number)
      .sort((a, b) => a - b),
  ).toEqual(jobs.map(([at]) => Number(at)))
})

test('what a daemon had that is killed is run by the others when its lease is over', async () => {
  const all = await nodes(2)
  const [first, second] = all as [TestProject, TestProject]
  const lease = ['--lease', '2']
  const one = await first.daemon(lease)
  const { act } = first.client()
  await act.async('wait', '/tmp/never-there')
  await first.hasRun('wait:/tmp/never-there')
  await second.daemon(lease)
  await one.kill()
  await second.hasRun('wait:/tmp/never-there')
})

test('a result, and a cancel, find a job wherever it runs', async () => {
  const all = await nodes(2)
  const [first, second] = all as [TestProject, TestProject]
  await first.daemon(['--concurrency', '1'])
  const { act } = first.client()
  await act.async('wait', 'go')
  await first.hasRun('wait:go')
  await second.daemon(['--kill-grace', '0.2'])
  // The first has no room.
  const result = act.run('wait', 'called')
  await second.hasRun('wait:called')
  second.write('called', '')
  expect(await result).toBeUndefined()
  const other = await act.async('wait', 'other')
  await second.hasRun('wait:other')
  const cancelled = expect(other.result()).rejects.toMatchObject({ name: 'JobCancelledError' })
  expect(await other.cancel()).toBe('signalled')
  await cancelled
})

test('a daemon that was frozen for longer than its lease finds that others run its jobs, ends its workers and goes on', async () => {
  const all = await nodes(2)
  const [first, second] = all as [TestProject, TestProject]
  const lease = ['--lease', '2']
  const frozen = await first.daemon(lease)
  const { act, note } = first.client({ callTimeout: 30 })
  const job = await act.async('wait', 'go')
  await first.hasRun('wait:go')
  await second.daemon(lease)
  frozen.child.kill('SIGSTOP')
  // Its worker does not wait to be told.
  await until('the worker to end by itself', () =>
    first.runs().every(({ pid }) => !processesIn(first.dir).includes(pid)),
  )
  await second.hasRun('wait:go')
  frozen.child.kill('SIGCONT')
  await frozen.prints(/taken for dead/)
  const [run] = first.runs()
  await until('the worker to have ended', () => !processesIn(first.dir).includes(run?.pid ?? 0))
  second.write('go', '')
  await second.hasRun('done:go')
  await until('it to be over', async () => (await job.status()) === 'gone')
  await note.async('again')
  await until('it to run', () => ranOn(all).includes('again'))
  expect(first.ran()).not.toContain('done:go')
  // And it has a worker again.
  const { length } = first.ran()
  await until('the first to run jobs', async () => {
    await note.async('more')
    return first.ran().length > length
  })
})

test('a job hears that its daemon is cut off from the database, pays nothing for it, and runs elsewhere or again', async () => {
  const server = await own()
  const proxy = await TcpProxy.to(server.url)
  onTestFinished(() => proxy.close())
  const [far, near] = (await nodes(2, server)) as [TestProject, TestProject]
  const url = new URL(server.url)
  url.host = new URL(proxy.url).host
  const lease = ['--lease', '2']
  await far.daemon([...lease, '--database', url.href])
  const { listen } = far.calls(['listen'])
  await listen.async('far')
  await far.hasRun('begin:far')
  const goOn = proxy.holdUp()
  await far.hasRun('AbortError:far')
  await near.daemon(lease)
  await near.hasRun('begin:far')
  near.write('far', '')
  await near.hasRun('done:far')
  goOn()
  await until('it to be over', async () => (await far.ask<{ waiting: number }>('status')).waiting === 0)
  const { note } = far.client()
  await until('the first to run jobs again', async () => {
    await note.async('again')
    return far.ran().includes('again')
  })
  expect(far.ran()).not.toContain('done:far')
})

test('who computes for longer than the lease, which is renewed meanwhile, costs its neighbours nothing', async () => {
  const [first] = (await nodes(1)) as [TestProject]
  await first.daemon(['--lease', '3', '--concurrency', '2'])
  const { listen, compute } = first.calls(['listen', 'compute'])
  const job = await listen.async('go')
  await first.hasRun('begin:go')
  await compute.run(4000)
  first.write('go', '')
  await first.hasRun('done:go')
  await until('it to be over', async () => (await job.status()) === 'gone')
  expect(first.ran()).toEqual(['begin:go', 'done:go'])
})

test('what finds no room at one daemon is given to another that has some', async () => {
  const [first, second] = (await nodes(2)) as [TestProject, TestProject]
  await first.daemon(['--concurrency', '4'])
  const { act, note } = first.client()
  // They are quick: it takes more in hand than it can begin.
  await note.batch(Array.from({ length: 2000 }, () => ['quick']))
  await until('them to have run', () => first.ran().length === 2000)
  await act.batch(Array.from({ length: 12 }, () => ['wait', 'go'] as const))
  const begun = (): number => ranOn([first, second]).filter((what) => what === 'wait:go').length
  await until('it to be full', () => begun() === 4)
  await second.daemon(['--concurrency', '20'])
  await until('the others to run', () => begun() === 12)
  for (const project of [first, second]) project.write('go', '')
})

test('one daemon only accepts calls, another only runs what is stored', async () => {
  const [door, works] = (await nodes(2)) as [TestProject, TestProject]
  await door.daemon(['--workers', '0'])
  const running = works.launch(['--no-listen'])
  await running.prints(/Accepting no calls/)
  const { act } = door.client()
  expect(await act.run('return', 'called')).toBeUndefined()
  expect(works.ran()).toEqual(['return:called', 'done:called'])
  expect(door.ran()).toEqual([])
  expect(await door.ask('status')).toMatchObject({ workers: [] })
  const reached = new Promise((resolve) => {
    connect(Number(new URL(works.url).port), '127.0.0.1')
      .on('connect', () => resolve('reached'))
      .on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
  })
  expect(await reached).toBe('ECONNREFUSED')
})

test('a daemon that ends keeps what it runs until that has ended, however long it takes', async () => {
  const server = await own()
  const all = await nodes(2, server)
  const [first, second] = all as [TestProject, TestProject]
  const lease = ['--lease', '1']
  const ending = await first.daemon(lease)
  await first.client().act.async('wait', 'go')
  await first.hasRun('wait:go')
  await second.daemon(lease)
  ending.child.kill('SIGTERM')
  await ending.prints(/SIGTERM/)
  const client = new pg.Client({ connectionString: server.url })
  await client.connect()
  const told = Date.now()
  await until('three leases to be over', async () => {
    const { rows } = await client.query('select seen from ztask.nodes order by id limit 1')
    return rows[0].seen.getTime() > told + 3000
  })
  await client.end()
  first.write('go', '')
  expect((await ending.ended).code).toBe(0)
  expect(ranOn(all)).toEqual(['wait:go', 'done:go'])
})
