/** The process that reads a configuration for another: it answers once. */
import { loadProject } from './config.ts'
import type { Reading, ReadingOrder } from './config-anew.ts'
import { configModules } from './config-module.ts'
import { ConfigError, ZtaskError } from './model/errors.ts'

process.once('message', async ({ flags }: ReadingOrder) => {
  const result = await read(flags)
  process.send?.({ files: configModules(), result } satisfies Reading)
})
process.on('disconnect', () => process.exit())
// When it is to end is its parent's to say.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

const read = async (flags: ReadingOrder['flags']): Promise<Reading['result']> => {
  try {
    const project = await loadProject(process.cwd(), process.env, flags)
    // What is generated is committed: the environment of whoever generates must not get into it.
    return { project, committed: await loadProject(process.cwd(), {}) }
  } catch (error) {
    const told = error instanceof ZtaskError ? error : new ConfigError((error as Error).message)
    return { error: told.toJSON() }
  }
}
