import { once } from 'node:events'
import { cpSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { build } from 'esbuild'
import { ts } from 'ts-morph'
import { describe, expect, test } from 'vitest'
import { HEADER } from '../../codegen/layout.ts'
import { loadProject } from '../../src/config.ts'
import { findRegistry } from '../../src/registry-file.ts'
import { copyCase, refusal, run, workspace, writeProject } from './project.ts'

const CLIENT = 'src/ztask/client.ts'
const REGISTRY = 'src/ztask/registry.ts'
const TASK = "import { task } from 'ztask'\n"

const read = (root: string, file: string): string => readFileSync(join(root, file), 'utf8')

describe('writing', () => {
  test('gives the same text wherever the project lies, and in whatever order tasks stand', async () => {
    const one = copyCase('named', workspace())
    const two = copyCase('named', workspace())
    const file = join(two, 'src/images/resize.ts')
    const text = readFileSync(file, 'utf8').split('\n')
    writeFileSync(file, [...text.slice(0, 2), ...text.slice(2).reverse()].join('\n'))
    await run(one)
    await run(two)
    expect(read(two, CLIENT)).toBe(read(one, CLIENT))
    expect(read(two, REGISTRY)).toBe(read(one, REGISTRY))
  })

  test('leaves files alone that are as they should be', async () => {
    const root = copyCase('named', workspace())
    await run(root)
    const before = statSync(join(root, CLIENT)).ino
    expect(await run(root)).toMatchObject({ written: [], stale: [] })
    expect(statSync(join(root, CLIENT)).ino).toBe(before)
    expect(readdirSync(join(root, 'src/ztask')).sort()).toEqual(['client.ts', 'registry.ts'])
  })

  test('writes only the file that changed', async () => {
    const root = writeProject(workspace(), { 'src/a.ts': `${TASK}export const a = task(() => 1)\n` })
    await run(root)
    writeFileSync(join(root, 'src/a.ts'), `${TASK}export const a = task({ retryCount: 1 }, () => 1)\n`)
    expect((await run(root)).written).toEqual([REGISTRY])
  })

  test('never scans what it wrote, and takes the place of a broken file', async () => {
    const root = writeProject(workspace(), {
      'src/a.ts': `${TASK}export const a = task(() => 1)\n`,
      [CLIENT]: `<<<<<<< ours\n${HEADER}\n${TASK}const oops = task(() => 1)\n`,
    })
    expect((await run(root)).tasks).toEqual(['a'])
    expect(read(root, CLIENT)).not.toContain('oops')
  })

  test('leaves node_modules, declarations and dot folders out', async () => {
    const text = `${TASK}export const lost = task(() => 1)\n`
    const root = writeProject(workspace(), {
      'src/a.ts': `${TASK}export const a = task(() => 1)\n`,
      'src/node_modules/b/b.ts': text,
      'src/c.d.ts': text,
      'src/.cache/d.ts': text,
    })
    expect((await run(root)).tasks).toEqual(['a'])
  })

  test('writes a client beside the tasks where output is their folder', async () => {
    const root = writeProject(workspace(), {
      'ztask.config.ts': "export default { output: 'src' }\n",
      'src/a.ts': `${TASK}export const a = task(() => 1)\n`,
    })
    expect((await run(root)).written).toEqual(['src/client.ts', 'src/registry.ts'])
    expect(read(root, 'src/registry.ts')).toContain("import('./a.js')")
    expect((await run(root)).tasks).toEqual(['a'])
  })
})

describe('--check', () => {
  test('names what is missing or stale, and writes nothing', async () => {
    const root = copyCase('named', workspace())
    expect((await run(root, 'check')).stale.map(({ file }) => file)).toEqual([CLIENT, REGISTRY])
    expect(readdirSync(join(root, 'src'))).not.toContain('ztask')
    await run(root)
    expect((await run(root, 'check')).stale).toEqual([])
    rmSync(join(root, 'src/images'), { recursive: true })
    const before = read(root, CLIENT)
    expect(await run(root, 'check')).toMatchObject({
      stale: [{ file: CLIENT }, { file: REGISTRY }],
      written: [],
    })
    expect(read(root, CLIENT)).toBe(before)
  })

  test('takes a checkout with other line ends for the same', async () => {
    const root = copyCase('named', workspace())
    await run(root)
    writeFileSync(join(root, CLIENT), read(root, CLIENT).replaceAll('\n', '\r\n'))
    expect((await run(root, 'check')).stale).toEqual([])
  })
})

describe('the client', () => {
  test('bundles to no code of any task', async () => {
    const root = copyCase('named', workspace())
    await run(root)
    const bundle = async (entry: string): Promise<string> => {
      const options = {
        bundle: true,
        write: false,
        packages: 'external',
        format: 'esm',
        logLevel: 'error',
      } as const
      const { outputFiles } = await build({ entryPoints: [join(root, entry)], ...options })
      return outputFiles.map(({ text }) => text).join('\n')
    }
    const code = /sendEmail = task|subject|angle|retryAfter/
    expect(await bundle(CLIENT)).not.toMatch(code)
    expect(await bundle(CLIENT)).toContain('from "ztask"')
    // The same search finds it where it is.
    expect(await bundle(REGISTRY)).toMatch(code)
  })

  test('imports the types of task modules and nothing else of them', async () => {
    const root = copyCase('named', workspace())
    await run(root)
    const file = ts.createSourceFile('client.ts', read(root, CLIENT), ts.ScriptTarget.Latest)
    const imports = file.statements.filter(ts.isImportDeclaration).map((one) => ({
      from: (one.moduleSpecifier as ts.StringLiteral).text,
      type: one.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword,
    }))
    expect(imports.filter(({ type }) => !type)).toEqual([{ from: 'ztask', type: false }])
    expect(imports.filter(({ type, from }) => type && from !== 'ztask')).toHaveLength(2)
  })

  test('holds the settings that differ from their defaults, and says the project', async () => {
    const root = writeProject(workspace(), {
      'package.json': '{ "name": "shop", "type": "module" }',
      'src/main.ts': '',
      'ztask.config.ts':
        "export default { callTimeout: 5, disabled: true, retryCount: 9, url: 'ipc:///run/z.sock' }\n",
    })
    await run(root)
    const client = read(root, CLIENT)
    expect(client).toContain("project: 'shop'")
    expect(client).toContain("url: 'ipc:///run/z.sock'")
    expect(client).toContain('settings: { disabled: true },')
  })
})

test('the hash of a registry is that of its facts: not of what a task does, nor of where clients connect', async () => {
  const hashOf = async (task: string, config = ''): Promise<string | undefined> => {
    const root = writeProject(workspace(), {
      'src/a.ts': TASK + task,
      'ztask.config.ts': `export default { ${config} }`,
    })
    await run(root)
    return / {2}hash: '([0-9a-f]{12})',\n/.exec(read(root, REGISTRY))?.[1]
  }
  const first = await hashOf('export const a = task(() => 1)')
  expect(first).toBeDefined()
  expect(await hashOf('export const a = task(async (b: string) => b)', "url: 'ipc:///z'")).toBe(first)
  const others = [
    await hashOf('export const b = task(() => 1)'),
    await hashOf('export const a = task({ retryCount: 1 }, () => 1)'),
    await hashOf("export const a = task({ aliases: ['b'] }, () => 1)"),
    await hashOf('export const a = task(() => 1)', "project: 'other'"),
  ]
  expect(new Set([first, ...others]).size).toBe(5)
})

test('task is followed through any chain of barrels, also one that leads back to a file that names ztask', async () => {
  const root = writeProject(workspace(), {
    'src/one.ts': "export { task as first } from 'ztask'\n",
    'src/two.ts': "export * from './one.js'\n",
    'src/three.ts': "import type {} from 'ztask'\nexport * from './two.js'\n",
    'src/four/index.ts': "export * as all from '../three.js'\nexport * from './index.js'\n",
    'src/five.ts': "import { all } from './four/index.js'\nexport const found = all.first(() => 1)\n",
    'src/six.ts': "import { first } from './three.js'\nexport default first({ name: 'six' }, () => 1)\n",
    'src/seven.ts': "import { first } from './unrelated.js'\nexport const no = first(() => 1)\n",
    'src/unrelated.ts': 'export const first = (fn: () => number) => fn\n',
  })
  expect((await run(root)).tasks).toEqual(['found', 'six'])
})

test('what is compiled beside its source has no tasks of its own', async () => {
  const root = writeProject(join(workspace(), 'compiled'), {
    'package.json': '{ "name": "compiled", "type": "module" }',
    'src/mail.ts': `${TASK}export const send = task((to: string) => to)\n`,
    'src/mail.js': `${TASK}export const send = task((to) => to)\n`,
    'src/page.tsx': `${TASK}export const render = task((path: string) => path)\n`,
    'src/page.js': `${TASK}export const render = task((path) => path)\n`,
    'src/plain.js': `${TASK}export const plain = task((what) => what)\n`,
  })
  expect((await run(root)).tasks).toEqual(['plain', 'render', 'send'])
})

test('a file that several globs find is one file', async () => {
  const root = writeProject(join(workspace(), 'shop'), {
    'package.json': '{ "name": "shop", "type": "module" }',
    'ztask.config.ts': "export default { include: ['src/**/*', '../shop/src/**/*', './src/a.ts'] }\n",
    'src/a.ts': `${TASK}export const a = task(() => 1)\n`,
  })
  expect((await run(root)).tasks).toEqual(['a'])
})

test('a template without holes names a module too', async () => {
  const root = writeProject(workspace(), {
    'src/a.cjs': 'const { task } = require(`ztask`)\nexports.a = task(() => 1)\nexports.job = task\n',
    'src/b.cjs': 'const { job } = require(`./a.cjs`)\nexports.b = job(() => 1)\n',
  })
  expect((await run(root)).tasks).toEqual(['a', 'b'])
})

test('ztask is known by the names that package.json gives it', async () => {
  const root = writeProject(workspace(), {
    'package.json':
      '{ "type": "module", "imports": { "#task": { "default": "ztask" }, "#other": "ztask-like" } }',
    'src/a.ts': "import { task } from '#task'\nexport const a = task(() => 1)\n",
    'src/b.ts': "import { task } from '#other'\nexport const b = task(() => 1)\n",
  })
  expect((await run(root)).tasks).toEqual(['a'])
})

test("task is followed through a folder whose package.json names its main file, and by the package's own name", async () => {
  const root = writeProject(workspace(), {
    'package.json': '{ "name": "shop", "type": "module", "exports": { "./queue": "./src/lib/queue.ts" } }',
    'tsconfig.json': '{ "compilerOptions": { "module": "esnext", "moduleResolution": "bundler" } }',
    'src/lib/package.json': '{ "main": "./queue.ts" }',
    'src/lib/queue.ts': "export { task as job } from 'ztask'\n",
    'src/a.ts': "import { job } from './lib'\nexport const a = job(() => 1)\n",
    'src/b.ts': "import { job } from 'shop/queue'\nexport const b = job(() => 1)\n",
  })
  expect((await run(root)).tasks).toEqual(['a', 'b'])
})

test('a folder that is linked holds no tasks of its own', async () => {
  const root = writeProject(workspace(), { 'src/real/a.ts': `${TASK}export const a = task(() => 1)\n` })
  symlinkSync('real', join(root, 'src/linked'))
  expect(await run(root)).toMatchObject({ tasks: ['a'], warnings: [] })
  expect(read(root, REGISTRY)).toContain("'../real/a.js'")
})

describe('include', () => {
  const files = {
    'src/a.ts': `${TASK}export const a = task(() => 1)\n`,
    'src/a.test.ts': `${TASK}export const b = task(() => 1)\n`,
  }

  test('leaves out what a glob with ! matches', async () => {
    const config = "export default { include: ['src/**/*', '!**/*.test.ts'] }\n"
    const root = writeProject(workspace(), { ...files, 'ztask.config.ts': config })
    expect((await run(root)).tasks).toEqual(['a'])
  })

  test('leaves out what was compiled, where no glob names its folder', async () => {
    const root = writeProject(workspace(), {
      ...files,
      'tsconfig.json': '{ "compilerOptions": { "outDir": "build" } }',
      'build/a.js': files['src/a.ts'],
      'build/only.js': `${TASK}export const only = task(() => 1)\n`,
      'ztask.config.ts': "export default { include: ['**/*'] }\n",
    })
    expect((await run(root)).tasks).toEqual(['a', 'b'])
    writeProject(root, { 'ztask.config.ts': "export default { include: ['build/**/*'] }\n" })
    expect((await run(root)).tasks).toEqual(['a', 'only'])
  })

  test('may be absolute, and a folder is no glob', async () => {
    const root = writeProject(workspace(), files)
    writeProject(root, { 'ztask.config.ts': `export default { include: ['${root}/src/*.ts'] }\n` })
    expect((await run(root)).tasks).toEqual(['a', 'b'])
    writeProject(root, { 'ztask.config.ts': "export default { include: ['src'] }\n" })
    expect((await refusal(root)).message).toContain('holds globs such as src/**/*')
  })

  test('that matches nothing is an error, and what was written stays', async () => {
    const root = writeProject(workspace(), files)
    await run(root)
    writeProject(root, { 'ztask.config.ts': "export default { include: ['scr/**/*'] }\n" })
    expect((await refusal(root)).message).toMatch(
      /^No file of code matches `include`: scr\/\*\*\/\*, below .* Correct the setting/,
    )
    expect(read(root, REGISTRY)).toContain('a: {')
  })
})

test('what is no file is passed over', async () => {
  const root = writeProject(workspace(), { 'src/a.ts': `${TASK}export const a = task(() => 1)\n` })
  // As a pipe, which would be waited for, and which nothing but a shell can make.
  const socket = createServer().listen(join(root, 'src/socket.ts'))
  await once(socket, 'listening')
  expect((await run(root)).tasks).toEqual(['a'])
  socket.close()
})

describe('output', () => {
  test('may lie beside the project, wherever generate is started', async () => {
    const root = writeProject(join(workspace(), 'app'), {
      'ztask.config.ts': "export default { output: '../made/ztask' }\n",
      'src/a.ts': `${TASK}export const a = task(() => 1)\n`,
    })
    await run(join(root, 'src'))
    expect(read(root, '../made/ztask/registry.ts')).toContain("import('../../app/src/a.js')")
  })

  test('may be absolute', async () => {
    const root = workspace()
    writeProject(root, {
      'ztask.config.ts': `export default { output: '${join(root, 'made')}' }\n`,
      'src/a.ts': `${TASK}export const a = task(() => 1)\n`,
    })
    expect((await run(root)).written).toEqual(['made/client.ts', 'made/registry.ts'])
    expect((await findRegistry(await loadProject(root, {}))).file).toBe(join(root, 'made/registry.ts'))
  })

  test('is never a file that somebody else wrote', async () => {
    const root = writeProject(workspace(), {
      'ztask.config.ts': "export default { output: 'src' }\n",
      'src/a.ts': `${TASK}export const a = task(() => 1)\n`,
      'src/client.ts': 'export const fetchAll = () => 1\n',
    })
    expect((await refusal(root)).message).toMatch(
      /src\/client\.ts was not written by ztask generate.* Name another folder/,
    )
    expect(read(root, 'src/client.ts')).toContain('fetchAll')
  })
})

test('a project moved to another folder needs no new files', async () => {
  const root = copyCase('exports', workspace())
  await run(root)
  const elsewhere = join(workspace(), 'moved')
  cpSync(root, elsewhere, { recursive: true })
  expect((await run(elsewhere, 'check')).stale).toEqual([])
})
