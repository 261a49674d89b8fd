/** Each error of generate: its place, its text, its cure; and that all of a run come at once. */
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { GenerateError } from '../../src/model/errors.ts'
import { problemsOf, refusal, run, workspace, writeProject } from './project.ts'

const TASK = "import { task } from 'ztask'\n"

const refused = (files: Readonly<Record<string, string>>): Promise<GenerateError> =>
  refusal(writeProject(workspace(), files))

/** The problems of one file that starts with the import, as `line:column message | cure`. */
const said = async (code: string, more: Readonly<Record<string, string>> = {}): Promise<string[]> => {
  const error = await refused({ 'src/a.ts': TASK + code, ...more })
  return problemsOf(error).map(({ line, column, message, cure }) => `${line}:${column} ${message} | ${cure}`)
}

/** The warnings of one file that starts with the import, as `line:column code message | cure`. */
const warned = async (code: string): Promise<string[]> => {
  const { warnings } = await run(writeProject(workspace(), { 'src/a.ts': TASK + code }))
  return warnings.map(
    ({ line, column, code, message, cure }) => `${line}:${column} ${code} ${message} | ${cure}`,
  )
}

test('an error says the place, shows the line with a mark, and ends with the cure', async () => {
  const error = await refused({
    'src/mail/send.ts': `${TASK}\n\tconst sendEmail = task((to: string) => to)\n`,
  })
  expect(error.message).toBe(
    [
      "1 problem in the project's tasks; nothing was written.",
      '',
      "src/mail/send.ts:3:8: error: The task 'sendEmail' is not exported. [not-exported]",
      '  3 | \tconst sendEmail = task((to: string) => to)',
      '    | \t      ^^^^^^^^^',
      '  Write `export const sendEmail = task(…)`: workers import it by that name.',
    ].join('\n'),
  )
  expect(error.code).toBe('ZTASK_GENERATE')
  expect(JSON.parse(JSON.stringify(error.data))).toEqual(error.data)
})

test('all errors of a run come at once, sorted by file and line', async () => {
  const error = await refused({
    'src/b.ts': `${TASK}export const same = task(() => 1)\nconst lost = task(() => 1)\n`,
    'src/a.ts': `${TASK}const gone = task({ retryCount: 1.5, timeuot: 1 }, () => 1)\nexport const same = task(() => 1)\n`,
  })
  expect(error.message).toMatch(/^5 problems/)
  expect(problemsOf(error).map(({ file, line, column }) => `${file}:${line}:${column}`)).toEqual([
    'src/a.ts:2:7',
    'src/a.ts:2:33',
    'src/a.ts:2:38',
    'src/b.ts:2:14',
    'src/b.ts:3:7',
  ])
})

test('nothing is written where there is an error, and what was written stays', async () => {
  const root = writeProject(workspace(), { 'src/a.ts': `${TASK}export const a = task(() => 1)\n` })
  await run(root)
  writeProject(root, { 'src/b.ts': `${TASK}export const a = task(() => 1)\n` })
  await refusal(root)
  writeProject(root, { 'src/b.ts': '' })
  expect((await run(root, 'check')).stale).toEqual([])
})

describe('where a task stands', () => {
  const LEAVE_OUT = 'A file that is no part of the application can be left out by `include`.'

  test.each([
    ['export const make = () => {\n  const inner = task(() => 1)\n  return inner\n}', '3:9', 'inner'],
    ['export const wrap = (fn: () => number) => task({ ...fn, retryCount: 1 }, fn)', '2:43', undefined],
    ['export function make() { return task(() => 1) }', '2:33', undefined],
    ['export class A { b() { return task(() => 1) } }', '2:31', undefined],
  ])('in a function: %s', async (code, place, name) => {
    const what = name === undefined ? 'A task' : `The task '${name}'`
    expect(await warned(code)).toEqual([
      `${place} wrapped ${what} is defined inside a function, and is not found. | Call \`task\` at the top level of a module, on what the function makes: \`export const ${name ?? 'sendEmail'} = task(wrap(…))\`. ${LEAVE_OUT}`,
    ])
  })

  test.each([
    ['export class A { static b = task(() => 1) }', '2:29', 'A task', 'a class'],
    ['export namespace N { export const b = task(() => 1) }', '2:35', "The task 'b'", 'a namespace'],
    ['if (1) {\n  const b = task(() => 1)\n}', '3:9', "The task 'b'", 'a block'],
    ['export const all = { a: task(() => 1) }', '2:25', 'A task', 'an object literal'],
    ['export default { a: task(() => 1) }', '2:21', 'A task', 'an object literal'],
    ['export const all = [task({ none: 1 }, () => 1)]', '2:21', 'A task', 'a list'],
    ['export const a = String(task(() => 1))', '2:25', 'A task', 'the arguments of a call'],
    ['export const a = 1 > 2 ? task(() => 1) : 1', '2:26', 'A task', 'an expression'],
  ])('out of reach: %s', async (code, place, what, where) => {
    const name = what === 'A task' ? 'sendEmail' : 'b'
    expect(await warned(code)).toEqual([
      `${place} nested ${what} is defined inside ${where}, and is not found. | Write \`export const ${name} = task(…)\` at the top level of the module, and use it there by its name. ${LEAVE_OUT}`,
    ])
  })

  test.each([
    ['const queue = { task }', '2:17'],
    ['const queue = { job: task }', '2:22'],
    ['const all = [task]', '2:14'],
    ['const traced = String(task)', '2:23'],
    ['const bound = task.bind(undefined)', '2:15'],
    ['export const a = (0, task)(() => 1)', '2:22'],
    ['export const get = () => task', '2:26'],
    ["import * as z from 'ztask'\nconst queue = { job: z.task }", '3:22'],
    ["import { task as job } from 'ztask'\nconst pick = 1 ? job : undefined", '3:18'],
  ])('handed on as a value: %s', async (code, place) => {
    expect(await warned(code)).toEqual([
      `${place} task-as-value \`task\` is handed on as a value here, and the tasks that are made of it are not found. | Call \`task\` itself at the top level of a module: \`export const sendEmail = task(…)\`.`,
    ])
  })

  test.each([
    'const job = task\nexport const a = job(() => 1)',
    'export { task }\nexport default task',
    'export type Make = typeof task\nexport const f = (task: number) => [task]',
    'const key = { task: 1 }.task\nexport const b = [key]',
  ])('handed on by name, or another of that name: %s', async (code) => {
    expect(await warned(code)).toEqual([])
  })

  test('with warnings alone the rest is written; beside errors they are told', async () => {
    const wrapped = 'export const wrap = (fn: () => number) => task(fn)\n'
    const root = writeProject(workspace(), {
      'src/a.ts': `${TASK}${wrapped}export const fine = task(() => 1)\n`,
    })
    expect(await run(root)).toMatchObject({
      tasks: ['fine'],
      written: { length: 2 },
      warnings: { length: 1 },
    })
    expect((await run(root, 'check')).warnings).toHaveLength(1)
    writeProject(root, { 'src/b.ts': `${TASK}const lost = task(() => 1)\n` })
    expect(problemsOf(await refusal(root)).map(({ severity, code }) => `${severity} ${code}`)).toEqual([
      'warning wrapped',
      'error not-exported',
    ])
  })

  test.each([
    [
      'const lost = task(() => 1)\nexport type { lost }',
      "2:7 The task 'lost' is not exported. | Write `export const lost = task(…)`: workers import it by that name.",
    ],
    [
      'task(() => 1)',
      '2:1 A task is not exported: it is bound to no name. | Write `export const sendEmail = task(…)`, with a name of its own.',
    ],
  ])('%s', async (code, message) => {
    expect(await said(code)).toEqual([message])
  })
})

describe('names', () => {
  test('a default export needs one', async () => {
    expect(await said('export default task(() => 1)')).toEqual([
      "2:16 A default export has no name of its own, and the task is given none. | Write `task({ name: 'sendEmail' }, …)`, or export it by name.",
    ])
    expect(await said('const bill = task(() => 1)\nexport { bill as default }')).toEqual([
      "2:7 A default export has no name of its own, and the task is given none. | Write `task({ name: 'bill' }, …)`, or export it by name.",
    ])
  })

  test.each([
    'then',
    'catch',
    'finally',
    'constructor',
    'prototype',
    '__proto__',
    'toString',
    'toJSON',
    'valueOf',
    'hasOwnProperty',
  ])('%s is reserved', async (name) => {
    const cure = `Give it another: \`task({ name: '${name === '__proto__' ? 'proto' : name}Task' }, …)\`.`
    const text = `'${name}' cannot be the name of a task: it has a meaning of its own on every object.`
    if (name !== 'catch' && name !== 'finally')
      expect(await said(`export const ${name} = task(() => 1)`)).toEqual([`2:14 ${text} | ${cure}`])
    expect(await said(`export const fine = task({ name: '${name}' }, () => 1)`)).toEqual([
      `2:14 ${text} | ${cure}`,
    ])
  })

  test('a reserved one is refused as an export name too', async () => {
    expect(await said('const x = task(() => 1)\nexport { x as catch }')).toHaveLength(1)
  })

  test('one that cannot be read is one error, also for a default export', async () => {
    expect(await said('export default task({ name: String(1) }, () => 1)')).toHaveLength(1)
  })

  test('is an identifier', async () => {
    expect(await said("const x = task(() => 1)\nexport { x as 'send-email' }")).toEqual([
      "2:7 'send-email' cannot be the name of a task: it is no identifier. | Give it another: `task({ name: 'sendEmail' }, …)`.",
    ])
    expect(await said("export const x = task({ name: 'send-email' }, () => 1)")).toEqual([
      "2:31 The option 'name' is 'send-email'. | It must be an identifier, such as 'sendEmail'.",
    ])
  })

  test('two of one name: both places and the cure', async () => {
    const more = { 'src/b.ts': `${TASK}\nexport const other = task({ name: 'send' }, () => 1)\n` }
    const error = await refused({ 'src/a.ts': `${TASK}export const send = task(() => 1)\n`, ...more })
    expect(problemsOf(error)).toMatchObject([
      {
        file: 'src/b.ts',
        line: 3,
        column: 14,
        message: "Two tasks are named 'send': this one and the one at src/a.ts:2:14.",
        cure: "Give one of them another name: `task({ name: 'send2' }, …)`.",
      },
    ])
  })

  test('an alias that is taken', async () => {
    const code = "export const a = task(() => 1)\nexport const b = task({ aliases: ['a', 'b'] }, () => 1)\n"
    expect(await said(`${code}export const c = task({ aliases: ['old', 'old'] }, () => 1)`)).toEqual([
      "3:14 The alias 'a' of the task 'b' belongs to the task 'a' at src/a.ts:2:14. | Remove it from the aliases of one of them.",
    ])
  })
})

describe('options', () => {
  const CURE =
    'Options are read without running the code: write a literal, or a constant that holds one (export it where it is imported).'

  test.each([
    ['retryCount: Number(process.env.N)', '2:35', "option 'retryCount'", 'Number(process.env.N)'],
    ['retryCount: 2 ** 3', '2:35', "option 'retryCount'", '2 ** 3'],
    ['retryCount: 2 * Number(3)', '2:35', "option 'retryCount'", 'Number(3)'],
    ["name: 'a' + 'b'", '2:29', "option 'name'", "'a' + 'b'"],
    [`name: \`a\${1}\``, '2:29', "option 'name'", `\`a\${1}\``],
    ['retryCount: variable', '2:35', "option 'retryCount'", 'variable'],
    ['retryCount: declared', '2:35', "option 'retryCount'", 'declared'],
    ['retryCount: computed', '2:35', "option 'retryCount'", 'Math.random()'],
    ['retryCount: fromPackage', '2:35', "option 'retryCount'", 'fromPackage'],
    ['retryCount: table.missing', '2:35', "option 'retryCount'", 'table.missing'],
    ['retryCount: one.count', '2:35', "option 'retryCount'", 'one.count'],
    ['retryCount: itself', '2:35', "option 'retryCount'", 'itself'],
    ["['name']: 'a'", '2:23', "option '['name']'", "['name']"],
    ['retryCount() { return 1 }', '2:23', "option 'retryCount'", 'retryCount() { return 1 }'],
    ['...spread()', '2:26', "option '...'", 'spread()'],
  ])('%s is no data', async (option, at, what, shown) => {
    const code = `export const a = task({ ${option} }, () => 1)
import { fromPackage } from 'some-package'
let variable = 1; variable++
declare const declared: number
const computed = Math.random(), table = { there: 1 }, itself: number = itself
const spread = () => ({}), one = { count: two.count }, two = { count: one.count }`
    const [line = 0, column = 0] = at.split(':').map(Number)
    const found = await said(code)
    expect(found).toEqual([
      `${line}:${column + 2} The ${what} cannot be read: \`${shown}\` is no data. | ${CURE}`,
    ])
  })

  test('are not hidden behind a spread', async () => {
    expect(await said('const args = [{}, () => 1] as const\nexport const a = task(...args)')).toEqual([
      `3:23 The options cannot be read: \`...args\` is no data. | ${CURE}`,
    ])
  })

  test('may be calculated: durations are seconds', async () => {
    const root = writeProject(workspace(), {
      'src/a.ts': `${TASK}const HOUR = 60 * 60\nexport const a = task({ retryAfter: (24 * HOUR + 30) / 2 - 1 }, () => 1)\n`,
    })
    await run(root)
    expect(readFileSync(join(root, 'src/ztask/registry.ts'), 'utf8')).toContain('retryAfter: 43214')
  })

  test('as a whole', async () => {
    expect(await said('const make = () => ({})\nexport const a = task(make(), () => 1)')).toEqual([
      `3:23 The options cannot be read: \`make()\` is no data. | ${CURE}`,
    ])
  })

  test('from elsewhere: the place is the one in the task', async () => {
    const code = "import { RETRY } from './b.js'\nexport const a = task(RETRY, () => 1)"
    expect(await said(code, { 'src/b.ts': 'export const RETRY = { retryCount: -1 }\n' })).toEqual([
      "3:23 The option 'retryCount' is -1. | It must be a whole number, 0 to 1,000,000.",
    ])
  })

  test.each([
    ['retryCont: 1', "2:25 There is no option 'retryCont'. | Did you mean 'retryCount'?"],
    [
      'colour: 1',
      "2:25 There is no option 'colour'. | The options are name, aliases, retryCount, retryAfter, timeout, priority, expiresIn, keepResult, keepFailed.",
    ],
    ["retryCount: '3'", "2:37 The option 'retryCount' is '3'. | It must be a whole number, 0 to 1,000,000."],
    ['retryCount: 1.5', "2:37 The option 'retryCount' is 1.5. | It must be a whole number, 0 to 1,000,000."],
    [
      'retryAfter: -1',
      "2:37 The option 'retryAfter' is -1. | It must be a number of seconds, 0 or more, a list of 1 to 100 of them, or { backoff: 'exponential', first, most, jitter }.",
    ],
    [
      'aliases: [1]',
      "2:34 The option 'aliases' is [1]. | It must be a list of identifiers, such as ['oldName'].",
    ],
  ])('%s', async (option, message) => {
    expect(await said(`export const a = task({ ${option} }, () => 1)`)).toEqual([message])
  })
})

test('a file that cannot be parsed is an error, so that no task goes missing behind it', async () => {
  const found = await said('export const a = task((x: string) => x\nexport const b = task(() => 1)')
  expect(found[0]).toMatch(/^3:\d+ The file cannot be parsed: .* \| Correct the syntax: tasks may be hidden/)
})

test('files that no import, or one import, leads to', async () => {
  const code = (name: string) => `${TASK}export const ${name} = task(() => 1)\n`
  const error = await refused({ 'src/a.ts': code('a'), 'src/a.tsx': code('b'), 'src/c#d.ts': code('c') })
  expect(problemsOf(error).map(({ file, code, message }) => `${file} ${code} ${message}`)).toEqual([
    'src/a.tsx file-name An import of this file and of a.ts is the same.',
    'src/c#d.ts file-name No import leads to a file with #, ? or % in its name.',
  ])
})

test('a source that cannot be read is named', async () => {
  const root = writeProject(workspace(), { 'src/a.ts': TASK })
  symlinkSync('loop.ts', join(root, 'src/loop.ts'))
  expect((await refusal(root)).message).toMatch(
    /src\/loop\.ts cannot be read: ELOOP.* leave the file out by `include`/,
  )
})

test('where the output cannot be written nothing is left behind, and the old is as it was', async () => {
  const root = writeProject(workspace(), { 'src/a.ts': TASK, 'src/ztask': 'a file' })
  expect((await refusal(root)).message).toMatch(
    /client\.ts cannot be written: .* name another folder by `output`/,
  )
  rmSync(join(root, 'src/ztask'))
  mkdirSync(join(root, 'src/ztask/registry.ts'), { recursive: true })
  expect((await refusal(root)).message).toMatch(/registry\.ts cannot be written/)
  expect(readdirSync(join(root, 'src/ztask')).sort()).toEqual(['client.ts', 'registry.ts'])
})

test('a tsconfig.json that cannot be read is an error of the configuration', async () => {
  const root = writeProject(workspace(), { 'tsconfig.json': '{ nonsense', 'src/a.ts': TASK })
  await expect(run(root)).rejects.toMatchObject({ code: 'ZTASK_CONFIG' })
})
