/** A signal at any moment: whatever the daemon was about to do, it leaves no process, no lock, and no half of anything. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { processesIn } from '../harness/process.ts'
import type { TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'
import { deedsProject, TASKS } from './deeds.ts'

/** What is left can be started on, and its files are whole. */
const isWhole = async (project: TestProject): Promise<void> => {
  await until('no process to be left', () => processesIn(project.dir).length === 0)
  expect(await project.ztask('generate', '--check')).toMatchObject({ code: 0 })
  expect(project.sql('pragma integrity_check')).toEqual([{ integrity_check: 'ok' }])
  expect(project.rows().filter(({ mark }) => mark !== null)).toEqual([])
}

test('while it starts: exit 143 before it serves, 0 after, at whatever moment', async () => {
  const project = await deedsProject()
  await project.ztask('migrate')
  // A development daemon generates first, then brings up workers; it serves after about a second.
  for (const after of [0, 60, 120, 200, 300, 400, 500, 650, 800, 1000]) {
    const daemon = project.launch(['--reload'])
    await sleep(after)
    const { code, signal, stdout } = await daemon.kill('SIGTERM')
    // Before the first line of ours nobody listens for signals: the kernel ends it.
    if (signal === null) expect(code).toBe(/Listening/.test(stdout) ? 0 : 143)
    else expect(signal).toBe('SIGTERM')
  }
  await isWhole(project)
  await project.daemon()
  await project.client().note.async('works')
  await project.hasRun('works')
}, 120_000)

test('while a worker is replaced, and while one is being killed', async () => {
  const project = await deedsProject()
  const { once, onceTimed } = project.calls(TASKS)
  const daemon = await project.daemon(['--kill-grace', '0.2', '--shutdown-timeout', '1'])
  await once.async('sigkill', 'x')
  await daemon.prints(/died: SIGKILL/)
  expect(await daemon.kill('SIGTERM')).toMatchObject({ code: 0 })
  const second = await project.daemon(['--kill-grace', '0.2', '--shutdown-timeout', '1'])
  await onceTimed.async('spin', 'y')
  await second.prints(/its signal aborts/)
  expect(await second.kill('SIGTERM')).toMatchObject({ code: 0 })
  await isWhole(project)
  // The timeout was still its own.
  expect(project.rows().map(({ state, attempts }) => [state, attempts])).toEqual([
    ['failed', 1],
    ['failed', 1],
  ])
})

test('while suspects are tried: they are suspects at the next start, and not charged', async () => {
  const project = await deedsProject()
  const { once } = project.calls(TASKS)
  const daemon = await project.daemon(['--shutdown-timeout', '0.2'])
  const jobs = await Promise.all(['a', 'b', 'c', 'd'].map((name) => once.async('wait', name)))
  for (const name of ['a', 'b', 'c', 'd']) await project.hasRun(`wait:${name}`)
  const pids = project.runs().map((run) => run.pid)
  const together = (pid: number | undefined) => pids.filter((one) => one === pid)
  // Of the two workers that which has more of them: two at least.
  const [pid = 0, ...others] = pids.map(together).toSorted((a, b) => b.length - a.length)[0] ?? []
  process.kill(pid, 'SIGKILL')
  await until('a trial', () => project.rows().some(({ mark }) => mark === 'trial'))
  expect(await daemon.kill('SIGTERM')).toMatchObject({ code: 0 })
  const marks = project.rows().map(({ mark, attempts }) => `${mark} ${attempts}`)
  const suspects = others.length + 1
  expect(marks.filter((mark) => mark === 'suspect 0')).toHaveLength(suspects)
  expect(marks.filter((mark) => mark === 'null 0')).toHaveLength(4 - suspects)
  for (const name of ['a', 'b', 'c', 'd']) project.write(name, '')
  await project.daemon()
  await until('all to have succeeded', () => project.rows().length === 0)
  expect(jobs).toHaveLength(4)
})

test('a second signal stops at once, and nobody pays', async () => {
  const project = await deedsProject()
  const { once } = project.calls(TASKS)
  const daemon = await project.daemon()
  await once.async('forever', 'x')
  await until('it to be marked', () => project.rows().some(({ mark }) => mark === 'started'))
  daemon.child.kill('SIGTERM')
  await daemon.prints(/once more stops at once/)
  expect(await daemon.kill('SIGTERM')).toMatchObject({ code: 143, signal: null })
  expect(project.rows()).toMatchObject([{ state: 'queued', attempts: 0, mark: null }])
  await isWhole(project)
})
