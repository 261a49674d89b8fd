/** The package as npm packs it: what is in it, and what the tools say that judge packages. */
import { existsSync } from 'node:fs'
import { posix } from 'node:path'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { build } from 'esbuild'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { beforeAll, expect, test } from 'vitest'
import { REPOSITORY } from '../harness/process.ts'
import { filesOf, pack } from './tarball.ts'

interface Manifest {
  readonly bin: Readonly<Record<string, string>>
  readonly sideEffects: readonly string[]
  readonly [field: string]: unknown
}

let tarball = new Uint8Array()
let files = new Map<string, string>()
let manifest: Manifest

beforeAll(() => {
  tarball = pack()
  files = filesOf(tarball)
  manifest = JSON.parse(files.get('package.json') ?? '')
})

/** `.d.ts` of `dist/src/index.d.ts`; the whole name of a file without one. */
const kind = (file: string): string => /(\.d)?\.\w+$/.exec(posix.basename(file))?.[0] ?? file

/** Where the relative imports of a file lead, within the package; those that its comments show do not count. */
const importsOf = (file: string): string[] => {
  const code = (files.get(file) ?? '').replace(/^ *\*.*$/gm, '')
  const imports = code.matchAll(/(?:from|^import|import\() ?['"](\.[^'"]+)['"]/gm)
  return [...imports].map(([, specifier = '']) => posix.join(posix.dirname(file), specifier))
}

/** Every file that is reached from one by imports, by what an import of it names on the disk. */
const reachedFrom = (entry: string, onDisk: (imported: string) => string): Set<string> => {
  const seen = new Set([entry])
  for (const file of seen) for (const imported of importsOf(file)) seen.add(onDisk(imported))
  return seen
}

test('it holds these kinds of files in these folders, and no other', () => {
  const places = new Set([...files.keys()].map((file) => `${posix.dirname(file)} ${kind(file)}`))
  const compiled = ['dist/codegen', 'dist/migrations', 'dist/src']
  const inner = [
    'cli',
    'client',
    'daemon',
    'daemon/code',
    'daemon/commits',
    'daemon/dispatcher',
    'daemon/ingress',
    'daemon/peers',
    'daemon/pool',
    'daemon/reload',
    'daemon/scheduler',
    'model',
    'store',
    'testing',
    'wire',
    'worker',
  ].map((name) => `dist/src/${name}`)
  const typed = [
    'dist/src',
    ...['client', 'model', 'testing', 'wire', 'worker'].map((name) => `dist/src/${name}`),
  ]
  expect([...places].sort()).toEqual(
    [
      ...['. .json', '. .md', '. LICENSE', 'bin .js'],
      ...[...compiled, ...inner].map((folder) => `${folder} .js`),
      ...typed.map((folder) => `${folder} .d.ts`),
    ].sort(),
  )
  const top = [...files.keys()].filter((file) => !file.includes('/'))
  expect(top.sort()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json'])
})

test('each compiled file comes from a source that is still there', () => {
  const compiled = [...files.keys()].filter((file) => file.startsWith('dist/'))
  expect(compiled.length).toBeGreaterThan(100)
  for (const file of compiled) {
    const source = file.replace(/^dist\//, '').replace(/(\.d\.ts|\.js)$/, '.ts')
    expect(existsSync(`${REPOSITORY}${source}`), source).toBe(true)
  }
})

test('every declaration that the public one reaches is in it, and every module that its programs reach', () => {
  const declaration = (imported: string) => imported.replace(/(?:\.js|(?<!\.d)\.ts)$/, '.d.ts')
  const types = ['dist/src/index.d.ts', 'dist/src/testing/kit.d.ts'].flatMap((entry) => [
    ...reachedFrom(entry, declaration),
  ])
  const programs = ['bin/ztask.js', 'dist/src/index.js', 'dist/src/testing/kit.js', 'dist/src/worker/main.js']
  const modules = programs.flatMap((program) => [...reachedFrom(program, (imported) => imported)])
  expect(types.length).toBeGreaterThan(8)
  expect(modules.length).toBeGreaterThan(50)
  for (const file of [...types, ...modules]) expect([...files.keys()]).toContain(file)
})

test('nothing in it points at a map or a source that is not', () => {
  for (const [file, text] of files) expect(text, file).not.toContain('sourceMappingURL')
})

test('publint has nothing to say', async () => {
  const { messages, pkg } = await publint({ pack: { tarball: tarball.buffer }, strict: true })
  expect(messages.map((message) => formatMessage(message, pkg))).toEqual([])
})

test('its types resolve in every kind of TypeScript project', async () => {
  const result = await checkPackage(createPackageFromTarballData(tarball))
  const problems = result.types === false ? ['no types'] : result.problems
  // A CommonJS file gets an ES module. Node from 22.12 on loads it by `require`, and `engines` asks for more; TypeScript
  // knows under `module` node20 and nodenext. Under node16 it refuses the import: that stands for Node 16, which would.
  expect(problems).toEqual(
    ['.', './testing'].map((entrypoint) => ({
      kind: 'CJSResolvesToESM',
      entrypoint,
      resolutionKind: 'node16-cjs',
    })),
  )
})

test('a bundle holds what it imports by name, and nothing for the rest', async () => {
  for (const file of manifest.sideEffects) expect([...files.keys()]).toContain(posix.normalize(file))
  const bundle = async (contents: string): Promise<string> => {
    const stdin = { contents, resolveDir: REPOSITORY }
    const alias = { ztask: REPOSITORY }
    const flags = { bundle: true, platform: 'node', format: 'esm', write: false, logLevel: 'error' } as const
    return (await build({ ...flags, stdin, alias })).outputFiles[0]?.text ?? ''
  }
  expect(await bundle("import 'ztask'")).toBe('')
  const configuration = await bundle("export { defineConfig } from 'ztask'")
  expect(configuration).toContain('retryCount')
  expect(configuration).not.toContain('ZTASK_UNAVAILABLE')
})

test('its fields are true', () => {
  expect(manifest).toMatchObject({
    name: 'ztask',
    license: 'MIT',
    type: 'module',
    bin: { ztask: 'bin/ztask.js' },
  })
  expect(files.get('LICENSE')).toMatch(/^MIT License/)
  expect(files.get('bin/ztask.js')).toMatch(/^#!\/usr\/bin\/env node\n/)
  // The address of this repository is not settled: a guess would send people elsewhere.
  for (const field of ['repository', 'homepage', 'bugs']) expect(manifest).not.toHaveProperty(field)
})
