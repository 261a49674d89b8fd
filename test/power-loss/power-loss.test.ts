/** A short form of `npm run power-loss`. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { PowerLossReport } from '../../power-loss/campaign.ts'
import { Disk } from '../../power-loss/disk.ts'
import { readTrace } from '../../power-loss/trace.ts'
import { REPOSITORY, RunningProcess } from '../harness/process.ts'

/** It may be missing, or not be allowed to trace. */
const canTrace = spawnSync('strace', ['-q', '-o', '/dev/null', 'true']).status === 0

test.skipIf(!canTrace)(
  'each answer follows its fsync, and no cut of the power loses what was answered',
  async () => {
    const flags = ['--json', '--jobs', '700', '--cuts', '60', '--seed', '1']
    const ended = await new RunningProcess(['power-loss/main.ts', ...flags], REPOSITORY).ended
    expect(ended.stderr).toBe('')
    const report = JSON.parse(ended.stdout) as PowerLossReport
    expect(report).toMatchObject({ acknowledged: 700, early: 0, corrupt: [], lost: 0 })
    expect(report.commits).toBeGreaterThan(30)
    expect(report.cuts).toBeGreaterThan(30)
    expect(ended.code).toBe(0)
  },
)

test('a trace is read in its order, whichever thread waits', () => {
  const lines = [
    '7 pwrite64(23</a/ztask.db-wal>, "\\x61\\x62", 2, 32) = 2',
    '7 fdatasync(23</a/ztask.db-wal> <unfinished ...>',
    '8 sendto(9<socket:[2]>, "\\x7b\\x22\\x6b\\x69\\x6e\\x64\\x22\\x3a\\x22\\x73\\x74\\x6f\\x72\\x65\\x64\\x22\\x2c\\x22\\x73\\x65\\x71\\x22\\x3a\\x35\\x7d", 23, 0, NULL, 0) = 23',
    '7 <... fdatasync resumed>)               = 0',
    '7 pwrite64(24</a/other>, "\\x61", 1, 0) = 1',
  ]
  expect([...readTrace(lines, 'ztask.db')]).toEqual([
    { kind: 'write', file: 'ztask.db-wal', at: 32, bytes: Buffer.from('ab') },
    { kind: 'answer', seqs: [5] },
    { kind: 'sync', file: 'ztask.db-wal' },
  ])
})

test('what nobody waited for is not durable, and a disk that loses power may keep none of it', () => {
  const disk = new Disk()
  const write = { kind: 'write', file: 'f', at: 0, bytes: Buffer.from('a') } as const
  expect(disk.apply(write)).toEqual([])
  expect(disk.apply({ kind: 'sync', file: 'g' })).toEqual([])
  const folder = mkdtempSync(join(tmpdir(), 'ztask-disk-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  disk.cut(folder, () => 0)
  expect(readdirSync(folder)).toEqual([])
  expect(disk.apply({ kind: 'sync', file: 'f' })).toEqual([write])
  disk.cut(folder, () => 0)
  expect(readFileSync(join(folder, 'f'), 'utf8')).toBe('a')
})
