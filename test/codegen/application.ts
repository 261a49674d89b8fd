/**
 * An application, in a process of its own: `application.ts CLIENT RUNS` calls each task that RUNS lists through the
 * generated CLIENT and prints the ids of the jobs.
 */
import { resolve } from 'node:path'
import type { UntypedCalls } from '../../src/client/client.ts'

/** What the runs.mts of a case lists, by task: the arguments of a call, and what the task returns where that is known. */
export type Runs = Readonly<Record<string, readonly [args: readonly unknown[], result?: unknown]>>

const [client = '', runs = ''] = process.argv.slice(2).map((path) => resolve(path))
const { tasks }: { tasks: Readonly<Record<string, UntypedCalls>> } = await import(client)
const listed: { default: Runs } = await import(runs)

const called = Object.entries(listed.default).map(([name, [args]]) => tasks[name]?.async(...args))
for (const job of await Promise.all(called)) console.log(job?.id)
