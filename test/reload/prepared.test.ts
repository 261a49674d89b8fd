/** Processes that wait for the next save: used where they can be, and missed by nobody where they cannot. */
import { expect, test } from 'vitest'
import { makeProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'
import { DEVELOPMENT, saying, statusOf, TASKS, told, workersIn } from './code.ts'

/** Waits for the process that waits. @returns its pid */
const prepared = (project: TestProject): Promise<number> =>
  until('a process to wait for the next save', async () => {
    const { workers } = await statusOf(project)
    const others = workersIn(project).filter((pid) => !workers.some((worker) => worker.pid === pid))
    return others.length === 1 && others[0]
  })

test('a save takes the process that waits; not where the environment has changed, nor where it has died', async () => {
  const greeting = (word: string): string =>
    saying(word).replace(`say('${word}')`, `say('${word}' + process.env.WORD)`)
  const project = await makeProject({ files: { 'src/greet.ts': greeting('one') } })
  project.write('word.env', 'WORD=first\n')
  const daemon = await project.daemon([...DEVELOPMENT, '--env-file', 'word.env'])
  const { greet } = project.calls(TASKS)
  const runsOn = async (what: string): Promise<number | undefined> => {
    await greet.async()
    await project.hasRun(what)
    return project.runs().at(-1)?.pid
  }
  const taken = await prepared(project)
  project.write('src/greet.ts', greeting('two'))
  await told(daemon, /Reloaded/)
  expect(await runsOn('twofirst')).toBe(taken)
  const stale = await prepared(project)
  project.write('word.env', 'WORD=second\n')
  await told(daemon, /Reloaded/, 2)
  expect(await runsOn('twosecond')).not.toBe(stale)
  const dead = await prepared(project)
  expect(dead).not.toBe(stale)
  process.kill(dead, 'SIGKILL')
  await until('it to be gone', () => !workersIn(project).includes(dead))
  project.write('src/greet.ts', greeting('three'))
  await told(daemon, /Reloaded/, 3)
  await runsOn('threesecond')
  expect(daemon.stdout).not.toContain('Not reloaded')
})
