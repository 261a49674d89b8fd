import type { Command } from 'commander'
import type { Reloading } from '../daemon/code/tickets.ts'
import { DaemonError } from '../model/errors.ts'
import { askDaemon } from './ask.ts'
import { type ProjectFlags, projectOf, withProjectFlags } from './flags.ts'
import { printJson } from './print.ts'

/** `ztask reload [--json]` */
export const addReload = (program: Command): void => {
  withProjectFlags(program.command('reload'))
    .description('bring up workers on the code as it is now; those on the old finish what they run')
    .option('--json', 'as JSON')
    .action(async (flags: ProjectFlags & { json?: boolean }) => {
      const project = await projectOf(flags)
      const look = async (ticket?: number): Promise<Reloading> =>
        (await askDaemon(project, 'reload', { ticket })) as Reloading
      let told = await look()
      while (told.state === 'reloading') told = await look(told.ticket)
      if (flags.json) {
        process.exitCode = told.state === 'reloaded' ? 0 : 1
        return printJson(told)
      }
      if (told.state === 'failed')
        throw new DaemonError(`Not reloaded, the old code goes on: ${told.message}`)
      process.stdout.write(`New jobs run generation ${told.generation}\n`)
    })
}
