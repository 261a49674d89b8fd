import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Project } from '../config.ts'
import type { JobView } from '../daemon/commands.ts'
import { JOB_STATES, type JobState } from '../model/job.ts'
import type { Page } from '../wire/ask.ts'
import { ask } from './ask.ts'
import { type ProjectFlags, projectOf, wholeNumber, withProjectFlags } from './flags.ts'
import { printJson, printTable, STATE_STYLES, shortTime, terminalWidth } from './print.ts'

type ListFlags = ProjectFlags & { json?: boolean; limit: number; task?: string; since?: number } & {
  [state in JobState]?: boolean
}

/** `ztask list [--failed|--waiting|…] [--task NAME] [--since SECONDS|DATE] [--limit N] [--json]` */
export const addList = (program: Command): void => {
  const command = withProjectFlags(program.command('list'))
    .description(
      'jobs by when they are due, waiting ones in the order of their turn; all or those of one state',
    )
    .option('--task <name>', 'only those of this task')
    .option('--since <when>', 'only those enqueued in the last so many seconds, or since a date', since)
    .option('--limit <n>', 'how many at most', wholeNumber(1, 10_000), 100)
    .option('--json', 'as JSON')
  for (const state of JOB_STATES) {
    const others = JOB_STATES.filter((other) => other !== state)
    command.addOption(new Option(`--${state}`, `only ${state} ones`).conflicts([...others]))
  }
  command.action(async (flags: ListFlags) => {
    const jobs = await listed(await projectOf(flags), flags)
    if (flags.json) return printJson(jobs)
    printJobs(jobs, terminalWidth())
  })
}

/** Page by page: a daemon keeps its answers small. A job whose turn has changed meanwhile may come twice. */
const listed = async (project: Project, flags: ListFlags): Promise<readonly JobView[]> => {
  const { task, since, limit } = flags
  const state = JOB_STATES.find((one) => flags[one])
  const jobs = new Map<string, JobView>()
  let after: string | null = null
  do {
    const params = { state, task, since, limit: limit - jobs.size, page: true, after }
    const page = (await ask(project, 'list', params)) as Page<JobView>
    for (const job of page.jobs) jobs.set(job.id, job)
    after = page.next
  } while (after !== null && jobs.size < limit)
  return [...jobs.values()]
}

type Column = readonly [head: string, cell: (job: JobView) => string]

const columnsOf = (jobs: readonly JobView[], width: number | undefined): readonly Column[] => [
  ['ID', ({ id }) => id],
  ['TASK', ({ task }) => task],
  ['STATE', ({ state }) => state],
  ['DUE', ({ due }) => (width === undefined ? due : shortTime(due))],
  // Most applications have none.
  ...(jobs.some(({ priority }) => priority !== 0)
    ? [['PRIORITY', ({ priority }) => String(priority)] satisfies Column]
    : []),
  ['ATTEMPTS', ({ attempts }) => String(attempts)],
  ['ERROR', error],
]

const printJobs = (jobs: readonly JobView[], width: number | undefined): void => {
  const columns = columnsOf(jobs, width)
  const heads = columns.map(([head]) => head)
  printTable([heads, ...jobs.map((job) => columns.map(([, cell]) => cell(job)))], {
    width,
    // The id is what the other commands want: it is never cut.
    yielding: ['ERROR', 'TASK', 'DUE'].map((name) => heads.indexOf(name)),
    style: (_, row, column) => {
      if (row === 0) return 'bold'
      const job = jobs[row - 1]
      return heads[column] === 'STATE' && job !== undefined ? STATE_STYLES[job.state] : undefined
    },
  })
}

/** Its first line; of a held job, why it is held. */
const error = ({ failure, reason }: JobView): string =>
  (reason ?? (failure === null ? '' : `${failure.name}: ${failure.message}`)).split(/\r?\n/)[0] ?? ''

/** @returns epoch ms */
const since = (text: string): number => {
  const isDate = /^\d{4}-\d\d/.test(text)
  const seconds = text.trim() === '' ? Number.NaN : Number(text)
  // Date.parse alone finds a date in much that is none: '-5' is a day of 2001.
  const found = isDate ? Date.parse(text) : Date.now() - (seconds >= 0 ? seconds * 1000 : Number.NaN)
  if (!Number.isFinite(found))
    throw new InvalidArgumentError(`It must be a number of seconds, or a date such as '2027-01-01T12:00'.`)
  return found
}
