/** What comes over the port or stands in the table is data: nothing in it is imported or evaluated. */
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { Dealer } from 'zeromq'
import { logLines } from '../harness/process.ts'
import { makeProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

const EVIL = `import { appendFileSync } from 'node:fs'\nappendFileSync('ran.log', 'evil 1 1\\n')\nexport default () => {}\n`
const NAMES = [
  './evil.mjs',
  '../evil.mjs',
  'node:child_process',
  'evil',
  'constructor',
  '__proto__',
  'toString',
]

/** What devalue would have to evaluate, or hand to a constructor, to build it. */
const ARGUMENTS = [
  'devalue:[["eval",1],"globalThis.evil = 1"]',
  'devalue:[["Function",1],"return process"]',
  'devalue:[["Task",1],"./evil.mjs"]',
  'process.exit(1)',
  '{"0":"not a list"}',
]

/** Sends frames as they are, and gives the answer's JSON. */
const exchange = async (project: TestProject, frames: string[]): Promise<Record<string, unknown>> => {
  const socket = new Dealer({ linger: 0, receiveTimeout: 30_000, immediate: true })
  socket.connect(project.url)
  try {
    await socket.send(frames)
    const [, body] = await socket.receive()
    return JSON.parse(String(body)) as Record<string, unknown>
  } finally {
    socket.close()
  }
}

const enqueue = (jobs: unknown[]): string[] => [
  'ztask/1',
  JSON.stringify({ kind: 'enqueue', project: 'fixture', seq: 1, jobs }),
]

test('B6: a forged name runs nothing: only names of the registry do', async () => {
  const project = await makeProject({ files: { 'evil.mjs': EVIL } })
  const daemon = await project.daemon()
  const jobs = NAMES.map((name) => [randomUUID(), name, '[]'])
  const answer = await exchange(project, enqueue(jobs))
  expect(answer.refused).toEqual(
    NAMES.map((_, index) => [index, expect.objectContaining({ code: 'ZTASK_UNKNOWN_TASK' })]),
  )
  // In the table by another way, they are held, not run.
  await daemon.kill()
  for (const name of NAMES)
    project.sql(`insert into jobs (id, task, args, state, due, created, attempts)
                 values ('${randomUUID()}', '${name}', '[]', 'queued', 1, 1, 0)`)
  await project.daemon(['--workers', '1', '--concurrency', '1'])
  await project.client().note.async('after them')
  await project.hasRun('after them')
  expect(project.ran()).toEqual(['after them'])
  const held = await project.json<{ reason: string }[]>('list', '--held')
  expect(held.map(({ reason }) => reason)).toEqual(NAMES.map((name) => `the code has no task '${name}'`))
})

test('B6: forged arguments are refused by the worker, and evaluated by nobody', async () => {
  const project = await makeProject({ files: { 'evil.mjs': EVIL } })
  await project.daemon(['--workers', '1', '--concurrency', '1'])
  const jobs = ARGUMENTS.map((args) => [randomUUID(), 'failOnce', args])
  expect(await exchange(project, enqueue(jobs))).toEqual({ kind: 'stored', seq: 1 })
  for (const [id] of jobs) {
    const { failure } = await project.job(String(id), 'failed')
    expect(failure).toMatchObject({ name: 'ZtaskError', message: expect.stringContaining('cannot be read') })
  }
  expect(project.ran()).toEqual([])
})

test('B6: what is no message of the protocol is refused, told and logged, and the daemon serves on', async () => {
  const project = await makeProject()
  const daemon = await project.daemon()
  const wrong = [
    ['ztask/0', '{}'],
    ['ztask/1', 'no json'],
    ['ztask/1', 'null'],
    ['ztask/1', '{"kind":"eval","project":"fixture"}'],
    ['one frame'],
  ]
  for (const frames of wrong)
    expect(await exchange(project, frames)).toMatchObject({
      kind: 'refused',
      error: { code: 'ZTASK_PROTOCOL' },
    })
  const malformed = [7, ['no id', 'note', '[]'], [randomUUID(), 5, '[]'], [randomUUID(), 'note', {}]]
  const { refused } = await exchange(project, enqueue([...malformed, [randomUUID(), 'note', '["good"]']]))
  expect(refused).toEqual(
    malformed.map((_, index) => [index, expect.objectContaining({ code: 'ZTASK_PROTOCOL' })]),
  )
  await project.hasRun('good')
  await until('each refusal to be logged, many on a line where they come quickly', () => {
    const told = logLines(daemon.stdout).map(({ fresh }) => (typeof fresh === 'number' ? fresh : 0))
    return told.reduce((sum, fresh) => sum + fresh, 0) === wrong.length + malformed.length
  })
})
