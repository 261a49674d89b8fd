/** Each folder of test/fixtures/codegen is a project with what generate must write into it. `vitest -u` writes it anew. */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { cases, copyCase, FIXTURES, outputOf, projectOf, run, workspace } from './project.ts'

const CHECKOUT = resolve(import.meta.dirname, '../..')
const execute = promisify(execFile)

interface Output {
  readonly stdout: string
  readonly stderr: string
}

const folder = workspace()

describe.each(cases())('%s', (name) => {
  test('is generated as the golden files say', async () => {
    const root = copyCase(name, folder)
    const { written } = await run(root)
    expect(written).toEqual([join(outputOf(name), 'client.ts'), join(outputOf(name), 'registry.ts')])
    for (const file of written)
      await expect(readFileSync(join(root, file), 'utf8')).toMatchFileSnapshot(
        join(FIXTURES, projectOf(name), file),
      )
  })
})

const tool = async (name: string, args: readonly string[]): Promise<string> => {
  const file = join(CHECKOUT, 'node_modules/.bin', name)
  const { stdout, stderr } = await execute(file, args, { cwd: folder }).catch((error: Output) => error)
  return stdout + stderr
}

test('all of them type-check, with what uses their clients', async () => {
  const projects = cases().map((name) => join(folder, projectOf(name), 'tsconfig.json'))
  expect(projects.every((project) => existsSync(project))).toBe(true)
  expect(await tool('tsc', ['-b', ...projects])).toBe('')
})

test('all of them are laid out as the formatter of this repository would', async () => {
  const { formatter, javascript } = JSON.parse(readFileSync(join(CHECKOUT, 'biome.json'), 'utf8'))
  const files = { includes: ['**/ztask/*.ts', '**/generated/*.ts'] }
  writeFileSync(join(folder, 'biome.json'), JSON.stringify({ root: true, files, formatter, javascript }))
  const outputs = cases().map((name) => join(projectOf(name), outputOf(name)))
  const said = await tool('biome', ['format', ...outputs])
  expect(said).toMatch(new RegExp(`^Checked ${2 * outputs.length} files in \\S+ No fixes applied\\.\\s*$`))
})
