/** The samples of a document, as a project that can be generated from, compiled and run. */
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'vitest'
import { EXECUTABLE, REPOSITORY, RunningProcess } from '../harness/process.ts'
import type { Block } from './blocks.ts'

/** What `npm install` brings, as links to the repository. */
export const install = (project: string, packages: readonly string[]): void => {
  const links: Record<string, string> = { '.bin/node': process.execPath }
  for (const name of packages)
    links[name] = name === 'ztask' ? REPOSITORY : `${REPOSITORY}node_modules/${name}`
  if (packages.includes('ztask')) links['.bin/ztask'] = EXECUTABLE
  if (packages.includes('tsx')) links['.bin/tsx'] = realpathSync(`${REPOSITORY}node_modules/.bin/tsx`)
  for (const [name, target] of Object.entries(links)) {
    const link = join(project, 'node_modules', name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(target, link)
  }
}

export const write = (project: string, { file, text }: Block): void => {
  if (file === undefined) throw new Error(`its first line names no file: ${text}`)
  mkdirSync(dirname(join(project, file)), { recursive: true })
  writeFileSync(join(project, file), text)
}

const IDLE: Block = {
  language: 'ts',
  file: 'src/idle.ts',
  text: `import { task } from 'ztask'\nexport const idle = task(() => {})\n`,
}

/** Makes a project of samples, generated. */
export const writeProject = async (
  dir: string,
  samples: readonly Block[],
  packages: readonly string[] = [],
): Promise<void> => {
  install(dir, ['ztask', '@types/node', ...packages])
  writeFileSync(join(dir, 'package.json'), '{ "name": "samples", "type": "module" }')
  for (const sample of samples) write(dir, sample)
  // Generate refuses a project without sources, and a page on deployment shows none.
  if (!samples.some(({ file }) => file?.startsWith('src/'))) write(dir, IDLE)
  const generated = await new RunningProcess([EXECUTABLE, 'generate'], dir).ended
  expect(generated.code, generated.stderr).toBe(0)
}

const FLAGS = '--noEmit --strict --target es2024 --types node --skipLibCheck'.split(' ')
const NODE = '--module nodenext'.split(' ')
/** What Next compiles: its bundler resolves no `.js` to a `.ts`. */
const BUNDLER = '--module esnext --moduleResolution bundler'.split(' ')

/** Fails where samples, written into the project, do not type-check. */
export const typeCheck = async (dir: string, samples: readonly Block[]): Promise<void> => {
  const files = samples.map(({ file = '' }) => file)
  const bundled = files.filter((file) => file.startsWith('app/'))
  await compile(dir, [...NODE, 'src/ztask/registry.ts', ...files.filter((file) => !bundled.includes(file))])
  if (bundled.length > 0) await compile(dir, [...BUNDLER, ...bundled])
}

const compile = async (dir: string, argv: readonly string[]): Promise<void> => {
  const tsc = `${REPOSITORY}node_modules/typescript/bin/tsc`
  const { code, stdout } = await new RunningProcess([tsc, ...FLAGS, ...argv], dir).ended
  expect(code, stdout).toBe(0)
}
