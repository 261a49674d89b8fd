/** A short form of `npm run fuzz`. */
import { expect, test } from 'vitest'
import type { FuzzReport } from '../../fuzz/campaign.ts'
import { Owed } from '../../fuzz/owed.ts'
import { REPOSITORY, RunningProcess } from '../harness/process.ts'

test('whatever is sent, the daemon serves on, takes little memory, and stores nothing that it did not accept', async () => {
  const ended = await new RunningProcess(
    ['fuzz/main.ts', '--json', '--seconds', '6', '--seed', '1'],
    REPOSITORY,
  ).ended
  expect(ended.stderr).toBe('')
  const report = JSON.parse(ended.stdout) as FuzzReport
  expect(report).toMatchObject({ rejected: [], strangers: [], missing: 0, unanswered: {} })
  expect(report).not.toHaveProperty('crash')
  expect(report.memory).toBeLessThan(300)
  expect(ended.code).toBe(0)
  expect(report.answers.stored).toBeGreaterThan(100)
  expect(report.answers.refused).toBeGreaterThan(100)
  expect(report.sent['a million keys']).toBeGreaterThan(0)
  expect(report.sent['unread: lists']).toBeGreaterThan(0)
  expect(report.mostOpen).toBeGreaterThan(1000)
})

test('it would tell: a message that is not answered is counted by its kind', () => {
  const owed = new Owed()
  for (const seq of [1, 2]) owed.sent({ kind: 'ask', frames: [], seq })
  for (const kind of ['noise', 'json', 'envelope']) owed.sent({ kind, frames: [] })
  expect(owed.count).toBe(5)
  expect(owed.answered(2)).toMatchObject({ seq: 2 })
  // An answer to an envelope may repeat a number that is none of ours.
  for (const seq of [undefined, 7]) expect(owed.answered(seq)).toBeUndefined()
  expect(owed.left()).toEqual(['ask', 'without a number'])
})
