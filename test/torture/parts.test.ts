/** Of the campaign's parts, what a short run does not show. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { defaultOf } from '../../src/settings.ts'
import { explained } from '../../src/store/open.ts'
import { REFUSED } from '../../torture/campaign.ts'
import { durationOf, schedule } from '../../torture/disturbances.ts'
import { Records } from '../../torture/records.ts'
import { makeProject } from '../harness/project.ts'

test('the table is read without a touch: the next daemon starts on the log that a killed one has left', async () => {
  const project = await makeProject()
  const daemon = await project.daemon()
  await project.client().note.after(3600, 'kept')
  await daemon.kill('SIGKILL')
  const fingerprints = (): string[] =>
    ['ztask.db', 'ztask.db-wal'].map((file) =>
      createHash('sha256')
        .update(readFileSync(project.path(`.ztask/${file}`)))
        .digest('hex'),
    )
  const before = fingerprints()
  expect(new Records(project).waiting()).toEqual(new Set(['kept']))
  expect(fingerprints()).toEqual(before)
})

test('some locks last longer than a call may take, and than a start waits; others do not', () => {
  const timeout = 1000 * (defaultOf('callTimeout') ?? 0)
  const locks: number[] = []
  for (const disturbance of schedule(1)) {
    if (disturbance.kind === 'lock database') locks.push(durationOf(disturbance))
    if (locks.length === 50) break
  }
  expect(locks.some((ms) => ms > timeout)).toBe(true)
  expect(locks.some((ms) => ms < timeout / 2)).toBe(true)
  expect(Math.max(...locks)).toBeLessThan(8000)
})

test.for([
  [5, 'database is locked', true],
  [13, 'database or disk is full', true],
  [11, 'database disk image is malformed', false],
] as const)(
  'a start that is refused for SQLite’s error %i is one with a reason: %s, %s',
  ([errcode, said, is]) => {
    const { message } = explained('/x/ztask.db', Object.assign(new Error(said), { errcode }))
    expect(REFUSED.test(`${message}\n`)).toBe(is)
  },
)
