/** The configuration as it is now, however it is made, in a daemon that has read it before. */
import { mkdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { readAnew } from '../../dist/src/config-anew.js'
import { logLines } from '../harness/process.ts'
import { makeFolder, makeProject } from '../harness/project.ts'
import { DEVELOPMENT, saying, TASKS, told } from './code.ts'

test('it is read with all that it imports and requires, and says which files these are, or would be', async () => {
  const project = await makeFolder()
  project.write('package.json', '{ "type": "module" }')
  project.write('settings.json', '{ "retries": 1 }')
  project.write('deep.mjs', 'export const timeout = 1')
  project.write('below.cjs', 'exports.batch = 1')
  // As tsc compiles `export * from`; Node looks into it before it runs.
  project.write('barrel.cjs', "module.exports = require('./below.cjs')")
  project.write('required.cjs', "module.exports = require('./deep.mjs')")
  project.write(
    'ztask.config.ts',
    `import { createRequire } from 'node:module'
import json from './settings.json' with { type: 'json' }
import barrel from './barrel.cjs'
import required from './required.cjs'
const { timeout } = createRequire(import.meta.url)('./deep.mjs')
export default {
  retryCount: json.retries, maxBatch: barrel.batch, callTimeout: required.timeout, retryAfter: timeout,
  project: process.env.ZTASKD_PROJECT,
}`,
  )
  const read = () => readAnew(project.dir, { flags: { url: 'tcp://127.0.0.1:1' } }, 20_000)
  const settings = async () => {
    const { result } = await read()
    if ('error' in result) throw new Error(result.error.message)
    const { retryCount, maxBatch, callTimeout, retryAfter, url } = result.project.settings
    expect(result.committed.settings.url).toBe('tcp://127.0.0.1:5555')
    return [retryCount, maxBatch, callTimeout, retryAfter, url]
  }
  expect(await settings()).toEqual([1, 1, 1, 1, 'tcp://127.0.0.1:1'])
  project.write('settings.json', '{ "retries": 2 }')
  project.write('deep.mjs', 'export const timeout = 2')
  project.write('below.cjs', 'exports.batch = 2')
  expect(await settings()).toEqual([2, 2, 2, 2, 'tcp://127.0.0.1:1'])
  const names = ['ztask.config.ts', 'settings.json', 'barrel.cjs', 'below.cjs', 'required.cjs', 'deep.mjs']
  expect((await read()).files.toSorted()).toEqual(names.map((name) => project.path(name)).sort())
  project.remove('below.cjs')
  expect(await read()).toMatchObject({
    files: expect.arrayContaining([project.path('below.cjs')]),
    result: {
      error: { code: 'ZTASK_CONFIG', message: expect.stringMatching(/Cannot find module .*below\.cjs/) },
    },
  })
})

test('one that awaits what does not come, or ends its process, is told, and no process stays', async () => {
  const project = await makeFolder()
  project.write('ztask.config.mjs', 'await new Promise((resolve) => setTimeout(resolve, 1e6))')
  await expect(readAnew(project.dir, { flags: {} }, 300)).rejects.toThrow('is not read after 0.3 s')
  project.write('ztask.config.mjs', "console.error('my last words'); process.exit(0)")
  await expect(readAnew(project.dir, { flags: {} }, 20_000)).rejects.toThrow(
    /ended the process that read it\. my last words/,
  )
})

test('ztask reload reads it as it was deployed, in production too, and never with the defaults in place of what it says', async () => {
  const project = await makeProject({
    files: {
      'shared/index.cjs': "module.exports = require('./values.cjs')",
      'shared/values.cjs': "exports.onLoad = ['./src/startup.ts#load']\nexports.callTimeout = 7",
      'src/startup.ts':
        "import { appendFileSync } from 'node:fs'\nexport const load = () => appendFileSync('loaded.log', 'x')",
    },
  })
  project.write(
    'ztask.config.ts',
    `import shared from './shared/index.cjs'\nexport default { url: '${project.url}', ...shared }`,
  )
  const daemon = await project.daemon(['--noreload'])
  for (let reloads = 1; reloads <= 2; reloads++) {
    expect(await project.ztask('reload')).toMatchObject({ code: 0 })
    expect(project.read('loaded.log')).toBe('x'.repeat(reloads + 1))
  }
  expect(logLines(daemon.stdout).filter(({ msg }) => msg.includes('needs a restart'))).toEqual([])
})

test('one that could not be read is read with the next save, whatever that saves; what generates has it, too', async () => {
  const project = await makeProject({ files: { 'src/greet.ts': saying('one') } })
  const daemon = await project.daemon(DEVELOPMENT)
  project.write(
    'ztask.config.ts',
    `import { callTimeout } from 'newpkg'\nexport default { url: '${project.url}', callTimeout }`,
  )
  await told(daemon, /Not reloaded.*Cannot find package 'newpkg'/)
  mkdirSync(project.path('node_modules/newpkg'), { recursive: true })
  project.write('node_modules/newpkg/package.json', '{ "type": "module", "main": "index.js" }')
  project.write('node_modules/newpkg/index.js', 'export const callTimeout = 9')
  project.write('src/greet.ts', saying('two'))
  await told(daemon, /Reloaded/)
  expect(daemon.stdout).toMatch(/callTimeout is now 9, which needs a restart/)
  expect(project.read('src/ztask/client.ts')).toContain('callTimeout: 9')
  const { greet } = project.calls(TASKS)
  await greet.async()
  await project.hasRun('two')
})

test('a file that was missing, also outside of what is watched, mends it when it comes', async () => {
  const project = await makeProject({ files: { 'src/greet.ts': saying('one') } })
  const daemon = await project.daemon(DEVELOPMENT)
  project.write(
    'src/greet.ts',
    saying('two').replace(
      'export const greet',
      "import { late } from '../lib/late.js'\nvoid late\nexport const greet",
    ),
  )
  await told(daemon, /Not reloaded.*late/)
  project.write('lib/late.ts', 'export const late = 1')
  await told(daemon, /Reloaded/)
  project.write(
    'ztask.config.ts',
    `import { late } from './conf/late.ts'\nexport default { url: '${project.url}', callTimeout: late }`,
  )
  await told(daemon, /Not reloaded.*conf\/late/)
  project.write('conf/late.ts', 'export const late = 8')
  await told(daemon, /Reloaded/, 2)
  expect(daemon.stdout).toMatch(/callTimeout is now 8/)
})
