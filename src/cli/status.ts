import type { Command } from 'commander'
import { JOB_STATES } from '../model/job.ts'
import { REFUSAL_REASONS, type RefusalCounts } from '../model/refusal.ts'
import { ask, askDaemon } from './ask.ts'
import { type ProjectFlags, projectOf, withProjectFlags } from './flags.ts'
import { fromNow, printJson, printTable, STATE_STYLES } from './print.ts'

type Status = Readonly<Record<(typeof JOB_STATES)[number], number>> & {
  readonly workers: readonly { pid: number; generation: number; running: number }[]
  readonly generation: number
  readonly generations: readonly { generation: number; loaded: string; workers: number; running: number }[]
  readonly notReloaded: { at: string; message: string } | null
  /** Where a daemon answers. */
  readonly refused?: RefusalCounts
}

/** `ztask status [--live] [--json]` */
export const addStatus = (program: Command): void => {
  withProjectFlags(program.command('status'))
    .description('how many jobs there are in each state, and the workers')
    .option('--live', 'exit 1 where no daemon answers, instead of reading the database')
    .option('--json', 'as JSON')
    .action(async (flags: ProjectFlags & { live?: boolean; json?: boolean }) => {
      const project = await projectOf(flags)
      const status = (await (flags.live ? askDaemon : ask)(project, 'status', {})) as Status
      if (flags.json) return printJson(status)
      printTable(
        JOB_STATES.map((state) => [state, String(status[state])]),
        {
          style: (_, row, column) => (column === 0 ? STATE_STYLES[JOB_STATES[row] ?? 'waiting'] : undefined),
        },
      )
      for (const { generation, loaded, workers, running } of status.generations) {
        const which = ['ends when that is done', 'gets new jobs', 'is being brought up'].at(
          Math.sign(generation - status.generation) + 1,
        )
        process.stdout.write(
          `generation ${generation}: loaded ${fromNow(loaded)}, ${workers} workers, ${running} running, ${which}\n`,
        )
      }
      for (const { pid, generation, running } of status.workers)
        process.stdout.write(`worker ${pid}: generation ${generation}, ${running} running\n`)
      if (status.notReloaded !== null)
        process.stdout.write(
          `not reloaded ${fromNow(status.notReloaded.at)}, the old code goes on: ${status.notReloaded.message}\n`,
        )
      const refused = REFUSAL_REASONS.filter((reason) => (status.refused?.[reason] ?? 0) > 0)
      if (refused.length > 0)
        process.stdout.write(
          `refused: ${refused.map((reason) => `${status.refused?.[reason]} ${reason}`).join(', ')}\n`,
        )
    })
}
