/** Every way in which code can go wrong, alone and beside others: who pays, how often, and what is told of it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RunningProcess } from '../harness/process.ts'
import type { Row, TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'
import { deedsProject, TASKS } from './deeds.ts'

/** What a job comes to that is the only one to blame: gone, or failed with that. */
const DEEDS: readonly { deed: string; timed?: boolean; failure?: RegExp }[] = [
  { deed: 'return' },
  { deed: 'throw', failure: /^TypeError: thrown on purpose$/ },
  { deed: 'reject-later', failure: /^RangeError: rejected on purpose$/ },
  { deed: 'exit', failure: /^WorkerDied: worker \d+ \(pid \d+, generation 1\) died: exit code 3$/ },
  { deed: 'sigkill', failure: /^WorkerDied: worker \d+ \(pid \d+, generation 1\) died: SIGKILL$/ },
  { deed: 'sigsegv', failure: /^WorkerDied: worker \d+ \(pid \d+, generation 1\) died: SIGSEGV$/ },
  { deed: 'hoard', failure: /^WorkerDied: .* died: SIGABRT \(.*heap out of memory\)$/ },
  { deed: 'spin', timed: true, failure: /^TimeoutError: \w+ took longer than its timeout of 0.2 s$/ },
  { deed: 'spin-later', timed: true, failure: /^TimeoutError: / },
  { deed: 'forever', timed: true, failure: /^TimeoutError: / },
  { deed: 'obey', timed: true, failure: /^TimeoutError: / },
  { deed: 'finish', timed: true },
]

const NEIGHBOURS = 20

const textOf = ({ failure }: Row): string => {
  const { name, message } = JSON.parse(failure ?? '{}') as { name: string; message: string }
  return `${name}: ${message}`
}

/** Tests each deed on a daemon with that concurrency: in a file for each, so that they share the time. */
export const testDeaths = (concurrency: number): void => {
  let project: TestProject
  let daemon: RunningProcess

  beforeAll(async () => {
    project = await deedsProject(true)
    const env = { NODE_OPTIONS: '--max-old-space-size=48' }
    daemon = await project.daemon(['--concurrency', `${concurrency}`, '--kill-grace', '0.1'], env)
  })

  afterAll(async () => {
    daemon.child.kill('SIGTERM')
    expect(await daemon.ended).toMatchObject({ code: 0 })
  })

  describe.each(DEEDS)('$deed', ({ deed, timed = false, failure }) => {
    test.each([
      { retryCount: 0, neighbours: 0 },
      { retryCount: 0, neighbours: NEIGHBOURS },
      { retryCount: 2, neighbours: 0 },
      { retryCount: 2, neighbours: NEIGHBOURS },
    ])('retryCount $retryCount, $neighbours neighbours', async ({ retryCount, neighbours }) => {
      const calls = project.calls(TASKS)
      const name = `${deed}-${retryCount}-${neighbours}`
      const culprit = retryCount === 0 ? (timed ? 'onceTimed' : 'once') : timed ? 'thriceTimed' : 'thrice'
      // Neighbours pay with their lives: they have no retry. Where there is room they run while it happens.
      const wait = concurrency === 1 ? 'return' : 'wait'
      const beside = await Promise.all(
        Array.from({ length: neighbours }, () => calls.once.async(wait, `${name}.go`)),
      )
      const { id } = await calls[culprit].async(deed, name)
      await project.hasRun(`${deed}:${name}`)
      if (failure === undefined)
        await until(`${name} to be gone`, () => project.rows().every((row) => row.id !== id))
      // What dies among others is tried alone only when those before it have had their turn.
      project.write(`${name}.go`, '')
      if (failure !== undefined) {
        const job = await until(`${name} to have failed`, () =>
          project.rows().find((row) => row.id === id && row.state === 'failed'),
        )
        expect(textOf(job)).toMatch(failure)
        expect(job.attempts).toBe(retryCount + 1)
        project.sql(`delete from jobs where id = '${id}'`)
      }
      await until('the neighbours to have succeeded', () => project.rows().length === 0)
      const done = project.ran().filter((what) => what === `done:${name}.go`)
      expect(done.length).toBeGreaterThanOrEqual(beside.length)
    })
  })
}
