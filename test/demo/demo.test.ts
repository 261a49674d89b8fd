import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { Calls } from '../../scripts/demo/calls.ts'
import { judge } from '../../scripts/demo/verdict.ts'
import { processesIn, REPOSITORY, RunningProcess } from '../harness/process.ts'
import { until } from '../harness/until.ts'

/** A demo takes 5 s on a quiet machine; among other tests it may take ten times that, ms. */
const SLOW = 150_000

const DEMO = `${REPOSITORY}scripts/demo/main.ts`

const left: string[] = []

afterEach(() => {
  for (const dir of left.splice(0)) rmSync(dir, { recursive: true, force: true })
})

const folderOf = (printed: string): string => {
  const found = /copied to (\S+)\)/.exec(printed)?.[1]
  if (found === undefined) throw new Error(`no folder in: ${printed}`)
  left.push(found)
  return found
}

/** @returns what a row of the summary found */
const found = (printed: string, what: string): string | undefined => {
  const line = printed.split('\n').find((one) => one.slice(2).trimStart().startsWith(`${what}  `))
  return line
    ?.slice(line.indexOf(what) + what.length)
    .trim()
    .split(/\s+/)[0]
}

test(
  'the demo kills a daemon in mid-burst, and every acknowledged job runs',
  async () => {
    const { code, stdout, stderr } = await new RunningProcess([DEMO], REPOSITORY).ended
    const dir = folderOf(stdout)
    expect(code, stdout + stderr).toBe(0)
    // In a pipe nothing is drawn over.
    expect(stdout).not.toContain('\r')
    expect(stdout).not.toContain('\x1b')
    const number = (what: string): number => Number(found(stdout, what))
    expect(number('mails: calls made')).toBe(1000)
    expect(number('acknowledged') + number('rejected')).toBe(1000)
    expect(number('acknowledged and ran')).toBe(number('acknowledged'))
    expect(number('acknowledged and lost')).toBe(0)
    expect(number('ran twice')).toBeGreaterThanOrEqual(0)
    expect(number('under way at the kill')).toBeGreaterThan(0)
    expect(stdout).toMatch(/acknowledged +\d+ +[4-9]\d\d before the kill/)
    expect(found(stdout, 'publishIssue, async')).toBe('ran')
    expect(stdout).toMatch(/weeklyReport, after 2 s +ran +\d+\.\d\d s after the call/)
    expect(found(stdout, 'chargeCard, fails twice')).toBe('succeeded')
    expect(found(stdout, 'syncCrm, fails for good')).toBe('failed')
    expect(stdout).toContain('Every acknowledged job ran.')
    // What generates may be in the middle of parsing when its daemon is killed.
    await until('no process to be left', () => processesIn(dir).length === 0)
  },
  SLOW,
)

test('a stopped demo leaves no process and no folder', async () => {
  const demo = new RunningProcess([DEMO], REPOSITORY)
  await demo.prints(/SIGKILL: the daemon is dead/)
  const folder = folderOf(demo.stdout)
  const { code } = await demo.kill('SIGINT')
  expect(code).toBe(130)
  await until('its processes to be gone', () => processesIn(folder).length === 0)
  expect(existsSync(folder)).toBe(false)
})

/** A folder as the tasks leave it, when all went well but for what `files` says. */
const remains = (files: Readonly<Record<string, string>>): string => {
  const dir = mkdtempSync(join(tmpdir(), 'ztask-verdict-'))
  left.push(dir)
  mkdirSync(join(dir, 'var'))
  const well = {
    'outbox.txt': 'a@example.com\thi\nb@example.com\thi\n',
    'site.txt': '2027-01-01\tissue 42\n',
    'charges.txt': 'p\t5\trun 1: timed out\np\t5\trun 2: timed out\np\t5\trun 3: charged\n',
    'reports.txt': '2027-01-01T00:00:02.000Z\tissue 42\n',
  }
  for (const [name, text] of Object.entries({ ...well, ...files }))
    writeFileSync(join(dir, 'var', name), text)
  return dir
}

const calls = (): Calls => {
  const said = new Calls()
  const at = Date.parse('2027-01-01T00:00:00Z')
  for (const task of ['publishIssue', 'weeklyReport', 'chargeCard', 'syncCrm'])
    said.hear({ said: 'stored', task, id: task, at })
  said.hear({ said: 'mail stored', to: 'a@example.com', resent: false })
  said.hear({ said: 'killed', underWay: ['b@example.com'] })
  said.hear({ said: 'mail stored', to: 'b@example.com', resent: false })
  return said
}

const FAILED = [{ id: 'syncCrm', task: 'syncCrm', attempts: 2, failure: { name: 'Error', message: 'no' } }]

const wrong = (files: Readonly<Record<string, string>>, failed = FAILED): string[] =>
  judge(remains(files), calls(), failed)
    .filter(({ ok }) => !ok)
    .map(({ what }) => what)

test.each([
  ['all is well', {}, []],
  ['a mail ran twice', { 'outbox.txt': 'a@example.com\thi\nb@example.com\thi\nb@example.com\thi\n' }, []],
  ['a mail is lost', { 'outbox.txt': 'a@example.com\thi\n' }, ['acknowledged and lost']],
  ['the async job is lost', { 'site.txt': '' }, ['publishIssue, async']],
  ['the delayed job is lost', { 'reports.txt': '' }, ['weeklyReport, after 2 s']],
  ['it came early', { 'reports.txt': '2027-01-01T00:00:01.999Z\t\n' }, ['weeklyReport, after 2 s']],
  ['no third run', { 'charges.txt': 'p\t5\trun 1: timed out\n' }, ['chargeCard, fails twice']],
] as const)('the verdict where %s', (_, files, expected) => {
  expect(wrong(files)).toEqual(expected)
})

test('the verdict where the failed job was not kept, or another failed', () => {
  expect(wrong({}, [])).toEqual(['syncCrm, fails for good'])
  expect(wrong({}, [...FAILED, { ...FAILED[0], id: 'x' } as (typeof FAILED)[0]])).toEqual([
    'failed beside it',
  ])
})
