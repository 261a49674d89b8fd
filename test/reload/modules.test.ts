/** What a generation leaves of the project's modules for the next one: taken where the file is as it was, and only there. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'
import { DEVELOPMENT, told } from './code.ts'

const task = (version: string): string => `
import { appendFileSync } from 'node:fs'
import { task } from 'ztask'
import { rate } from './rate.js'
import { price } from './price.js'
export const quote = task(() => appendFileSync('ran.log', ['${version}', rate, price].join(':') + ' ' + process.pid + ' ' + Date.now() + '\\n'))
`
const rate = (value: string): string => `export const rate = '${value}'\n`

/** Waits for what the newest generation leaves. @returns its file and its text */
const kept = (project: TestProject, word: string): Promise<{ file: string; text: string }> =>
  until(`modules with ${word} to be kept`, () => {
    const folder = project.path('.ztask')
    const files = readdirSync(folder).filter((name) => /-modules-\d+$/.test(name))
    const all = files.map((name) => ({
      file: join(folder, name),
      text: readFileSync(join(folder, name), 'utf8'),
    }))
    return all.find(({ text }) => text.includes(word))
  })

test('modules that are as they were are taken as they were kept; where imports lead is looked up anew; all is read anew when it is asked', async () => {
  const project = await makeProject({
    files: {
      'src/quote.ts': task('v1'),
      'src/rate.ts': rate('rate1'),
      'src/price.js': "export const price = 'js'\n",
    },
  })
  const daemon = await project.daemon(DEVELOPMENT)
  const { quote } = project.calls(['quote'])
  let reloads = 0
  const saved = async (file: string, text: string, runs: string): Promise<void> => {
    project.write(file, text)
    await told(daemon, /Reloaded/, ++reloads)
    await quote.async()
    await project.hasRun(runs)
  }
  /** What is kept of a module is another text from now on, which the file itself never had. */
  const replace = async (word: string, from: string, to: string): Promise<void> => {
    const { file, text } = await kept(project, word)
    expect(text).toContain(from)
    writeFileSync(file, text.replace(from, to))
  }

  await replace('v1', 'rate1', 'rateK')
  await saved('src/quote.ts', task('v2'), 'v2:rateK:js')

  // Of the same length, and soon: by its time alone it is another.
  await kept(project, 'v2')
  await saved('src/rate.ts', rate('rate2'), 'v2:rate2:js')

  // Where TypeScript stands beside it, that is what is meant.
  await kept(project, 'rate2')
  project.write('src/price.ts', "export const price: string = 'ts'\n")
  await saved('src/quote.ts', task('v3'), 'v3:rate2:ts')

  await replace('v3', 'rate2', 'rateX')
  expect(await project.ztask('reload')).toMatchObject({ code: 0 })
  await told(daemon, /Reloaded/, ++reloads)
  await quote.async()
  await until('it to run', () => project.ran().length === 4)
  expect(project.ran().at(-1)).toBe('v3:rate2:ts')

  const { file } = await kept(project, 'rate2')
  expect(await daemon.kill('SIGTERM')).toMatchObject({ code: 0 })
  expect(existsSync(file)).toBe(false)
})

test('JSON that is imported and required is what it is, save after save; and so it is where what is kept is nonsense', async () => {
  const reading = (version: string): string => `
import { appendFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { task } from 'ztask'
import imported from './rate.json' with { type: 'json' }
const required = createRequire(import.meta.url)('./rate.json')
export const quote = task(() => appendFileSync('ran.log', ['${version}', imported.rate, required.rate].join(':') + ' ' + process.pid + ' ' + Date.now() + '\\n'))
`
  const project = await makeProject({
    files: { 'src/quote.ts': reading('v1'), 'src/rate.json': '{ "rate": 1 }' },
  })
  const daemon = await project.daemon(DEVELOPMENT)
  const { quote } = project.calls(['quote'])
  for (const [index, version] of ['v2', 'v3', 'v4'].entries()) {
    const { file } = await kept(project, `v${index + 1}`)
    if (version === 'v4') writeFileSync(file, 'null')
    project.write('src/quote.ts', reading(version))
    await told(daemon, /Reloaded/, index + 1)
    await quote.async()
    await project.hasRun(`${version}:1:1`)
  }
  expect(daemon.stdout).not.toContain('Not reloaded')
})

test('what tsconfig.json extends changes: the next job is compiled and led by it', async () => {
  const settings = (folder: string): string =>
    JSON.stringify({
      compilerOptions: {
        module: 'nodenext',
        target: 'es2024',
        paths: { '#part': [`./src/${folder}/part.ts`] },
      },
    })
  const led = (version: string): string => `
import { appendFileSync } from 'node:fs'
import { task } from 'ztask'
import { part } from '#part'
export const quote = task(() => appendFileSync('ran.log', '${version}:' + part + ' ' + process.pid + ' ' + Date.now() + '\\n'))
`
  const project = await makeProject({
    files: {
      'tsconfig.json': '{ "extends": "./tsconfig.base.json" }',
      'tsconfig.base.json': settings('a'),
      'src/a/part.ts': "export const part = 'a'\n",
      'src/b/part.ts': "export const part = 'b'\n",
      'src/quote.ts': led('v1'),
    },
  })
  const daemon = await project.daemon(DEVELOPMENT)
  const { quote } = project.calls(['quote'])
  await kept(project, 'v1')
  project.write('src/quote.ts', led('v2'))
  await told(daemon, /Reloaded/)
  await quote.async()
  await project.hasRun('v2:a')
  await kept(project, 'v2')
  project.write('tsconfig.base.json', settings('b'))
  await told(daemon, /Reloaded/, 2)
  await quote.async()
  await project.hasRun('v2:b')
})
