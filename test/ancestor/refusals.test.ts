/** What is refused at the call: names that are none, types that do not fit, moments that are none. */
import { beforeAll, expect, test } from 'vitest'
import { REPOSITORY, type RunningProcess } from '../harness/process.ts'
import { shareProject, type TestProject } from '../harness/project.ts'

let project: TestProject
let daemon: RunningProcess
beforeAll(async () => {
  project = await shareProject()
  daemon = await project.daemon()
})

test('B7: a name that the daemon does not know is refused at the call, with the nearest one, and not stored', async () => {
  const { noet } = project.calls(['noet'])
  await expect(noet.async('typo')).rejects.toMatchObject({
    name: 'UnknownTaskError',
    data: { task: 'noet', nearest: 'note' },
    message: expect.stringContaining(`Did you mean 'note'?`),
  })
  const command = await project.ztask('run', 'noet', '["typo"]')
  expect(command).toMatchObject({ code: 1, stderr: expect.stringContaining(`Did you mean 'note'?`) })
  expect(project.rows()).toEqual([])
})

test('B7: a wrong name, type or number of arguments does not compile', async () => {
  project.write(
    'src/use.ts',
    `import { tasks } from './ztask/client.js'
     void tasks.noet.async('x')
     void tasks.note.async(5)
     void tasks.note.after('x')
     void tasks.note.async()
     void tasks.note.async('right')`,
  )
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--skipLibCheck']
  const types = ['--typeRoots', `${REPOSITORY}node_modules/@types`, '--types', 'node']
  const tsc = project.start([
    `${REPOSITORY}node_modules/typescript/bin/tsc`,
    ...options,
    ...types,
    'src/use.ts',
  ])
  const { stdout, code } = await tsc.ended
  expect(code).not.toBe(0)
  expect([...stdout.matchAll(/^src\/use\.ts\((\d),\d+\): error (TS\d+)/gm)].map(([, ...at]) => at)).toEqual([
    ['2', 'TS2339'],
    ['3', 'TS2345'],
    ['4', 'TS2554'],
    ['5', 'TS2554'],
  ])
})

test('B8: a fraction of a second is a delay, and a forgotten or impossible one is an error at the call', async () => {
  const { note } = project.client()
  const before = Date.now()
  const job = await note.after(5.5, 'later')
  const row = project.rows().find(({ id }) => id === job.id)
  expect(row?.due).toBeGreaterThanOrEqual(before + 5500)
  expect(row?.due).toBeLessThanOrEqual(Date.now() + 5500)
  const wrong = [
    note.after('a@b.c' as never),
    note.after(-1, 'x'),
    note.after(Number.NaN, 'x'),
    note.after(1e12, 'x'),
    note.at('2101-01-01' as never, 'x'),
    note.at(new Date('never'), 'x'),
  ]
  for (const call of wrong) await expect(call).rejects.toMatchObject({ name: 'InvalidDelayError' })
  await expect(note.after('a@b.c' as never)).rejects.toThrow('Without a delay call note.async(…)')
  expect(project.rows()).toHaveLength(1)
})

test('B20: no control message rides the queue: ztask_log is a name like any other, and unknown', async () => {
  const { ztask_log } = project.calls(['ztask_log'])
  await expect(ztask_log.async('INFO', 'forged line')).rejects.toMatchObject({ name: 'UnknownTaskError' })
  expect(daemon.stdout + daemon.stderr).not.toContain('forged line')
  expect(project.rows().some(({ task }) => task === 'ztask_log')).toBe(false)
})
