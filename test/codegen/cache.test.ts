/** What the last scan kept: used while nothing has changed, and never when something has. */
import {
  cpSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { generate } from '../../codegen/generate.ts'
import type { Scan } from '../../codegen/scan.ts'
import { Scanner } from '../../codegen/scanner.ts'
import manifest from '../../package.json' with { type: 'json' }
import { loadProject } from '../../src/config.ts'
import { run, workspace, writeProject } from './project.ts'

const TASK = "import { task } from 'ztask'\n"
const CACHE = '.ztask/generate.json'

const project = (files: Readonly<Record<string, string>> = {}): string =>
  writeProject(workspace(), {
    'src/a.ts': `${TASK}export const a = task(() => 1)\n`,
    'src/plain.ts': 'export const plain = 1\n',
    ...files,
  })

/** Puts a task into what was kept that is in no source: who finds it has not looked at the sources. */
const poison = (root: string): void => {
  const kept = JSON.parse(readFileSync(join(root, CACHE), 'utf8')) as { scan: { tasks: unknown[] } }
  kept.scan.tasks.push({ name: 'poison', aliases: [], options: {}, file: 'src/a.ts', export: 'poison' })
  writeFileSync(join(root, CACHE), JSON.stringify(kept))
}

const isKept = async (root: string): Promise<boolean> => (await run(root)).tasks.includes('poison')

describe('is used', () => {
  test('while nothing has changed', async () => {
    const root = project()
    await run(root)
    poison(root)
    expect(await isKept(root)).toBe(true)
    expect(await isKept(root)).toBe(true)
  })

  test('where files were only touched, or written again as they were', async () => {
    const root = project()
    await run(root)
    poison(root)
    utimesSync(join(root, 'src/a.ts'), 1, 1)
    writeFileSync(join(root, 'src/plain.ts'), readFileSync(join(root, 'src/plain.ts')))
    expect(await isKept(root)).toBe(true)
  })

  test('in another folder, as a CI system restores it', async () => {
    const root = project()
    await run(root)
    poison(root)
    const elsewhere = workspace()
    cpSync(root, elsewhere, { recursive: true, filter: (path) => !path.includes('node_modules') })
    expect(await isKept(elsewhere)).toBe(true)
  })
})

describe('is not used', () => {
  test('where a text changed, though its size and its times did not', async () => {
    const root = project({ 'src/a.ts': `${TASK}export const one = task(() => 1)\n` })
    const file = join(root, 'src/a.ts')
    // Long ago: what was written just now is read again in any case.
    utimesSync(file, 1e9, 1e9)
    await run(root)
    writeFileSync(file, readFileSync(file, 'utf8').replace('one', 'two'))
    utimesSync(file, 1e9, 1e9)
    expect((await run(root)).tasks).toEqual(['two'])
  })

  const CONFIG = '{ "compilerOptions": { "module": "esnext", "moduleResolution": "bundler" } }'

  test.each([
    ['a new file', { 'src/b.ts': `${TASK}export const b = task(() => 1)\n` }, ['a', 'b', 'c']],
    [
      'a file without a task that now has one',
      { 'src/plain.ts': `${TASK}export const p = task(() => 1)\n` },
      ['a', 'c', 'p'],
    ],
    ['tsconfig.json', { 'tsconfig.json': CONFIG }, ['a']],
    ['what tsconfig.json extends', { 'base.json': CONFIG }, ['a']],
    ['a module that an import finds first', { 'src/lib.ts': 'export const job = Number\n' }, ['a']],
    [
      'a constant in a file that is no source',
      { 'constants.ts': "export const NAME = 'other'\n" },
      ['a', 'other'],
    ],
  ])('after a change of %s', async (_, change: Record<string, string>, tasks) => {
    const root = project({
      'tsconfig.json': '{ "extends": "./base.json" }',
      'base.json':
        '{ "compilerOptions": { "module": "esnext", "moduleResolution": "bundler", "paths": { "@/*": ["./src/lib/*"] } } }',
      'src/lib/index.ts': "export { task as job } from 'ztask'\n",
      'src/c.ts': `import { job } from '${change['src/lib.ts'] === undefined ? '@/index' : './lib'}'\nimport { NAME } from '../constants.js'\nexport const x = job({ name: NAME }, () => 1)\n`,
      'constants.ts': "export const NAME = 'c'\n",
    })
    expect((await run(root)).tasks).toEqual(['a', 'c'])
    writeProject(root, change)
    expect((await run(root)).tasks).toEqual(tasks)
  })

  test('after a source was removed', async () => {
    const root = project({ 'src/b.ts': `${TASK}export const b = task(() => 1)\n` })
    await run(root)
    rmSync(join(root, 'src/b.ts'))
    expect((await run(root)).tasks).toEqual(['a'])
  })
})

test('is not used by another scanner', async () => {
  const root = project()
  await run(root)
  poison(root)
  const kept = JSON.parse(readFileSync(join(root, CACHE), 'utf8')) as { key: string }
  expect(kept.key).toContain(manifest.version)
  writeFileSync(
    join(root, CACHE),
    JSON.stringify({ ...kept, key: kept.key.replace(manifest.version, '0.0.1') }),
  )
  expect(await isKept(root)).toBe(false)
})

describe('costs nothing but time', () => {
  test.each(['', '{}', '{"scanner":', 'null'])('where it holds %j', async (text) => {
    const root = project()
    await run(root)
    writeFileSync(join(root, CACHE), text)
    expect((await run(root)).tasks).toEqual(['a'])
  })

  test('where it cannot be written, or was deleted', async () => {
    const root = project()
    writeFileSync(join(root, '.ztask'), 'a file, where the folder would be')
    expect((await run(root)).tasks).toEqual(['a'])
    rmSync(join(root, '.ztask'))
    expect((await run(root)).written).toEqual([])
    expect(statSync(join(root, CACHE)).isFile()).toBe(true)
  })

  test('and holds what was wrong as well', async () => {
    const root = project({ 'src/b.ts': `${TASK}const lost = task(() => 1)\n` })
    await expect(run(root)).rejects.toThrow('src/b.ts:2:7')
    await expect(run(root)).rejects.toThrow('src/b.ts:2:7')
  })
})

test('after any changes the kept, the parsed and the fresh scan are the same', async () => {
  const texts = [
    undefined,
    'export const plain = 1\n',
    `${TASK}export const first = task(() => 1)\n`,
    `${TASK}export const other = task({ retryCount: 2 }, () => 1)\n`,
    "export { task as job } from 'ztask'\nexport const COUNT = 3\n",
    "export * from './b.js'\nexport const COUNT = 4\n",
    "import { job, COUNT } from './a.js'\nexport const far = job({ retryCount: COUNT }, () => 1)\n",
    'const lost = task(',
    `${TASK}export const wrap = () => task(() => 1)\n`,
  ]
  const change = fc.record({ file: fc.constantFrom('a', 'b', 'c'), text: fc.constantFrom(...texts) })
  const property = fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), async (changes) => {
    const root = workspace()
    mkdirSync(join(root, 'src'))
    writeFileSync(join(root, 'src/always.ts'), '')
    const opened = await loadProject(root, {})
    const parsed = new Scanner(opened)
    for (const { file, text } of changes) {
      const path = join(root, `src/${file}.ts`)
      if (text === undefined) rmSync(path, { force: true })
      else writeFileSync(path, text)
      const kept: Scan = await new Scanner(opened).scan()
      renameSync(join(root, '.ztask'), join(root, '.aside'))
      const fresh = await new Scanner(opened).scan()
      rmSync(join(root, '.ztask'), { recursive: true })
      renameSync(join(root, '.aside'), join(root, '.ztask'))
      expect(await parsed.scan()).toEqual(fresh)
      expect(kept).toEqual(JSON.parse(JSON.stringify(fresh)))
    }
  })
  await fc.assert(property, { numRuns: 40 })
})

test('a scan that fails is never taken for the one before it', async () => {
  const root = project()
  const opened = await loadProject(root, {})
  const scanner = new Scanner(opened)
  await scanner.scan()
  const deep = `${TASK}export const b = task(() => ${'('.repeat(50_000)}1${')'.repeat(50_000)})\n`
  writeProject(root, { 'src/a.ts': deep })
  await expect(scanner.scan()).rejects.toThrow(RangeError)
  await expect(scanner.scan()).rejects.toThrow(RangeError)
  await expect(run(root)).rejects.toThrow(RangeError)
  writeProject(root, { 'src/a.ts': `${TASK}export const b = task(() => 1)\n` })
  expect((await scanner.scan()).tasks.map(({ name }) => name)).toEqual(['b'])
})

test('a scanner that has run before writes what a new one would', async () => {
  const root = project()
  const opened = await loadProject(root, {})
  const scanner = new Scanner(opened)
  await generate(opened, 'write', scanner)
  writeProject(root, { 'src/a.ts': `${TASK}\n\nexport const b = task({ retryCount: 1 }, () => 1)\n` })
  expect((await generate(opened, 'write', scanner)).tasks).toEqual(['b'])
  expect((await run(root, 'check')).stale).toEqual([])
})
