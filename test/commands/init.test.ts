/** `ztask init`: what it writes, what it leaves alone, and the way from an empty folder to a task that ran. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, symlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import { expect, test } from 'vitest'
import { EXECUTABLE, REPOSITORY, RunningProcess, TSX } from '../harness/process.ts'
import { makeFolder, type TestProject } from '../harness/project.ts'

/** A user's shell: nothing of the npm that runs this test, and a daemon of its own. */
const environment = (project: TestProject): NodeJS.ProcessEnv => {
  const own = Object.entries(process.env).filter(([name]) => !/^(npm_|ZTASKD_|NODE_OPTIONS$)/i.test(name))
  return {
    ...Object.fromEntries(own),
    ZTASKD_URL: project.url,
    npm_config_cache: process.env.npm_config_cache,
  }
}

const shell = (command: string, project: TestProject): string => {
  const { status, stdout, stderr } = spawnSync('sh', ['-c', command], {
    cwd: project.dir,
    env: environment(project),
    encoding: 'utf8',
  })
  expect(status, `${command}\n${stdout}${stderr}`).toBe(0)
  return stdout
}

/** A folder in which `ztask` is installed, as a link to the repository. */
const folder = async (files: Readonly<Record<string, string>> = {}): Promise<TestProject> => {
  const project = await makeFolder()
  mkdirSync(project.path('node_modules'))
  symlinkSync(REPOSITORY, project.path('node_modules/ztask'))
  for (const [file, text] of Object.entries(files)) project.write(file, text)
  return project
}

const read = (project: TestProject, file: string): string => readFileSync(project.path(file), 'utf8')

/** Waits until the sample task has run in a daemon of the project, called by a command, and by a script where one is given. */
const greets = async (project: TestProject, script?: readonly string[]): Promise<void> => {
  const env = { ZTASKD_URL: project.url }
  const daemon = await project.daemon(['--reload'], env)
  const { code, stderr } = await project.start([EXECUTABLE, 'run', 'greet', '["world"]'], env).ended
  expect(code, stderr).toBe(0)
  await daemon.prints(/^Hello, world!$/)
  if (script !== undefined) {
    const called = await project.start(script, env).ended
    expect(called).toMatchObject({ code: 0, stderr: '' })
    await daemon.prints(/^Hello, main!$/)
  }
  await daemon.kill()
}

test('from an empty folder: install, init, daemon, run', async () => {
  const project = await makeFolder()
  const packed = await makeFolder()
  shell(`cd ${REPOSITORY} && npm pack --ignore-scripts --silent --pack-destination ${packed.dir}`, packed)
  const [tarball] = readdirSync(packed.dir)
  const began = performance.now()
  shell('npm init -y', project)
  shell(`npm install --prefer-offline --no-audit --no-fund ${packed.path(tarball ?? '')}`, project)
  const said = shell('npx ztask init', project)
  expect(said.split('\n').slice(-3)).toEqual([
    '  npx ztask daemon                    # in a terminal of its own',
    `  npx ztask run greet '["world"]'`,
    '',
  ])
  const env = environment(project)
  const daemon = project.start([project.path('node_modules/.bin/ztask'), 'daemon'], env)
  await daemon.prints(/Listening on/)
  shell(`npx ztask run greet '["world"]'`, project)
  await daemon.prints(/^Hello, world!$/)
  console.log(`from an empty folder to a task that ran: ${((performance.now() - began) / 1000).toFixed(1)} s`)
})

test.each([
  [
    'ES modules',
    'module',
    `import { task } from 'ztask'`,
    [],
    `import { tasks } from './ztask/client.ts'\nawait tasks.greet.async('main')`,
  ],
  [
    'CommonJS',
    'commonjs',
    `const { task } = require('ztask')`,
    ['--import', TSX],
    `const { tasks } = require('./ztask/client.ts')\ntasks.greet.async('main')`,
  ],
])(
  'a project in JavaScript, %s, gets JavaScript that runs, and calls it',
  async (_, type, line, flags, main) => {
    const project = await folder({
      'package.json': JSON.stringify({ name: 'js', type }),
      'src/main.js': main,
    })
    expect((await project.ztask('init')).code).toBe(0)
    expect(read(project, 'src/tasks.js')).toContain(`${line}\n`)
    expect(existsSync(project.path('ztask.config.mjs'))).toBe(true)
    await greets(project, [...flags, 'src/main.js'])
  },
)

test('an empty folder gets a package.json as well, and the word to install', async () => {
  const project = await makeFolder()
  const { code, stdout, stderr } = await project.ztask('init')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toContain('wrote       package.json\n')
  expect(stdout).toContain('Next:\n  npm install ztask\n  npx ztask daemon')
  expect(JSON.parse(read(project, 'package.json'))).toMatchObject({ private: true, type: 'module' })
  mkdirSync(project.path('node_modules'))
  symlinkSync(REPOSITORY, project.path('node_modules/ztask'))
  await greets(project)
})

test.each([
  ['tabs', '{\n\t"name": "app",\n\t"files": ["a", "b"],\n\t"scripts": {\n\t\t"test": "vitest"\n\t}\n}\n'],
  [
    'four spaces and CRLF',
    '{\r\n    "name": "app",\r\n    "files": ["a", "b"],\r\n    "scripts": {\r\n        "test": "vitest"\r\n    }\r\n}',
  ],
])('package.json keeps all it has: %s', async (_, before) => {
  const project = await folder({ 'package.json': before, 'tsconfig.json': '{}' })
  expect((await project.ztask('init')).code).toBe(0)
  const [, eol = '', indent = ''] = /(\r?\n)([ \t]+)/.exec(before) ?? []
  const added = ['"ztask:daemon": "ztask daemon"', '"ztask:generate": "ztask generate"']
  const lines = added.map((line) => `,${eol}${indent.repeat(2)}${line}`).join('')
  expect(read(project, 'package.json')).toBe(before.replace('"vitest"', `"vitest"${lines}`))
})

test('overwrites nothing, and says what it left alone', async () => {
  const files = {
    'package.json': '{ "name": "app", "scripts": { "ztask:daemon": "mine", "ztask:generate": "mine" } }',
    'ztask.config.js': 'export default {}\n',
    '.gitignore': 'node_modules\n/.ztask\n',
  }
  const project = await folder(files)
  const { code, stdout } = await project.ztask('init')
  expect(code).toBe(0)
  expect(stdout.split('\n\n')[0]?.split('\n')).toEqual([
    'left alone  ztask.config.js: it is there already, so no sample task either',
    'left alone  package.json: it has the scripts already',
    'left alone  .gitignore: it has .ztask/ already',
  ])
  for (const [file, text] of Object.entries(files)) expect(read(project, file)).toBe(text)
  expect(readdirSync(project.dir).sort()).toEqual([...Object.keys(files), 'node_modules'].sort())
})

test('a module of the sample’s name stays, and the line of .gitignore goes below what is there', async () => {
  const files = { 'package.json': '{}', 'src/tasks.ts': 'export {}\n', '.gitignore': 'dist' }
  const project = await folder(files)
  expect((await project.ztask('init')).stdout).toContain('left alone  src/tasks.ts: it is there already\n')
  expect(read(project, 'src/tasks.ts')).toBe('export {}\n')
  expect(read(project, '.gitignore')).toBe('dist\n.ztask/\n')
})

test.each(['{', '[]', '{ "scripts": "none" }'])(
  'a package.json that is %j is an error, and nothing is written',
  async (text) => {
    const project = await folder({ 'package.json': text })
    const { code, stdout, stderr } = await project.ztask('init')
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toBe(
      `${project.path('package.json')} is no JSON object, or its scripts are none. Correct it, and run ztask init again.\n`,
    )
    expect(readdirSync(project.dir).sort()).toEqual(['node_modules', 'package.json'])
  },
)

test('in a folder of a package it says where to run', async () => {
  const project = await folder({ 'package.json': '{}', 'src/deep/a.ts': '' })
  const inside = project.path('src/deep')
  const { code, stderr } = await new RunningProcess([EXECUTABLE, 'init'], inside).ended
  expect(code).toBe(1)
  expect(stderr).toContain(
    `one in ${dirname(dirname(inside))}. Run ztask init there; or run npm init -y here`,
  )
  expect(readdirSync(inside)).toEqual(['a.ts'])
})

test('a file that cannot be read or written is one sentence; once it is mended, all is written, the sample too', async () => {
  const project = await folder({ 'package.json': '{ "scripts": { "ztask:daemon": "mine" } }', src: '' })
  mkdirSync(project.path('.gitignore'))
  const unread = await project.ztask('init')
  expect(unread).toMatchObject({ code: 1, stdout: '' })
  expect(unread.stderr).toMatch(
    /^\S+\/\.gitignore cannot be read: EISDIR: .+\. Mend that, and run ztask init again\.\n$/,
  )
  expect(readdirSync(project.dir).sort()).toEqual(['.gitignore', 'node_modules', 'package.json', 'src'])

  rmdirSync(project.path('.gitignore'))
  const unwritten = await project.ztask('init')
  expect(unwritten).toMatchObject({ code: 1, stdout: '' })
  expect(unwritten.stderr).toMatch(
    /^\S+\/src\/tasks\.ts cannot be written: EEXIST: .+run ztask init again\.\n$/,
  )

  rmSync(project.path('src'))
  const { code, stdout } = await project.ztask('init')
  expect({ code, wrote: stdout.split('\n').slice(0, 2) }).toEqual({
    code: 0,
    wrote: ['wrote       ztask.config.ts', 'wrote       src/tasks.ts: a sample task, greet'],
  })
})

test('one script that is missing is one script', async () => {
  const project = await folder({ 'package.json': '{ "scripts": { "ztask:daemon": "mine" } }' })
  expect((await project.ztask('init')).stdout).toContain('package.json: the script ztask:generate\n')
})
