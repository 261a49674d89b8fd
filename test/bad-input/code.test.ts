/** Task code that is missing or broken: its own job says so, and the workers go on. */
import { readFileSync, rmSync } from 'node:fs'
import { afterEach, beforeAll, expect, test } from 'vitest'
import type { Failure } from '../../src/model/outcome.ts'
import type { RunningProcess } from '../harness/process.ts'
import { makeProject, shareProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

const taskOf = (name: string): string => `
import { appendFileSync } from 'node:fs'
import { task } from 'ztask'
export const ${name} = task({ retryCount: 0 }, (what: string) =>
  appendFileSync('ran.log', what + ' ' + process.pid + ' ' + Date.now() + '\\n'))
`
const NAMES = ['throws', 'broken', 'lacks', 'gone', 'lost', 'bare', 'required'] as const

let project: TestProject
let daemon: RunningProcess
beforeAll(async () => {
  project = await shareProject({
    files: Object.fromEntries(NAMES.map((name) => [`src/${name}.ts`, taskOf(name)])),
  })
  // After generate: the registry is stale, as where somebody forgot it, and --noreload does not mend it.
  project.write('src/throws.ts', `throw new RangeError('no key for the API')\n${taskOf('throws')}`)
  project.write('src/broken.ts', `${taskOf('broken')}\nexport const = 5`)
  project.write('src/lacks.ts', taskOf('renamed'))
  rmSync(project.path('src/gone.ts'))
  project.write('src/lost.ts', `import './nowhere.js'\n${taskOf('lost')}`)
  project.write('src/bare.ts', `import 'no-such-package'\n${taskOf('bare')}`)
  project.write('src/needs.cjs', `require('no-such-package')`)
  project.write('src/required.ts', `import './needs.cjs'\n${taskOf('required')}`)
  daemon = await project.daemon(['--workers', '1'])
})

/** Whatever a test has called: the same worker runs the next good job. */
let good = 0
let workers: readonly unknown[] | undefined
afterEach(async () => {
  await project.client().note.async(`good ${++good}`)
  await project.hasRun(`good ${good}`)
  workers ??= project.runs().map(({ pid }) => pid)
  expect([...new Set(project.runs().map(({ pid }) => pid))]).toEqual([workers[0]])
  expect(daemon.hasEnded).toBe(false)
})

/** @returns how a call of that task fails, from the row and from the log */
const failureOf = async (name: (typeof NAMES)[number]): Promise<Failure> => {
  const { id } = await project.calls(NAMES)[name].async('x')
  const line = await daemon.prints(new RegExp(`"id":"${id}".*no retry left`))
  const row = await until('the job to have failed', () =>
    project.rows().find((one) => one.id === id && one.state === 'failed'),
  )
  const failure = JSON.parse(row.failure ?? '') as Failure
  expect((JSON.parse(line) as { msg: string }).msg).toContain(failure.message)
  return failure
}

test('a module that throws while it is imported: its own error, with its place', async () => {
  const failure = await failureOf('throws')
  expect(failure).toMatchObject({ name: 'RangeError', message: 'no key for the API' })
  expect(failure.stack).toContain(`${project.path('src/throws.ts')}:1:`)
})

test('a module that cannot be parsed: the place', async () => {
  expect((await failureOf('broken')).message).toContain(`${project.path('src/broken.ts')}:7:13`)
})

/** @returns why a job of that task is held, which is charged for nothing, from the row and from the log */
const holdOf = async (name: (typeof NAMES)[number]): Promise<string | null> => {
  const { id } = await project.calls(NAMES)[name].async('x')
  const line = await daemon.prints(new RegExp(`"id":"${id}".*Held`))
  const row = await until('the job to be held', () =>
    project.rows().find((one) => one.id === id && one.state === 'held'),
  )
  expect(row.attempts).toBe(0)
  expect((JSON.parse(line) as { msg: string }).msg).toContain(row.reason)
  return row.reason
}

test('a module that lacks the export: its name, and generate as the cure', async () => {
  expect(await holdOf('lacks')).toBe(
    "The module of task 'lacks' exports no task 'lacks'. Run `ztask generate` again.",
  )
})

test.each([
  ['gone', 'src/gone.js', 'src/ztask/registry.ts'],
  ['lost', 'src/nowhere.js', 'src/lost.ts'],
] as const)('a module that is gone, or imports one that is: %s', async (name, missing, from) => {
  expect(await holdOf(name)).toBe(
    `The module of task '${name}' cannot be loaded: Cannot find module '${project.path(missing)}' imported from ${project.path(from)}. Put the file back, or run \`ztask generate\` again.`,
  )
})

test.each(['bare', 'required'] as const)('a package that is not installed: %s', async (name) => {
  const reason = await holdOf(name)
  expect(reason).toMatch(/'no-such-package'.*\. Install the package\.$/)
  expect(reason).not.toContain('\n')
})

test('a job that is held for want of its code runs when the code is back', async () => {
  const fresh = await makeProject({ files: { 'src/brief.ts': taskOf('brief') } })
  const source = readFileSync(fresh.path('src/brief.ts'), 'utf8')
  rmSync(fresh.path('src/brief.ts'))
  const production = await fresh.daemon(['--workers', '1'])
  const { id } = await fresh.calls(['brief']).brief.async('late')
  expect(await fresh.job(id, 'held')).toMatchObject({ attempts: 0 })
  await production.kill('SIGTERM')
  fresh.write('src/brief.ts', source)
  await fresh.daemon(['--workers', '1'])
  await fresh.hasRun('late')
})

test('a job whose task no longer exists is held; it runs in the same daemon when the task is back', async () => {
  const fresh = await makeProject({ files: { 'src/brief.ts': taskOf('brief') } })
  const development = await fresh.daemon(['--reload', '--workers', '1'])
  const { brief, note } = fresh.calls(['brief', 'note'])
  const { id } = await brief.after(3600, 'late')
  const source = readFileSync(fresh.path('src/brief.ts'), 'utf8')
  rmSync(fresh.path('src/brief.ts'))
  await development.prints(/Reloaded: new jobs run generation 2/)
  await expect(brief.async('new')).rejects.toMatchObject({ name: 'UnknownTaskError' })
  fresh.sql(`update jobs set due = 1 where id = '${id}'`)
  // The row was changed behind the daemon's back: this has it read again.
  await fresh.json('retry', '--failed')
  const line = await development.prints(/Held brief/)
  expect(line).toContain(
    "Held brief: the code has no task 'brief'. It runs when that task is back, or another has the name as an alias",
  )
  expect(await fresh.job(id, 'held')).toMatchObject({ reason: "the code has no task 'brief'", attempts: 0 })
  await note.async('meanwhile')
  await fresh.hasRun('meanwhile')
  fresh.write('src/brief.ts', source)
  await fresh.hasRun('late')
  expect(development.hasEnded).toBe(false)
})
