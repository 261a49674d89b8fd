/** A short form of `npm run reloads`. */
import { expect, test } from 'vitest'
import type { ReloadsReport } from '../../reloads/campaign.ts'
import { REPOSITORY, RunningProcess } from '../harness/process.ts'

test('a load of 500 jobs a second goes through ten reloads: none lost, none failed, none on old code', async () => {
  const { stdout, stderr, code } = await new RunningProcess(
    ['reloads/main.ts', '--json', '--count', '10'],
    REPOSITORY,
  ).ended
  expect(stderr).toBe('')
  const report = JSON.parse(stdout) as ReloadsReport
  expect(report).toMatchObject({ lost: [], failed: 0, repeated: [], onOldCode: [] })
  expect(report.acknowledged).toBeGreaterThan(500)
  expect(report.took).toHaveLength(10)
  expect(report.late.processes).toBe(report.early.processes)
  expect(report.late.files).toBeLessThanOrEqual(report.early.files + 2)
  expect(code).toBe(0)
})
