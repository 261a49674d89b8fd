/** What commands print for people: on a terminal, in a pipe, with and without colours. */
import { stripVTControlCharacters } from 'node:util'
import { spawn } from '@lydell/node-pty'
import { beforeAll, expect, test } from 'vitest'
import type { JobView } from '../../src/daemon/commands.ts'
import { EXECUTABLE } from '../harness/process.ts'
import { makeProject, shareProject, type TestProject } from '../harness/project.ts'

const FAIL = `import { task } from 'ztask'
export const settleTheAccountOfACustomer = task({ retryCount: 0 }, (...args: unknown[]) => {
  throw new Error('the bank said no, ' + 'and again no, '.repeat(10) + '\\nsecond line', { cause: new RangeError('no funds') })
})
export const retried = task({ retryAfter: 3600 }, () => { throw new Error('once') })
`
const NAME = 'settleTheAccountOfACustomer'

let project: TestProject
let failed: string
let scheduled: string

beforeAll(async () => {
  project = await shareProject({ files: { 'src/fail.ts': FAIL } })
  const daemon = await project.daemon(['--workers', '1'])
  const tasks = project.calls([NAME, 'retried'])
  failed = (await tasks[NAME].async(new Date(0), new Map([['a', [1n]]]), { deep: { er: { still: {} } } })).id
  await project.job(failed, 'failed')
  scheduled = (await tasks.retried.async()).id
  await project.job(scheduled, 'scheduled')
  await daemon.kill()
})

/** Runs a command with a terminal as its stdout. @returns the lines on it */
const onTerminal = async (
  command: string,
  env: Record<string, string | undefined> = {},
  columns = 80,
): Promise<string[]> => {
  const own = { TERM: 'xterm', NO_COLOR: undefined, FORCE_COLOR: undefined, CI: undefined, ...env }
  const given = Object.entries({ ...process.env, ...own }).filter(([, value]) => value !== undefined)
  const terminal = spawn(process.execPath, [EXECUTABLE, ...command.split(' ')], {
    cwd: project.dir,
    env: Object.fromEntries(given) as Record<string, string>,
    cols: columns,
  })
  let shown = ''
  terminal.onData((data) => {
    shown += data
  })
  const code = await new Promise((ended) => terminal.onExit(({ exitCode }) => ended(exitCode)))
  expect(code, shown).toBe(0)
  // Its stderr is on the terminal as well.
  const lines = shown.trimEnd().split('\r\n')
  return lines.filter((line) => !line.startsWith('No daemon answers'))
}

test('a terminal: lines that fit, whole ids, times of the day, colours', async () => {
  const lines = await onTerminal('list', {}, 100)
  const plain = lines.map(stripVTControlCharacters)
  expect(lines.join()).toContain('\x1b[31mfailed\x1b[39m')
  expect(Math.max(...plain.map((line) => line.length))).toBeLessThanOrEqual(100)
  expect(plain).toHaveLength(3)
  expect(plain[0]).toMatch(/^ID +TASK +STATE +DUE +ATTEMPTS +ERROR$/)
  expect(plain[1]).toMatch(new RegExp(`^${scheduled}  retried +scheduled  [0-9-]+`))
  expect(plain[2]).toMatch(new RegExp(`^${failed}  settl.*…  failed .* 1 +Error: .*…$`))
})

test('a narrow terminal: the column of errors goes, and the task has its room', async () => {
  const plain = (await onTerminal('list')).map(stripVTControlCharacters)
  expect(Math.max(...plain.map((line) => line.length))).toBeLessThanOrEqual(80)
  expect(plain[0]).toMatch(/^ID +TASK +STATE +DUE +ATTEMPTS$/)
  expect(plain[2]).toMatch(new RegExp(`^${failed}  settleT.*…  failed .* 1$`))
})

test.each(['list', `show ${'ID'}`, 'status'])('NO_COLOR on a terminal: %s has no colour', async (command) => {
  const lines = await onTerminal(command.replace('ID', failed), { NO_COLOR: '1' })
  expect(lines.join('\n')).toBe(stripVTControlCharacters(lines.join('\n')))
})

test('a pipe: no colours, nothing cut, dates in full; FORCE_COLOR brings the colours', async () => {
  const env = { NO_COLOR: undefined, FORCE_COLOR: undefined }
  const [piped, forced] = await Promise.all([
    project.start([EXECUTABLE, 'list'], env).ended,
    project.start([EXECUTABLE, 'list'], { ...env, FORCE_COLOR: '1' }).ended,
  ])
  expect(piped.stdout).toBe(stripVTControlCharacters(forced.stdout))
  expect(forced.stdout).toContain('\x1b[31mfailed\x1b[39m')
  const { due } = await project.json<JobView>('show', failed)
  const error = `Error: the bank said no, ${'and again no, '.repeat(10)}`.trimEnd()
  expect(piped.stdout).toMatch(new RegExp(`^${failed}  ${NAME}  failed +${due}  1 +${error}$`, 'm'))
})

test('show tells a failed job: decoded arguments, the error with its stack and cause, no next run', async () => {
  const { stdout } = await project.ztask('show', failed)
  expect(stdout).toMatch(/^created +\d{4}-.*Z \(.*ago\)$/m)
  expect(stdout).toMatch(
    new RegExp(`^next run +none, unless you ask for it: npx ztask retry ${failed}$`, 'm'),
  )
  expect(stdout).toContain('\narguments\n  1  1970-01-01T00:00:00.000Z\n')
  expect(stdout).toContain(`\n  2  Map(1) { 'a' => [ 1n ] }\n  3  { deep: { er: { still: {} } } }\n`)
  expect(stdout).toMatch(
    /^attempt 1 failed \d{4}-.*ago\)\non generation 1, loaded \d{4}-.*ago\)\nError: the bank said no/m,
  )
  expect(stdout).toMatch(/^ +at .*src\/fail\.ts:3:/m)
  expect(stdout).toMatch(/^caused by: RangeError: no funds\n +at /m)
})

test('show tells one that is retried: what failed, and when it runs next', async () => {
  const { stdout } = await project.ztask('show', scheduled)
  const { due } = await project.json<JobView>('show', scheduled)
  expect(stdout).toContain(`next run  ${due} (in `)
  expect(stdout).toMatch(/\narguments\n {2}none\n\nattempt 1 failed .*\non generation 1.*\nError: once\n/)
})

test('what a job says in colours and control codes is shown as words', async () => {
  const project = await makeProject({
    files: {
      'src/red.ts': `import { task } from 'ztask'
export const red = task({ retryCount: 0 }, () => {
  throw new Error('\\x1b[31mred\\x1b[0m\\x07 \\x1b[2J\\r\\nsecond', { cause: new Error('\\x1b]0;title\\x07cause') })
})`,
    },
  })
  await project.daemon(['--workers', '1'])
  const { id } = await project.calls(['red']).red.async()
  await project.job(id, 'failed')
  const [list, show] = await Promise.all([project.ztask('list'), project.ztask('show', id)])
  expect(list.stdout).toMatch(/ 1 {9}Error: red\? *$/m)
  expect(show.stdout).toMatch(/^Error: red\? \nsecond\n +at /m)
  expect(show.stdout).toMatch(/^caused by: Error: /m)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  for (const { stdout } of [list, show]) expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/)
})
