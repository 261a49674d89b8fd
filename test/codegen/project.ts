/** Temporary projects: copied from a fixture, or written from texts. */
import {
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
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

/** @returns where in a golden case the project lies: its folder, or one package of a monorepo. */
export const projectOf = (name: string): string => (name === 'workspace' ? 'workspace/packages/jobs' : name)

/** @returns what generate writes to in a golden case, relative to the project. */
export const outputOf = (name: string): string => (name === 'ts-extensions' ? 'generated' : 'src/ztask')

/** Copies a golden case into a workspace, without what generate wrote. @returns the project's folder */
export const copyCase = (name: string, into: string): string => {
  cpSync(join(FIXTURES, name), join(into, name), { recursive: true })
  const root = join(into, projectOf(name))
  rmSync(join(root, outputOf(name)), { recursive: true, force: true })
  linkPackages(join(into, name))
  return root
}

/** As `npm install` does in a monorepo: each package is found by its name. */
export const linkPackages = (root: string): void => {
  const packageJson = (folder: string) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  for (const folder of globSync(packageJson(root).workspaces ?? [], { cwd: root })) {
    const link = join(root, 'node_modules', packageJson(join(root, folder)).name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(root, folder), link)
  }
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
