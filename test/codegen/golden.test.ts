/** Each folder of test/fixtures/codegen is a project with what generate must write into it. `vitest -u` writes it anew. */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { cases, copyCase, FIXTURES, run, workspace } from './project.ts'

const TSC = resolve(import.meta.dirname, '../../node_modules/.bin/tsc')
const OUTPUT: Readonly<Record<string, string>> = { 'ts-extensions': 'generated' }

const folder = workspace()

describe.each(cases())('%s', (name) => {
  const output = OUTPUT[name] ?? 'src/ztask'

  test('is generated as the golden files say', async () => {
    const root = copyCase(name, folder)
    const { written } = await run(root)
    expect(written).toEqual([join(output, 'client.ts'), join(output, 'registry.ts')])
    for (const file of written)
      await expect(readFileSync(join(root, file), 'utf8')).toMatchFileSnapshot(join(FIXTURES, name, file))
  })
})

test('all of them type-check, with what uses their clients', async () => {
  const projects = cases().map((name) => join(folder, name, 'tsconfig.json'))
  expect(projects.every((project) => existsSync(project))).toBe(true)
  const result = await promisify(execFile)(TSC, ['-b', ...projects]).catch(
    (error: { stdout: string }) => error,
  )
  expect(result.stdout).toBe('')
})
