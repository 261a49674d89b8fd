import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Project } from '../../src/config.ts'
import { GenerateError } from '../../src/model/errors.ts'
import { builtFolder, findRegistry } from '../../src/registry-file.ts'
import { defaultOf, KEYS, type Settings } from '../../src/settings.ts'

let root: string
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'ztask-registry-')))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const project = (settings: Partial<Settings> = {}): Project => {
  const defaults = Object.fromEntries(KEYS.map((key) => [key, defaultOf(key)])) as unknown as Settings
  return { root, configFile: undefined, settings: { ...defaults, ...settings } }
}

const put = (...files: readonly string[]): void => {
  for (const file of files) {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    writeFileSync(join(root, file), '')
  }
}

const tsconfig = (compilerOptions: object, more: object = {}, name = 'tsconfig.json'): void => {
  mkdirSync(dirname(join(root, name)), { recursive: true })
  writeFileSync(join(root, name), JSON.stringify({ compilerOptions, ...more }))
}

/** The registry that is found, and what it was compiled from, relative to the project. */
const found = async (settings: Partial<Settings> = {}): Promise<(string | undefined)[]> => {
  const { file, source } = await findRegistry(project(settings))
  return [file, source].map((path) => path?.slice(root.length + 1))
}

const refusal = async (settings: Partial<Settings> = {}): Promise<GenerateError> => {
  const error = await findRegistry(project(settings)).catch((reason: unknown) => reason)
  if (error instanceof GenerateError) return error
  throw error
}

test('is the one that is set', async () => {
  put('src/ztask/registry.ts', 'build/registry.js')
  expect(await found({ registry: 'build/registry.js' })).toEqual([
    'build/registry.js',
    'src/ztask/registry.ts',
  ])
  expect(await found({ registry: 'src/ztask/registry.ts' })).toEqual(['src/ztask/registry.ts', undefined])
})

test('is the output folder’s, in TypeScript or JavaScript', async () => {
  put('gen/registry.mjs', 'dist/gen/registry.js')
  expect(await found({ output: 'gen' })).toEqual(['gen/registry.mjs', undefined])
  put('gen/registry.js')
  expect(await found({ output: 'gen' })).toEqual(['gen/registry.js', undefined])
  put('gen/registry.ts')
  expect(await found({ output: './gen/' })).toEqual(['gen/registry.ts', undefined])
})

test('is the compiled one where only that is there', async () => {
  put('dist/ztask/registry.js')
  expect(await found()).toEqual(['dist/ztask/registry.js', undefined])
  put('dist/src/ztask/registry.mjs')
  expect(await found()).toEqual(['dist/src/ztask/registry.mjs', undefined])
})

test('is compiled where tsconfig.json says, or what it extends', async () => {
  put('dist/src/ztask/registry.js', 'build/out/src/ztask/registry.js')
  tsconfig({ strict: true }, { extends: './config/base.json' })
  tsconfig({ outDir: '../build/out' }, {}, 'config/base.json')
  expect(await found()).toEqual(['build/out/src/ztask/registry.js', undefined])
})

test('with a rootDir there is one place', async () => {
  put('dist/src/ztask/registry.js')
  tsconfig({ outDir: 'dist', rootDir: './src' })
  await expect(found()).rejects.toThrow(GenerateError)
  put('dist/ztask/registry.js')
  expect(await found()).toEqual(['dist/ztask/registry.js', undefined])
})

test('a rootDir above the project is one too', async () => {
  tsconfig({ outDir: 'dist', rootDir: '..' })
  const name = root.split('/').at(-1)
  put(`dist/${name}/src/ztask/registry.js`)
  expect(await found()).toEqual([`dist/${name}/src/ztask/registry.js`, undefined])
})

test('where there is none the places and the cure are named', async () => {
  expect(await refusal()).toMatchObject({
    message:
      "There is no registry in src/ztask or dist/src/ztask or dist/ztask. Run ztask generate first; or, where the project is built elsewhere, name the built registry in the setting 'registry'.",
  })
})

test('a tsconfig.json that extends what an image lacks hinders nothing, and is told where it might have', async () => {
  tsconfig({ outDir: 'out' }, { extends: '@tsconfig/none/tsconfig.json' })
  expect((await refusal()).message).toMatch(/tsconfig\.json cannot be read: .*@tsconfig\/none/)
  put('dist/ztask/registry.js')
  expect(await found()).toEqual(['dist/ztask/registry.js', undefined])
})

test('with emitDecoratorMetadata it is the compiled one, unless a loader or a registry is named', async () => {
  put('src/ztask/registry.ts')
  tsconfig({ emitDecoratorMetadata: true })
  expect((await refusal()).message).toBe(
    "tsconfig.json has emitDecoratorMetadata, which tsx cannot emit, and there is no compiled registry in dist/src/ztask or dist/ztask. Build the project first; or name a loader that emits it in the setting 'loader'.",
  )
  expect(await found({ loader: './loader.mjs' })).toEqual(['src/ztask/registry.ts', undefined])
  expect(await found({ registry: 'src/ztask/registry.ts' })).toEqual(['src/ztask/registry.ts', undefined])
  put('dist/ztask/registry.js')
  expect(await found()).toEqual(['dist/ztask/registry.js', 'src/ztask/registry.ts'])
})

test('what is compiled beside its source is compiled too', async () => {
  put('src/ztask/registry.ts', 'src/ztask/registry.js')
  tsconfig({ emitDecoratorMetadata: true })
  expect(await found()).toEqual(['src/ztask/registry.js', 'src/ztask/registry.ts'])
})

test.each([
  ['dist/src/ztask/registry.js', 'dist'],
  ['dist/ztask/registry.js', 'dist'],
  ['../../out/a/src/ztask/registry.js', '../../out/a'],
  ['dist/worker.js', 'dist'],
  ['src/ztask/registry.ts', undefined],
  ['src/ztask/registry.js', undefined],
  ['registry.js', undefined],
])('the code of %s is in %s', (file, folder) => {
  const built = builtFolder(project(), join(root, file))
  expect(built).toBe(folder === undefined ? undefined : join(root, folder))
})
