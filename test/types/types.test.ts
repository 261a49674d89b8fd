/** The type tests beside this file, as tsc sees them: `vitest` alone would run them and see nothing. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, expect, test } from 'vitest'

const ROOT = resolve(import.meta.dirname, '../..')
const FILES = ['task.test-d.ts', 'sendable.test-d.ts'] as const

// Inside the checkout, so that the relative imports and the packages are found.
const folder = mkdtempSync(join(ROOT, 'test/.types-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const check = (): string => {
  const config = {
    extends: join(ROOT, 'tsconfig.json'),
    include: [],
    files: FILES.map((file) => join(folder, file)),
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  return spawnSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8' }).stdout
}

test('hold', () => {
  for (const file of FILES) cpSync(join(import.meta.dirname, file), join(folder, file))
  expect(check()).toBe('')
})

test('fail where a type changes', () => {
  const file = join(folder, 'task.test-d.ts')
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace('task((a: string, b?: number)', 'task((a: string, b: number)'),
  )
  expect(check()).toMatch(/task\.test-d\.ts\(\d+,\d+\): error/)
})
