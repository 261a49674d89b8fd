import { type Command, Option } from 'commander'
import type { JobView } from '../daemon/commands.ts'
import { JOB_STATES, type JobState } from '../model/job.ts'
import { ask } from './ask.ts'
import { type ProjectFlags, projectOf, wholeNumber, withProjectFlags } from './flags.ts'
import { printJson, printTable } from './print.ts'

type ListFlags = ProjectFlags & { json?: boolean; limit: number } & { [state in JobState]?: boolean }

/** `ztask list [--failed|--waiting|…] [--limit N] [--json]` */
export const addList = (program: Command): void => {
  const command = withProjectFlags(program.command('list'))
    .description('jobs in the order of their turn, all or those of one state')
    .option('--limit <n>', 'how many at most', wholeNumber(1, 10_000), 100)
    .option('--json', 'as JSON')
  for (const state of JOB_STATES) {
    const others = JOB_STATES.filter((other) => other !== state)
    command.addOption(new Option(`--${state}`, `only ${state} ones`).conflicts([...others]))
  }
  command.action(async (flags: ListFlags) => {
    const state = JOB_STATES.find((one) => flags[one])
    const jobs = (await ask(await projectOf(flags), 'list', {
      state,
      limit: flags.limit,
    })) as readonly JobView[]
    if (flags.json) return printJson(jobs)
    const rows = jobs.map((job) => [job.id, job.task, job.state, job.due, String(job.attempts), note(job)])
    printTable([['ID', 'TASK', 'STATE', 'DUE', 'ATTEMPTS', ''], ...rows])
  })
}

const note = ({ failure, reason }: JobView): string => {
  const text = reason ?? (failure === null ? '' : `${failure.name}: ${failure.message}`)
  return text.split('\n')[0]?.slice(0, 80) ?? ''
}
