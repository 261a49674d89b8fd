import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EXECUTABLE, REPOSITORY, RunningProcess, TSX } from '../harness/process.ts'

let dir = ''

beforeAll(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'ztask-example-')))
  const leftBehind = ['node_modules', '.ztask', 'var']
  const filter = (path: string): boolean => !leftBehind.includes(basename(path))
  cpSync(`${REPOSITORY}examples/newsletter`, dir, { recursive: true, filter })
  mkdirSync(join(dir, 'node_modules/@types'), { recursive: true })
  symlinkSync(REPOSITORY, join(dir, 'node_modules/ztask'))
  symlinkSync(`${REPOSITORY}node_modules/@types/node`, join(dir, 'node_modules/@types/node'))
})

afterAll(() => rmSync(dir, { recursive: true, force: true }))

test("the example's committed client and registry are what generate writes", async () => {
  const { code, stdout, stderr } = await new RunningProcess([EXECUTABLE, 'generate', '--check'], dir).ended
  expect(code, stderr).toBe(0)
  expect(stdout).toContain('5 tasks')
})

test('the example type-checks', async () => {
  const { code, stdout } = await new RunningProcess(
    [`${REPOSITORY}node_modules/typescript/bin/tsc`, '-p', dir],
    dir,
  ).ended
  expect(code, stdout).toBe(0)
})

test("the example's own tests pass, with nothing started beside them", async () => {
  const argv = ['--import', TSX, '--test', 'test/newsletter.test.ts']
  const { code, stdout } = await new RunningProcess(argv, dir).ended
  expect(code, stdout).toBe(0)
  expect(stdout).toMatch(/pass 3\n.*fail 0\n/s)
})
