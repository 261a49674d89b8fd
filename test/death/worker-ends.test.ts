/** Who pays, and who goes on, where a worker ends at an odd moment: before it began, after it ended, while it leaves. */
import { execFileSync, spawnSync } from 'node:child_process'
import { expect, onTestFinished, test } from 'vitest'
import { logLines } from '../harness/process.ts'
import { makeProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

const DEEDS = `
import { appendFileSync, existsSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { currentJob, task } from 'ztask'

const say = (what: string) => appendFileSync('ran.log', what + ' ' + process.pid + ' ' + Date.now() + '\\n')
const until = async (file: string) => { while (!existsSync(file)) await sleep(5) }

export const say1 = task({ retryCount: 0 }, async (name: string) => { say(name) })
export const wait = task({ retryCount: 0 }, async (file: string) => { say('wait:' + file); await until(file); say('done:' + file) })
export const overdue = task({ retryCount: 0, timeout: 0.5 }, async () => {
  say('overdue')
  await new Promise(() => setInterval(() => {}, 1000))
})
export const dieOnce = task({ retryCount: 3, retryAfter: 0.3 }, async (name: string, ms: number) => {
  const { attempt } = currentJob()
  say('begin:' + name + ':' + attempt)
  if (attempt === 1) process.kill(process.pid, 'SIGKILL')
  await sleep(ms)
  say('end:' + name + ':' + attempt)
})
export const leaveSpin = task({ retryCount: 0 }, async () => { setTimeout(() => { say('spins'); for (;;) {} }, 20); say('leaveSpin') })
// Its worker computes as soon as its outcome is on its way.
export const leaveLoop = task({ retryCount: 0 }, async (name: string) => {
  say('loop:' + name)
  await until('go')
  if (name !== 'first') return
  const send = process.send!.bind(process) as (...told: unknown[]) => boolean
  process.send = ((...told: unknown[]) => { const sent = send(...told); while (!existsSync('end')); return sent }) as typeof process.send
})
export const exit7 = task({ retryCount: 0 }, async (file: string) => { say('exit7'); await until(file); process.exit(7) })
export const sendRubbish = task({ retryCount: 0 }, async (run: number) => {
  const told = [null, [run, null], [run, { kind: 'threw' }], [run, { kind: 'missing' }]]
  const ended = told.map((one) => ({ kind: 'ended', ended: [one], worked: 0, begun: 0 }))
  for (const rubbish of [null, 7, 'ready', { kind: 'ended' }, { kind: 'broken', failure: {} }, ...ended]) process.send?.(rubbish)
  // The lifeline: an easy mistake, with a file descriptor that was closed twice.
  for (const line of ['hello', '{}', '[null]']) writeSync(3, line + '\\n')
  await sleep(50)
  say('sentRubbish')
})
export const badCause = task({ retryCount: 0 }, async () => {
  throw Object.defineProperty(new Error('the error itself'), 'cause', { get() { throw new Error('unreadable') } })
})
export const badProxy = task({ retryCount: 0 }, async () => {
  throw new Proxy({}, { getPrototypeOf() { throw new Error('hidden') } })
})
`
const SPINS_AT_TOP = `
import { task } from 'ztask'
export const top = task({ retryCount: 0, timeout: 0.3 }, async () => {})
if (process.env.SPIN_AT_TOP === '1') for (;;) {}
`
const BYE = 'export const bye = async () => { await new Promise((resolve) => setTimeout(resolve, 1000)) }'

const TASKS = [
  ...['say1', 'wait', 'overdue', 'dieOnce', 'leaveSpin', 'leaveLoop', 'exit7', 'sendRubbish', 'badCause'],
  ...['badProxy', 'top'],
] as const

const make = (config?: string): Promise<TestProject> =>
  makeProject({
    files: { 'src/deeds.ts': DEEDS, 'src/top.ts': SPINS_AT_TOP, 'src/bye.ts': BYE },
    ...(config !== undefined && { config }),
  })

const pids = async (project: TestProject): Promise<number[]> =>
  (await project.ask<{ workers: { pid: number }[] }>('status')).workers.map(({ pid }) => pid)

const isGone = (project: TestProject): boolean => project.rows().length === 0
const failures = (project: TestProject): unknown[] =>
  project.rows().map(({ task, state, failure }) => [task, state, JSON.parse(failure ?? '{}').name])

test('a worker of suspects that is killed for a timeout is replaced: the next suspect runs', async () => {
  const project = await make()
  await project.daemon(['--workers', '1', '--concurrency', '3', '--kill-grace', '0.2'])
  const { overdue, wait } = project.calls(TASKS)
  await overdue?.async()
  await wait?.async('go')
  await project.hasRun('wait:go')
  await project.hasRun('overdue')
  process.kill(project.runs()[0]?.pid as number, 'SIGKILL')
  await project.hasRun('wait:go', 2)
  project.write('go', '')
  await until('both to be over', () => project.rows().every(({ state }) => state === 'failed'))
  expect(failures(project)).toEqual([['overdue', 'failed', 'TimeoutError']])
  expect(project.ran().filter((what) => what === 'done:go')).toHaveLength(1)
})

test('suspects do not wait for a loop that an earlier one left behind in their worker', async () => {
  const project = await make()
  const daemon = await project.daemon(['--workers', '1', '--concurrency', '3'])
  const { leaveLoop } = project.calls(TASKS)
  const jobs = await Promise.all(['first', 'second', 'third'].map((name) => leaveLoop?.async(name)))
  for (const name of ['first', 'second', 'third']) await project.hasRun(`loop:${name}`)
  process.kill(project.runs()[0]?.pid as number, 'SIGKILL')
  await project.hasRun('loop:first', 2)
  project.write('go', '')
  await until('all to have ended', () => isGone(project))
  // The worker that loops was handed one more, once, before that was noticed.
  const looping = project.runs().findLast(({ what }) => what === 'loop:first')?.pid
  const handed = logLines(daemon.stdout).filter(
    ({ msg, worker }) => msg === 'Calling leaveLoop' && worker === looping,
  )
  const others = handed.map(({ id }) => id).filter((id) => id !== jobs[0]?.id)
  expect(others).toEqual([jobs[1]?.id])
  project.write('end', '')
})

test('a suspect is not handed to a worker that is on its way out, however long its onExit takes', async () => {
  const project = await make("onExit: ['./src/bye.ts#bye']")
  await project.daemon(['--workers', '1', '--concurrency', '1'])
  const { dieOnce } = project.calls(TASKS)
  await dieOnce?.async('A', 1)
  await project.hasRun('end:A:2')
  // While the worker that ran A's retry says goodbye.
  await dieOnce?.async('B', 1500)
  await until('both to have ended', () => isGone(project))
  expect(project.ran().filter((what) => what.includes('B'))).toEqual(['begin:B:1', 'begin:B:2', 'end:B:2'])
})

test('a job that was handed over and never began pays nothing when its worker dies', async () => {
  const project = await make()
  await project.daemon(['--workers', '1'])
  const { say1 } = project.calls(TASKS)
  const [frozen] = await pids(project)
  process.kill(frozen as number, 'SIGSTOP')
  await say1?.async('late')
  process.kill(frozen as number, 'SIGKILL')
  await project.hasRun('late')
  await until('it to have ended', () => isGone(project))
})

test('idle workers that die just as calls come cost no job an attempt', async () => {
  const project = await make()
  await project.daemon(['--workers', '8', '--concurrency', '1'])
  const { say1 } = project.calls(TASKS)
  const names = [0, 1, 2, 3, 4, 5, 6, 7].map((index) => `job${index}`)
  for (const pid of await pids(project)) process.kill(pid, 'SIGKILL')
  await Promise.all(names.map((name) => say1?.async(name)))
  await until('all to have ended', () => isGone(project))
  for (const name of names) expect(project.ran()).toContain(name)
})

test('a worker in which an ended task left a busy loop behind is reported, killed and replaced', async () => {
  const project = await make()
  const daemon = await project.daemon(['--workers', '1', '--hang-timeout', '0.5'])
  const { leaveSpin, say1 } = project.calls(TASKS)
  await leaveSpin?.async()
  await project.hasRun('spins')
  await say1?.async('behind')
  await project.hasRun('behind')
  await daemon.prints(/has not answered for .* and runs no job/)
  await until('all to have ended', () => isGone(project))
})

/** Changes a limit of a process that runs; of util-linux. */
const hasPrlimit = spawnSync('prlimit', ['--version']).error === undefined

test.skipIf(!hasPrlimit)('a daemon that can make no process goes on, and makes one when it can', async () => {
  const project = await make()
  const daemon = await project.daemon(['--workers', '1'])
  const { say1 } = project.calls(TASKS)
  const [first] = await pids(project)
  const limit = (soft: number): void => {
    execFileSync('prlimit', ['--pid', `${daemon.pid}`, `--nofile=${soft}:`])
  }
  // Those that are open stay open; none of a higher number can be opened.
  limit(10)
  onTestFinished(() => {
    if (!daemon.hasEnded) limit(1024)
  })
  process.kill(first as number, 'SIGKILL')
  await daemon.prints(/EMFILE/)
  expect(daemon.hasEnded).toBe(false)
  limit(1024)
  await say1?.async('later')
  await project.hasRun('later')
})

test('a module that never comes to an end at its top level is stopped by the timeout of its task', async () => {
  const project = await make()
  await project.daemon(['--workers', '1', '--hang-timeout', '0.5', '--kill-grace', '0.1'], {
    SPIN_AT_TOP: '1',
  })
  const { top, say1 } = project.calls(TASKS)
  await top?.async()
  await until('it to have failed', () => project.rows().every(({ state }) => state === 'failed'))
  expect(failures(project)).toEqual([['top', 'failed', 'TimeoutError']])
  await say1?.async('after')
  await project.hasRun('after')
})

test('a job that ends its worker while that retires is charged, and its cause is kept', async () => {
  const project = await make()
  const daemon = await project.daemon(['--workers', '1'])
  const { exit7 } = project.calls(TASKS)
  await exit7?.async('go')
  await project.hasRun('exit7')
  const ended = daemon.kill('SIGTERM')
  await daemon.prints(/finishing/)
  project.write('go', '')
  expect(await ended).toMatchObject({ code: 0 })
  expect(failures(project)).toEqual([['exit7', 'failed', 'WorkerDied']])
  expect(project.rows()[0]?.failure).toContain('exit code 7')
})

test('what user code sends over the channel of its worker harms nobody', async () => {
  const project = await make()
  const daemon = await project.daemon(['--workers', '1'])
  const { sendRubbish } = project.calls(TASKS)
  // The first run of a first start.
  await sendRubbish?.async(2 ** 32)
  await project.hasRun('sentRubbish')
  await until('it to have ended', () => isGone(project))
  expect(daemon.hasEnded).toBe(false)
})

test('an error that does not let itself be read fails its job, and nothing else', async () => {
  const project = await make()
  await project.daemon(['--workers', '1'])
  const [pid] = await pids(project)
  const { badCause, badProxy } = project.calls(TASKS)
  const [cause, proxy] = [await badCause?.async(), await badProxy?.async()]
  await project.job(cause?.id ?? '', 'failed')
  await project.job(proxy?.id ?? '', 'failed')
  expect(failures(project)).toEqual([
    ['badCause', 'failed', 'Error'],
    ['badProxy', 'failed', 'NonErrorThrown'],
  ])
  expect(await pids(project)).toEqual([pid])
})
