/** What `task()` does to a function's type. Checked by tsc; nothing here is run. */
import { expectTypeOf } from 'vitest'
import {
  type Args,
  type Calls,
  type CallsOf,
  getJob,
  type Job,
  type JobStatus,
  type NamedTask,
  type Task,
  task,
} from '../../src/index.ts'
import type { NotSent } from '../../src/model/sendable.ts'
import type * as own from './task.test-d.ts'

type ArgsOf<T> = T extends { async: (...args: infer A extends readonly unknown[]) => unknown } ? A : never

// As the generated client does it.
declare const tasks: Calls<
  Pick<typeof own, 'plain' | 'optional' | 'rest' | 'readonlyRest' | 'generic' | 'recursive' | 'overloaded'>
> &
  Calls<Pick<typeof own, 'defaulted' | 'again' | 'ping' | 'pong'>> & {
    readonly other: CallsOf<typeof own.renamed>
  }

export const plain = task(async (to: string, subject: string) => ({ id: to + subject }))
expectTypeOf(plain('a', 'b')).toEqualTypeOf<Promise<{ id: string }>>()
expectTypeOf(plain).toExtend<Task>()
expectTypeOf(tasks.plain.async).toEqualTypeOf<
  (to: string, subject: string) => Promise<Job<(to: string, subject: string) => Promise<{ id: string }>>>
>()
expectTypeOf(tasks.plain.after).parameters.toEqualTypeOf<[seconds: number, to: string, subject: string]>()
expectTypeOf(tasks.plain.at).parameters.toEqualTypeOf<[date: Date, to: string, subject: string]>()
expectTypeOf(tasks.plain.batch([['a', 'b']])).resolves.items.toEqualTypeOf<
  Job<(to: string, subject: string) => Promise<{ id: string }>>
>()
expectTypeOf(tasks.plain.run).toEqualTypeOf<(to: string, subject: string) => Promise<{ id: string }>>()
export const resultOf = async (job: Awaited<ReturnType<typeof tasks.plain.async>>): Promise<void> => {
  expectTypeOf(await job.result()).toEqualTypeOf<{ id: string }>()
  expectTypeOf(await job.result({ timeout: 5 })).toEqualTypeOf<{ id: string }>()
  expectTypeOf(await job.status()).toEqualTypeOf<JobStatus>()
  // Of another task's function, of its calls, and of none.
  expectTypeOf(await getJob<typeof plain>(job.id).result()).toEqualTypeOf<{ id: string }>()
  expectTypeOf(await getJob<typeof tasks.plain>(job.id).result()).toEqualTypeOf<{ id: string }>()
  expectTypeOf(await getJob<typeof tasks.rest>(job.id).result()).toEqualTypeOf<
    Awaited<ReturnType<typeof rest>>
  >()
  expectTypeOf(await getJob(job.id).result()).toEqualTypeOf<unknown>()
  // @ts-expect-error seconds are a number
  await job.result({ timeout: '5' })
}
declare const resultsOf: {
  nothing: CallsOf<Task<() => void>>
  missing: CallsOf<Task<() => Promise<{ id: string } | undefined>>>
  anything: CallsOf<Task<() => Promise<unknown>>>
  handle: CallsOf<Task<() => Promise<Job<() => string>>>>
  methods: CallsOf<Task<() => { name: string; inner: { save(): void } }>>
  trees: CallsOf<Task<() => Tree[]>>
}
expectTypeOf(resultsOf.nothing.run()).resolves.toEqualTypeOf<void>()
expectTypeOf(resultsOf.missing.run()).resolves.toEqualTypeOf<{ id: string } | undefined>()
expectTypeOf(resultsOf.anything.run()).resolves.toBeUnknown()
expectTypeOf(resultsOf.trees.run()).resolves.toEqualTypeOf<Tree[]>()
// A handle that a task returns arrives as its data.
expectTypeOf(resultsOf.handle.run()).resolves.toEqualTypeOf<{
  readonly id: string
  readonly disabled: boolean
}>()
// What cannot be sent does not arrive; the job may be run all the same.
expectTypeOf(resultsOf.methods.run()).resolves.toEqualTypeOf<NotSent<'result.inner.save: a function'>>()
expectTypeOf(resultsOf.methods.async()).resolves.toHaveProperty('id')
expectTypeOf(
  tasks.plain.with({ retryCount: 1, retryAfter: [1, 2], expiresIn: 5, priority: 10 }),
).toEqualTypeOf<typeof tasks.plain>()
tasks.plain
  .with({ retryAfter: { backoff: 'exponential', first: 1, most: 60, jitter: 0.5 } })
  .after(5, 'a', 'b')
// @ts-expect-error a priority is a number
tasks.plain.with({ priority: 'high' })
// @ts-expect-error a name is a task's
tasks.plain.with({ name: 'other' })
// @ts-expect-error there is no such growth
tasks.plain.with({ retryAfter: { backoff: 'linear', first: 1 } })
// @ts-expect-error an argument is missing
tasks.plain.run('a')
/** A task may run itself, where its return type is written out. */
export const ownRun = task(
  async (n: number): Promise<number> => (n <= 1 ? 1 : n * (await runs.ownRun.run(n - 1))),
)
declare const runs: Calls<Pick<typeof own, 'ownRun'>>
const PAIRS = [['a', 'b'] as const]
tasks.plain.batch(PAIRS)
// @ts-expect-error an argument of the second call is missing
tasks.plain.batch([['a', 'b'], ['a']])
// @ts-expect-error one list of arguments is no list of lists
tasks.plain.batch(['a', 'b'])
// @ts-expect-error an argument is missing
tasks.plain.async('a')
// @ts-expect-error an argument is of another type
tasks.plain.async('a', 1)
// @ts-expect-error its own calls need a name in the options
plain.async('a', 'b')

export const optional = task((a: string, b?: number) => a.length + (b ?? 0))
expectTypeOf(optional('a')).toEqualTypeOf<number>()
expectTypeOf<ArgsOf<typeof tasks.optional>>().toEqualTypeOf<[a: string, b?: number | undefined]>()

/** Its type is known only after its initializer: while it is inferred nothing may be refused. */
export const defaulted = task((a: string, b = 90) => a.repeat(b))
expectTypeOf(defaulted('a')).toEqualTypeOf<string>()
expectTypeOf<ArgsOf<typeof tasks.defaulted>>().toEqualTypeOf<[a: string, b?: number | undefined]>()

export const rest = task((a: string, ...more: number[]) => [a, more] as const)
expectTypeOf<ArgsOf<typeof tasks.rest>>().toEqualTypeOf<[a: string, ...more: number[]]>()

export const readonlyRest = task((...all: readonly string[]) => all.length)
expectTypeOf<ArgsOf<typeof tasks.readonlyRest>>().toEqualTypeOf<readonly string[]>()
expectTypeOf<Args<(...all: readonly string[]) => void>>().toEqualTypeOf<readonly string[]>()

/** Kept on direct calls; the constraint in the client. */
export const generic = task(<T extends { id: string }>(one: T, _other: T[]): T => one)
expectTypeOf(generic({ id: 'a', size: 1 }, [])).toEqualTypeOf<{ id: string; size: number }>()
expectTypeOf<ArgsOf<typeof tasks.generic>>().toEqualTypeOf<[one: { id: string }, _other: { id: string }[]]>()

type Json = string | number | boolean | null | Json[] | { [key: string]: Json }
interface Tree {
  value: bigint
  children?: readonly Tree[]
  byName: Map<string, Tree>
}
export const recursive = task((_json: Json, tree: Tree): Tree => tree)
expectTypeOf<ArgsOf<typeof tasks.recursive>>().toEqualTypeOf<[_json: Json, tree: Tree]>()

function overload(a: string): string
function overload(a: number, b: boolean): number
function overload(a: string | number): string | number {
  return a
}
export const overloaded = task(overload)
expectTypeOf(overloaded('a')).toEqualTypeOf<string>()
expectTypeOf<ArgsOf<typeof tasks.overloaded>>().toEqualTypeOf<[a: number, b: boolean]>()

/** It enqueues itself and uses the handle; nothing is annotated. */
export const again = task(async (left: number) => {
  const job = await tasks.again.after(1, left - 1)
  return { id: job.id, job }
})
expectTypeOf<Awaited<ReturnType<typeof again>>['id']>().toEqualTypeOf<string>()

export const ping = task(async (left: number) => {
  const job = await tasks.pong.async(left - 1)
  return job.disabled ? undefined : { job }
})
export const pong = task({ retryCount: 1 }, async (left: number) => {
  const job = await tasks.ping.async(left - 1)
  return [job, job.id] as const
})
expectTypeOf(ping).not.toBeAny()
expectTypeOf(pong).not.toBeAny()

export const named = task({ name: 'named' }, async (left: number) => {
  const job = await named.async(left - 1)
  return job.id
})
expectTypeOf(named).toEqualTypeOf<NamedTask<(left: number) => Promise<string>>>()
expectTypeOf(named.async).parameters.toEqualTypeOf<[left: number]>()

/** A name that is only known when it runs gives no calls: the worker could not find it by generate. */
export const widened = task({ name: 'wide' as string }, (a: string) => a)
expectTypeOf(widened).toEqualTypeOf<Task<(a: string) => string>>()

export const renamed = task(
  { name: 'other', aliases: ['older'], retryCount: 1, retryAfter: 0.5 },
  (a: Date) => a,
)
expectTypeOf<ArgsOf<typeof tasks.other>>().toEqualTypeOf<[a: Date]>()

// @ts-expect-error no such option
task({ retries: 1 }, (a: string) => a)
// @ts-expect-error a number is wanted
task({ retryCount: '1' }, (a: string) => a)
// @ts-expect-error no function
task(1)
// @ts-expect-error parameters have types: nothing gives these one
task((a) => a)

expectTypeOf<Job<() => Promise<string>>>().toExtend<Job>()
