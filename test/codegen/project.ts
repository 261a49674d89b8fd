/** Temporary projects: copied from a fixture, or written from texts. */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterAll } from 'vitest'
import { generate } from '../../codegen/generate.ts'
import type { Problem } from '../../codegen/problem.ts'
import { loadProject } from '../../src/config.ts'
import { GenerateError } from '../../src/model/errors.ts'

export const FIXTURES = resolve(import.meta.dirname, '../fixtures/codegen')
const CHECKOUT = resolve(import.meta.dirname, '../..')

/** @returns the names of the golden cases. */
export const cases = (): string[] => readdirSync(FIXTURES).sort()

// Registered here, once a test file: inside a test that runs it would be ignored.
const made: string[] = []
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true })
})

/** @returns an empty folder in which `ztask` can be imported; removed when the test file ends. */
export const workspace = (): string => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'ztask-codegen-')))
  mkdirSync(join(folder, 'node_modules/@types'), { recursive: true })
  symlinkSync(CHECKOUT, join(folder, 'node_modules/ztask'))
  symlinkSync(join(CHECKOUT, 'node_modules/@types/node'), join(folder, 'node_modules/@types/node'))
  made.push(folder)
  return folder
}

/** Copies a golden case into a workspace, without what generate wrote. */
export const copyCase = (name: string, into: string): string => {
  const root = join(into, name)
  cpSync(join(FIXTURES, name), root, { recursive: true })
  for (const output of ['src/ztask', 'generated'])
    rmSync(join(root, output), { recursive: true, force: true })
  return root
}

/** Writes a project from its files' texts. */
export const writeProject = (root: string, files: Readonly<Record<string, string>>): string => {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return root
}

/** Generates a project, with the settings of its own file and of `env` alone. */
export const run = async (root: string, mode: 'write' | 'check' = 'write', env: NodeJS.ProcessEnv = {}) =>
  generate(await loadProject(root, env), mode)

/** @returns the error that a project is refused with. */
export const refusal = async (root: string): Promise<GenerateError> => {
  const error = await run(root).then(
    ({ tasks }) => new Error(`generated ${tasks.join(', ')}`),
    (reason: unknown) => reason,
  )
  if (error instanceof GenerateError) return error
  throw error
}

/** @returns the problems of an error. */
export const problemsOf = (error: GenerateError): readonly Problem[] =>
  error.data.problems as readonly Problem[]
