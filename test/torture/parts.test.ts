/** Of the campaign's parts, what a short run does not show. */
import { createHash } from 'node:crypto'
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { defaultOf } from '../../src/settings.ts'
import { explained } from '../../src/store/database-file.ts'
import { REFUSED } from '../../torture/campaign.ts'
import { DatabaseFile } from '../../torture/database.ts'
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
  expect(await new DatabaseFile(project).waiting()).toEqual(new Set(['kept']))
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

test('each job that ran twice is explained by what was done to whoever had it, and by nothing else', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'ztask-records-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  for (const folder of ['runs', 'acknowledged', 'rejected', '.ztask']) mkdirSync(join(dir, folder))
  new DatabaseSync(join(dir, '.ztask/ztask.db')).exec('create table jobs (args text)')
  const ran = (pid: number, name: string, at: number, created = 1): void =>
    appendFileSync(
      join(dir, 'runs', `${pid}`),
      `begin ${name} ${at} ${created}\nend ${name} ${at + 1} ${created}\n`,
    )
  // The later run is in the file that is read first.
  ran(20, 'worker', 1000)
  ran(10, 'worker', 2000)
  ran(20, 'master', 4000)
  ran(10, 'master', 6000)
  ran(30, 'frozen', 9000)
  ran(10, 'frozen', 9500)
  ran(40, 'no-reason', 9000)
  ran(10, 'no-reason', 9500)
  ran(10, 'sent-again', 12_000)
  ran(20, 'sent-again', 13_000, 2)
  ran(10, 'unsure', 16_000)
  ran(20, 'unsure', 16_500)
  ran(50, 'silent', 20_000)
  ran(60, 'silent', 23_000)
  const site = { path: (file: string) => join(dir, file) }
  const records = new Records(site, new DatabaseFile(site))
  expect(await records.check()).toBe(true)
  const repeats = records.repeats([
    { kind: 'kill worker', pid: 20, at: 1500 },
    { kind: 'kill master', pid: 1, at: 5000 },
    { kind: 'freeze worker', pid: 30, at: 7000 },
    { kind: 'freeze worker', pid: 40, at: 8500 },
    { kind: 'kill master', pid: 2, at: 8000 },
    { kind: 'terminate connection', pid: 0, at: 15_500, unsure: 700 },
    { kind: 'freeze master', pid: 3, at: 19_000, silent: 3000 },
    { kind: 'freeze master', pid: 3, at: 8600, silent: 300 },
  ])
  expect(Object.fromEntries(repeats.map(({ name, because }) => [name, because]))).toStrictEqual({
    worker: 'its worker was killed',
    master: 'the master was killed',
    frozen: 'its worker was frozen when the master was killed',
    'no-reason': undefined,
    'sent-again': 'the master was killed before it had answered, and the call sent again',
    unsure: 'the answer to its commit was lost, and it was written again',
    silent: 'its daemon could not say that it lives for longer than its lease',
  })
})
