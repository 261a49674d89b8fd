/** The workers: forked by generation, replaced when they die, retired when their code is old. */

import cluster, { type Worker as ClusterWorker } from 'node:cluster'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { DaemonError } from '../model/errors.ts'
import { type Failure, failureOf } from '../model/outcome.ts'
import type { Exit, Order, Worker } from '../model/run.ts'
import type { TaskSpec } from '../model/task-spec.ts'
import {
  BRIEF,
  LIFELINE_FD,
  type MasterMessage,
  type WorkerBrief,
  type WorkerMessage,
  workerMessage,
} from '../wire/ipc.ts'
import { fatalEvent, reportingTo } from './pool/fatal.ts'
import { Lifeline } from './pool/lifeline.ts'

/** Where the inspector of the first worker listens. */
export interface InspectAddress {
  readonly host: string
  readonly port: number
}

export interface PoolOptions {
  readonly size: number
  /** Asked once a generation. */
  readonly brief: () => WorkerBrief
  /** Where a worker that cannot go on writes why. */
  readonly reports: string
  /** Where workers run: tsx finds tsconfig.json there. */
  readonly root: string
  readonly env: Readonly<Record<string, string>>
  /** What a member of an old generation gets to finish, ms. */
  readonly retireTimeout: number
  /** Lets a debugger attach to each worker, on this port and those after it. */
  readonly inspect?: InspectAddress | undefined
  /** A generation takes over; told before its workers are ready. */
  readonly renewed: (generation: number, tasks: readonly TaskSpec[]) => void
  /** A worker can take jobs. */
  readonly ready: (worker: Worker) => void
  readonly message: (worker: Worker, message: WorkerMessage) => void
  /** A worker begins a run, and those before it have begun. */
  readonly begun: (worker: Worker, run: number) => void
  /** A worker has been told to go: it is to get no more jobs. */
  readonly leaving: (worker: Worker) => void
  /**
   * A worker is gone; `order` is what it had been told, and `broken` why it never ran: what its code threw while it
   * loaded, or what kept the process from being made.
   *
   * @returns whether it had something to run
   */
  readonly gone: (worker: Worker, exit: Exit, order?: Order, broken?: Failure) => boolean
  /** A process could not be made. It is tried again, after a growing pause. */
  readonly unforked: (error: Error) => void
}

interface Member extends Worker {
  readonly process: ClusterWorker
  /** None, where the process could not be made. */
  readonly lifeline: Lifeline | undefined
  readonly inspectPort: number | undefined
  /** When it became ready, on the monotonic clock. */
  readyAt: number | undefined
  order: Order | undefined
  /** Another has taken its place. */
  relieved: boolean
  broken: Failure | undefined
}

/** A worker that was just forked. */
interface Born {
  readonly member: Member
  /** Resolves when it is ready; rejects where it ends before. */
  readonly tasks: Promise<readonly TaskSpec[]>
}

/** The workers of one version of the code. */
interface Generation {
  readonly number: number
  readonly brief: WorkerBrief
}

/** A worker that dies young is replaced after this, doubled each time (ms): a bad import is no fork bomb. */
const FIRST_PAUSE = 100
const LONGEST_PAUSE = 10_000
/** One that was ready for so long is no longer young, ms. */
const YOUNG = 5000

export class Pool {
  readonly #options: PoolOptions
  readonly #members = new Map<number, Member>()
  #generation: Generation | undefined
  #latest = 0
  #pause = FIRST_PAUSE
  #closing = false
  #isolating = false

  constructor(options: PoolOptions) {
    this.#options = options
    const { inspect } = options
    cluster.setupPrimary({
      exec: fileURLToPath(new URL('../worker/main.js', import.meta.url)),
      args: [],
      execArgv: [
        ...reportingTo(options.reports),
        ...(inspect === undefined ? [] : [`--inspect=${inspect.host}:${inspect.port}`]),
      ],
      ...(inspect !== undefined && { inspectPort: () => this.#inspectPort() }),
      cwd: options.root,
      // The fourth is the lifeline (wire/ipc.ts): only the master holds its other end.
      stdio: ['ignore', 'inherit', 'inherit', 'pipe', 'ipc'],
    })
  }

  /** The number of the generation that new jobs go to; 0 before the first is ready. */
  get generation(): number {
    return this.#generation?.number ?? 0
  }

  /** Those that live, of whatever generation. */
  get workers(): readonly Worker[] {
    return [...this.#members.values()]
  }

  /** Sends to a worker, where it still lives. */
  send(worker: Worker, message: MasterMessage): void {
    const member = this.#members.get(worker.number)
    if (member !== undefined) this.#send(member, message)
  }

  /** Asks a worker for jobs that it has not begun; `told` is called with their places, and never where it dies first. */
  recall(worker: Worker, places: readonly number[], told: (places: readonly number[]) => void): void {
    this.#members.get(worker.number)?.lifeline?.recall(places, told)
  }

  /** Sends to all that live. */
  broadcast(message: MasterMessage): void {
    for (const member of this.#members.values()) this.#send(member, message)
  }

  /** Lets a worker finish what it runs and go; it is not replaced. */
  retire(worker: Worker): void {
    const member = this.#members.get(worker.number)
    if (member !== undefined) this.#retire(member, this.#options.retireTimeout)
  }

  /** Ends a worker at once; it is not replaced. */
  end(worker: Worker): void {
    const member = this.#members.get(worker.number)
    if (member !== undefined) this.#kill(member)
  }

  /** Brings up another worker in the place of one that is to end. */
  relieve(worker: Worker): void {
    const member = this.#members.get(worker.number)
    if (member === undefined || member.relieved || member.order !== undefined) return
    member.relieved = true
    this.#fill(member)
  }

  /** Whether there is to be a worker beside the others, of the newest generation, that is isolated. */
  isolate(wanted: boolean): void {
    if (wanted === this.#isolating) return
    this.#isolating = wanted
    if (this.#generation === undefined || this.#closing) return
    if (wanted) this.#fill({ generation: this.#generation.number, isolated: true })
    else for (const member of this.#isolated()) this.#retire(member, this.#options.retireTimeout)
  }

  #isolated(): Member[] {
    return [...this.#members.values()].filter((member) => member.isolated)
  }

  /**
   * Forks a generation on the code as it is now; when all of it is ready it takes over and the old one retires.
   *
   * @returns its number
   * @throws WorkerBrokenError, or what kept a process from being made; the old generation then goes on
   */
  async renew(): Promise<number> {
    this.#refuseClosing()
    const generation = { number: ++this.#latest, brief: this.#options.brief() }
    const born: Born[] = []
    let specs: readonly (readonly TaskSpec[])[]
    try {
      while (born.length < this.#options.size) born.push(this.#fork(generation))
      specs = await Promise.all(born.map((one) => one.tasks))
      this.#refuseClosing()
    } catch (error) {
      for (const { member } of born) this.#kill(member)
      throw error
    }
    const old = [...this.#members.values()].filter((member) => member.generation < generation.number)
    this.#generation = generation
    this.#pause = FIRST_PAUSE
    this.#options.renewed(generation.number, specs[0] ?? [])
    for (const member of old) this.#retire(member, this.#options.retireTimeout)
    if (this.#isolating) this.#fill({ generation: generation.number, isolated: true })
    for (const { member } of born) {
      // One may have died while the others were loading.
      if (this.#members.has(member.number)) this.#options.ready(member)
      else this.#replace(member, false)
    }
    return generation.number
  }

  #refuseClosing(): void {
    if (this.#closing) throw new DaemonError('The daemon is ending: it brings up no workers.')
  }

  /** Retires all, kills what is left after `timeout` ms; resolves when none is left. */
  async close(timeout: number): Promise<void> {
    this.#closing = true
    const members = [...this.#members.values()]
    for (const member of members) this.#retire(member, timeout)
    await Promise.all(members.map((member) => exited(member.process)))
  }

  /** Ends all at once. */
  kill(): void {
    this.#closing = true
    for (const member of this.#members.values()) this.#kill(member)
  }

  /** Tells a worker to finish what it runs and go; kills it when it has not gone in time. */
  #retire(member: Member, timeout: number): void {
    if (member.order !== undefined) return
    member.order = 'retire'
    this.#options.leaving(member)
    this.#send(member, { kind: 'retire' })
    const timer = setTimeout(() => this.#kill(member), timeout)
    member.process.once('exit', () => clearTimeout(timer))
  }

  #send({ process: child }: Member, message: MasterMessage): void {
    // A worker that is just going has no channel any more; its exit gives back what it was handed.
    if (child.isConnected()) child.process.send(message, () => {})
  }

  #kill(member: Member): void {
    member.order = 'die'
    this.#options.leaving(member)
    // Without a pid it never came to be.
    if (member.pid !== 0) member.process.process.kill('SIGKILL')
  }

  /**
   * The lowest that no worker holds. Cluster's own way is to count on for ever, and a debugger would have to be told the new
   * port after each reload; so it is the first port and the one of the worker that is just retiring, in turns.
   */
  #inspectPort(): number {
    const held = new Set([...this.#members.values()].map((member) => member.inspectPort))
    let port = this.#options.inspect?.port ?? 0
    while (held.has(port)) port++
    return port
  }

  /** @throws where there is no memory for a process, say */
  #fork({ number: generation, brief }: Generation, isolated = false): Born {
    const inspectPort = this.#options.inspect === undefined ? undefined : this.#inspectPort()
    const child = cluster.fork({ ...this.#options.env, [BRIEF]: JSON.stringify(brief) })
    const member: Member = {
      number: child.id,
      pid: child.process.pid ?? 0,
      generation,
      isolated,
      process: child,
      lifeline: this.#lifelineOf(child),
      inspectPort,
      readyAt: undefined,
      order: undefined,
      relieved: false,
      broken: undefined,
    }
    this.#members.set(member.number, member)
    const tasks = new Promise<readonly TaskSpec[]>((resolve, reject) => {
      child.on('message', (said: unknown) => {
        const message = workerMessage(said)
        if (message === undefined) return
        if (message.kind === 'ready') {
          member.readyAt = performance.now()
          resolve(message.tasks)
        } else if (message.kind === 'broken') {
          member.broken = message.failure
        } else if (message.kind === 'left') {
          // Not as one that is retired: a worker that could not load its code is replaced.
          child.process.kill('SIGKILL')
        } else this.#options.message(member, message)
      })
      const end = (exit: Exit, cause?: Error): void => {
        if (!this.#members.delete(member.number)) return
        if (cause !== undefined) member.broken = failureOf(cause)
        reject(cause ?? new WorkerBrokenError(member.broken, exit))
        this.#gone(member, exit)
      }
      // A process that could not be made ends without an exit; other errors of the channel end with one.
      child.on('error', (error) => {
        if (member.pid === 0) end({ code: null, signal: null }, error)
      })
      child.once('exit', (code: number | null, signal: string | null) => {
        const fatal = signal === 'SIGABRT' ? fatalEvent(this.#options.reports, member.pid) : undefined
        end({ code, signal, fatal })
      })
    })
    // Who waits for it hears of it, and where nobody does, its exit tells.
    tasks.catch(() => {})
    return { member, tasks }
  }

  #lifelineOf({ id, process: { pid, stdio } }: ClusterWorker): Lifeline | undefined {
    // The fourth of its files, by `stdio` above; where no process could be made there may be none.
    if (pid === undefined) return undefined
    return new Lifeline(stdio[LIFELINE_FD] as Duplex, (run) => {
      const member = this.#members.get(id)
      if (member !== undefined) this.#options.begun(member, run)
    })
  }

  #gone(member: Member, exit: Exit): void {
    const { order, relieved, isolated, broken } = member
    const worked = this.#options.gone(member, exit, order, broken)
    // Those of a generation to come are replaced when it takes over; those of one that has retired, never.
    if (member.generation !== this.#generation?.number) return
    // One that is isolated may have been wanted again since it was told to go.
    if (order === undefined ? !relieved : isolated) this.#replace(member, worked || order !== undefined)
  }

  /** One that had served a while, or died at work, is replaced at once; a young one after a growing pause. */
  #replace(member: Pick<Member, 'generation' | 'isolated' | 'readyAt'>, worked: boolean): void {
    const { readyAt } = member
    const young = readyAt === undefined || (!worked && performance.now() - readyAt < YOUNG)
    const pause = young ? this.#pause : 0
    this.#pause = young ? Math.min(this.#pause * 2, LONGEST_PAUSE) : FIRST_PAUSE
    setTimeout(() => this.#fill(member), pause)
  }

  /** Forks a worker of that generation, while it is the newest, and an isolated one while that is wanted. */
  #fill({ generation, isolated }: Pick<Worker, 'generation' | 'isolated'>): void {
    if (this.#closing || this.#generation?.number !== generation) return
    if (isolated && (!this.#isolating || this.#isolated().some(isStaying))) return
    let born: Born
    try {
      born = this.#fork(this.#generation, isolated)
    } catch (error) {
      this.#options.unforked(error as Error)
      return this.#replace({ generation, isolated, readyAt: undefined }, false)
    }
    const { member, tasks } = born
    tasks.then(
      () => {
        if (isStaying(member)) this.#options.ready(member)
      },
      () => {}, // Its exit has been told, and brought the next.
    )
  }
}

const isStaying = ({ order, relieved }: Member): boolean => order === undefined && !relieved

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

const exited = (child: ClusterWorker): Promise<void> =>
  new Promise((resolve) => {
    if (child.isDead()) resolve()
    else child.once('exit', () => resolve())
  })
