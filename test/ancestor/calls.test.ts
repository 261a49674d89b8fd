/** Calling: the function stays a function, its name is enough for the daemon, its arguments pass through. */
import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { shareProject, type TestProject } from '../harness/project.ts'

const SUMS = `
import { task } from 'ztask'
export const add = task((a: number, b: number) => a + b)
export const greet = task(async (name: string) => 'Hello ' + name)
`

const LAZY = `
import { appendFileSync } from 'node:fs'
import { task } from 'ztask'
const say = (what: string) => appendFileSync('ran.log', what + ' ' + process.pid + ' ' + Date.now() + '\\n')
say('loaded')
export const lazy = task((what: string) => say(what))
`

const ECHO = `
import { writeFileSync, renameSync, appendFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { task } from 'ztask'
export const echo = task((first: number, when: Date, rest: { list: Map<string, number[]>, none?: undefined }, last = 'default') => {
  writeFileSync('echo.txt', inspect([first, when, rest, last], { depth: 9 }))
  appendFileSync('ran.log', 'echo ' + process.pid + ' ' + Date.now() + '\\n')
})
`

let project: TestProject
beforeAll(async () => {
  project = await shareProject({ files: { 'src/sums.ts': SUMS, 'src/lazy.ts': LAZY, 'src/echo.ts': ECHO } })
})

test('K1: a task that is called runs here and returns its value, and only .async goes to the daemon', async () => {
  const direct = project.script(
    `import { note } from './src/tasks.js'
     import { add, greet } from './src/sums.js'
     note('direct')
     console.log(JSON.stringify([add(2, 3), await greet('Ada'), add.name, add.length]))`,
  )
  const { stdout, stderr, code } = await direct.ended
  expect(stderr).toBe('')
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toEqual([5, 'Hello Ada', '', 2])

  const daemon = await project.daemon()
  const caller = project.script(
    `import { tasks } from './src/ztask/client.js'
     const job = await tasks.note.async('sent')
     await tasks.note.delay('sent by the old name')
     console.log(job.id)`,
  )
  expect(await caller.ended).toMatchObject({ code: 0, stderr: '' })
  await project.hasRun('sent')
  await project.hasRun('sent by the old name')
  const pidOf = (what: string) => project.runs().find((run) => run.what === what)?.pid
  expect(pidOf('direct')).toBe(direct.pid)
  expect(pidOf('sent')).not.toBe(caller.pid)
  expect(pidOf('sent')).not.toBe(daemon.pid)
  await daemon.kill()
})

test('K2: a name is enough for a worker to load the function, and it keeps it loaded', async () => {
  const daemon = await project.daemon(['--workers', '1'])
  const { lazy } = project.calls(['lazy'])
  await lazy.async('first')
  await project.hasRun('first')
  await lazy.async('second')
  await project.hasRun('second')
  // Also where it had not been loaded yet: workers begin with that when they are ready.
  expect(project.ran().slice(project.ran().lastIndexOf('loaded'))).toEqual(['loaded', 'first', 'second'])
  await daemon.kill()
})

test('K3: after() takes the seconds first, and everything else passes through as it is', async () => {
  const daemon = await project.daemon()
  const { echo } = project.calls(['echo'])
  const args = [7, new Date(86_400_000), { list: new Map([['a', [1, 2]]]), none: undefined }] as const

  const before = Date.now()
  const job = await echo.after(3600, ...args)
  const row = project.rows().find(({ id }) => id === job.id)
  expect(row?.due).toBeGreaterThanOrEqual(before + 3_600_000)
  expect(row?.due).toBeLessThanOrEqual(Date.now() + 3_600_000)

  const called = Date.now()
  await echo.after(0.3, ...args)
  await project.hasRun('echo')
  const [run] = project.runs().filter(({ what }) => what === 'echo')
  // The call's own time is cut to whole milliseconds.
  expect(run?.at).toBeGreaterThanOrEqual(called + 299)
  expect(readFileSync(project.path('echo.txt'), 'utf8')).toBe(inspect([...args, 'default'], { depth: 9 }))
  await daemon.kill()
})
