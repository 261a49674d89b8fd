/** What a worker was handed and has not begun: it waits behind nothing, pays for nothing, and can be called back. */
import { expect, test } from 'vitest'
import type { UntypedCalls } from '../../src/client/client.ts'
import { makeProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'
import { deedsProject, TASKS } from './deeds.ts'

const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`)

/** Enough quick jobs that each worker is given a stock. */
const warmUp = async (project: TestProject, once: UntypedCalls): Promise<void> => {
  await Promise.all(names('warm', 2000).map((name) => once.async('return', name)))
  await until('the warm-up to end', () => project.rows().length === 0)
}

/** How often each has run. */
const counts = (project: TestProject): ReadonlyMap<string, number> => {
  const ran = Map.groupBy(project.ran(), (what) => what)
  return new Map([...ran].map(([what, all]) => [what, all.length]))
}

const times = (project: TestProject, what: string): number => counts(project).get(what) ?? 0

test('quick jobs behind one that computes are run by another worker', async () => {
  const project = await deedsProject()
  await project.daemon(['--workers', '2', '--concurrency', '1'])
  const { once } = project.calls(TASKS)
  await warmUp(project, once)
  const slow = { at: 100, id: '' }
  const quick = names('quick', 400)
  await Promise.all(
    quick.map(async (name, index) => {
      if (index === slow.at) slow.id = (await once.async('pause', 'release')).id
      await once.async('return', name)
    }),
  )
  await until('all but the slow one to have ended', () => project.rows().every(({ id }) => id === slow.id))
  const ran = counts(project)
  for (const name of quick) expect(ran.get(`done:${name}`), name).toBe(1)
  expect(times(project, 'done:release')).toBe(0)
  project.write('release', '')
  await until('the slow one to end', () => project.rows().length === 0)
  expect(times(project, 'pause:release')).toBe(1)
})

test('quick jobs that came with one that computes, to workers that had loaded no task, are run by the other', async () => {
  const project = await deedsProject()
  await project.daemon(['--workers', '2', '--concurrency', '10'])
  const { once } = project.calls(TASKS)
  const quick = names('quick', 19)
  await Promise.all([once.async('pause', 'release'), ...quick.map((name) => once.async('return', name))])
  await project.hasRun('pause:release')
  await until('all but the slow one to have ended', () => project.rows().length === 1)
  expect(times(project, 'done:release')).toBe(0)
  project.write('release', '')
  await until('the slow one to end', () => project.rows().length === 0)
  const ran = counts(project)
  for (const name of quick) expect(ran.get(`done:${name}`), name).toBe(1)
})

test('a worker that computes is handed quick jobs once, and not again and again, however busy the other is', async () => {
  const project = await deedsProject()
  const daemon = await project.daemon(['--workers', '2', '--concurrency', '10'])
  const { once } = project.calls(TASKS)
  await once.async('pause', 'release')
  await project.hasRun('pause:release')
  const long = names('long', 5)
  await Promise.all(long.map((name) => once.async('wait', name)))
  for (const name of long) await project.hasRun(`wait:${name}`)
  for (const name of names('quick', 10)) {
    await once.async('return', name)
    await project.hasRun(`done:${name}`)
  }
  const [computing] = project.runs()
  const handed = daemon.stdout
    .split('\n')
    .filter((line) => line.includes('Calling once') && line.includes(`"worker":${computing?.pid}`))
  // The one that computes, and those of the first message after it.
  expect(handed.length).toBeLessThanOrEqual(1 + long.length)
  for (const name of ['release', ...long]) project.write(name, '')
  await until('all to have ended', () => project.rows().length === 0)
})

const AT_TOP = (name: string, statement: string): Record<string, string> => ({
  [`src/${name}.ts`]: `import { task } from 'ztask'
if (process.env.AT_TOP === '1') { ${statement} }
export const ${name} = task({ retryCount: 0 }, async () => {})
`,
})

const atTop = async () => {
  const project = await makeProject({
    files: {
      ...AT_TOP('hangs', 'await new Promise(() => {})'),
      ...AT_TOP('kills', "process.kill(process.pid, 'SIGKILL')"),
      ...AT_TOP('throws', "throw new Error('at the top')"),
    },
  })
  const daemon = await project.daemon(['--workers', '1', '--concurrency', '10'], { AT_TOP: '1' })
  return { project, daemon, ...project.calls(['hangs', 'kills', 'throws', 'note']) }
}

test('jobs of a module that never comes to an end take a slot each, and hold up no others for long', async () => {
  const { project, daemon, hangs, note } = await atTop()
  await Promise.all([hangs.async(), hangs.async(), note.async('beside')])
  await project.hasRun('beside')
  await until('it to have ended', () => project.rows().every(({ task }) => task === 'hangs'))
  expect(project.rows()).toHaveLength(2)
  // They were handed out again when they could begin, and not all the while.
  const calling = daemon.stdout.split('\n').filter((line) => line.includes('Calling note'))
  expect(calling.length).toBeLessThanOrEqual(3)
})

test('jobs of a module that kills its worker as it is loaded pay, and those beside them do not', async () => {
  const { project, kills, note } = await atTop()
  const beside = names('beside', 5)
  await Promise.all([kills.async(), ...beside.map((name) => note.async(name))])
  await until('one to have failed, and the others to have ended', () => {
    return project.rows().length === 1 && project.rows()[0]?.state === 'failed'
  })
  expect(project.rows()).toMatchObject([{ task: 'kills', attempts: 1 }])
  expect(project.rows()[0]?.failure).toContain('WorkerDied')
  for (const name of beside) expect(times(project, name)).toBe(1)
})

test('jobs of a module that throws as it is loaded fail one by one, and those behind them run', async () => {
  const { project, throws, note } = await atTop()
  await Promise.all([throws.async(), throws.async(), throws.async(), note.async('behind')])
  await project.hasRun('behind')
  await until('all three to have failed', () => {
    const rows = project.rows()
    return rows.length === 3 && rows.every(({ state, attempts }) => state === 'failed' && attempts === 1)
  })
})

test('a job that kills its worker pays, and what the worker had in stock does not', async () => {
  const project = await deedsProject()
  await project.daemon(['--workers', '1', '--concurrency', '1'])
  const { once } = project.calls(TASKS)
  await warmUp(project, once)
  const quick = names('quick', 300)
  const calls = [...quick.slice(0, 100), '', ...quick.slice(100)]
  const jobs = await Promise.all(
    calls.map((name) => (name === '' ? once.async('sigkill', 'x') : once.async('return', name))),
  )
  const killer = jobs[100]?.id ?? ''
  await project.job(killer, 'failed')
  await until('the others to end', () => project.rows().length === 1)
  // Alone where it ran, whatever lay behind it: it was charged at once, and was no suspect first.
  expect(times(project, 'sigkill:x')).toBe(1)
  const ran = counts(project)
  for (const name of quick) expect(ran.get(`done:${name}`), name).toBe(1)
})

test('a job that was handed over and has not begun can be cancelled, whatever its worker computes', async () => {
  const project = await deedsProject()
  await project.daemon(['--workers', '1', '--concurrency', '10'])
  const { once } = project.calls(TASKS)
  const [, ...behind] = await Promise.all([
    once.async('pause', 'release'),
    ...names('behind', 5).map((name) => once.async('return', name)),
  ])
  expect(await Promise.all(behind.map((job) => job.cancel()))).toEqual(behind.map(() => 'removed'))
  project.write('release', '')
  await once.async('return', 'last')
  await project.hasRun('done:last')
  expect(project.ran().filter((what) => what.includes('behind'))).toEqual([])
})

test('one in a worker that cannot even answer is told when it can, and does not run again', async () => {
  const project = await deedsProject()
  await project.daemon(['--workers', '1'])
  const { once } = project.calls(TASKS)
  await once.async('return', 'first')
  await project.hasRun('done:first')
  const [pid] = project.runs().map((run) => run.pid)
  process.kill(pid as number, 'SIGSTOP')
  try {
    const job = await once.async('obey', 'cancelled')
    expect(await job.cancel()).toBe('signalled')
  } finally {
    process.kill(pid as number, 'SIGCONT')
  }
  await until('it to be over', () => project.rows().length === 0)
  // Its event loop may come to it before its thread does.
  expect(times(project, 'obey:cancelled')).toBe(times(project, 'aborted:AbortError'))
})

test('a daemon that ends with stocks in its workers leaves what has not begun in the queue', async () => {
  const project = await deedsProject()
  const daemon = await project.daemon(['--workers', '2', '--concurrency', '2'])
  const { once } = project.calls(TASKS)
  await warmUp(project, once)
  const jobs = new Map<string, string>()
  const calls = names('job', 3000).map(async (name) => jobs.set((await once.async('return', name)).id, name))
  await Promise.all(calls.slice(0, 1000))
  const ended = daemon.kill('SIGTERM')
  await Promise.allSettled(calls)
  expect(await ended).toMatchObject({ code: 0 })
  const left = new Set(project.rows().map(({ id }) => id))
  expect(left.size).toBeGreaterThan(0)
  const ran = counts(project)
  for (const [id, name] of jobs) expect(ran.get(`done:${name}`) ?? 0, name).toBe(left.has(id) ? 0 : 1)
  expect(project.rows().every(({ attempts, mark }) => attempts === 0 && mark === null)).toBe(true)
})

test('a job with a timeout that is cancelled before it begins leaves nothing that ends its worker later', async () => {
  const project = await deedsProject()
  const daemon = await project.daemon([
    ...['--workers', '1', '--concurrency', '10', '--hang-timeout', '0.5', '--kill-grace', '0.2'],
  ])
  const { once, onceTimed, lasting } = project.calls(TASKS)
  await once.async('return', 'first')
  await project.hasRun('done:first')
  const [, behind] = await Promise.all([once.async('pause', 'release'), onceTimed.async('return', 'behind')])
  expect(await behind.cancel()).toBe('removed')
  project.write('release', '')
  await project.hasRun('done:release')
  // It runs for longer than the other would have had.
  await lasting.async(1500, 'neighbour')
  await until('all to have ended', () => project.rows().length === 0)
  expect(daemon.stdout).not.toMatch(/Killing|gets no more/)
})

test('the room of a job that is cancelled before it begins is the next one’s', async () => {
  const project = await deedsProject()
  await project.daemon(['--workers', '1', '--concurrency', '1'])
  const { once } = project.calls(TASKS)
  await once.async('return', 'first')
  await project.hasRun('done:first')
  // It ends, and leaves a loop behind it in which its worker begins nothing.
  await once.async('leave-pause', 'release')
  await project.hasRun('pauses:release')
  const [cancelled, next] = await Promise.all([once.async('return', 'a'), once.async('return', 'b')])
  expect(await cancelled.cancel()).toBe('removed')
  project.write('release', '')
  await until('the next to run', () => project.rows().every(({ id }) => id !== next.id))
  expect(project.ran()).not.toContain('done:a')
})
