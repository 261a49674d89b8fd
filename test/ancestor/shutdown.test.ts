/** Signals: the first drains, a second stops at once; what is cut goes back as if it had not run. */
import { expect, test } from 'vitest'
import type { RunningProcess } from '../harness/process.ts'
import { makeProject, type TestProject } from '../harness/project.ts'

/** A daemon with one job running that ends when the file `go` is there. */
const busy = async (flags: string[] = []): Promise<{ project: TestProject; daemon: RunningProcess }> => {
  const project = await makeProject()
  const daemon = await project.daemon(flags)
  await project.client().act.async('wait', 'go')
  await project.hasRun('wait:go')
  return { project, daemon }
}

test.each(['SIGTERM', 'SIGINT'] as const)(
  'B17: %s drains: what runs may finish, what waits stays, exit 0',
  async (signal) => {
    const { project, daemon } = await busy(['--workers', '1', '--concurrency', '1'])
    const { note } = project.client()
    await note.async('waits')
    daemon.child.kill(signal)
    await daemon.prints(/finishing 1 running job;/)
    // Calls are taken until the last.
    await note.async('called meanwhile')
    expect(daemon.hasEnded).toBe(false)
    project.write('go', '')
    expect(await daemon.ended).toMatchObject({ code: 0, signal: null, stderr: '' })
    expect(project.ran()).toEqual(['wait:go', 'done:go'])
    expect(project.rows().map(({ args }) => args)).toEqual(['["waits"]', '["called meanwhile"]'])
  },
)

test('--shutdown-timeout cuts what runs for longer: it goes back uncharged, and runs again at the next start', async () => {
  const { project, daemon } = await busy(['--shutdown-timeout', '0.2'])
  expect(await daemon.kill('SIGTERM')).toMatchObject({ code: 0 })
  expect(daemon.stdout).toMatch(/was ended with 1 job running/)
  expect(project.rows()).toMatchObject([{ task: 'act', state: 'queued', attempts: 0, failure: null }])
  project.write('go', '')
  await project.daemon()
  await project.hasRun('done:go')
  expect(project.ran()).toEqual(['wait:go', 'wait:go', 'done:go'])
})

test('A second signal stops at once, and the job that was cut is not charged', async () => {
  const { project, daemon } = await busy()
  daemon.child.kill('SIGTERM')
  await daemon.prints(/once more stops at once/)
  expect(await daemon.kill('SIGTERM')).toMatchObject({ code: 143, signal: null })
  expect(project.rows()).toMatchObject([{ task: 'act', state: 'queued', attempts: 0 }])
})

const EXIT = `
import { appendFileSync } from 'node:fs'
export const bye = () => appendFileSync('ran.log', 'bye ' + process.pid + ' ' + Date.now() + '\\n')
`

test('onExit runs in each worker that a drain ends, when its last job is done', async () => {
  const project = await makeProject({
    config: `onExit: ['./src/exit.ts#bye']`,
    files: { 'src/exit.ts': EXIT },
  })
  const daemon = await project.daemon(['--workers', '2'])
  await project.client().act.async('wait', 'go')
  await project.hasRun('wait:go')
  daemon.child.kill('SIGTERM')
  await project.hasRun('bye')
  project.write('go', '')
  expect(await daemon.ended).toMatchObject({ code: 0 })
  expect(project.ran()).toEqual(['wait:go', 'bye', 'done:go', 'bye'])
})
