import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { nearestPackageName, type Project } from '../../src/config.ts'
import { ConfigError } from '../../src/model/errors.ts'
import { fromEnvironment, fromObject, KEYS, type Settings } from '../../src/settings.ts'

type Flags = Partial<Record<keyof Settings, unknown>>
type Loaded = { project: Project } | { name: string; message: string; data: unknown }

let root: string
let node: ChildProcess

/** Node itself, which reads the configuration files: Vitest would have compiled them, and accept more. */
beforeAll(() => {
  const script = `
    const { loadProject } = await import(${JSON.stringify(pathToFileURL(join(import.meta.dirname, '../../src/config.ts')).href)})
    process.on('message', (given) => loadProject(...given).then(
      (project) => process.send({ project }),
      ({ name, message, data }) => process.send({ name, message, data }),
    ))`
  node = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
  })
})

afterAll(async () => {
  node.kill()
  await once(node, 'exit')
})

const ask = async (start: string, env: NodeJS.ProcessEnv, flags: Flags): Promise<Loaded> => {
  const answer = once(node, 'message')
  node.send([start, env, flags])
  const [loaded] = (await answer) as [Loaded]
  return loaded
}

const loadProject = async (
  start: string,
  env: NodeJS.ProcessEnv = {},
  flags: Flags = {},
): Promise<Project> => {
  const loaded = await ask(start, env, flags)
  if ('project' in loaded) return loaded.project
  throw new Error(`${loaded.name}: ${loaded.message}`)
}

/** Why the project cannot be loaded. */
const refusal = async (env: NodeJS.ProcessEnv = {}, flags: Flags = {}) => {
  const loaded = await ask(root, env, flags)
  expect(loaded).toMatchObject({ name: 'ConfigError' })
  return loaded as { message: string; data: unknown }
}

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'ztask-config-')))
})

afterEach(() => {
  rmSync(root, { recursive: true })
})

const write = (name: string, content: string | object): string => {
  const file = join(root, name)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
  return file
}

const settings = async (env: NodeJS.ProcessEnv = {}, flags: Flags = {}): Promise<Settings> =>
  (await loadProject(root, env, flags)).settings

describe('the settings of a project', () => {
  test('without a file are the defaults, all of them', async () => {
    write('package.json', { name: '@shop/web' })
    expect(await loadProject(root)).toEqual({
      root,
      configFile: undefined,
      settings: {
        url: 'tcp://127.0.0.1:5555',
        bind: 'tcp://127.0.0.1:5555',
        database: 'sqlite:.ztask/ztask.db',
        schema: 'ztask',
        lease: 15,
        project: '@shop/web',
        alwaysEager: false,
        disabled: false,
        retryCount: 5,
        retryAfter: 5,
        onLoad: [],
        onExit: [],
        callTimeout: 5,
        onUnavailable: 'throw',
        maxPayload: 1_048_576,
        maxBatch: 16_777_216,
        unknownTask: 'refuse',
        include: ['src/**/*'],
        output: 'src/ztask',
        loader: undefined,
        registry: undefined,
      },
    })
  })

  test('file, environment, flags: each wins over the one before', async () => {
    write(
      'ztask.config.ts',
      `export default { retryCount: 1, retryAfter: 1, callTimeout: 1, project: 'file' }`,
    )
    const env = { ZTASKD_RETRY_AFTER: '2', ZTASKD_CALL_TIMEOUT: '2' }
    expect(await settings(env, { callTimeout: '3' })).toMatchObject({
      retryCount: 1,
      retryAfter: 2,
      callTimeout: 3,
      project: 'file',
    })
  })

  test('a flag that is not given changes nothing; a zero in the environment is a value', async () => {
    write('ztask.config.ts', 'export default { retryCount: 9, disabled: true }')
    const env = { ZTASKD_RETRY_COUNT: '0', ZTASKD_DISABLED: '0' }
    expect(await settings(env, { retryCount: undefined })).toMatchObject({ retryCount: 0, disabled: false })
  })

  test('the daemon binds where clients connect, unless it is told otherwise, wherever that is said', async () => {
    expect(await settings({ ZTASKD_URL: 'tcp://host:1' })).toMatchObject({ bind: 'tcp://host:1' })
    expect(await settings({}, { url: 'ipc:///x' })).toMatchObject({ bind: 'ipc:///x' })
    write('ztask.config.ts', `export default { bind: 'tcp://0.0.0.0:1' }`)
    expect(await settings({ ZTASKD_URL: 'tcp://host:1' })).toMatchObject({
      url: 'tcp://host:1',
      bind: 'tcp://0.0.0.0:1',
    })
    expect(await settings({ ZTASKD_BIND: 'tcp://*:2' })).toMatchObject({ bind: 'tcp://*:2' })
  })

  test('each variable of the environment sets its own', async () => {
    const env = {
      ZTASKD_URL: 'tcp://a:1',
      ZTASKD_BIND: 'tcp://b:2',
      ZTASKD_DATABASE: 'sqlite:/x/y.db',
      ZTASKD_PROJECT: 'p',
      ZTASKD_ALWAYS_EAGER: 'true',
      ZTASKD_DISABLED: '1',
      ZTASKD_RETRY_COUNT: '7',
      ZTASKD_RETRY_AFTER: '0.25',
      ZTASKD_ON_LOAD: './a.ts#x,./b.ts#y',
      ZTASKD_ON_EXIT: './c.ts#default',
      ZTASKD_CALL_TIMEOUT: '1.5',
      ZTASKD_ON_UNAVAILABLE: 'inline',
      ZTASKD_MAX_PAYLOAD: '2048',
      ZTASKD_REGISTRY: 'dist/registry.js',
    }
    expect(await settings(env)).toMatchObject({
      ...{ url: 'tcp://a:1', bind: 'tcp://b:2', database: 'sqlite:/x/y.db', project: 'p' },
      ...{ alwaysEager: true, disabled: true, retryCount: 7, retryAfter: 0.25, callTimeout: 1.5 },
      ...{ onLoad: ['./a.ts#x', './b.ts#y'], onExit: ['./c.ts#default'], onUnavailable: 'inline' },
      ...{ maxPayload: 2048, registry: 'dist/registry.js' },
    })
  })

  test('a list in the environment may have spaces after its commas', async () => {
    expect((await settings({ ZTASKD_ON_LOAD: './a.ts#x, ./b.ts#y' })).onLoad).toEqual([
      './a.ts#x',
      './b.ts#y',
    ])
  })

  test('fromEnvironment reads what it is asked for, and no more', () => {
    const env = { ZTASKD_URL: 'tcp://a:1', ZTASKD_RETRY_COUNT: 'many' }
    expect(fromEnvironment(env, ['url', 'disabled'])).toEqual({ url: 'tcp://a:1' })
  })
})

describe('the name of a project', () => {
  test('is the package’s, unless the file, the environment or a flag say otherwise', async () => {
    write('package.json', { name: 'pkg' })
    expect((await settings()).project).toBe('pkg')
    write('ztask.config.mjs', `export default { project: 'file' }`)
    expect((await settings()).project).toBe('file')
    expect((await settings({ ZTASKD_PROJECT: 'env' })).project).toBe('env')
    expect((await settings({ ZTASKD_PROJECT: 'env' }, { project: 'flag' })).project).toBe('flag')
  })

  test.each([
    ['no package.json', undefined],
    ['one without a name', '{}'],
    ['one whose name is empty', '{"name":""}'],
    ['one whose name is no text', '{"name":{}}'],
    ['one that is null', 'null'],
  ])('is ztask where there is %s', async (_, content) => {
    // A configuration file makes this the root, whatever lies above.
    write('ztask.config.mjs', 'export default {}')
    if (content !== undefined) write('package.json', content)
    expect((await settings()).project).toBe('ztask')
  })

  test('is that of the package.json beside the configuration, not of a nearer one', async () => {
    write('package.json', { name: 'whole' })
    write('ztask.config.mjs', 'export default {}')
    write('packages/part/package.json', { name: 'part' })
    const part = join(root, 'packages', 'part')
    expect(await loadProject(part)).toMatchObject({ root, settings: { project: 'whole' } })
    expect(nearestPackageName(part)).toBe('whole')
  })

  test('without a configuration is that of the nearest package.json upwards', async () => {
    write('package.json', { name: 'whole' })
    write('packages/part/package.json', { name: 'part' })
    mkdirSync(join(root, 'packages', 'part', 'src', 'deep'), { recursive: true })
    const { root: found, settings } = await loadProject(join(root, 'packages', 'part', 'src', 'deep'))
    expect([found, settings.project]).toEqual([join(root, 'packages', 'part'), 'part'])
  })
})

describe('the configuration file', () => {
  const TYPED = `
    import { defineConfig } from ${JSON.stringify(join(import.meta.dirname, '../../src/index.ts'))}
    import type { UserConfig } from 'nowhere'
    interface Mine { readonly count: number }
    const mine: Mine = { count: 3 } satisfies Mine
    export default defineConfig({ retryCount: mine.count } as UserConfig)`

  test.each([undefined, 'commonjs', 'module'])('in TypeScript, in a package of type %s', async (type) => {
    write('package.json', { name: 'pkg', type })
    write('ztask.config.ts', TYPED)
    expect(await loadProject(root)).toMatchObject({
      configFile: join(root, 'ztask.config.ts'),
      settings: { retryCount: 3 },
    })
  })

  test.each([
    ['ztask.config.mts', 'commonjs', 'export default { retryCount: 3 as number }'],
    ['ztask.config.mjs', 'commonjs', 'export default { retryCount: 3 }'],
    ['ztask.config.js', 'module', 'export default { retryCount: 3 }'],
    ['ztask.config.js', undefined, 'export default { retryCount: 3 }'],
    ['ztask.config.js', 'commonjs', 'module.exports = { retryCount: 3 }'],
    ['ztask.config.js', undefined, 'module.exports = { retryCount: 3 }'],
    ['ztask.config.js', 'commonjs', 'export default { retryCount: 3 }'],
  ])('%s, in a package of type %s: %s', async (name, type, content) => {
    write('package.json', { type })
    write(name, content)
    expect((await settings()).retryCount).toBe(3)
  })

  test.each(['app', 'app/src/deep', 'link', 'link/src'])(
    'is found from %s, a link to its folder included',
    async (start) => {
      write('app/ztask.config.ts', 'export default { retryCount: 3 }')
      write('app/package.json', { type: 'commonjs' })
      mkdirSync(join(root, 'app', 'src', 'deep'), { recursive: true })
      symlinkSync(join(root, 'app'), join(root, 'link'))
      expect((await loadProject(join(root, start))).settings.retryCount).toBe(3)
    },
  )

  test('may import a file of its own, in TypeScript', async () => {
    write('package.json', { type: 'module' })
    write('settings/retries.ts', 'export const retries: number = 3')
    write(
      'ztask.config.ts',
      `import { retries } from './settings/retries.ts'\nexport default { retryCount: retries }`,
    )
    expect((await settings()).retryCount).toBe(3)
  })

  test.each([
    [
      'throws',
      `\nthrow new Error('my own fault.')`,
      /ztask\.config\.ts cannot be loaded: my own fault \(ztask\.config\.ts:2\)\. Correct what throws there\.$/,
    ],
    ['throws a string', `throw 'a fault'`, /cannot be loaded: a fault\. Correct what throws there\.$/],
    [
      'does not parse',
      'export default {\n  retryCount: 3',
      /ztask\.config\.ts cannot be loaded: .+ \(ztask\.config\.ts:2\)\. Correct the syntax\.$/,
    ],
    [
      'imports what does not parse',
      `import './broken.ts'`,
      /ztask\.config\.ts cannot be loaded: .+ \(broken\.ts:1\)\. Correct the syntax\.$/,
    ],
    [
      'imports what is not there',
      `import './nowhere'`,
      /cannot be loaded: Cannot find module '\S+nowhere' imported from \S+\.ts\. Node .+ with its ending, such as '\.\/urls\.ts'\.$/,
    ],
    [
      'imports a package that is not installed',
      `import 'nowhere'`,
      /cannot be loaded: Cannot find package 'nowhere' .+\. Install the package, or correct its name/,
    ],
    [
      'imports a name that is not exported',
      `import { defineconfig } from 'node:path'\nexport default {}`,
      /named 'defineconfig' \(ztask\.config\.ts:1\)\. Correct the import\.$/,
    ],
    [
      'is written as CommonJS',
      `const { join } = require('node:path')\nmodule.exports = {}`,
      /require is not defined.+ \(ztask\.config\.ts:1\)\. It is read as an ES module: write import .+export default/,
    ],
    [
      'has an enum',
      'enum A { b }\nexport default {}',
      /enum.* \(ztask\.config\.ts:1\)\. .*types are fine; enums, namespaces/s,
    ],
    ['exports a list', 'export default []', /must export its settings/],
    ['exports nothing', 'export const a = 1', /^ztask\.config\.ts must export its settings: export default/],
    ['exports a function', 'export default () => ({})', /must export its settings/],
    ['exports null', 'export default null', /must export its settings/],
  ])('that %s is an error that names it', async (_, content, message) => {
    write('package.json', { type: 'module' })
    write('ztask.config.ts', content)
    write('broken.ts', 'export const = 3')
    const error = await refusal()
    expect(error.message).toMatch(message)
    expect(error.message).not.toContain('\n')
  })

  test('is not blamed for a package.json that is no JSON, with which Node loads nothing', async () => {
    write('ztask.config.ts', 'export default {}')
    write('package.json', '{\n  "name": "shop",\n}')
    const { message } = await refusal()
    expect(message).toMatch(/^\/\S+\/package\.json cannot be read: .+ JSON .+\. Correct the file\.$/)
    expect(nearestPackageName(root)).toBeUndefined()
  })
})

describe('a value that cannot be', () => {
  const wrong: readonly (readonly [keyof Settings, unknown, RegExp])[] = [
    ['url', 'localhost:5555', /an address such as 'tcp:/],
    ['url', 'tcp://127.0.0.1:99999', /its port up to 65535/],
    ['bind', 'http://x', /an address/],
    ['keys', '', /a path/],
    ['database', 'mysql://x', /'sqlite:PATH'/],
    ['project', '', /a name of 1 to 200 characters/],
    ['alwaysEager', 'yes', /true or false/],
    ['disabled', 1, /true or false/],
    ['retryCount', 1.5, /a whole number, 0 to 1,000,000/],
    ['retryCount', -1, /a whole number/],
    ['retryCount', ' ', /a whole number/],
    ['retryAfter', '5s', /a number of seconds, 0 or more/],
    ['retryAfter', Number.NaN, /a number of seconds/],
    ['onLoad', './a.ts', /a 'file#export' string/],
    ['onExit', [1], /a 'file#export' string, such as/],
    ['callTimeout', 0, /more than 0/],
    ['onUnavailable', 'retry', /'throw' or 'inline'/],
    ['maxPayload', 2 ** 31, /1 to 1 GiB/],
    ['maxBatch', 0, /1 to 1 GiB/],
    ['schema', '', /1 to 63 characters/],
    ['lease', 0.5, /seconds, 1 or more/],
    ['unknownTask', true, /'refuse' or 'hold'/],
    ['include', {}, /a list of globs/],
    ['output', '', /a folder/],
    ['loader', null, /a module specifier/],
    ['registry', 5, /a path/],
  ]

  test.each(wrong)('of %s in the file: %j is named with what it must be', (key, value, message) => {
    const read = (): unknown => fromObject({ [key]: value }, 'ztask.config.ts')
    expect(read).toThrow(ConfigError)
    expect(read).toThrow(message)
    expect(read).toThrow(new RegExp(`^${key}(\\[0\\])? in ztask\\.config\\.ts is `))
  })

  test('in the environment names the variable, on the command line the flag', async () => {
    const env = await refusal({ ZTASKD_RETRY_COUNT: 'many' })
    expect(env.message).toBe("ZTASKD_RETRY_COUNT is 'many': it must be a whole number, 0 to 1,000,000.")
    expect(env.data).toEqual({ setting: 'retryCount', source: 'ZTASKD_RETRY_COUNT' })
    const flag = await refusal({}, { url: 'nowhere' })
    expect(flag.message).toMatch(/^--url is 'nowhere': it must be an address/)
  })

  test('is shown without the password that is in it, alone, in a list, and in an object not at all', async () => {
    const shown = (config: object): string => {
      try {
        fromObject(config, 'x.ts')
      } catch (error) {
        return (error as Error).message.split(': it must be')[0] ?? ''
      }
      return 'accepted'
    }
    const database = 'mysql://bob:hunter2@db/x'
    expect(shown({ database })).toBe("database in x.ts is 'mysql://bob:***@db/x'")
    expect(shown({ database: [database] })).toBe("database in x.ts is [ 'mysql://bob:***@db/x' ]")
    expect(shown({ database: 'redis://:hun@t/er2@db' })).toBe("database in x.ts is 'redis://:***@db'")
    expect(shown({ onLoad: ['./a.ts#x', database] })).toBe("onLoad[1] in x.ts is 'mysql://bob:***@db/x'")
    for (const value of [new URL(database), { password: 'hunter2' }])
      for (const wrong of [value, [value]]) expect(shown({ database: wrong })).not.toContain('hunter2')
    const { message } = await refusal({ ZTASKD_ON_EXIT: database })
    expect(message).toContain("ZTASKD_ON_EXIT[0] is 'mysql://bob:***@db/x'")
    // What has none is shown as it is.
    expect(shown({ url: 'tcp://bob@127.0.0.1' })).toBe("url in x.ts is 'tcp://bob@127.0.0.1'")
  })

  test('every setting has a wrong value above', () => {
    expect(new Set(wrong.map(([key]) => key))).toEqual(new Set(KEYS))
  })

  test('in a list is named with its place', async () => {
    write('ztask.config.ts', `export default { onLoad: ['./a.ts#x', './b.ts'] }`)
    expect((await refusal()).message).toBe(
      "onLoad[1] in ztask.config.ts is './b.ts': it must be a 'file#export' string, such as './src/startup.ts#warmCache'.",
    )
    write('ztask.config.ts', 'export default {}')
    const { message, data } = await refusal({ ZTASKD_ON_EXIT: './a.ts#x, b' })
    expect(message).toMatch(/^ZTASKD_ON_EXIT\[1\] is 'b': it must be a 'file#export' string/)
    expect(data).toEqual({ setting: 'onExit', source: 'ZTASKD_ON_EXIT' })
    expect(() => fromObject({ include: ['src', ''] }, 'x.ts')).toThrow(
      /^include\[1\] in x\.ts is '': it must be a glob/,
    )
  })

  test.each([
    ['ZTASKD_RETRY_CONT', 'ZTASKD_RETRY_CONT is no setting. Did you mean ZTASKD_RETRY_COUNT?'],
    ['ZTASKD_RETRYCOUNT', 'ZTASKD_RETRYCOUNT is no setting. Did you mean ZTASKD_RETRY_COUNT?'],
    ['ZTASK_URL', 'ZTASK_URL is no setting. Did you mean ZTASKD_URL?'],
    ['ZTASKD_DATABSE', 'ZTASKD_DATABSE is no setting. Did you mean ZTASKD_DATABASE?'],
    [
      'ZTASKD_UNKNOWN_TASK',
      'ZTASKD_UNKNOWN_TASK sets nothing: unknownTask can be set in the configuration file only. Remove the variable.',
    ],
  ])('a variable %s is no silence', async (name, message) => {
    expect((await refusal({ [name]: '1' })).message).toBe(message)
  })

  test.each([
    'ZTASKD_PORT',
    'ZTASKD_SERVICE_HOST',
    'ZTASKD_SERVICE_PORT',
    'ZTASKD_PORT_5555_TCP_ADDR',
    'ZTASK_PORT',
  ])('%s, which Kubernetes sets, is not judged', async (name) => {
    expect((await settings({ [name]: 'tcp://10.0.0.1:5555' })).url).toBe('tcp://127.0.0.1:5555')
  })

  test('in the file is told though the environment would have won', async () => {
    write('ztask.config.ts', 'export default { retryCount: -5 }')
    const { message } = await refusal({ ZTASKD_RETRY_COUNT: '1' })
    expect(message).toMatch(/^retryCount in ztask\.config\.ts is -5: /)
  })

  test.each([
    ['retryCont', /has no setting 'retryCont'\. Did you mean 'retryCount'\?/],
    ['ALWAYSEAGER', /Did you mean 'alwaysEager'\?/],
    ['databse', /Did you mean 'database'\?/],
    ['toString', /The settings are url, bind, keys, database, .*registry\./],
    ['somethingElse', /The settings are url/],
  ])('an unknown key %s suggests the nearest, or lists them all', (key, message) => {
    expect(() => fromObject({ [key]: 1 }, 'ztask.config.ts')).toThrow(message)
  })

  test('whatever the file holds: settings that are checked, or a ConfigError that names the key', () => {
    const value = fc.anything({ withBigInt: true, withNullPrototype: true, withDate: true })
    fc.assert(
      fc.property(fc.constantFrom(...KEYS), value, (key, given) => {
        try {
          const found = fromObject({ [key]: given }, 'the file')
          if (given === undefined) expect(found).toEqual({})
          else expect(fromObject(found, 'again')).toEqual(found)
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError)
          expect((error as ConfigError).message.replace(/\[\d+\]/, '')).toContain(`${key} in the file`)
        }
      }),
      { numRuns: 2000 },
    )
  })
})
