/** Timeouts, hangs, and what a task may know of its job. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { until } from '../harness/until.ts'
import { deedsProject, TASKS } from './deeds.ts'

test('B17: what takes longer than its timeout is killed, and the others of its worker may finish first, where its loop turns', async () => {
  const project = await deedsProject()
  const daemon = await project.daemon(['--workers', '1', '--concurrency', '3', '--kill-grace', '1'])
  const { once, onceTimed } = project.calls(TASKS)
  const neighbour = await once.async('wait', 'go')
  const stubborn = await onceTimed.async('forever', 'x')
  await daemon.prints(/gets no more jobs/)
  // Another worker takes its place: jobs go on.
  await once.async('return', 'beside')
  await project.hasRun('done:beside')
  project.write('go', '')
  await project.job(stubborn.id, 'failed')
  await until('the neighbour to have succeeded', () => project.rows().every(({ id }) => id !== neighbour.id))
  expect(project.ran().filter((what) => what === 'wait:go')).toHaveLength(1)
})

test('one that ended in time is not told, nor is its worker killed', async () => {
  const project = await deedsProject()
  const daemon = await project.daemon(['--workers', '1', '--kill-grace', '0.05'])
  const { onceTimed, lasting } = project.calls(TASKS)
  for (const deed of ['return', 'throw']) await onceTimed.async(deed, deed)
  // A job of its length: past the timeout and the grace of both.
  await lasting.async(500, 'longer')
  await project.hasRun('end:longer')
  expect(daemon.stdout).not.toMatch(/its signal aborts|gets no more jobs|Killing/)
  expect(new Set(project.runs().map(({ pid }) => pid)).size).toBe(1)
})

test('where the one that it was to be killed for ends after all, the others of a worker take their time', async () => {
  const project = await deedsProject()
  const daemon = await project.daemon(['--workers', '1', '--concurrency', '3', '--kill-grace', '0.3'])
  const { once, onceTimed } = project.calls(TASKS)
  await once.async('wait', 'go')
  await onceTimed.async('obey-late', 'late')
  await daemon.prints(/gets no more jobs/)
  project.write('late', '')
  await project.hasRun('done:late')
  // A job of its length: longer than the grace that the neighbour would have had.
  const { lasting } = project.calls(TASKS)
  await lasting.async(600, 'longer')
  await project.hasRun('end:longer')
  project.write('go', '')
  await until('the neighbour to have succeeded', () => project.rows().length === 0)
  expect(project.ran().filter((what) => what === 'wait:go')).toHaveLength(1)
  expect(daemon.stdout).not.toContain('Killing worker')
})

test('they do until --drain-timeout; what is cut then is told why, pays nothing and runs again', async () => {
  const project = await deedsProject()
  const flags = ['--workers', '1', '--concurrency', '3', '--kill-grace', '0.3', '--drain-timeout', '0.3']
  const daemon = await project.daemon(flags)
  const { once, onceTimed } = project.calls(TASKS)
  const told = await once.async('heed', 'x')
  const deaf = await once.async('wait', 'go')
  await onceTimed.async('obey-late', 'late')
  await daemon.prints(/gets no more jobs/)
  project.write('late', '')
  await project.hasRun(
    'because:once runs in a worker that is to end for what another job did, and will run again in another',
  )
  await daemon.prints(/still runs 2 jobs and is to end for what another did: their signals abort/)
  for (const what of ['heed:x', 'wait:go']) await project.hasRun(what, 2)
  for (const { id } of [told, deaf])
    expect(project.rows().find((row) => row.id === id)).toMatchObject({ attempts: 0, failure: null })
})

test('a worker that does not answer is reported with what it runs, once, and when it is back', async () => {
  const project = await deedsProject()
  const daemon = await project.daemon(['--workers', '1', '--hang-timeout', '0.2'])
  const { once, lasting } = project.calls(TASKS)
  await lasting.async(1, 'quick')
  const job = await once.async('pause', 'x')
  await daemon.prints(new RegExp(`has not answered for .*once \\(${job.id}\\)`))
  project.write('x', '')
  await daemon.prints(/answers again/)
  const { stdout } = await daemon.kill('SIGTERM')
  expect(stdout.match(/has not answered/g)).toHaveLength(1)
})

test('a task may know its job, and logs where the daemon does', async () => {
  const project = await deedsProject()
  const log = project.path('daemon.log')
  const daemon = await project.daemon().then(async (first) => {
    await first.kill('SIGTERM')
    return project.launch(['--logfile', log])
  })
  await until('the daemon to serve', () =>
    readFileSync(log, { encoding: 'utf8', flag: 'a+' }).includes('Listening'),
  )
  const before = Date.now()
  const { report } = project.calls(TASKS)
  const { id } = await report.async()
  await until('its report', () => readFileSync(log, 'utf8').includes('a line of a task'))
  const { created, ...rest } = JSON.parse(readFileSync(project.path('report.json'), 'utf8'))
  expect(rest).toEqual({ id, name: 'report', attempt: 1, aborted: false })
  expect(Math.abs(new Date(created).getTime() - before)).toBeLessThan(60_000)
  const line = readFileSync(log, 'utf8')
    .split('\n')
    .find((one) => one.includes('a line of a task'))
  expect(JSON.parse(line ?? '')).toMatchObject({ level: 'info', id, task: 'report', extra: 1 })
  await daemon.kill('SIGTERM')
})

test('outside of a job there is none, and eager jobs have one', async () => {
  const project = await deedsProject()
  const script = project.script(
    `import { currentJob } from 'ztask'
    import { report } from './src/deeds.ts'
    import { tasks } from './src/ztask/client.ts'
    for (const ask of [currentJob, report]) {
      try { ask() } catch (error) { console.log(error.code) }
    }
    const job = await tasks.report.async()
    console.log(job.id, await job.cancel())`,
    { ZTASKD_ALWAYS_EAGER: '1' },
  )
  const { stdout, code } = await script.ended
  expect(code, stdout).toBe(0)
  const [first, second] = stdout.split('\n')
  expect([first, second]).toEqual(['ZTASK_NO_CURRENT_JOB', 'ZTASK_NO_CURRENT_JOB'])
  const { id, attempt } = JSON.parse(readFileSync(project.path('report.json'), 'utf8'))
  expect(stdout).toContain(`${id} finished`)
  expect(stdout).toMatch(new RegExp(`ztask: report \\(${id}\\): a line of a task`))
  expect(attempt).toBe(1)
})
