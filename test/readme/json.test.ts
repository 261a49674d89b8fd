/** docs/json.md: its samples have what the commands print, member by member, and each by its type. */
import { readFileSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import { shareProject, type TestProject } from '../harness/project.ts'
import { blocksOf } from './blocks.ts'

const PAGE = readFileSync('docs/json.md', 'utf8')

/** What a document is made of: the names of its members and the types of their values; of a list, its first item. */
const shapeOf = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.slice(0, 1).map(shapeOf)
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, shapeOf(one)]))
}

/** The sample below the heading that begins so. */
const sample = (heading: string): unknown => {
  const part = PAGE.split(/^## /m).find((one) => one.startsWith(`\`ztask ${heading}`))
  const [block] = blocksOf(part ?? '')
  return JSON.parse(block?.text ?? '')
}

let project: TestProject
let held: string
let failed: string

beforeAll(async () => {
  project = await shareProject({ config: `unknownTask: 'hold'` })
  await project.daemon(['--workers', '1'])
  const { failOnce, later } = project.calls(['failOnce', 'later'])
  failed = (await failOnce.async('f')).id
  await project.job(failed, 'failed')
  held = (await later.async('h')).id
  await project.job(held, 'held')
})

const printed = async (...argv: string[]): Promise<unknown> =>
  JSON.parse((await project.ztask(...argv, '--json')).stdout)

test('each sample has the shape of what is printed', async () => {
  expect(shapeOf(await printed('status'))).toEqual(shapeOf(sample('status')))
  expect(shapeOf(await printed('list', '--failed'))).toEqual(shapeOf(sample('list')))
  expect(shapeOf(await printed('show', held))).toEqual(shapeOf(sample('show')))
  expect(shapeOf(await printed('reload'))).toEqual(shapeOf(sample('reload')))
  expect(shapeOf(await printed('migrate', '--list'))).toEqual(shapeOf(sample('migrate --list')))
  const verdicts = [
    ['retry', failed],
    ['cancel', held],
    ['delete', 'nobody'],
  ]
  for (const argv of verdicts) expect(shapeOf(await printed(...argv))).toEqual(shapeOf(sample('retry ID')))
  for (const verb of ['retry', 'delete'])
    expect(shapeOf(await printed(verb, '--failed'))).toEqual(shapeOf(sample('retry --failed')))
})

test('the page has each command that takes --json', async () => {
  const { stdout } = await project.ztask('--help')
  const commands = [...stdout.slice(stdout.indexOf('Commands:')).matchAll(/^ {2}(\w+)/gm)]
  for (const [, command = ''] of commands) {
    const help = (await project.ztask(command, '--help')).stdout
    const told = new RegExp(`^## .*\`(ztask )?${command}\\b`, 'm').test(PAGE)
    expect(told, command).toBe(help.includes('--json'))
  }
})
