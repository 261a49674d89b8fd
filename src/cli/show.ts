import type { Command } from 'commander'
import type { JobView } from '../daemon/commands.ts'
import { ask } from './ask.ts'
import { type ProjectFlags, projectOf, withProjectFlags } from './flags.ts'
import { printJson, printTable } from './print.ts'

/** `ztask show ID [--json]` */
export const addShow = (program: Command): void => {
  withProjectFlags(program.command('show'))
    .description('one job: its state, arguments and last error')
    .argument('<id>')
    .option('--json', 'as JSON')
    .action(async (id: string, flags: ProjectFlags & { json?: boolean }) => {
      const job = (await ask(await projectOf(flags), 'show', { id })) as JobView
      if (flags.json) return printJson(job)
      const { failure, ...facts } = job
      printTable(
        Object.entries(facts).flatMap(([key, value]) => (value === null ? [] : [[key, String(value)]])),
      )
      if (failure !== null)
        process.stdout.write(`\n${failure.stack || `${failure.name}: ${failure.message}`}\n`)
    })
}
