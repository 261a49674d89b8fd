import { inspect } from 'node:util'
import type { Command } from 'commander'
import type { AttemptView, JobAccount } from '../daemon/commands.ts'
import type { Failure } from '../model/outcome.ts'
import { decodeArgs, decodeResult } from '../wire/codec.ts'
import { ask } from './ask.ts'
import { type ProjectFlags, projectOf, withProjectFlags } from './flags.ts'
import { fromNow, printable, printJson, printTable, STATE_STYLES, styled, terminalWidth } from './print.ts'

/** `ztask show ID [--json]` */
export const addShow = (program: Command): void => {
  withProjectFlags(program.command('show'))
    .description('one job: its state, when it runs next, its arguments, and how each attempt failed')
    .argument('<id>')
    .option('--json', 'as JSON')
    .action(async (id: string, flags: ProjectFlags & { json?: boolean }) => {
      const job = (await ask(await projectOf(flags), 'show', { id })) as JobAccount
      if (flags.json) return printJson(job)
      printFacts(job)
      process.stdout.write(`\n${styled('bold', 'arguments')}\n${argumentsOf(job.args)}\n`)
      if (job.result !== null)
        process.stdout.write(`\n${styled('bold', 'result')}\n${resultOf(job.result)}\n`)
      printFailures(job)
    })
}

const printFacts = (job: JobAccount): void => {
  const facts: readonly (readonly [string, string])[] = [
    ['id', job.id],
    ['task', job.task],
    ['state', job.state],
    ['created', told(job.created)],
    ...(job.priority === 0 ? [] : ([['priority', String(job.priority)]] as const)),
    ['attempts', String(job.attempts)],
    ...(job.failedAt === null ? [] : ([['failed', told(job.failedAt)]] as const)),
    ...(job.progress === null ? [] : ([['progress', progressText(job.progress)]] as const)),
    ['next run', nextRun(job)],
  ]
  printTable(facts, {
    style: (_, row, column) => {
      if (column === 0) return 'bold'
      return facts[row]?.[0] === 'state' ? STATE_STYLES[job.state] : undefined
    },
  })
}

const nextRun = ({ id, state, due, reason, expires }: JobAccount): string => {
  switch (state) {
    case 'running':
      return 'it runs now'
    case 'waiting':
      return `as soon as a worker is free; due ${told(due)}`
    case 'scheduled':
      return told(due)
    case 'held':
      return `when the cause is gone: ${reason}`
    case 'failed':
      return `none, unless you ask for it: npx ztask retry ${id}`
    case 'succeeded':
      return `none: it has ended; its result is kept until ${told(expires ?? '')}`
  }
}

const progressText = ({ fraction, message }: NonNullable<JobAccount['progress']>): string =>
  `${Math.round(fraction * 100)}%${message === null ? '' : `, ${message}`}`

/** @returns the date, and how far away it is */
const told = (iso: string): string => `${iso} (${fromNow(iso)})`

const argumentsOf = (text: string): string => {
  let args: readonly unknown[]
  try {
    args = decodeArgs(text)
  } catch {
    // Written by hand with SQL, or by a newer client: shown as it stands.
    return indented(printable(text))
  }
  if (args.length === 0) return '  none'
  return args.map((arg, at) => indented(`${at + 1}  ${shown(arg)}`)).join('\n')
}

const resultOf = (text: string): string => {
  const result = decodeResult(text)
  return indented('value' in result ? shown(result.value) : `cannot be sent: ${printable(result.unsent)}`)
}

const shown = (value: unknown): string =>
  inspect(value, { depth: 10, colors: styled('bold', '') !== '', breakLength: (terminalWidth() ?? 80) - 6 })

/** The attempts that are kept, each with its error; `first` is the number of the first of them. */
const printFailures = ({ attempts, failures }: JobAccount): void => {
  const first = attempts - failures.length + 1
  for (const [at, one] of failures.entries()) printFailure(first + at, one)
}

const printFailure = (attempt: number, { at, failure, generation, loaded }: AttemptView): void => {
  // A job that was given its attempts back keeps the errors of those before.
  const which = attempt > 0 ? `attempt ${attempt} failed` : 'an attempt before the retry failed'
  process.stdout.write(`\n${styled('bold', `${which} ${told(at)}`)}\n`)
  if (loaded !== null) process.stdout.write(`on generation ${generation}, loaded ${told(loaded)}\n`)
  for (let one: Failure | undefined = failure, before = ''; one !== undefined; one = one.cause) {
    process.stdout.write(`${before}${printable(one.stack || `${one.name}: ${one.message}`)}\n`)
    before = 'caused by: '
  }
}

const indented = (text: string): string => text.replace(/^/gm, '  ')
