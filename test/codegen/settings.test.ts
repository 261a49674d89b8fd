/** Compiler options: with which the generated files type-check, and what generate says of those with which they cannot. */
import { execFile } from 'node:child_process'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { Project, ts } from 'ts-morph'
import { beforeAll, describe, expect, test } from 'vitest'
import { run, workspace, writeProject } from './project.ts'

const TSC = resolve(import.meta.dirname, '../../node_modules/.bin/tsc')
const execute = promisify(execFile)

interface Kind {
  readonly options: Readonly<Record<string, unknown>>
  readonly type?: 'module' | 'commonjs'
  readonly include?: readonly string[]
  readonly files?: Readonly<Record<string, string>>
}

const FILES = {
  'src/mail.ts':
    "import { task } from 'ztask'\nexport const send = task(async (to: string, times = 1) => ({ to, times }))\n",
  'src/use.ts':
    "import { tasks } from './ztask/client.js'\nexport const use = async (): Promise<string> => (await tasks.send.async('a', 2)).id\n",
}

let folder: string
beforeAll(() => {
  folder = workspace()
})

const made = ({ options, type = 'module', include = ['src'], files = {} }: Kind, name: string): string => {
  const compilerOptions = { strict: true, skipLibCheck: true, target: 'es2022', types: ['node'], ...options }
  return writeProject(join(folder, name.replaceAll(/\W+/g, '-')), {
    'package.json': JSON.stringify({ name: 'x', type }),
    'tsconfig.json': JSON.stringify({ compilerOptions, include }, undefined, 2),
    ...FILES,
    ...files,
  })
}

/** What TypeScript 7 says, by code. */
const seven = async (root: string): Promise<string[]> => {
  const { stdout } = await execute(TSC, ['-p', root, '--noEmit']).catch((error: { stdout: string }) => error)
  return codesIn(stdout)
}

/** What TypeScript 6 says, by code. */
const six = (root: string): string[] => {
  const found = new Project({ tsConfigFilePath: join(root, 'tsconfig.json') }).getPreEmitDiagnostics()
  return codesIn(
    ts.formatDiagnostics(
      found.map((one) => one.compilerObject),
      ts.createCompilerHost({}),
    ),
  )
}

const codesIn = (text: string): string[] => [...new Set(text.match(/TS\d+/g))].sort()

const NO_NODE_TYPES = { module: 'nodenext', types: [], skipLibCheck: false }
const ALL_STRICT = {
  module: 'nodenext',
  verbatimModuleSyntax: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
  noUncheckedSideEffectImports: true,
  erasableSyntaxOnly: true,
  isolatedModules: true,
}
const ANNOTATED = `import { type Task, task } from 'ztask'
export const send: Task<(to: string, times: number) => Promise<void>> = task(async (_to: string, _times: number): Promise<void> => {})
`

const WORKS: Record<string, Kind> = {
  'nothing set': { options: {} },
  'nothing set, CommonJS': { options: {}, type: 'commonjs' },
  'nodenext, CommonJS': { options: { module: 'nodenext' }, type: 'commonjs' },
  node16: { options: { module: 'node16' } },
  'node20, CommonJS': { options: { module: 'node20' }, type: 'commonjs' },
  commonjs: { options: { module: 'commonjs' }, type: 'commonjs' },
  'esnext, bundler': { options: { module: 'esnext', moduleResolution: 'bundler' } },
  'preserve, CommonJS, verbatim': {
    options: { module: 'preserve', verbatimModuleSyntax: true },
    type: 'commonjs',
  },
  'without exports': {
    options: { module: 'esnext', moduleResolution: 'bundler', resolvePackageJsonExports: false },
  },
  'strict in all ways': { options: ALL_STRICT },
  'not strict': { options: { module: 'nodenext', strict: false } },
  'no types of Node': { options: NO_NODE_TYPES },
  isolatedDeclarations: {
    options: { module: 'nodenext', isolatedDeclarations: true, declaration: true },
    files: { 'src/mail.ts': ANNOTATED },
  },
  composite: { options: { module: 'nodenext', composite: true } },
}

test.each(Object.entries(WORKS))('works: %s', async (name, kind) => {
  const root = made(kind, name)
  expect((await run(root)).warnings).toEqual([])
  expect(await seven(root)).toEqual([])
})

test.each([
  ['node10', { module: 'commonjs', moduleResolution: 'node10', ignoreDeprecations: '6.0' }],
  ['es5', { module: 'commonjs', target: 'es5', lib: ['es2022'], ignoreDeprecations: '6.0' }],
  ['no esModuleInterop', { module: 'commonjs', esModuleInterop: false, ignoreDeprecations: '6.0' }],
])('works with TypeScript 6, and 7 has it no more: %s', async (name, options) => {
  const root = made({ options, type: 'commonjs' }, name)
  expect((await run(root)).warnings).toEqual([])
  expect(six(root)).toEqual([])
})

describe('cannot work, and generate says so', () => {
  const CALLS_BACK = {
    'src/mail.ts': `${FILES['src/mail.ts']}export { tasks } from './ztask/client.js'\n`,
  }
  const JAVASCRIPT = {
    'src/mail.ts': '',
    'src/plain.js': "import { task } from 'ztask'\nexport const send = task((to, times) => [to, times])\n",
  }
  const JS_PLACE = '1:1'

  const cases: [code: string, at: string, refusedWith: string, Kind][] = [
    ['module-kind', '9:5', 'TS1323', { options: { module: 'es2015', moduleResolution: 'bundler' } }],
    ['module-kind', '9:5', 'TS1479', { options: { module: 'node16' }, type: 'commonjs' }],
    ['module-kind', '9:5', 'TS1479', { options: { module: 'node18' }, type: 'commonjs' }],
    ['module-kind', '9:5', 'TS5108', { options: { module: 'amd' }, type: 'commonjs' }],
    ['module-kind', '9:5', 'TS5108', { options: { module: 'umd' }, type: 'commonjs' }],
    ['module-kind', '9:5', 'TS5108', { options: { module: 'system' } }],
    ['module-kind', '9:5', 'TS6046', { options: { module: 'none' } }],
    ['module-resolution', '9:5', 'TS5108', { options: { moduleResolution: 'classic' } }],
    [
      'verbatim-commonjs',
      '9:5',
      'TS1295',
      { options: { verbatimModuleSyntax: true, module: 'nodenext' }, type: 'commonjs' },
    ],
    ['verbatim-commonjs', '9:5', 'TS1295', { options: { verbatimModuleSyntax: true, module: 'commonjs' } }],
    ['allow-js', JS_PLACE, 'TS7016', { options: { module: 'nodenext' }, files: JAVASCRIPT }],
    ['allow-js', '9:5', 'TS7016', { options: { allowJs: false }, files: JAVASCRIPT }],
    [
      'output-not-included',
      '12:3',
      'TS6307',
      { options: { module: 'nodenext', composite: true }, include: ['src/*.ts'], files: CALLS_BACK },
    ],
  ]

  test.each(cases)('%s at %s, refused with %s: %j', async (code, at, refusedWith, kind) => {
    const root = made(kind, `cannot ${JSON.stringify(kind.options)} ${kind.type}`)
    const { warnings, written } = await run(root)
    expect(warnings.map(({ file, line, column, code }) => [file, `${line}:${column}`, code])).toEqual([
      ['tsconfig.json', at, code],
    ])
    expect(written).toHaveLength(2)
    expect(await seven(root)).toContain(refusedWith)
  })

  test('no metadata of decorators, until the project is built or a loader is named', async () => {
    const options = { module: 'nodenext', emitDecoratorMetadata: true, outDir: 'built' }
    const root = made({ options }, 'decorators')
    const codes = async () => (await run(root)).warnings.map(({ code, line }) => `${code} ${line}`)
    expect(await codes()).toEqual(['decorator-metadata 10'])
    writeProject(root, { 'built/src/ztask/registry.js': '' })
    expect(await codes()).toEqual([])
    const loading = made(
      { options, files: { 'ztask.config.ts': "export default { loader: './l.js' }\n" } },
      'loads',
    )
    expect((await run(loading)).warnings).toEqual([])
  })

  test('an option that another file sets has no line here; the cure is said all the same', async () => {
    const root = made({ options: {} }, 'extended')
    writeProject(root, {
      'base.json': '{ "compilerOptions": { "module": "es2015" } }',
      'tsconfig.json': '{\n  "extends": "./base.json"\n}',
    })
    expect((await run(root)).warnings).toMatchObject([
      { code: 'module-kind', line: 1, severity: 'warning', cure: expect.stringContaining('"nodenext"') },
    ])
  })

  test('nothing is said of a project that has no task', async () => {
    const root = made(
      { options: { module: 'es2015' }, files: { 'src/mail.ts': '', 'src/use.ts': '' } },
      'none',
    )
    expect((await run(root)).warnings).toEqual([])
  })
})
