/** The test kit: a project's own tests, in a process of their own, with nothing started beside them. */
import { expect, test } from 'vitest'
import { makeProject, type TestProject } from '../harness/project.ts'

const DEEDS = `
import { currentJob, DoNotRetry, getJob, RetryAfter, task } from 'ztask'
import { tasks } from './ztask/client.js'

export const letters: string[] = []
export const world = { crash: () => {}, goOn: Promise.withResolvers<void>() }
export const counts = { flaky: 0 }
export const sendEmail = task(async (to: string, subject = 'Hi') => { letters.push(to + ': ' + subject); return letters.length })
export const remind = task(async (to: string) => { await tasks.sendEmail.async(to, 'a reminder') })
export const flaky = task({ retryCount: 2, retryAfter: [10, 100] }, () => { counts.flaky++; throw new TypeError('attempt ' + currentJob().attempt) })
export const add = task((left: number, right: number) => left + right)
export const sum = task(async (numbers: number[]): Promise<number> =>
  numbers.length < 2 ? (numbers[0] ?? 0) : (numbers[0] ?? 0) + (await tasks.sum.run(numbers.slice(1))))
export const slow = task({ timeout: 0.4, retryCount: 0 }, async () => {
  const { signal } = currentJob()
  await new Promise((_, reject) => (signal as AbortSignal).addEventListener('abort', () => reject((signal as AbortSignal).reason)))
})
export const deaf = task({ timeout: 0.4, retryCount: 0 }, async () => { await new Promise(() => {}) })
export const deafLater = task({ timeout: 0.4, retryCount: 0 }, async () => { await tasks.add.run(1, 2); await new Promise(() => {}) })
export const vain = task(() => { throw new DoNotRetry('never') })
export const later = task(() => { if (letters.length < 2) throw new RetryAfter(60) })
export const pages = task(() => { for (const n of [1, 2]) currentJob().progress(n / 2, 'page ' + n) })
export const both = task(async (second: number) => {
  const job = await tasks.add.after(second, 3, 4)
  return Promise.all([tasks.add.run(1, 2), job.result({ timeout: 1000 })])
})
export const either = task(async () => {
  const never = await tasks.add.after(3600, 3, 4)
  await Promise.race([never.result({ timeout: 7200 }), tasks.add.run(1, 2)])
  await tasks.sendEmail.async('either')
})
const real = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
export const work = task({ timeout: 30 }, async () => { await real(300) })
export const steps = task({ timeout: 0.6 }, async () => {
  await real(400)
  await tasks.add.run(1, 2)
  await real(400)
  currentJob().progress(0.5)
  await real(400)
})
export const compute = task({ timeout: 30 }, async () => {
  for (const end = Date.now() + 2100; Date.now() < end; );
  await real(100)
})
export const endless = task(async () => { currentJob().progress(0); await new Promise(() => {}) })
export const ghost = task({ retryAfter: 5 }, async () => {
  if (currentJob().attempt > 1) return
  const victim = await tasks.add.after(3600, 1, 1)
  world.crash()
  currentJob().progress(0.5, 'from beyond')
  const calls = [tasks.remind.async('x'), tasks.remind.run('x'), tasks.remind.batch([['x']]), victim.cancel(), victim.status(), victim.result()]
  await Promise.race(calls.map((call) => (call as Promise<unknown>).finally(() => letters.push('from beyond'))))
})
export const waiting = task({ retryCount: 0 }, async () => {
  await tasks.add.run(1, 2)
  const job = await tasks.add.after(60, 1, 2)
  const said = (async () => { for await (const _ of job.progress()); })()
  await Promise.race([said, job.result({ timeout: 100 })]).finally(() => letters.push('from beyond'))
})
export const gated = task({ retryCount: 0 }, async () => {
  currentJob().progress(0)
  await world.goOn.promise
  await tasks.remind.async('x')
})
export const follows = task(async (id: string) => {
  try {
    for await (const progress of getJob(id).progress()) letters.push(String(progress.fraction))
  } finally {
    letters.push('left')
  }
})
export const kept = task({ keepResult: 100 }, () => new Date(0))
`

/** Runs a body of a test, as node:test would: what it throws fails this one. */
const runs = async (
  project: TestProject,
  body: string,
  env: Readonly<Record<string, string>> = {},
): Promise<void> => {
  const script = project.script(
    `
import assert from 'node:assert/strict'
import { DoNotRetry, getJob, RetryAfter } from 'ztask'
import { testing } from 'ztask/testing'
import { counts, letters, world } from './src/deeds.js'
import { tasks } from './src/ztask/client.js'

const z = await testing(tasks, { now: new Date('2027-01-01T00:00:00Z') })
${body}
await z.close()
console.log('all is well')
`,
    env,
  )
  const { code, stderr, stdout } = await script.ended
  expect(stderr).toBe('')
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'all is well\n' })
}

const make = (): Promise<TestProject> => makeProject({ files: { 'src/deeds.ts': DEEDS } })

test('what is enqueued is seen, runs when the test says so, at its time, and what it enqueues runs, too', async () => {
  await runs(
    await make(),
    `
await tasks.sendEmail.async('a@b.c', 'Hi')
await tasks.remind.after(7200, 'd@e.f')
assert.deepEqual(z.jobs.sendEmail, [['a@b.c', 'Hi']])
assert.deepEqual(letters, [])
await z.drain()
assert.deepEqual(letters, ['a@b.c: Hi'])
assert.deepEqual(z.jobs.sendEmail, [])
assert.deepEqual(z.succeeded.sendEmail, [['a@b.c', 'Hi']])
await z.advance(7199)
assert.deepEqual(z.jobs.remind, [['d@e.f']])
await z.advance(1)
assert.deepEqual(letters, ['a@b.c: Hi', 'd@e.f: a reminder'])
assert.equal(z.now.toISOString(), '2027-01-01T02:00:00.000Z')
await tasks.sendEmail.at(new Date('2027-01-02'), 'g@h.i')
await z.advance(22 * 3600)
assert.equal(letters.at(-1), 'g@h.i: Hi')
await tasks.add.batch([[1, 2], [3, 4]])
assert.deepEqual(z.jobs.add, [[1, 2], [3, 4]])
await assert.rejects(tasks.sendEmail.async((() => {}) as never), { name: 'UnserializableArgumentError' })
await assert.rejects(tasks.sendEmail.after(-1, 'x'), { name: 'InvalidDelayError' })
await assert.rejects(testing(tasks), { name: 'ConfigError' })
`,
  )
})

test('retries and their pauses, decisions of tasks, and what the test lets fail', async () => {
  await runs(
    await make(),
    `
await tasks.flaky.async()
await z.drain()
assert.equal(z.jobs.flaky.length, 1)
await z.advance(9.9)
assert.equal(z.failed.flaky.length, 0)
await z.advance(0.1)
await z.advance(100)
assert.deepEqual(z.failed.flaky.map(({ attempts, failure }) => [attempts, failure.name, failure.message]), [[3, 'TypeError', 'attempt 3']])
await tasks.vain.async()
await tasks.later.async()
await z.drain()
assert.equal(z.failed.vain[0]?.failure.name, 'DoNotRetry')
await z.advance(3600)
assert.equal(z.jobs.later.length, 1)
for (const to of ['a', 'b']) await tasks.sendEmail.async(to)
await z.advance(60)
assert.equal(z.jobs.later.length, 0)
z.fail('sendEmail', new RangeError('the server is down'))
await tasks.sendEmail.with({ retryAfter: 30 }).async('c')
await z.drain()
assert.equal(letters.length, 2)
assert.deepEqual(z.jobs.sendEmail, [['c']])
await z.advance(30)
assert.equal(letters.at(-1), 'c: Hi')
await tasks.sendEmail.async('second')
await tasks.sendEmail.with({ priority: 1 }).async('first')
await z.drain()
assert.deepEqual(letters.slice(-2), ['first: Hi', 'second: Hi'])
await tasks.sendEmail.with({ expiresIn: 0.5, retryCount: 0 }).async('late')
z.fail('sendEmail', new Error('once'))
await z.advance(1)
assert.equal(z.failed.sendEmail[0]?.failure.message, 'once')
await tasks.flaky.with({ retryCount: 0 }).with({ retryCount: undefined, retryAfter: undefined, timeout: undefined }).async()
await z.drain()
assert.equal(z.failed.flaky.at(-1)?.attempts, 1)
await tasks.flaky.with({ retryCount: undefined, retryAfter: undefined }).async()
await z.advance(110)
assert.equal(z.failed.flaky.at(-1)?.attempts, 3)
z.fail('sendEmail', new DoNotRetry('no such address'))
z.fail('sendEmail', new RetryAfter(90))
await tasks.sendEmail.async('final')
await tasks.sendEmail.with({ retryCount: 0 }).async('postponed')
await z.drain()
assert.equal(z.failed.sendEmail[1]?.failure.message, 'no such address')
assert.deepEqual(z.jobs.sendEmail, [['postponed']])
await z.advance(90)
assert.equal(letters.at(-1), 'postponed: Hi')
`,
  )
})

test('within a job a loop over progress ends at its signal', async () => {
  await runs(
    await make(),
    `
const later = await tasks.add.after(60, 1, 2)
const follows = await tasks.follows.async(later.id)
await z.drain()
assert.deepEqual(letters, [])
assert.equal(await follows.cancel(), 'signalled')
await z.drain()
assert.deepEqual([letters, z.jobs.follows], [['left'], []])
`,
  )
})

test('results, also of jobs within jobs; timeouts by the virtual clock; progress; cancel', async () => {
  await runs(
    await make(),
    `
assert.equal(await tasks.add.run(1, 2), 3)
assert.equal(await tasks.sum.run([1, 2, 3, 4]), 10)
const job = await tasks.add.after(30, 3, 4)
const result = job.result({ timeout: 60 })
assert.equal(await job.status(), 'scheduled')
await z.advance(30)
assert.equal(await result, 7)
assert.equal(await job.status(), 'gone')
await assert.rejects(job.result(), { name: 'ResultGoneError' })
await assert.rejects(tasks.vain.run(), ({ name, cause }) => name === 'JobFailedError' && cause.message === 'never')
const never = await tasks.add.after(3600, 1, 1)
const late = assert.rejects(never.result({ timeout: 10 }), { name: 'ResultTimeoutError' })
await z.advance(10)
await late
assert.equal(await never.cancel(), 'removed')
assert.deepEqual(z.jobs.add, [])
for (const name of ['slow', 'deaf', 'deafLater']) {
  await tasks[name].async()
  await z.advance(0.3)
  assert.equal(z.jobs[name].length, 1)
  await z.advance(0.1)
  const { name: kind, cause } = z.failed[name][0].failure
  assert.deepEqual([kind, cause?.name], ['TimeoutError', name === 'slow' ? 'TimeoutError' : undefined])
}
const pages = await tasks.pages.async()
const told = []
for await (const { message } of pages.progress()) told.push(message)
assert.deepEqual(told, ['page 1', 'page 2'])
const kept = await tasks.kept.async()
await z.drain()
assert.deepEqual(await kept.result(), new Date(0))
await z.advance(101)
await assert.rejects(getJob(kept.id).result(), { name: 'ResultGoneError' })
`,
  )
})

test('a job waits for several others at once', async () => {
  await runs(
    await make(),
    `
assert.deepEqual(await tasks.both.run(0), [3, 7])
await tasks.both.async(60)
await z.drain()
assert.equal(z.jobs.both.length, 1)
await z.advance(60)
assert.deepEqual(z.succeeded.both, [[0], [60]])
await tasks.either.async()
await z.drain()
assert.deepEqual(letters, ['either: Hi'])
assert.equal(z.succeeded.either.length, 1)
`,
  )
})

test('what works in real time is waited for, within its timeout; its time begins when it is called, and anew as it goes on', async () => {
  const late = `import { task } from 'ztask'
await new Promise((resolve) => setTimeout(resolve, 500))
export const imported = task({ timeout: 0.1 }, () => {})
`
  await runs(
    await makeProject({ files: { 'src/deeds.ts': DEEDS, 'src/late.ts': late } }),
    `
for (const name of ['imported', 'work', 'steps', 'compute']) {
  await tasks[name].async()
  await z.drain()
  assert.equal(z.succeeded[name].length, 1, name)
}
`,
  )
})

test('a job that is cancelled, and does not listen to its signal, is ended', async () => {
  await runs(
    await make(),
    `
const job = await tasks.endless.async()
const result = assert.rejects(job.result(), { name: 'JobCancelledError' })
for await (const _ of job.progress()) assert.equal(await job.cancel(), 'signalled')
await z.drain()
await result
assert.deepEqual([z.jobs.endless, z.failed.endless, z.succeeded.endless], [[], [], []])
const other = await tasks.endless.async()
const drained = z.drain()
for await (const _ of other.progress()) break
await z.close()
await drained
`,
  )
})

test('a worker that dies, and a daemon that does', async () => {
  await runs(
    await make(),
    `
z.crash()
await tasks.sendEmail.with({ retryAfter: 5 }).async('a')
await z.drain()
assert.deepEqual([letters.length, z.jobs.sendEmail.length], [0, 1])
await z.advance(5)
assert.deepEqual(letters, ['a: Hi'])
z.crash()
await tasks.sendEmail.with({ retryCount: 0 }).async('b')
await z.drain()
assert.equal(z.failed.sendEmail[0]?.failure.name, 'WorkerDied')
await tasks.sendEmail.after(60, 'c')
await z.restart()
await z.advance(60)
assert.equal(letters.at(-1), 'c: Hi')
await tasks.deaf.with({ retryCount: 1, retryAfter: 0 }).async()
await z.drain()
await z.restart()
assert.deepEqual(z.jobs.deaf.length, 1)
`,
  )
})

test('of a job whose worker has died nothing follows, though its code goes on', async () => {
  await runs(
    await make(),
    `
world.crash = () => z.crash()
const job = await tasks.ghost.async()
const told = []
const watching = (async () => { for await (const { message } of job.progress()) told.push(message) })()
await z.drain()
assert.equal(z.jobs.ghost.length, 1)
await z.advance(5)
await watching
assert.equal(z.succeeded.ghost.length, 1)
await tasks.waiting.async()
await z.drain()
z.crash()
await z.advance(60)
assert.equal(z.failed.waiting[0]?.failure.name, 'WorkerDied')
assert.deepEqual([letters, told], [[], []])
assert.deepEqual([z.jobs.remind, z.succeeded.remind, z.jobs.add], [[], [], [[1, 1]]])
for await (const _ of (await tasks.gated.async()).progress()) break
await z.close()
const next = await testing(tasks)
world.goOn.resolve()
await next.drain()
assert.deepEqual([next.jobs.remind, next.succeeded.remind], [[], []])
await next.close()
`,
  )
})

test.each(['alwaysEager', 'disabled'])(
  'the kit wins over %s, by the configuration or the environment',
  async (setting) => {
    const body = `
const job = await tasks.add.async(1, 2)
assert.equal(job.disabled, false)
const [second] = await tasks.add.batch([[3, 4]])
assert.deepEqual(z.jobs.add, [[1, 2], [3, 4]])
assert.equal(await getJob(job.id).status(), 'waiting')
assert.equal(await tasks.add.run(5, 6), 11)
assert.equal(await getJob(second.id).status(), 'gone')
`
    await runs(await makeProject({ config: `${setting}: true`, files: { 'src/deeds.ts': DEEDS } }), body)
    const variable = { alwaysEager: 'ZTASKD_ALWAYS_EAGER', disabled: 'ZTASKD_DISABLED' }[setting] ?? ''
    await runs(await make(), body, { [variable]: 'true' })
  },
)

test('a thousand hours of hourly retries are a thousand runs', async () => {
  await runs(
    await make(),
    `
await tasks.flaky.with({ retryCount: 10_000, retryAfter: 3600 }).async()
await z.advance(1000 * 3600)
assert.equal(counts.flaky, 1001)
assert.equal(z.now.getTime(), Date.parse('2027-01-01T00:00:00Z') + 1000 * 3_600_000)
`,
  )
})

/** Two files of tests for a runner whose `test` and `expect` are those of jest. */
const runnersTests = (imports: string): Record<string, string> =>
  Object.fromEntries(
    ['a', 'b'].map((name) => [
      `test/${name}.test.js`,
      `${imports}
import { testing } from 'ztask/testing'
import { letters } from '../src/letters.js'
import { tasks } from '../src/ztask/client.js'

let z
beforeEach(async () => { z = await testing(tasks) })
afterEach(() => z.close())
test('each file has its own jobs', async () => {
  await tasks.write.after(3600, '${name}', new Map([['at', new Date(0)]]))
  expect(z.jobs.write).toEqual([['${name}', new Map([['at', new Date(0)]])]])
  z.fail('write', new TypeError('not yet'))
  await z.advance(3600)
  expect(letters).toEqual([])
  await z.advance(5)
  expect(letters).toEqual(['${name}'])
  expect(await tasks.write.run('${name}', new Map())).toEqual({ sent: new Date(0) })
  expect(z.succeeded.write.length).toBe(2)
})
test('what Node throws is an error, and fake timers do not stop the kit', async () => {
  fakeTimers()
  await tasks.read.async('no/such/file')
  await tasks.abort.async()
  await z.drain()
  expect(z.failed.read[0].failure).toMatchObject({ name: 'Error', message: expect.stringContaining('ENOENT') })
  expect(z.failed.abort[0].failure).toMatchObject({ name: 'AbortError', message: 'This operation was aborted' })
  await tasks.hang.async()
  await z.advance(0.1)
  expect(z.failed.hang[0].failure).toMatchObject({ name: 'TimeoutError' })
  z.crash()
  const job = await tasks.write.async('${name}', new Map())
  await z.drain()
  expect(await job.status()).toBe('scheduled')
  await z.advance(5)
  expect(z.succeeded.write.length).toBe(1)
  realTimers()
})
`,
    ]),
  )

/** As ts-jest's, with Node's own stripping of types. */
const JEST = {
  'jest.config.json': JSON.stringify({
    extensionsToTreatAsEsm: ['.ts'],
    moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
    transform: { '\\.ts$': './strip.cjs' },
  }),
  'strip.cjs': `const { stripTypeScriptTypes } = require('node:module')
module.exports = { process: (code) => ({ code: stripTypeScriptTypes(code) }) }`,
}

test.each([
  {
    runner: 'jest',
    imports: `
const fakeTimers = () => import.meta.jest.useFakeTimers()
const realTimers = () => import.meta.jest.useRealTimers()`,
    argv: ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js'],
  },
  {
    runner: 'vitest',
    imports: `
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
const fakeTimers = () => vi.useFakeTimers({ toFake: ['setTimeout', 'setImmediate', 'queueMicrotask'] })
const realTimers = () => vi.useRealTimers()`,
    argv: ['node_modules/vitest/vitest.mjs', 'run'],
  },
])('in $runner, in two files at a time', async ({ runner, imports, argv }) => {
  const project = await makeProject({
    files: {
      'src/letters.js': `
import { readFile } from 'node:fs/promises'
import { task } from 'ztask'
export const letters = []
export const read = task({ retryCount: 0 }, (path) => readFile(path))
export const hang = task({ timeout: 0.1, retryCount: 0 }, () => new Promise(() => {}))
export const abort = task({ retryCount: 0 }, () => { throw AbortSignal.abort().reason })
export const write = task((to, more) => { letters.push(to); return { sent: more.get('at') ?? new Date(0) } })
`,
      ...runnersTests(imports),
      ...JEST,
    },
  })
  project.link([runner])
  const { code, stdout, stderr } = await project.start(argv, { NO_COLOR: '1', FORCE_COLOR: undefined }).ended
  expect({ code, said: `${stdout}${stderr}` }).toMatchObject({
    code: 0,
    said: expect.stringMatching(/Tests:? +4 passed/),
  })
})
