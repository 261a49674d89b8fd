/** A worker's process as the pool has it: forked, told what to load, heard until it ends. */
import cluster, { type Worker as ClusterWorker } from 'node:cluster'
import type { Duplex } from 'node:stream'
import { type Failure, failureOf } from '../../model/outcome.ts'
import type { Exit, Order, Worker } from '../../model/run.ts'
import type { TaskSpec } from '../../model/task-spec.ts'
import {
  BRIEF,
  type Leased,
  LIFELINE_FD,
  type Loading,
  type MasterMessage,
  type WorkerBrief,
  type WorkerMessage,
  workerMessage,
} from '../../wire/ipc.ts'
import { fatalEvent } from './fatal.ts'
import { Lifeline } from './lifeline.ts'

export interface MemberOptions {
  readonly isolated: boolean
  readonly brief: WorkerBrief
  readonly env: Readonly<Record<string, string>>
  /** Where a process that cannot go on writes why. */
  readonly reports: string
  readonly inspectPort: number | undefined
  readonly message: (member: Member, message: WorkerMessage) => void
  /** It begins a run while it runs nothing else. */
  readonly begun: (member: Member, run: number) => void
  readonly ended: (member: Member, exit: Exit) => void
}

export class Member implements Worker {
  readonly number: number
  /** 0 where the process could not be made. */
  readonly pid: number
  readonly isolated: boolean
  readonly inspectPort: number | undefined
  /** Resolves when it can run jobs; rejects where it ends before. */
  readonly ready: Promise<readonly TaskSpec[]>
  /** Resolves when the process is gone. */
  readonly gone: Promise<void>
  /** 0 until it has code. */
  generation = 0
  loaded = 0
  /** When it became ready, on the monotonic clock. */
  readyAt: number | undefined
  order: Order | undefined
  /** Another has taken its place. */
  relieved = false
  /** Whose module it imports, with no job that needs it. */
  importing: string | undefined
  /** Why it never ran: what its code threw while it loaded, or what kept the process from being made. */
  broken: Failure | undefined
  readonly #child: ClusterWorker
  readonly #lifeline: Lifeline | undefined

  /** @throws where there is no memory for a process, say */
  constructor(options: MemberOptions) {
    const child = cluster.fork({ ...options.env, [BRIEF]: JSON.stringify(options.brief) })
    this.#child = child
    this.number = child.id
    this.pid = child.process.pid ?? 0
    this.isolated = options.isolated
    this.inspectPort = options.inspectPort
    // The fourth of its files, by the pool's `stdio`; where no process could be made there may be none.
    if (this.pid !== 0)
      this.#lifeline = new Lifeline(child.process.stdio[LIFELINE_FD] as Duplex, (run) =>
        options.begun(this, run),
      )
    const ready = Promise.withResolvers<readonly TaskSpec[]>()
    const gone = Promise.withResolvers<void>()
    this.ready = ready.promise
    this.gone = gone.promise
    // Who waits for it hears of it, and where nobody does, its exit tells.
    this.ready.catch(() => {})
    child.on('message', (said: unknown) => {
      const message = workerMessage(said)
      if (message?.kind === 'ready') {
        this.readyAt = performance.now()
        ready.resolve(message.tasks)
      } else if (message?.kind === 'broken') this.broken = message.failure
      else if (message?.kind === 'importing') this.importing = message.task
      // Not as one that is retired: a worker that could not load its code is replaced.
      else if (message?.kind === 'left') child.process.kill('SIGKILL')
      else if (message !== undefined) options.message(this, message)
    })
    let ended = false
    const end = (exit: Exit, cause?: Error): void => {
      if (ended) return
      ended = true
      if (cause !== undefined) this.broken = failureOf(cause)
      ready.reject(cause ?? new WorkerBrokenError(this.broken, exit))
      gone.resolve()
      options.ended(this, exit)
    }
    // A process that could not be made ends without an exit; other errors of the channel end with one.
    child.on('error', (error) => {
      if (this.pid === 0) end({ code: null, signal: null }, error)
    })
    child.once('exit', (code: number | null, signal: string | null) => {
      const fatal = signal === 'SIGABRT' ? fatalEvent(options.reports, this.pid) : undefined
      end({ code, signal, fatal })
    })
  }

  /** Whether it is to go on: nobody has told it to go, and no other is in its place. */
  get isStaying(): boolean {
    return this.order === undefined && !this.relieved
  }

  /** Lets it load the code of a generation; once. */
  load(loading: Loading, generation: number, now: number): void {
    this.generation = generation
    this.loaded = now
    this.send({ kind: 'load', ...loading })
  }

  send(message: MasterMessage): void {
    // A worker that is just going has no channel any more; its exit gives back what it was handed.
    if (this.#child.isConnected()) this.#child.process.send(message, () => {})
  }

  /** Asks for jobs that it has not begun; `told` is called with their places, and never where it dies first. */
  recall(places: readonly number[], told: (places: readonly number[]) => void): void {
    this.#lifeline?.recall(places, told)
  }

  /** Nothing may run on there beyond it. */
  hold(leased: Leased): void {
    this.#lifeline?.lives(leased.end)
    this.send({ kind: 'lease', ...leased })
  }

  /** Ends the process at once. */
  kill(): void {
    this.order = 'die'
    // Without a pid it never came to be.
    if (this.pid !== 0) this.#child.process.kill('SIGKILL')
  }
}

/** A worker that ended before it was ready. */
export class WorkerBrokenError extends Error {
  /** What its code threw, where it threw. */
  readonly failure: Failure | undefined

  constructor(failure: Failure | undefined, { code, signal }: Exit) {
    super(failure?.message ?? `a worker ended before it was ready (${signal ?? `exit code ${code}`})`)
    this.name = 'WorkerBrokenError'
    this.failure = failure
  }
}
