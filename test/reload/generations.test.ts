/** New code beside the old: what still runs, what goes, what is cut, and what a person sees of it. */
import { expect, test } from 'vitest'
import { EXECUTABLE, processesIn } from '../harness/process.ts'
import { makeProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'
import { DEVELOPMENT, saying, statusOf, TASKS, told, workersIn } from './code.ts'

/** Its onLoad waits for as long as there is a file of that name. */
const slowToLoad = () =>
  makeProject({
    config: "onLoad: ['./src/startup.ts#load']",
    files: {
      'src/greet.ts': saying('one'),
      'src/startup.ts': `
import { existsSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
export const load = async () => {
  if (!existsSync('slow')) return
  writeFileSync('loading', '')
  while (existsSync('slow')) await sleep(5)
}
`,
    },
  })

const make = () => makeProject({ files: { 'src/greet.ts': saying('one') } })

test('B16: what runs ends on its own code, new jobs run the new at once, and status shows both generations', async () => {
  const project = await make()
  const daemon = await project.daemon(DEVELOPMENT)
  const { greet, wait } = project.calls(TASKS)
  await wait.async('go')
  await project.hasRun('wait:one')
  project.write('src/greet.ts', saying('two'))
  await told(daemon, /Reloaded/)
  await greet.async()
  await project.hasRun('two')
  const { generations } = await statusOf(project)
  expect(generations).toMatchObject([
    { workers: 1, running: 1 },
    { workers: 1, running: 0 },
  ])
  expect((await project.ztask('status')).stdout).toMatch(
    /generation 1: loaded .* ago, 1 workers, 1 running, ends when that is done\ngeneration \d: loaded .*, gets new jobs/,
  )
  // A save while it still drains.
  project.write('src/greet.ts', saying('three'))
  await told(daemon, /Reloaded/, 2)
  await greet.async()
  await project.hasRun('three')
  project.write('go', '')
  await project.hasRun('done:one')
  await until('the old one to go', async () => (await statusOf(project)).generations.length === 1)
  expect(project.ran()).toEqual(['wait:one', 'two', 'three', 'done:one'])
  expect(project.rows()).toEqual([])
})

test('after --drain-timeout the signal aborts, after --kill-grace the worker is killed, and both jobs run again on the new code, uncharged', async () => {
  const project = await make()
  const flags = [...DEVELOPMENT, '--drain-timeout', '0.3', '--kill-grace', '0.3']
  const daemon = await project.daemon(flags)
  const { obey, ignore } = project.calls(TASKS)
  await obey.async()
  await ignore.async('go')
  await project.hasRun('obey:one')
  await project.hasRun('ignore:one')
  project.write('src/greet.ts', saying('two'))
  await project.hasRun('obey:two')
  await project.hasRun('ignore:two')
  await told(daemon, /still runs 2 jobs on generation 1, which was replaced/)
  await told(daemon, /was ended with 1 job running/)
  expect(project.rows().map(({ attempts, state }) => [attempts, state])).toEqual([
    [0, 'queued'],
    [0, 'queued'],
  ])
})

test('a shutdown does not wait for the drain of an old generation', async () => {
  const project = await make()
  const daemon = await project.daemon([...DEVELOPMENT, '--drain-timeout', '600', '--shutdown-timeout', '0.5'])
  const { ignore } = project.calls(TASKS)
  await ignore.async('never')
  await project.hasRun('ignore:one')
  project.write('src/greet.ts', saying('two'))
  await told(daemon, /Reloaded/)
  expect(await daemon.kill('SIGTERM')).toMatchObject({ code: 0 })
  expect(project.rows()).toMatchObject([{ attempts: 0, state: 'queued', mark: null }])
})

test('each failed attempt tells the generation that it ran on', async () => {
  const project = await make()
  const daemon = await project.daemon(DEVELOPMENT)
  const { fail } = project.calls(TASKS)
  const { id } = await fail.async()
  const job = await project.job(id, 'failed')
  expect(job).toMatchObject({ attempts: 2, failures: [{ generation: 1 }, { generation: 1 }] })
  project.write('src/greet.ts', saying('two'))
  await told(daemon, /Reloaded/)
  const { generation } = await statusOf(project)
  await project.json('retry', id)
  await until('it to have failed again', () => project.rows()[0]?.failure?.includes('on two'))
  const shown = await project.ztask('show', id)
  expect(shown.stdout).toMatch(/on generation 1, loaded .*[\s\S]*Error: on two/)
  expect(await project.job(id, 'failed')).toMatchObject({
    failures: [{ generation: 1 }, { generation: 1 }, { generation }, { generation }],
  })
})

test('in production, ztask reload and SIGHUP bring up what was deployed, and nothing else does', async () => {
  const project = await make()
  const daemon = await project.daemon(['--workers', '1'])
  const { greet } = project.calls(TASKS)
  await greet.async()
  await project.hasRun('one')
  project.write('src/greet.ts', saying('two'))
  await greet.async()
  await project.hasRun('one', 2)
  const reloaded = await project.ztask('reload')
  expect(reloaded).toMatchObject({ code: 0, stdout: 'New jobs run generation 2\n' })
  await greet.async()
  await project.hasRun('two')
  project.write('src/greet.ts', saying('three'))
  daemon.child.kill('SIGHUP')
  await told(daemon, /Reloaded: new jobs run generation 3/)
  await greet.async()
  await project.hasRun('three')
  // Deployed in two halves: the old code goes on, and the command says why.
  project.write('src/greet.ts', 'export const greet =')
  const failed = await project.ztask('reload')
  expect(failed.code).toBe(1)
  expect(failed.stderr).toMatch(/^Not reloaded, the old code goes on: .*src\/greet\.ts:1:/)
  expect(await project.ztask('reload', '--json')).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('"failed"'),
  })
  await greet.async()
  await project.hasRun('three', 2)
  expect((await project.ztask('status')).stdout).toContain('not reloaded ')
  await daemon.kill('SIGTERM')
  const alone = await project.start([EXECUTABLE, 'reload'], { ZTASKD_CALL_TIMEOUT: '0.2' }).ended
  expect(alone).toMatchObject({ code: 1, stderr: expect.stringContaining('No daemon answered') })
})

test('a reload that is asked for while one is under way takes the code as it is then, and both tell how that ended', async () => {
  const project = await slowToLoad()
  await project.daemon(['--workers', '1'])
  const { greet } = project.calls(TASKS)
  await greet.async()
  await project.hasRun('one')
  project.write('slow', '')
  project.write('src/greet.ts', saying('two'))
  const first = project.ztask('reload')
  await until('its workers to load', () => project.exists('loading'))
  project.remove('loading')
  project.write('src/greet.ts', saying('three'))
  const second = project.ztask('reload')
  await until('others to load', () => project.exists('loading'))
  project.remove('slow')
  for (const ended of await Promise.all([first, second]))
    expect(ended).toMatchObject({ code: 0, stdout: 'New jobs run generation 3\n' })
  await greet.async()
  await project.hasRun('three')
  expect(project.ran()).toEqual(['one', 'three'])
})

test('two saves 10 ms apart, and one while workers are forked: the last counts, and nothing is left of the others', async () => {
  const project = await slowToLoad()
  const daemon = await project.daemon(DEVELOPMENT)
  const { greet } = project.calls(TASKS)
  project.write('src/greet.ts', saying('two'))
  await new Promise((resolve) => setTimeout(resolve, 10))
  project.write('src/greet.ts', saying('three'))
  await told(daemon, /Reloaded/)
  await greet.async()
  await project.hasRun('three')
  // It would wait for ever, and the next save does not wait for it.
  project.write('slow', '')
  project.write('src/greet.ts', saying('four'))
  await until('it to load', () => processesIn(project.dir).length > 2 && daemon.stdout.includes('reloading'))
  await until('its onLoad', () => project.exists('loading'))
  project.remove('slow')
  project.write('src/greet.ts', saying('five'))
  await until('the last to run', async () => {
    await greet.async()
    return project.ran().includes('five')
  })
  expect(project.ran()).not.toContain('two')
  // One, and one for the next save.
  await until('the others to be gone', () => workersIn(project).length === 2)
})

test('a generation that is never ready is given up, and the next save heals it', async () => {
  const project = await make()
  const daemon = await project.daemon([...DEVELOPMENT, '--ready-timeout', '1.5'])
  const { greet } = project.calls(TASKS)
  // The first workers import it only when the daemon serves.
  await greet.async()
  await project.hasRun('one')
  project.write('src/greet.ts', `${saying('two')}\nawait new Promise(() => setInterval(() => {}, 1000))\n`)
  await told(daemon, /Not reloaded, the old code goes on: The new workers are not ready after 1\.5 s/)
  await greet.async()
  await project.hasRun('one', 2)
  project.write('src/greet.ts', saying('three'))
  await told(daemon, /Reloaded/)
  await greet.async()
  await project.hasRun('three')
})

test('a worker that is killed while it becomes ready is replaced, and the reload goes on', async () => {
  const project = await makeProject({
    config: "onLoad: ['./src/startup.ts#load']",
    files: {
      'src/greet.ts': saying('one'),
      'src/startup.ts': `
import { existsSync, renameSync } from 'node:fs'
export const load = () => {
  if (!existsSync('die')) return
  renameSync('die', 'died')
  process.kill(process.pid, 'SIGKILL')
}
`,
    },
  })
  const daemon = await project.daemon(DEVELOPMENT)
  const { greet } = project.calls(TASKS)
  project.write('die', '')
  project.write('src/greet.ts', saying('two'))
  await told(daemon, /Reloaded/)
  expect(project.exists('died')).toBe(true)
  await greet.async()
  await project.hasRun('two')
  expect(daemon.stdout).not.toContain('Not reloaded')
})

test('status shows a generation that is being brought up; SIGTERM then ends the daemon and all its workers', async () => {
  const project = await slowToLoad()
  const daemon = await project.daemon(DEVELOPMENT)
  project.write('slow', '')
  project.write('src/greet.ts', saying('two'))
  await until('a worker to load', () => project.exists('loading'))
  expect(await statusOf(project)).toMatchObject({
    generation: 1,
    generations: [
      { generation: 1, workers: 1, running: 0 },
      { generation: 2, workers: 1, running: 0 },
    ],
  })
  expect((await project.ztask('status')).stdout).toMatch(
    /generation 1: .* gets new jobs\ngeneration 2: .* 1 workers, 0 running, is being brought up\n/,
  )
  expect(await daemon.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
  await until('nobody to be left', () => processesIn(project.dir).length === 0)
  expect(daemon.stdout).not.toContain('Not reloaded')
})

test('in production, SIGTERM during a reload ends all, and who asked for the reload is told', async () => {
  const project = await slowToLoad()
  // It waits neither for them to be ready nor for the end of what it gets to drain.
  const daemon = await project.daemon([
    '--workers',
    '2',
    '--ready-timeout',
    '600',
    '--shutdown-timeout',
    '600',
  ])
  project.write('slow', '')
  const reload = project.ztask('reload')
  await until('workers to load', () => project.exists('loading') && workersIn(project).length === 4)
  expect(await daemon.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
  expect(await reload).toMatchObject({ code: 1, stderr: expect.stringContaining('The daemon is ending') })
  await until('nobody to be left', () => processesIn(project.dir).length === 0)
})

test('a renamed task whose old name is an alias runs the jobs that wait', async () => {
  const project = await make()
  const daemon = await project.daemon(DEVELOPMENT)
  const { greet } = project.calls(TASKS)
  const { id } = await greet.after(3600, undefined)
  project.write('src/greet.ts', saying('two', ", aliases: ['greet']").replace('const greet', 'const hail'))
  await told(daemon, /Reloaded/)
  project.sql(`update jobs set due = 1 where id = '${id}'`)
  // The row was changed behind the daemon's back: this has it read again.
  await project.json('retry', '--failed')
  await project.hasRun('two')
  await until('its row to go', () => project.rows().every((row) => row.id !== id))
})

test('jobs of a task that is deleted while they wait are held with the reason, and run when it is back', async () => {
  const project = await make()
  const daemon = await project.daemon([...DEVELOPMENT, '--concurrency', '1'])
  const { wait, greet } = project.calls(TASKS)
  await wait.async('go')
  await project.hasRun('wait:one')
  const ids = [(await greet.async()).id, (await greet.async()).id]
  project.write('src/greet.ts', saying('two').replace('export const greet =', 'export const other ='))
  await told(daemon, /Reloaded/)
  for (const id of ids)
    expect(await project.job(id, 'held')).toMatchObject({
      attempts: 0,
      reason: "the code has no task 'greet'",
    })
  await expect(greet.async()).rejects.toMatchObject({ name: 'UnknownTaskError' })
  project.write('src/greet.ts', saying('back'))
  await project.hasRun('back', 2)
  project.write('go', '')
  await until('all to be done', () => project.rows().length === 0)
  expect(project.ran().filter((what) => what !== 'back')).toEqual(['wait:one', 'done:one'])
})
