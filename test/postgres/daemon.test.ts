/** A daemon whose database is PostgreSQL. */
import { expect, onTestFinished, test } from 'vitest'
import { PostgresServer } from '../harness/postgres.ts'
import { makeProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

const noJobs = (project: TestProject): Promise<true> =>
  until('no job to be left', async () => {
    const { waiting, scheduled, running } = await project.ask<Record<string, number>>('status')
    return waiting === 0 && scheduled === 0 && running === 0 ? true : undefined
  })

/** Calls until it is told to end. @returns what was acknowledged */
const load = (project: TestProject): (() => Promise<string[]>) => {
  const { note } = project.client({ callTimeout: 20 })
  const acknowledged: string[] = []
  let isOver = false
  const one = async (lane: number): Promise<void> => {
    for (let n = 0; !isOver; n++) {
      const what = `${lane}-${n}`
      await note.async(what).then(
        () => acknowledged.push(what),
        () => {},
      )
    }
  }
  const all = Promise.all(Array.from({ length: 20 }, (_, lane) => one(lane)))
  return async () => {
    isOver = true
    await all
    return acknowledged
  }
}

test('nothing that was acknowledged is lost when the server is killed under load, nor when the daemon is', async () => {
  const server = await PostgresServer.start()
  onTestFinished(() => server.stop())
  const project = await makeProject()
  const daemon = await project.daemon(['--database', server.url])
  const end = load(project)
  const more = async (): Promise<void> => {
    const { length } = project.ran()
    await until('jobs to run', () => project.ran().length > length + 100)
  }
  await more()
  await server.kill()
  await server.again()
  await more()
  await daemon.kill()
  await project.daemon(['--database', server.url])
  const acknowledged = await end()
  await noJobs(project)
  const ran = new Set(project.ran())
  expect(acknowledged.length).toBeGreaterThan(100)
  expect(acknowledged.filter((what) => !ran.has(what))).toEqual([])
})
