/** Tasks in other packages of a monorepo: what they are imported by, and what leads to them. */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { linkPackages, refusal, run, workspace, writeProject } from './project.ts'

const TASK = "import { task } from 'ztask'\n"
const CONFIG = "export default { include: ['src/**/*', '../*/{src,lib}/**/*'] }\n"

type Files = Readonly<Record<string, string>>

/** A monorepo of `packages/jobs`, which is the project, and others. @returns the project's folder */
const monorepo = (files: Files, config = CONFIG): string => {
  const root = writeProject(workspace(), {
    'package.json': '{ "name": "acme", "workspaces": ["packages/*"] }',
    'packages/jobs/package.json': '{ "name": "@acme/jobs", "type": "module" }',
    'packages/jobs/ztask.config.ts': config,
    ...Object.fromEntries(Object.entries(files).map(([path, text]) => [`packages/${path}`, text])),
  })
  linkPackages(root)
  return join(root, 'packages/jobs')
}

/** The specifiers of the generated registry. */
const imported = async (root: string): Promise<(string | undefined)[]> => {
  await run(root)
  const registry = readFileSync(join(root, 'src/ztask/registry.ts'), 'utf8')
  return Array.from(registry.matchAll(/import\('([^']+)'\)/g), ([, specifier]) => specifier)
}

/** What the task of one file of the package `@acme/b` is imported by. */
const specifierOf = (file: string, packageJson: object, tsconfig?: object, more: Files = {}) =>
  imported(
    monorepo({
      'b/package.json': JSON.stringify({ name: '@acme/b', type: 'module', ...packageJson }),
      ...(tsconfig === undefined ? {} : { 'b/tsconfig.json': JSON.stringify(tsconfig) }),
      [`b/${file}`]: `${TASK}export const a = task(() => 1)\n`,
      ...more,
    }),
  )

const COMPILED = { compilerOptions: { rootDir: 'src', outDir: 'dist' } }

describe('a task of another package is imported by its name', () => {
  test.each([
    ['where exports say the source', 'src/mail.ts', { './mail': './src/mail.ts' }, undefined, '/mail'],
    ['where they say what is compiled', 'src/mail.ts', { './mail': './dist/mail.js' }, COMPILED, '/mail'],
    [
      'where they say its types',
      'src/a.ts',
      { './a': { types: './src/a.ts', default: './x.js' } },
      undefined,
      '/a',
    ],
    ['as a whole', 'src/index.mts', './dist/index.mjs', COMPILED, ''],
    ['as a whole, by a condition', 'src/index.ts', { import: './dist/index.js' }, COMPILED, ''],
    [
      'by conditions within conditions',
      'src/a.ts',
      { './a': [{ node: { import: './dist/a.js' } }] },
      COMPILED,
      '/a',
    ],
    ['by a pattern', 'src/deep/a.ts', { './*': './dist/*.js' }, COMPILED, '/deep/a'],
    ['by a pattern with an extension', 'src/a.tsx', { './jobs/*.js': './dist/*.js' }, COMPILED, '/jobs/a.js'],
    [
      'by the one pattern that Node takes',
      'src/in/a.ts',
      { './*': './dist/*.js', './in/*': './dist/in/*.js' },
      COMPILED,
      '/in/a',
    ],
    [
      'by a pattern, where tsconfig.json is composite',
      'src/a.ts',
      { './*': './dist/*.js' },
      { compilerOptions: { composite: true, outDir: 'dist' }, include: ['src'] },
      '/src/a',
    ],
    ['of JavaScript that something compiles', 'src/a.cjs', { './*': './dist/*.cjs' }, COMPILED, '/a'],
    ['of JavaScript', 'src/a.js', { './*': './src/*' }, undefined, '/a.js'],
  ])('%s', async (_, file, exports, tsconfig, expected) => {
    expect(await specifierOf(file, { exports }, tsconfig)).toEqual([`@acme/b${expected}`])
  })

  test.each([
    ['its main file', 'src/index.ts', { main: 'dist/index.js' }, COMPILED, ''],
    ['its main source', 'src/index.ts', { main: './src/index.ts' }, undefined, ''],
    ['any compiled file', 'src/deep/a.ts', { main: './dist/index.js' }, COMPILED, '/dist/deep/a.js'],
    ['any file of JavaScript', 'lib/a.cjs', { main: 'lib/b.js' }, undefined, '/lib/a.cjs'],
  ])('where it has no exports: %s', async (_, file, packageJson, tsconfig, expected) => {
    expect(await specifierOf(file, packageJson, tsconfig)).toEqual([`@acme/b${expected}`])
  })

  test('where its tsconfig.json only refers to those that compile', async () => {
    const whole = { files: [], references: [{ path: './tsconfig.lib.json' }, { path: '../jobs' }] }
    const more = {
      'b/tsconfig.lib.json': JSON.stringify(COMPILED),
      'jobs/tsconfig.json': JSON.stringify(COMPILED),
    }
    expect(await specifierOf('src/a.ts', { main: 'dist/index.js' }, whole, more)).toEqual([
      '@acme/b/dist/a.js',
    ])
  })

  test.each([
    ['TypeScript 6 and later', './dist/src/a.js', 'src'],
    ['TypeScript before', './dist/a.js', 'src'],
    ['TypeScript before, by a pattern', './dist/a.js', `\${configDir}/src/**/*.ts`],
  ])('where no rootDir is said: %s', async (_, target, include) => {
    const tsconfig = { compilerOptions: { outDir: 'dist' }, include: [include] }
    expect(await specifierOf('src/a.ts', { exports: { './a': target } }, tsconfig)).toEqual(['@acme/b/a'])
  })

  test('and so from the root of the monorepo', async () => {
    const jobs = monorepo({
      'b/package.json': '{ "name": "@acme/b", "exports": { "./a": "./src/a.ts" } }',
      'b/src/a.ts': `${TASK}export const a = task(() => 1)\n`,
    })
    const root = writeProject(join(jobs, '../..'), {
      'ztask.config.ts': "export default { include: ['packages/*/src/**/*'] }\n",
    })
    expect(await imported(root)).toEqual(['@acme/b/a'])
  })
})

describe('it is imported by its path', () => {
  const PATH = ['../../../b/src/a.js']

  test.each([
    ['where exports leave it out', { exports: './dist/index.js' }, COMPILED],
    ['where `*` would stand for nothing', { exports: { './a*': './dist/a*.js' } }, COMPILED],
    ['where they withhold it', { exports: { './*': './dist/*.js', './a': null } }, COMPILED],
    [
      'where another key has the last word',
      { exports: { './*': './dist/*.js', './a': './dist/b.js' } },
      COMPILED,
    ],
    [
      'where nothing compiles it',
      { exports: './dist/a.js' },
      { compilerOptions: { noEmit: true, outDir: 'dist', rootDir: 'src' } },
    ],
    ['where there is no tsconfig.json', { exports: './dist/a.js' }, undefined],
    ['where the name would end in .ts', { exports: { './*': './src/*' } }, undefined],
    ['where nothing says that it is used compiled', {}, COMPILED],
    ['where the package is used as sources', { main: './src/index.ts' }, COMPILED],
    [
      'where two names are possible',
      { exports: { './*': './dist/*.js' } },
      { compilerOptions: { outDir: 'dist' }, include: ['src'] },
    ],
  ])('%s', async (_, packageJson, tsconfig) => {
    expect(await specifierOf('src/a.ts', packageJson, tsconfig)).toEqual(PATH)
  })

  test("where it is one of the project's own package", async () => {
    const root = monorepo({
      'jobs/package.json': '{ "name": "@acme/jobs", "exports": { "./*": "./src/*.ts" } }',
      'jobs/src/a.ts': `${TASK}export const a = task(() => 1)\n`,
    })
    expect(await imported(root)).toEqual(['../a.js'])
  })

  test('where the package is not installed, or another one of its name is', async () => {
    const files = {
      'b/package.json': '{ "name": "@acme/b", "exports": "./src/a.ts" }',
      'b/src/a.ts': `${TASK}export const a = task(() => 1)\n`,
    }
    const other = { 'jobs/node_modules/@acme/b/package.json': '{ "name": "@acme/b" }' }
    expect(await imported(monorepo({ ...files, ...other }))).toEqual(PATH)
    const alone = writeProject(workspace(), Object.fromEntries(Object.entries(files)))
    writeProject(alone, { 'jobs/package.json': '{ "name": "jobs" }', 'jobs/ztask.config.ts': CONFIG })
    expect(await imported(join(alone, 'jobs'))).toEqual(PATH)
  })
})

describe('task is followed through another package', () => {
  const BARREL = "export { task as job } from 'ztask'\n"
  const JOB = 'export const a = job(() => 1)\n'

  test.each([
    ['by its name', '@acme/q', './src/index.ts'],
    ['by a subpath', '@acme/q/deep', { './deep': './src/index.ts' }],
    ['that is to be compiled', '@acme/q', { import: './dist/index.js' }],
    ['that is to be compiled, by a pattern', '@acme/q/index', { './*': './dist/*.js' }],
  ])('%s', async (_, specifier, exports) => {
    const root = monorepo({
      'q/package.json': JSON.stringify({ name: '@acme/q', exports }),
      'q/tsconfig.json': JSON.stringify(COMPILED),
      'q/src/index.ts': BARREL,
      'jobs/src/a.ts': `import { job } from '${specifier}'\n${JOB}`,
    })
    expect((await run(root)).tasks).toEqual(['a'])
  })

  test('that has been compiled', async () => {
    const root = monorepo({
      'q/package.json': '{ "name": "@acme/q", "exports": "./dist/index.js" }',
      'q/tsconfig.json': JSON.stringify(COMPILED),
      'q/src/index.ts': BARREL,
      'q/dist/index.js': BARREL,
      'jobs/src/a.ts': `import { job } from '@acme/q'\n${JOB}`,
    })
    expect((await run(root)).tasks).toEqual(['a'])
  })

  test('also where the project keeps symbolic links as they are', async () => {
    const root = monorepo({
      'q/package.json': '{ "name": "@acme/q", "exports": "./src/index.ts" }',
      'q/src/index.ts': BARREL,
      'jobs/tsconfig.json': '{ "compilerOptions": { "preserveSymlinks": true } }',
      'jobs/src/a.ts': `import { job } from '@acme/q'\n${JOB}`,
    })
    expect((await run(root)).tasks).toEqual(['a'])
  })

  test('that imports itself by its name, which leads to no link', async () => {
    const root = monorepo({
      'q/package.json': '{ "name": "@acme/q", "exports": "./dist/index.js" }',
      'q/tsconfig.json': JSON.stringify(COMPILED),
      'q/src/index.ts': BARREL,
      'q/src/a.ts': `import { job } from '@acme/q'\n${JOB}`,
    })
    rmSync(join(root, '../../node_modules/@acme/q'))
    expect((await run(root)).tasks).toEqual(['a'])
  })

  test('and not through one that is a stranger, of which constants are not read either', async () => {
    const root = monorepo({
      'jobs/node_modules/q/package.json': '{ "name": "q", "exports": "./index.ts" }',
      'jobs/node_modules/q/index.ts': `${BARREL}export const OPTIONS = { retryCount: 1 }\n`,
      'jobs/src/a.ts': `${TASK}import { job } from 'q'\n${JOB}`,
    })
    expect((await run(root)).tasks).toEqual([])
    writeProject(root, {
      'src/b.ts': `${TASK}import { OPTIONS } from 'q'\nexport const b = task(OPTIONS, () => 1)\n`,
    })
    expect((await refusal(root)).message).toContain('`OPTIONS` is no data')
  })
})

describe('what was kept of the last run is not used after a change', () => {
  const FILES = {
    'b/package.json': '{ "name": "@acme/b", "exports": "./dist/a.js" }',
    'b/tsconfig.json': '{ "extends": "./base.json" }',
    'b/base.json': JSON.stringify(COMPILED),
    'b/src/a.ts': `${TASK}export const a = task(() => 1)\n`,
  }

  test.each([
    [
      'of package.json',
      { 'b/package.json': '{ "name": "@acme/b", "exports": { "./a": "./src/a.ts" } }' },
      '@acme/b/a',
    ],
    [
      'of what tsconfig.json extends',
      { 'b/base.json': '{ "compilerOptions": { "noEmit": true } }' },
      '../../../b/src/a.js',
    ],
    ['of what is installed', { 'jobs/node_modules/@acme/b/package.json': '{}' }, '../../../b/src/a.js'],
  ])('%s', async (_, change: Files, expected) => {
    const root = monorepo(FILES)
    expect(await imported(root)).toEqual(['@acme/b'])
    writeProject(join(root, '..'), change)
    expect(await imported(root)).toEqual([expected])
  })

  test('of the files that a package is to be compiled from', async () => {
    const config = "export default { include: ['src/**/*'] }\n"
    const use = `${TASK}import { OPTIONS } from '@acme/b'\nexport const own = task(OPTIONS, () => 1)\n`
    const root = monorepo({ ...FILES, 'b/src/a.ts': '', 'jobs/src/own.ts': use }, config)
    rmSync(join(root, '../b/src/a.ts'))
    expect((await refusal(root)).message).toContain('`OPTIONS` is no data')
    writeProject(root, { '../b/src/a.ts': 'export const OPTIONS = { retryCount: 1 }\n' })
    expect((await run(root)).tasks).toEqual(['own'])
  })
})
