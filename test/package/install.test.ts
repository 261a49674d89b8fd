/** The tarball, installed with what applications get and no more, used by each kind of project. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { processesIn, REPOSITORY, RunningProcess } from '../harness/process.ts'
import { install } from './install.ts'
import { pack } from './tarball.ts'

let dir = ''

beforeAll(() => {
  dir = install(pack())
})

afterAll(() => {
  expect(processesIn(dir)).toEqual([])
  rmSync(dir, { recursive: true, force: true })
})

test('imported and required, it generates, calls and runs, with no development dependency', async () => {
  const { devDependencies } = JSON.parse(readFileSync(`${REPOSITORY}package.json`, 'utf8'))
  // esbuild is tsx's as well.
  const left = Object.keys(devDependencies).filter((name) => existsSync(join(dir, 'node_modules', name)))
  expect(left).toEqual(['esbuild'])
  const smoke = `${REPOSITORY}scripts/node-versions/smoke.ts`
  const { code, stdout, stderr } = await new RunningProcess([smoke, dir], dir).ended
  expect(code, stdout + stderr).toBe(0)
})

test('an older Node is refused in a sentence, by the version that engines names', async () => {
  const executable = join(dir, 'node_modules/ztask/bin/ztask.js')
  const { engines } = JSON.parse(readFileSync(`${REPOSITORY}package.json`, 'utf8'))
  const [, major = '', minor = ''] = /^>=(\d+)\.(\d+)$/.exec(engines.node) ?? []
  const on = (node: string) => {
    const versions = `{ value: { ...process.versions, node: '${node}' } }`
    const pretend = `data:text/javascript,Object.defineProperty(process, 'versions', ${versions})`
    return new RunningProcess(['--import', pretend, executable, '--version'], dir).ended
  }
  for (const old of ['20.20.2', `${major}.${Number(minor) - 1}.9`]) {
    const said = `ztask needs Node ${major}.${minor} or newer, and this is ${old}. Install a newer one`
    expect(await on(old)).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(said) })
  }
  expect(await on(`${major}.${minor}.0`)).toMatchObject({ code: 0, stderr: '' })
})

/** The last line is an error: so the types were found, and are not `any`. */
const SOURCE = `
import { defineConfig, task } from 'ztask'
export const resize = task({ name: 'resize' }, (path: string, width: number) => path.repeat(width))
export default defineConfig({ retryCount: 3 })
export const stored: Promise<{ readonly id: string }> = resize.async('a.png', 100)
resize.async(100, 'a.png')
`
const WRONG = "Argument of type 'number' is not assignable to parameter of type 'string'."

const TYPESCRIPT_7 = `${REPOSITORY}node_modules/typescript/bin/tsc`
/** arethetypeswrong carries it: the resolution node10 is gone from TypeScript 7. */
const TYPESCRIPT_5 = createRequire(import.meta.resolve('@arethetypeswrong/core')).resolve(
  'typescript/bin/tsc',
)

test.each([
  ['5.6', 'node10', 'commonjs', ['ts']],
  ['5.6', 'node16', 'node16', ['mts']],
  ['5.6', 'nodenext', 'nodenext', ['mts']],
  ['5.6', 'bundler', 'esnext', ['mts']],
  ['7', 'nodenext', 'nodenext', ['mts', 'cts']],
  ['7', 'bundler', 'esnext', ['mts']],
])(
  'TypeScript %s finds its types by moduleResolution %s',
  async (version, resolution, module, extensions) => {
    const project = join(dir, `typescript-${version}-${resolution}`)
    mkdirSync(project)
    const files = extensions.map((extension) => `main.${extension}`)
    for (const file of files) writeFileSync(join(project, file), SOURCE)
    // The declarations themselves are checked too, and need no @types/node.
    const flags =
      `--noEmit --strict --target es2022 --module ${module} --moduleResolution ${resolution}`.split(' ')
    const tsc = version === '7' ? TYPESCRIPT_7 : TYPESCRIPT_5
    const { stdout } = await new RunningProcess([tsc, ...flags, '--lib', 'es2022', ...files], project).ended
    const errors = stdout.split('\n').filter((line) => line.includes('error TS'))
    expect(errors.map((line) => line.replace(/^.*error TS\d+: /, ''))).toEqual(files.map(() => WRONG))
  },
)
