/** A short form of `npm run torture`, and that it would tell. */
import { expect, test } from 'vitest'
import type { CampaignReport } from '../../torture/campaign.ts'
import { REPOSITORY, RunningProcess } from '../harness/process.ts'

const torture = async (...flags: string[]): Promise<{ report: CampaignReport; code: number | null }> => {
  const ended = await new RunningProcess(['torture/main.ts', '--json', ...flags], REPOSITORY).ended
  return { report: JSON.parse(ended.stdout) as CampaignReport, code: ended.code }
}

test('nothing that was acknowledged is lost, whatever is killed, frozen, cut, locked, filled and stepped', async () => {
  const { report, code } = await torture('--seconds', '11', '--seed', '1')
  expect(report).toMatchObject({ lost: [], crashed: [], left: 0 })
  expect(report.repeats.filter(({ because }) => because === undefined)).toEqual([])
  expect(code).toBe(0)
  expect(report.acknowledged).toBeGreaterThan(100)
  expect(report.ended).toBeGreaterThanOrEqual(report.acknowledged)
  expect(report.done['kill master']).toBeGreaterThan(0)
  expect(report.done['kill worker']).toBeGreaterThan(0)
})

test('nor where three daemons share a server, which is killed, and which they are cut off from', async () => {
  const { report, code } = await torture(
    '--seconds',
    '15',
    '--seed',
    '5',
    '--database',
    'postgres',
    '--nodes',
    '3',
  )
  expect(report).toMatchObject({ lost: [], crashed: [], left: 0 })
  expect(report.repeats.filter(({ because }) => because === undefined)).toEqual([])
  expect(code).toBe(0)
  expect(report.acknowledged).toBeGreaterThan(100)
  for (const kind of ['kill master', 'kill server', 'terminate connection', 'cut node off'] as const)
    expect(report.done[kind], kind).toBeGreaterThan(0)
})

test('it would tell: a daemon that answers before it commits loses calls', async () => {
  const { report, code } = await torture('--seconds', '8', '--seed', '3', '--early-ack')
  expect(report.done['kill master']).toBeGreaterThan(0)
  expect(report.lost.length).toBeGreaterThan(0)
  // By kills alone.
  expect(report.crashed).toEqual([])
  expect(code).toBe(1)
})
