/** Cancelling a job, at every moment of its life. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Job } from '../../src/index.ts'
import { until } from '../harness/until.ts'
import { deedsProject, TASKS } from './deeds.ts'

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
const random = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const SEED = Number(process.env.ZTASK_SEED ?? 20_270_101)
const JOBS = Number(process.env.ZTASK_RUNS ?? 400)
const ANSWERS = ['removed', 'finished', 'signalled']

test(`whenever it comes, a cancel has one answer, which is true (seed ${SEED})`, async () => {
  const project = await deedsProject()
  const daemon = await project.daemon(['--concurrency', '5', '--kill-grace', '5'])
  const { lasting } = project.calls(TASKS)
  const next = random(SEED)
  const answers = new Map<string, string>()
  const live = async (name: string): Promise<void> => {
    const lasts = Math.floor(next() * 12)
    // Some wait for a slot, some for their time, some not at all.
    const delay = next() < 0.3 ? next() * 0.03 : undefined
    const after = next() * 40
    const job: Job = await (delay === undefined
      ? lasting.async(lasts, name)
      : lasting.after(delay, lasts, name))
    await sleep(after)
    // Two at once: a second cancel of what is gone is told that.
    const both = await Promise.all([job.cancel(), job.cancel()])
    if (both.includes('removed')) expect(both.sort()).toEqual(['finished', 'removed'])
    answers.set(name, both.includes('removed') ? 'removed' : (both[0] ?? ''))
  }
  // On a slow machine most jobs are still waiting at their cancel: there are more, until each answer was seen.
  const seen = (answer: string): number => [...answers.values()].filter((one) => one === answer).length
  for (let i = 0; i < JOBS || ANSWERS.some((answer) => seen(answer) < 6); ) {
    const all: Promise<void>[] = []
    for (const end = i + JOBS; i < end; i++) {
      all.push(live(`job${i}`))
      if (next() < 0.2) await sleep(next() * 8)
    }
    await Promise.all(all)
  }
  await until('all to be over', () => project.rows().length === 0)

  const ran = project.ran()
  for (const [name, answer] of answers) {
    const [begun, ended] = ['begin', 'end'].map(
      (what) => ran.filter((one) => one === `${what}:${name}`).length,
    )
    const expected = { removed: [0, 0], finished: [1, 1], signalled: [1, 1] }[answer]
    expect([begun, ended], `${name} was ${answer}`).toEqual(expected)
  }

  // Not at the next start either.
  expect(await daemon.kill('SIGTERM')).toMatchObject({ code: 0 })
  await project.daemon()
  const { note } = project.client()
  await note.async('after')
  await project.hasRun('after')
  expect(project.ran()).toEqual([...ran, 'after'])
})

test('one that runs is told by its signal; one that does not listen is killed; neither is retried', async () => {
  const project = await deedsProject()
  const daemon = await project.daemon(['--kill-grace', '0.2', '--concurrency', '1', '--workers', '3'])
  const { thrice } = project.calls(TASKS)
  const names = ['obey', 'forever', 'spin'] as const
  const jobs = await Promise.all(names.map((deed) => thrice.async(deed, deed)))
  for (const deed of names) await project.hasRun(`${deed}:${deed}`)
  expect(await Promise.all(jobs.map((job) => job.cancel()))).toEqual(names.map(() => 'signalled'))
  await project.hasRun('aborted:AbortError')
  await until('all to be over', () => project.rows().length === 0)
  expect(await Promise.all(jobs.map((job) => job.cancel()))).toEqual(names.map(() => 'finished'))
  const begun = project.ran().filter((what) => !what.startsWith('aborted'))
  expect(begun.sort()).toEqual(['forever:forever', 'obey:obey', 'spin:spin'])
  expect(await daemon.kill('SIGTERM')).toMatchObject({ code: 0 })
})

test('one that was told, and whose daemon dies, does not run again', async () => {
  const project = await deedsProject()
  const daemon = await project.daemon(['--kill-grace', '60'])
  const { thrice } = project.calls(TASKS)
  const job = await thrice.async('forever', 'x')
  await project.hasRun('forever:x')
  expect(await job.cancel()).toBe('signalled')
  await daemon.kill('SIGKILL')
  const again = await project.daemon()
  expect(await again.prints(/cancelled job/)).toBeDefined()
  expect(project.rows()).toEqual([])
  expect(await job.cancel()).toBe('finished')
})

test('the command says what became of each, and fails where one was not there to cancel', async () => {
  const project = await deedsProject()
  await project.daemon(['--kill-grace', '0.1', '--concurrency', '1', '--workers', '1'])
  const { once } = project.calls(TASKS)
  const running = await once.async('forever', 'x')
  await project.hasRun('forever:x')
  const waiting = await once.async('return', 'y')
  const later = await once.after(60, 'return', 'z')
  const all = await project.ztask('cancel', running.id, waiting.id, later.id)
  expect(all).toMatchObject({ code: 0 })
  expect(all.stdout).toMatch(/signalled\n.*removed\n.*removed\n/)
  await until('all to be over', () => project.rows().length === 0)
  const gone = await project.ztask('cancel', running.id, 'no-such-id')
  expect(gone).toMatchObject({ code: 1 })
  expect(gone.stdout).toMatch(/it is finished\n.*it is unknown\n/)
})
