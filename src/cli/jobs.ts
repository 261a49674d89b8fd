/** `ztask retry | cancel | delete`: the commands that change jobs. */
import type { Command } from 'commander'
import type { Verdict } from '../daemon/commands.ts'
import type { Verb } from '../wire/protocol.ts'
import { ask } from './ask.ts'
import { type ProjectFlags, projectOf, withProjectFlags } from './flags.ts'
import { printJson, printTable } from './print.ts'

interface Change {
  readonly verb: Verb
  readonly what: string
  /** What a verdict must be for the command to have done what it was asked. */
  readonly done: readonly Verdict['result'][]
  /** Whether `--failed` names all failed ones. */
  readonly all: boolean
}

const CHANGES: readonly Change[] = [
  { verb: 'retry', what: 'give failed jobs their attempts back and run them', done: ['retried'], all: true },
  {
    verb: 'cancel',
    what: 'remove jobs; those that run are told to end',
    done: ['removed', 'signalled'],
    all: false,
  },
  { verb: 'delete', what: 'delete failed jobs', done: ['deleted'], all: true },
]

type Flags = ProjectFlags & { failed?: boolean; json?: boolean }

/** One command for each change. */
export const addJobCommands = (program: Command): void => {
  for (const change of CHANGES) {
    const command = withProjectFlags(program.command(change.verb))
      .description(change.what)
      .argument(change.all ? '[ids...]' : '<ids...>')
      .option('--json', 'as JSON')
    if (change.all) command.option('--failed', 'all failed jobs')
    command.action((ids: string[], flags: Flags) => {
      if ((ids.length === 0) !== (flags.failed === true))
        command.error(`error: name the jobs by their ids, or all failed ones with --failed`, { exitCode: 2 })
      return apply(change, ids, flags)
    })
  }
}

const apply = async ({ verb, done }: Change, ids: string[], flags: Flags): Promise<void> => {
  const answer = await ask(await projectOf(flags), verb, flags.failed === true ? {} : { ids })
  const verdicts = Array.isArray(answer) ? (answer as Verdict[]) : []
  if (verdicts.some(({ result }) => !done.includes(result))) process.exitCode = 1
  if (flags.json) printJson(answer)
  else if (flags.failed === true) process.stdout.write(`${(answer as { count: number }).count} ${done[0]}\n`)
  else
    printTable(
      verdicts.map(({ id, result }) => [
        id,
        done.includes(result) ? result : `not ${done[0]}: it is ${result}`,
      ]),
    )
}
