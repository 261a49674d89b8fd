/** docs/codegen.md: what it shows is what generate says. */
import { execFile } from 'node:child_process'
import { cpSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { EXECUTABLE } from '../harness/process.ts'
import { makeProject } from '../harness/project.ts'
import { blocksOf } from './blocks.ts'

const PAGE = 'docs/codegen.md'
const blocks = blocksOf(readFileSync(PAGE, 'utf8'))

test('its table of problems is what the fixtures give', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['scripts/problems.ts', '--check'])
  expect(stdout).toBe(`${PAGE} is up to date\n`)
})

test('its JSON is what the fixture prints', async () => {
  const project = await makeProject()
  cpSync('test/fixtures/problems/not-exported/src', project.path('src'), { recursive: true })
  const { stdout } = await project.ztask('generate', '--json')
  const sample = blocks.find(({ language }) => language === 'json')
  expect(JSON.parse(sample?.text ?? '')).toEqual(JSON.parse(stdout))
})

test('its commands run', async () => {
  const project = await makeProject()
  const sample = blocks.find(({ language }) => language === 'sh')
  const commands =
    sample?.text
      .trim()
      .split('\n')
      .map((line) => line.replace(/ *#.*/, '').split(' ').slice(2)) ?? []
  expect(commands).toEqual([['generate'], ['generate', '--watch'], ['generate', '--check']])
  for (const argv of commands) {
    const running = project.start([EXECUTABLE, ...argv])
    await running.prints(/tasks, nothing changed/)
    if (argv.includes('--watch')) await running.kill()
    else expect((await running.ended).code).toBe(0)
  }
})
