import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const FOLDERS = ['src', 'codegen', 'migrations']
let tree: string

beforeEach(() => {
  // Inside the repository, so that the copy finds node_modules as the original does.
  mkdirSync('.tmp', { recursive: true })
  tree = mkdtempSync(resolve('.tmp/imports-'))
})
afterEach(() => rmSync(tree, { recursive: true }))

const copySources = (): void => {
  for (const folder of FOLDERS)
    if (existsSync(folder)) cpSync(folder, join(tree, folder), { recursive: true })
}

const plant = (files: Readonly<Record<string, string>>): void => {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, file)), { recursive: true })
    writeFileSync(join(tree, file), text)
  }
}

interface Verdict {
  readonly green: boolean
  /** A fault a line: `rule: from → to`. */
  readonly faults: readonly string[]
  readonly output: string
}

const check = (): Promise<Verdict> =>
  new Promise((done) => {
    execFile(process.execPath, ['scripts/check-imports.js', tree], (error, stdout, stderr) => {
      const faults = stderr.split('\n').filter((line) => /^[a-z-]+: /.test(line))
      done({ green: error === null, faults, output: stdout + stderr })
    })
  })

describe('the import table', () => {
  test('holds in the sources as they are', async () => {
    copySources()
    const { green, output } = await check()
    expect(output).toContain(' 0 faults')
    expect(green).toBe(true)
  })

  test('is red where nothing was looked at', async () => {
    const empty = await check()
    expect(empty.green).toBe(false)
    expect(empty.output).toContain('not-seen: no source file')
  })
})

describe('a planted fault is red', () => {
  test.each<[string, string, Record<string, string>]>([
    [
      'a cycle made of types alone',
      'no-circular: src/model/planted-a.ts → src/model/planted-b.ts → src/model/planted-a.ts',
      {
        'src/model/planted-a.ts':
          "import type { B } from './planted-b.ts'\nexport type A = { readonly b?: B }\n",
        'src/model/planted-b.ts':
          "import type { A } from './planted-a.ts'\nexport type B = { readonly a?: A }\n",
      },
    ],
    [
      'a worker that imports the store',
      'worker-imports-no-store: src/worker/planted.ts → src/store/planted.ts',
      {
        'src/worker/planted.ts': "export * from '../store/planted.ts'\n",
        'src/store/planted.ts': 'export const rows = 1\n',
      },
    ],
    [
      'a stage that imports another',
      'stage-imports-no-stage: src/daemon/planted.ts → src/daemon/planter.ts',
      {
        'src/daemon/planted.ts': "export type { Seed } from './planter.ts'\n",
        'src/daemon/planter.ts': 'export type Seed = number\n',
      },
    ],
    [
      'a type of a library that is an affair of one file',
      'pino-only-in-log: src/worker/planted.ts → ',
      { 'src/worker/planted.ts': "export type { Logger } from 'pino'\n" },
    ],
  ])('%s', async (_what, fault, files) => {
    copySources()
    plant(files)
    const { green, faults } = await check()
    expect(green).toBe(false)
    expect(faults.join('\n')).toContain(fault)
  })

  test('each rule of the table is one that can turn red', async () => {
    const forbidden = "export * from '../cli/planted.ts'\n"
    plant({
      'src/cli/planted.ts':
        "export * from '../index.ts'\nexport * from '../stray/planted.ts'\nexport * from './nowhere.ts'\n",
      'src/index.ts': "export * from './cli/planted.ts'\n",
      'src/stray/planted.ts': 'export const stray = 1\n',
      'src/config.ts': "export * from './log.ts'\n",
      'src/log.ts': "export * from './clock.ts'\n",
      'src/clock.ts': "export * from './model/planted.ts'\n",
      'src/model/planted.ts':
        "import 'ts-morph'\nimport 'pino'\nimport 'zeromq'\nimport 'kysely'\nexport * from '../clock.ts'\n",
      'src/wire/planted.ts': forbidden,
      'src/worker/planted.ts': forbidden,
      'src/client/planted.ts': "export * from '../store/planted.ts'\n",
      'src/store/planted.ts': `${forbidden}import 'kysely'\n`,
      'src/dashboard/planted.ts': forbidden,
      'src/testing/planted.ts': forbidden,
      'src/daemon/planted.ts': "export * from '../store/planted.ts'\nexport * from './planter.ts'\n",
      'src/daemon/planter.ts': 'export const seed = 1\n',
      'src/daemon/daemon.ts': forbidden,
      'codegen/planted.ts': "export * from '../src/store/planted.ts'\n",
      'migrations/planted.ts': "export * from '../src/model/planted.ts'\n",
    })
    const { faults } = await check()
    const red = new Set(faults.map((line) => line.slice(0, line.indexOf(':'))))
    const { default: config } = await import('../../.dependency-cruiser.js' as string)
    const rules: string[] = config.forbidden.map((rule: { name: string }) => rule.name)
    expect([...red].sort()).toEqual([...rules].sort())
  })
})
