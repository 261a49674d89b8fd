import type { Command } from 'commander'
import { JOB_STATES } from '../model/job.ts'
import { REFUSAL_REASONS, type RefusalCounts } from '../model/refusal.ts'
import { ask } from './ask.ts'
import { type ProjectFlags, projectOf, withProjectFlags } from './flags.ts'
import { printJson, printTable } from './print.ts'

type Status = Readonly<Record<(typeof JOB_STATES)[number], number>> & {
  readonly workers: readonly { pid: number; generation: number; running: number }[]
  readonly generation: number
  /** Where a daemon answers. */
  readonly refused?: RefusalCounts
  readonly version: string
}

/** `ztask status [--json]` */
export const addStatus = (program: Command): void => {
  withProjectFlags(program.command('status'))
    .description('how many jobs there are in each state, and the workers')
    .option('--json', 'as JSON')
    .action(async (flags: ProjectFlags & { json?: boolean }) => {
      const status = (await ask(await projectOf(flags), 'status', {})) as Status
      if (flags.json) return printJson(status)
      printTable(JOB_STATES.map((state) => [state, String(status[state])]))
      for (const { pid, generation, running } of status.workers)
        process.stdout.write(`worker ${pid}: generation ${generation}, ${running} running\n`)
      const refused = REFUSAL_REASONS.filter((reason) => (status.refused?.[reason] ?? 0) > 0)
      if (refused.length > 0)
        process.stdout.write(
          `refused: ${refused.map((reason) => `${status.refused?.[reason]} ${reason}`).join(', ')}\n`,
        )
    })
}
