import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { defineRegistry, task } from '../../src/index.ts'
import { TaskMissingError, UnknownTaskError } from '../../src/model/errors.ts'
import { loadedRegistry, type RegistryEntry, resolveTask } from '../../src/worker/registry.ts'

const twice = task((n: number) => n * 2)

const registryOf = (tasks: Record<string, RegistryEntry>) => defineRegistry({ project: 'shop', tasks })

test('is remembered by its project, the last one of a name', () => {
  expect(loadedRegistry('nobody')).toBeUndefined()
  registryOf({})
  const last = registryOf({})
  expect(loadedRegistry('shop')).toBe(last)
  expect((globalThis as Record<symbol, unknown>)[Symbol.for('ztask.registry')]).toBeInstanceOf(Map)
})

test.each([
  ['an ES module', { twice }, 'twice'],
  ['a default export', { default: twice }, 'default'],
  ['a CommonJS module', { default: { twice } }, 'twice'],
  ["a CommonJS module's default export", { default: { __esModule: true, default: twice } }, 'default'],
])('finds a task of %s', async (_, module, name) => {
  const registry = registryOf({ double: { load: async () => module, export: name } })
  expect(await resolveTask(registry, 'double')).toBe(twice)
})

test('a module of CommonJS, imported for real', async () => {
  const file = createRequire(import.meta.url).resolve('../fixtures/registry/task.cjs')
  const registry = registryOf({ made: { load: () => import(file), export: 'made' } })
  expect((await resolveTask(registry, 'made'))(1)).toBe(2)
})

test('follows aliases; a name goes first', async () => {
  const load = async () => ({ twice })
  const registry = registryOf({
    old: { load: async () => ({}), export: 'gone' },
    double: { load, export: 'twice', aliases: ['old', 'older'] },
  })
  expect(await resolveTask(registry, 'older')).toBe(twice)
  await expect(resolveTask(registry, 'old')).rejects.toBeInstanceOf(TaskMissingError)
})

test('names the nearest where no task has the name', async () => {
  const registry = registryOf({ sendEmail: { load: async () => ({}), export: 'sendEmail' } })
  const error = await resolveTask(registry, 'sendEmial').catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(UnknownTaskError)
  expect(error).toMatchObject({ data: { task: 'sendEmial', nearest: 'sendEmail' } })
  expect((error as Error).message).toContain("Did you mean 'sendEmail'?")
  await expect(resolveTask(registry, 'toString')).rejects.toBeInstanceOf(UnknownTaskError)
})

test.each([
  ['is gone', {}],
  ['is a plain function', { twice: (n: number) => n }],
  ['is nothing', undefined],
])('says to generate again where the export %s', async (_, module) => {
  const registry = registryOf({ double: { load: async () => module, export: 'twice' } })
  await expect(resolveTask(registry, 'double')).rejects.toMatchObject({
    code: 'ZTASK_TASK_MISSING',
    message: "The module of task 'double' exports no task 'twice'. Run `ztask generate` again.",
  })
})

test('leaves the error of a module that cannot be loaded as it is', async () => {
  const broken = new Error('no such file')
  const registry = registryOf({ double: { load: () => Promise.reject(broken), export: 'twice' } })
  await expect(resolveTask(registry, 'double')).rejects.toBe(broken)
})
