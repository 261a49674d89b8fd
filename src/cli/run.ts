import { type Command, InvalidArgumentError } from 'commander'
import { newId } from '../client/id.ts'
import { close, connectionTo } from '../client/process.ts'
import { encodeArgs } from '../wire/codec.ts'
import { type ProjectFlags, projectOf, reachOf, withProjectFlags } from './flags.ts'

const list = (text: string): unknown[] => {
  try {
    const value: unknown = JSON.parse(text)
    if (Array.isArray(value)) return value
  } catch {
    // Falls through to the one sentence that covers both.
  }
  throw new InvalidArgumentError(`It must be a JSON list, such as '["a@b.c", 2]'.`)
}

/** `ztask run NAME '[args]'`: enqueues one job and prints its id. */
export const addRun = (program: Command): void => {
  withProjectFlags(program.command('run'))
    .description('enqueue one job, and print its id')
    .argument('<task>')
    .argument('[args]', 'its arguments, a JSON list', list, [])
    .action(async (task: string, args: unknown[], flags: ProjectFlags) => {
      const project = await projectOf(flags)
      const id = newId()
      const job = { id, task, args: encodeArgs(args) }
      await connectionTo(reachOf(project)).enqueue(job)
      close()
      process.stdout.write(`${id}\n`)
    })
}
