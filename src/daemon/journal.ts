/** The daemon's log lines, all of them: the stages report what happened, the words are here. */
import type { Logger } from '../log.ts'
import { ZtaskError } from '../model/errors.ts'
import type { Job } from '../model/job.ts'
import type { Failure } from '../model/outcome.ts'
import type { RefusalReport } from '../model/refusal.ts'
import { type Exit, exitText, type Run, type StopReason, type Worker } from '../model/run.ts'

/** Of the files that a reload is for; a checkout changes thousands. */
const MOST_NAMED = 20

const seconds = (ms: number): string => `${(ms / 1000).toFixed(Math.abs(ms) < 10_000 ? 1 : 0)} s`
const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`

/** What a stranger sent must not steer the terminal that shows it. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is for
const printable = (text: string): string => text.slice(0, 1000).replace(/[\u0000-\u001f\u007f-\u009f]/g, '?')

const STOPPED: Readonly<Record<StopReason, string>> = {
  timeout: 'has taken longer than its timeout',
  cancelled: 'is cancelled',
  replaced: 'runs code that was replaced',
  relieved: 'runs in a worker that is to end',
  fenced: 'may be another daemon’s soon, as this one could not renew its lease',
}

const OVERDUE = {
  replaced: (generation: number) =>
    `on generation ${generation}, which was replaced: their signals abort. What does not end now is cut, and runs again on the new code`,
  relieved: () =>
    'and is to end for what another did: their signals abort. What does not end now is cut, and runs again elsewhere',
}

export class Journal {
  readonly #log: Logger
  readonly #database: string
  /** Asked twice a job: what nobody reads is not even put into words. */
  readonly #tellsRuns: boolean

  /** @param database where jobs are kept, for whoever has to mend it */
  constructor(log: Logger, database: string) {
    this.#log = log
    this.#database = database
    this.#tellsRuns = log.isLevelEnabled('info')
  }

  started(facts: {
    url: string | null
    database: string
    workers: number
    concurrency: number
    project: string
  }): void {
    const door = facts.url === null ? 'Accepting no calls' : `Listening on ${facts.url}`
    this.#log.info(facts, `${door}, ${facts.workers} workers, ${facts.database}`)
  }

  registered(tasks: readonly string[], generation: number): void {
    this.#log.info({ tasks, generation }, `Registered ${count(tasks.length, 'task')}: ${tasks.join(', ')}`)
  }

  calling({ job, worker, number }: Run): void {
    if (!this.#tellsRuns) return
    this.#log.info({ id: job.id, task: job.task, run: number, worker: worker.pid }, `Calling ${job.task}`)
  }

  succeeded({ job, worker, number }: Run): void {
    if (!this.#tellsRuns) return
    this.#log.info(
      { id: job.id, task: job.task, run: number, worker: worker.pid },
      `Called ${job.task} successfully`,
    )
  }

  failed({ job, number }: Run, failure: Failure, next: Job | undefined, now: number): void {
    const facts = { id: job.id, task: job.task, run: number, attempts: next?.attempts, err: failure }
    const what = `${job.task} failed: ${failure.name}: ${failure.message}`
    if (next?.state === 'failed')
      this.#log.error(facts, `${what}; no retry left after ${count(next.attempts, 'attempt')}`)
    else
      this.#log.warn(
        facts,
        `${what}; attempt ${(next?.attempts ?? 0) + 1} follows in ${seconds((next?.due ?? now) - now)}`,
      )
  }

  stopping({ job, worker, number }: Run, reason: StopReason): void {
    const why = STOPPED[reason]
    const facts = { id: job.id, task: job.task, run: number, worker: worker.pid, reason }
    this.#log.info(facts, `${job.task} ${why}: its signal aborts`)
  }

  relieved({ number, pid }: Worker, neighbours: number): void {
    this.#log.info(
      { worker: pid, number, neighbours },
      `Worker ${number} gets no more jobs, and is killed; its ${count(neighbours, 'other job')} may end first, where its event loop turns`,
    )
  }

  overdue({ number, pid, generation }: Worker, runs: readonly Run[], reason: 'replaced' | 'relieved'): void {
    const jobs = runs.map(({ job }) => ({ id: job.id, task: job.task })).slice(0, MOST_NAMED)
    this.#log.warn(
      { worker: pid, number, generation, jobs, reason },
      `Worker ${number} still runs ${count(runs.length, 'job')} ${OVERDUE[reason](generation)}`,
    )
  }

  killing({ number, pid }: Worker, { job }: Run, reason: StopReason): void {
    const why = reason === 'timeout' ? 'timed out' : 'was cancelled'
    const facts = { id: job.id, task: job.task, worker: pid, number, reason }
    this.#log.warn(facts, `Killing worker ${number} (pid ${pid}): ${job.task} ${why} and has not ended`)
  }

  cancelled({ job, number }: Run): void {
    this.#log.info({ id: job.id, task: job.task, run: number }, `Cancelled ${job.task}`)
  }

  /** @param runs what it may compute at; none where it runs nothing, and is killed */
  hung({ number, pid }: Worker, silent: number, runs?: readonly Run[]): void {
    const who = `Worker ${number} (pid ${pid}) has not answered for ${seconds(silent)}`
    if (runs === undefined)
      return this.#log.error(
        { worker: pid, number },
        `${who} and runs no job: something that a task left behind computes without a pause, or the process is stopped. It is killed, and another takes its place`,
      )
    const jobs = runs.map(({ job }) => ({ id: job.id, task: job.task }))
    const names = jobs.map(({ id, task }) => `${task} (${id})`).join(', ')
    this.#log.error(
      { worker: pid, number, jobs: jobs.slice(0, MOST_NAMED) },
      `${who}: one of its tasks computes without a pause: ${names}. Give that a timeout, or let it await`,
    )
  }

  backFromHang({ number, pid }: Worker, silent: number): void {
    this.#log.info({ worker: pid, number }, `Worker ${number} answers again, after ${seconds(silent)}`)
  }

  recovered(culprit: Job | undefined, underWay: number, removed: number): void {
    const what = `The daemon before this one died with ${count(underWay, 'job')} under way`
    const then =
      culprit === undefined ? 'they run again one at a time' : `${culprit.task} (${culprit.id}) is charged`
    const gone = removed === 0 ? '' : `; ${count(removed, 'cancelled job')} removed`
    if (underWay > 0) this.#log.warn({ underWay, id: culprit?.id }, `${what}: ${then}${gone}`)
    else this.#log.info(`${count(removed, 'cancelled job')} of the daemon before this one removed`)
  }

  late(run: number, worker: Worker): void {
    this.#log.warn({ run, worker: worker.pid }, 'An outcome came for a run that is over: it changes nothing')
  }

  held(job: Job, reason: string): void {
    this.#log.warn(
      { id: job.id, task: job.task, reason },
      `Held ${job.task}: ${reason}. It runs when that task is back, or another has the name as an alias`,
    )
  }

  freed(number: number): void {
    this.#log.info({ count: number }, `Released ${number} held: their tasks are back`)
  }

  replayed(number: number): void {
    this.#log.info({ count: number }, `Replaying ${count(number, 'failed job')}`)
  }

  refused({ fresh, latest, counts }: RefusalReport): void {
    const what = fresh === 1 ? 'a message' : `${fresh} messages since the last such line, the latest`
    const code = latest instanceof ZtaskError ? latest.code : undefined
    this.#log.warn({ code, fresh, refused: counts }, `Refused ${what}: ${printable(latest.message)}`)
  }

  unanswered(error: Error): void {
    this.#log.debug({ err: error }, 'An answer could not be delivered: its client has gone, or does not read')
  }

  generating(): void {
    this.#log.debug('Generating')
  }

  generateWarned(warnings: string): void {
    this.#log.warn(`ztask generate: ${warnings}`)
  }

  /** Workers run a registry that was compiled from another version of its source. */
  outOfDate(file: string, source: string): void {
    this.#log.warn({ file, source }, `${file} is older than ${source}: build again`)
  }

  /** What is running was not generated from the sources that lie beside it. */
  differsFromSources(fault: string): void {
    this.#log.warn(
      `The registry is not that of the sources, and runs as it is. ztask generate --check: ${fault}`,
    )
  }

  notChecked(error: Error): void {
    this.#log.warn({ err: error }, `The sources could not be compared with the registry: ${error.message}`)
  }

  changed(files: readonly string[]): void {
    const more = files.length === 1 ? '' : ` and ${files.length - 1} more`
    this.#log.info({ files: files.slice(0, MOST_NAMED) }, `${files[0]}${more} changed: reloading`)
  }

  /** @param took from the change to the moment from which nothing begins on old code, ms */
  reloaded(generation: number, took: number): void {
    const ms = Math.round(took)
    this.#log.info({ generation, took: ms }, `Reloaded: new jobs run generation ${generation} (${ms} ms)`)
  }

  /** A task whose code does not load, at the first start. */
  faulty(task: string, fault: string): void {
    this.#log.error({ task }, `${task} does not load, and its jobs fail; the others run. ${fault}`)
  }

  /** A module that ends the process as it is imported. */
  fatal(task: string): void {
    this.#log.error(
      { task },
      `The module of ${task} ended a worker as it was imported: from now on it is imported only for its jobs, which pay for that`,
    )
  }

  needsRestart(sentence: string): void {
    this.#log.warn(sentence)
  }

  /** @param report nothing where the types hold */
  typechecked(report: string): void {
    if (report !== '') this.#log.error(`The types do not hold; jobs run all the same.\n${report}`)
    else this.#log.info('The types hold')
  }

  notTypechecked(error: Error): void {
    this.#log.error({ err: error }, `The compiler could not be run: ${error.message}`)
  }

  /** Files can change unseen. */
  blind(error: NodeJS.ErrnoException): void {
    const cure =
      error.code === 'ENOSPC'
        ? 'Raise fs.inotify.max_user_watches, or narrow include'
        : 'Restart after a change, or mend that'
    this.#log.error({ err: error }, `A part of the project cannot be watched: ${error.message}. ${cure}`)
  }

  /** A job has ended and the database does not take it. */
  unsettled(job: Job): void {
    this.#log.error(
      { id: job.id, task: job.task },
      `The outcome of ${job.task} could not be stored: it runs again at the next start`,
    )
  }

  unstorable(job: Job, error: Error): void {
    this.#log.error(
      { id: job.id, task: job.task, err: error },
      `The database does not take what became of ${job.task} (${job.id}): ${error.message}. The job is failed`,
    )
  }

  stuck(job: Job, error: Error): void {
    this.#log.error(
      { id: job.id, task: job.task, err: error },
      `Nor that ${job.task} (${job.id}) is failed: ${error.message}. Mend that: until it can be written the job does not run, and at the next start it runs again`,
    )
  }

  unmarked(job: Job, error: Error): void {
    this.#log.warn(
      { id: job.id, task: job.task, err: error },
      `The database does not take that ${job.task} (${job.id}) is under way: ${error.message}. Should the daemon die before it ends, nobody charges it`,
    )
  }

  notReleased(error: Error): void {
    this.#log.error(
      { err: error },
      `The database does not take what was cut: the next start thinks that the daemon died: ${error.message}`,
    )
  }

  notReloaded(error: Error): void {
    // Errors of ours say it all in the message; of others the stack is wanted.
    const facts = error instanceof ZtaskError ? { code: error.code } : { err: error }
    this.#log.error(facts, `Not reloaded, the old code goes on: ${error.message}`)
  }

  workerReady({ number, pid, generation }: Worker): void {
    this.#log.debug({ worker: pid, number, generation }, `Worker ${number} is ready`)
  }

  workerGone(
    { number, pid, generation }: Worker,
    exit: Exit,
    expected: boolean,
    cut: number,
    broken?: Failure,
  ): void {
    const facts = { worker: pid, number, generation, cut, ...exit, ...(broken && { err: broken }) }
    if (expected && cut === 0) this.#log.debug(facts, `Worker ${number} ended`)
    else if (expected) this.#log.warn(facts, `Worker ${number} was ended with ${count(cut, 'job')} running`)
    else
      this.#log.error(
        facts,
        `Worker ${number} (pid ${pid}, generation ${generation}) died: ${broken?.message ?? exitText(exit)}; ${count(cut, 'job')} running`,
      )
  }

  keysRead(clients: readonly string[]): void {
    this.#log.info(
      { clients: clients.slice(0, MOST_NAMED) },
      `Keys read again: ${count(clients.length, 'client')} may connect`,
    )
  }

  keysNotRead(error: Error): void {
    this.#log.error({ err: error }, `The keys could not be read again, those before go on: ${error.message}`)
  }

  /** @param error why the address that was given up, to cut connections, cannot be taken again; none when it is */
  boundAgain(url: string, error: Error | undefined): void {
    if (error === undefined) this.#log.info({ url }, `Bound again: listening on ${url}`)
    else
      this.#log.error(
        { url, err: error },
        `No client can connect: ${error.message} It is tried again until it succeeds`,
      )
  }

  unforked(error: Error): void {
    this.#log.error({ err: error }, `No worker can be brought up: ${error.message}. Trying again`)
  }

  /** Of other daemons of the database. */
  takenOver(taken: number): void {
    this.#log.warn({ taken }, `Took over ${taken} jobs of daemons that are dead`)
  }

  leaseLost(): void {
    this.#log.warn('This daemon was taken for dead: what ran here is run by others. Its workers are replaced')
  }

  databaseHealth(error: Error | undefined): void {
    if (error === undefined) this.#log.info('The database works again')
    else
      this.#log.error(
        { err: error, database: this.#database },
        `The database fails: ${error.message}. New jobs are refused, outcomes wait: free space for ${this.#database}, or mend what is said`,
      )
  }

  unreadable(error: Error): void {
    this.#log.error({ err: error }, `The queue cannot be read: ${error.message}. Trying again`)
  }

  /** The task asked for another run. */
  postponed({ job, number }: Run, seconds: number): void {
    this.#log.info(
      { id: job.id, task: job.task, run: number, seconds },
      `${job.task} asks to run again in ${seconds} s`,
    )
  }

  expired({ id, task }: Job): void {
    this.#log.warn({ id, task }, `${task} has not begun in time: it is failed, and does not run`)
  }

  notCleaned(error: Error): void {
    this.#log.error({ err: error }, `What has expired cannot be removed: ${error.message}. Trying again`)
  }

  clockJumped(by: number): void {
    this.#log.warn(
      { by },
      `The clock moved by ${seconds(by)} on its own (a suspend, or it was set): looking again at what is due`,
    )
  }

  draining(signal: string, running: number): void {
    this.#log.info(
      { signal, running },
      `${signal}: finishing ${count(running, 'running job')}; once more stops at once`,
    )
  }

  stopped(): void {
    this.#log.info('Stopped')
  }
}
