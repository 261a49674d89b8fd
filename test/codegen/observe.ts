/** An onLoad for workers: each task that runs is noted in ran.log as `[name, arguments, result]`. */
import { appendFileSync } from 'node:fs'
import { stringify } from 'devalue'
import type { Registry } from '../../src/worker/registry.ts'

type Holder = object & Readonly<Record<string | symbol, unknown>>

const isHolder = (value: unknown): value is Holder =>
  (typeof value === 'object' && value !== null) || typeof value === 'function'

/** The module itself, with every function in it noting its calls: which of them is the task, the worker finds as ever. */
const observed = (name: string, module: Holder): Holder =>
  new Proxy(module, {
    get: (target, key) => {
      const value = target[key]
      return typeof key === 'string' && isHolder(value) ? observed(name, value) : value
    },
    apply: async (target, self, args) => {
      const result = await Reflect.apply(target as Holder & (() => unknown), self, args)
      appendFileSync('ran.log', `${stringify([name, args, result])} ${process.pid} ${Date.now()}\n`)
      return result
    },
  })

/** Puts every module of the registry behind an observer. */
export const observe = (): void => {
  const registries = (globalThis as { [key: symbol]: unknown })[Symbol.for('ztask.registry')]
  for (const { tasks } of (registries as Map<string, Registry>).values())
    for (const [name, entry] of Object.entries(tasks)) {
      const load = async () => observed(name, (await entry.load()) as Holder)
      Object.assign(tasks, { [name]: { ...entry, load } })
    }
}
