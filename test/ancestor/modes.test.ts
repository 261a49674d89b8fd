/** Without a daemon: eager, disabled, inline; and what a call does where none of them is set. */
import { beforeAll, expect, test } from 'vitest'
import { shareProject, type TestProject } from '../harness/project.ts'

let project: TestProject
beforeAll(async () => {
  project = await shareProject()
})

const CLIENT = `import { tasks } from './src/ztask/client.js'\n`
const THROWN = `.catch((error) => console.log('thrown', error.name, error.code ?? '-', error.message))`

test('K10: alwaysEager runs the task here and now, ignores the delay, and says so', async () => {
  const script = project.script(
    `${CLIENT}
     const job = await tasks.note.after(3600, 'eager')
     await tasks.note.at(new Date('2101-01-01'), 'eager at')
     console.log(job.disabled, job.id.length)`,
    { ZTASKD_ALWAYS_EAGER: 'true' },
  )
  const { stdout, code } = await script.ended
  expect(code).toBe(0)
  expect(stdout).toContain('false 36')
  expect(stdout).toMatch(/the delay of note is ignored/)
  expect(project.runs()).toMatchObject([
    { what: 'eager', pid: script.pid },
    { what: 'eager at', pid: script.pid },
  ])
})

test('K10, B21: disabled logs the call, runs nothing, wins over alwaysEager, needs no daemon and ends by itself', async () => {
  const script = project.script(
    `${CLIENT}
     const job = await tasks.note.async('disabled')
     await tasks.note.after(1, 'disabled')
     console.log(job.disabled)`,
    { ZTASKD_DISABLED: 'true', ZTASKD_ALWAYS_EAGER: 'true' },
  )
  const { stdout, stderr, code } = await script.ended
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout.match(/disabled: note is not run/g)).toHaveLength(2)
  expect(stdout).toContain('true')
  expect(project.ran()).not.toContain('disabled')
})

test("B9: in eager mode the task's own exception reaches the caller, of .after too", async () => {
  const script = project.script(
    `${CLIENT}
     await tasks.failOnce.after(5, 'e1')${THROWN}
     await tasks.act.async('throw', 'e2')${THROWN}
     await tasks.act.at(new Date(), 'reject')${THROWN}`,
    { ZTASKD_ALWAYS_EAGER: 'true' },
  )
  const { stdout, code } = await script.ended
  expect(code).toBe(0)
  expect(stdout.split('\n').filter((line) => line.startsWith('thrown'))).toEqual([
    'thrown Error - no retry',
    'thrown TypeError - thrown on purpose e2',
    'thrown RangeError - rejected on purpose',
  ])
})

test('K11: with onUnavailable inline a call that no daemon takes runs here, and that its delay is ignored is logged', async () => {
  const script = project.script(
    `${CLIENT}
     await tasks.note.after(3600, 'inline')
     await tasks.failOnce.async('inline failure')${THROWN}`,
    { ZTASKD_ON_UNAVAILABLE: 'inline', ZTASKD_CALL_TIMEOUT: '0.3' },
  )
  const { stdout, stderr, code } = await script.ended
  expect(code, stderr).toBe(0)
  expect(stderr).toContain(`no daemon at ${project.url}: running note here, its delay is ignored`)
  expect(stdout).toContain('thrown Error - no retry')
  expect(project.runs()).toContainEqual({ what: 'inline', pid: script.pid, at: expect.any(Number) })
})

test('B3: a daemon that cannot be reached is noticed: the call is refused, not run here, and withdrawn', async () => {
  const { note } = project.client({ callTimeout: 0.3 })
  await expect(note.async('given up')).rejects.toMatchObject({
    name: 'DaemonUnavailableError',
    code: 'ZTASK_UNAVAILABLE',
    message: expect.stringContaining('npx ztask daemon'),
  })
  // Arguments that cannot be sent are an error at the call, never a reason to run the task here.
  await expect(note.async(() => {})).rejects.toMatchObject({ code: 'ZTASK_UNSERIALIZABLE' })

  // Nothing is left in the socket for a daemon that starts later: what follows on it comes first.
  const daemon = await project.daemon()
  await project.client({ callTimeout: 30 }).note.async('given up not')
  await project.hasRun('given up not')
  expect(project.ran()).not.toContain('given up')
  expect(project.sql<{ seq: number }>(`select seq from sqlite_sequence where name = 'jobs'`)).toEqual([
    { seq: 1 },
  ])
  await daemon.kill()
})

test('B2: with no daemon the 2,000th call ends as the first does, and none blocks', async () => {
  const { note } = project.client({ callTimeout: 0.3 })
  const calls = Array.from({ length: 2000 }, (_, index) => note.async(`lost ${index}`))
  const ends = await Promise.allSettled(calls)
  const names = ends.map((end) => (end.status === 'rejected' ? end.reason.name : 'stored'))
  expect(new Set(names)).toEqual(new Set(['DaemonUnavailableError']))
})

test('B21: a call with no daemon is an error that is seen, and the process ends by itself', async () => {
  const script = project.script(`${CLIENT} await tasks.note.async('unseen')`, { ZTASKD_CALL_TIMEOUT: '0.2' })
  const { code, stderr } = await script.ended
  expect(code).toBe(1)
  expect(stderr).toContain('DaemonUnavailableError: No daemon answered')
})
