/** What is refused at the call or at the command, and why; nothing of it reaches the table. */
import { afterEach, beforeAll, expect, test } from 'vitest'
import type { UntypedCalls } from '../../src/client/client.ts'
import type { RunningProcess } from '../harness/process.ts'
import { shareProject, type TestProject } from '../harness/project.ts'

let project: TestProject
let daemon: RunningProcess
beforeAll(async () => {
  project = await shareProject({ config: 'maxPayload: 1000' })
  daemon = await project.daemon(['--workers', '1'])
})

/** Whatever a test has called, the same daemon takes and runs the next good job. */
let good = 0
afterEach(async () => {
  const rows = project.rows().filter(({ args }) => !args.includes('good '))
  await project.client().note.async(`good ${++good}`)
  await project.hasRun(`good ${good}`)
  expect(rows).toEqual([])
  expect(project.ran()).toHaveLength(good)
  expect(daemon.hasEnded).toBe(false)
})

type Verb = keyof UntypedCalls

/** What a JavaScript caller can do. */
const calling = (verb: Verb, ...args: unknown[]): Promise<unknown> =>
  (project.client().note[verb] as (...given: unknown[]) => Promise<unknown>)(...args)

const AFTER =
  'the first argument is the delay, a number of seconds from 0 to 3162240000. Without a delay call note.async(…).'
const AT = 'the first argument is a valid Date. For a delay in seconds call note.after(…).'

test.each([
  ['after', [-1, 'x'], `note.after(-1, …): ${AFTER}`],
  ['after', [Number.NaN, 'x'], `note.after(NaN, …): ${AFTER}`],
  ['after', [Number.POSITIVE_INFINITY, 'x'], `note.after(Infinity, …): ${AFTER}`],
  ['after', ['5', 'x'], `note.after('5', …): ${AFTER}`],
  ['after', [5n, 'x'], `note.after(5n, …): ${AFTER}`],
  ['after', ['x'], `note.after('x', …): ${AFTER}`],
  ['after', [], `note.after(undefined, …): ${AFTER}`],
  ['after', [Object.create(null), 'x'], `note.after([Object: null prototype] {}, …): ${AFTER}`],
  ['after', ['y'.repeat(999)], `note.after('${'y'.repeat(40)}'... 959 more characters, …): ${AFTER}`],
  ['at', [new Date('never'), 'x'], `note.at(Invalid Date, …): ${AT}`],
  ['at', ['2101-01-01', 'x'], `note.at('2101-01-01', …): ${AT}`],
  ['at', [Object.create(null), 'x'], `note.at([Object: null prototype] {}, …): ${AT}`],
  ['at', [], `note.at(undefined, …): ${AT}`],
] as const)('no moment: %s(%o)', async (verb, args, message) => {
  await expect(calling(verb, ...args)).rejects.toMatchObject({
    ...{ name: 'InvalidDelayError', code: 'ZTASK_INVALID_DELAY', data: { task: 'note' }, message },
  })
})

test('no task of the name: the nearest is suggested, at the call and at the command', async () => {
  const message = `The daemon knows no task 'noet'. Did you mean 'note'? Otherwise run ztask generate where the daemon runs.`
  await expect(project.calls(['noet']).noet.async('x')).rejects.toMatchObject({
    ...{ name: 'UnknownTaskError', data: { task: 'noet', nearest: 'note' }, message },
  })
  expect(await project.ztask('run', 'noet', '["x"]')).toMatchObject({
    ...{ code: 1, stdout: '', stderr: `${message}\n` },
  })
})

test('no task of the name, nor of one like it: the cure is generate, or to deploy the daemon', async () => {
  await expect(project.calls(['frobnicate']).frobnicate.async('x')).rejects.toMatchObject({
    message: `The daemon knows no task 'frobnicate'. Run ztask generate where the daemon runs, or deploy the daemon before the application.`,
  })
})

class User {
  readonly name = 'Ann'
}

test.each([
  [[() => 1], 'arguments[0]: a function cannot be sent'],
  [['x', { user: { save: () => 1 } }], 'arguments[1].user.save: a function cannot be sent'],
  [[new User()], 'arguments[0]: an instance of the class User cannot be sent'],
  [[[Promise.resolve()]], 'arguments[0][0]: a promise cannot be sent'],
  [[{ 'a key': Symbol('s') }], 'arguments[0]["a key"]: '],
])('an argument that cannot be sent is named by its path: %o', async (args, message) => {
  const error = await calling('async', ...args).catch((reason: unknown) => reason as Error)
  expect(error).toMatchObject({
    name: 'UnserializableArgumentError',
    data: { path: message.slice(0, message.indexOf(':')) },
    message: expect.stringContaining(message),
  })
})

test('more than maxPayload, by the client and, where that has another idea of it, by the daemon', async () => {
  const large = 'ä'.repeat(500)
  const cure = 'Pass an id and load the data in the task, or raise maxPayload.'
  const data = { task: 'note', size: 1004, maxPayload: 1000 }
  await expect(project.client({ maxPayload: 1000 }).note.async(large)).rejects.toMatchObject({
    ...{ name: 'PayloadTooLargeError', data },
    message: `The arguments of note take 1004 bytes; maxPayload is 1000. ${cure}`,
  })
  await expect(project.client().note.async(large)).rejects.toMatchObject({
    ...{ name: 'PayloadTooLargeError', data },
    message: `The arguments of note take 1004 bytes; this daemon takes 1000. ${cure}`,
  })
  // What no message of a good client comes near is still answered by name.
  await expect(
    project.client({ maxPayload: 2 ** 30, callTimeout: 60 }).note.async('x'.repeat(30_000_000)),
  ).rejects.toMatchObject({ name: 'PayloadTooLargeError', data: { size: 30_000_004 } })
})

test.each([
  [['deamon'], '(Did you mean daemon?)'],
  [['frobnicate'], "unknown command 'frobnicate'"],
])('ztask %j is no command: exit code 2', async (argv, reason) => {
  const { code, stdout, stderr } = await project.ztask(...argv)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain(reason)
  expect(stderr).toMatch(/\(--help shows what there is\)\n$/)
})
