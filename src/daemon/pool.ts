/** The workers: forked by generation, replaced when they die, retired when their code is old. */

import cluster from 'node:cluster'
import { fileURLToPath } from 'node:url'
import type { Clock } from '../clock.ts'
import { DaemonError } from '../model/errors.ts'
import type { Failure } from '../model/outcome.ts'
import type { Exit, Order, Worker } from '../model/run.ts'
import type { TaskSpec } from '../model/task-spec.ts'
import type { Leased, Loading, MasterMessage, ModuleFiles, WorkerBrief, WorkerMessage } from '../wire/ipc.ts'
import { reportingTo } from './pool/fatal.ts'
import { Member, WorkerBrokenError } from './pool/member.ts'

export { WorkerBrokenError } from './pool/member.ts'

/** Where the inspector of the first worker listens. */
export interface InspectAddress {
  readonly host: string
  readonly port: number
}

export interface PoolOptions {
  readonly clock: Clock
  readonly size: number
  /** Asked for each worker. */
  readonly brief: () => WorkerBrief
  /** Where a worker that cannot go on writes why. */
  readonly reports: string
  /** Where workers run: tsx finds tsconfig.json there. */
  readonly root: string
  readonly env: Readonly<Record<string, string>>
  /** How long a generation may take to be ready, ms. */
  readonly readyTimeout: number
  /** What a member of an old generation gets to finish, ms. */
  readonly drainTimeout: number
  /** And what it gets after it was told that this is over, ms. */
  readonly killGrace: number
  /** Whether generations come often: their processes are to load quickly. */
  readonly development: boolean
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
  /** A worker that was told to go has had its time. */
  readonly overdue: (worker: Worker) => void
  /**
   * A worker is gone; `order` is what it had been told, and `broken` why it never ran: what its code threw while it
   * loaded, or what kept the process from being made.
   *
   * @returns whether it had something to run
   */
  readonly gone: (worker: Worker, exit: Exit, order?: Order, broken?: Failure) => boolean
  /** A process could not be made. It is tried again, after a growing pause. */
  readonly unforked: (error: Error) => void
  /** The module of a task ended a worker as it was imported, with no job that needed it: it is imported so no more. */
  readonly fatal: (task: string) => void
}

/** The workers of one version of the code. */
interface Generation {
  readonly number: number
  readonly loading: Omit<Loading, 'skip'>
  /** Tasks whose modules ended a worker. */
  readonly skip: Set<string>
}

/** A worker that can run jobs. */
interface Ready {
  readonly member: Member
  readonly tasks: readonly TaskSpec[]
}

/** A worker that dies young is replaced after this, doubled each time (ms): a bad import is no fork bomb. */
const FIRST_PAUSE = 100
const LONGEST_PAUSE = 10_000
/** One that was ready for so long is no longer young, ms. */
const YOUNG = 5000
/** Workers of a generation to come that may die for no reason that their code has told, each in the place of the last. */
const TRIES = 3

/** As V8 has it, a process that loads hundreds of modules collects its garbage each MiB at first, a quarter of the time that it takes. */
const ROOM_TO_LOAD = ['--min-semi-space-size=32', '--max-semi-space-size=32']

export class Pool {
  readonly #options: PoolOptions
  readonly #members = new Map<number, Member>()
  /** Processes that wait for the code of a generation to come. */
  #prepared: Member[] = []
  #generation: Generation | undefined
  #latest = 0
  #pause = FIRST_PAUSE
  #closing = false
  #isolating = false
  #leased: Leased | undefined

  constructor(options: PoolOptions) {
    this.#options = options
    const { inspect } = options
    cluster.setupPrimary({
      exec: fileURLToPath(new URL('../worker/main.js', import.meta.url)),
      args: [],
      execArgv: [
        ...reportingTo(options.reports),
        ...(options.development ? ROOM_TO_LOAD : []),
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

  /** Those that live and have code, of whatever generation. */
  get workers(): readonly Worker[] {
    return this.#loaded()
  }

  #loaded(): Member[] {
    return [...this.#members.values()].filter(({ loaded }) => loaded > 0)
  }

  /** Sends to a worker, where it still lives. */
  send(worker: Worker, message: MasterMessage): void {
    this.#members.get(worker.number)?.send(message)
  }

  /** Asks a worker for jobs that it has not begun; `told` is called with their places, and never where it dies first. */
  recall(worker: Worker, places: readonly number[], told: (places: readonly number[]) => void): void {
    this.#members.get(worker.number)?.recall(places, told)
  }

  /** Sends to all that live. */
  broadcast(message: MasterMessage): void {
    for (const member of this.#members.values()) member.send(message)
  }

  /** Nothing may run on in any worker beyond it, until it is told of another. */
  hold(leased: Leased): void {
    this.#leased = leased
    for (const member of this.#members.values()) member.hold(leased)
  }

  /** Lets a worker finish what it runs and go; it is not replaced. */
  retire(worker: Worker): void {
    const member = this.#members.get(worker.number)
    if (member !== undefined) this.#retire(member)
  }

  /** Ends a worker at once; it is not replaced. */
  end(worker: Worker): void {
    const member = this.#members.get(worker.number)
    if (member !== undefined) this.#kill(member)
  }

  /** Brings up another worker in the place of one that is to end. */
  relieve(worker: Worker): void {
    const member = this.#members.get(worker.number)
    if (member?.isStaying !== true) return
    member.relieved = true
    this.#fill(member)
  }

  /** Whether there is to be a worker beside the others, of the newest generation, that is isolated. */
  isolate(wanted: boolean): void {
    if (wanted === this.#isolating || this.#options.size === 0) return
    this.#isolating = wanted
    if (this.#generation === undefined || this.#closing) return
    if (wanted) this.#fill({ generation: this.#generation.number, isolated: true })
    else for (const member of this.#isolated()) this.#retire(member)
  }

  #isolated(): Member[] {
    return [...this.#members.values()].filter((member) => member.isolated)
  }

  /**
   * Forks the processes of a generation to come. They load what does not depend on the code, and wait: 250 ms less from a save
   * to the first job, for 60 MB each.
   */
  prepare(): void {
    // A debugger would attach to what may never run.
    if (this.#closing || this.#options.inspect !== undefined) return
    try {
      while (this.#prepared.length < this.#options.size) this.#prepared.push(this.#fork(false))
    } catch {
      // It is told where they are needed and cannot be made either.
    }
  }

  /** Ends what was prepared: its environment is another now, or the daemon ends. */
  discard(): void {
    for (const member of this.#prepared.splice(0)) this.#kill(member)
  }

  /**
   * Brings up a generation on the code as it is now; when all of it is ready it takes over and the old one retires.
   *
   * @param signal gives it up
   * @returns the workers of the old ones
   * @throws WorkerBrokenError, DaemonError where it is not ready in time, the signal's reason, or what kept a process from
   *   being made; the old generation then goes on
   */
  async renew(loading: Omit<Loading, 'skip'>, signal: AbortSignal): Promise<readonly Worker[]> {
    this.#refuseClosing()
    signal.throwIfAborted()
    const generation = { number: ++this.#latest, loading, skip: new Set<string>() }
    const born: Member[] = []
    let up: readonly Ready[]
    try {
      // One that has no workers learns from one what the code can run.
      const all = Array.from({ length: Math.max(1, this.#options.size) }, () =>
        this.#bringUp(generation, born),
      )
      up = await this.#inTime(Promise.all(all), born, signal)
      this.#refuseClosing()
    } catch (error) {
      for (const member of born) this.#kill(member)
      throw error
    }
    const old = this.#loaded().filter((member) => member.generation < generation.number)
    this.#generation = generation
    this.#pause = FIRST_PAUSE
    this.#options.renewed(generation.number, up[0]?.tasks ?? [])
    for (const member of old) this.#retire(member)
    if (this.#isolating) this.#fill({ generation: generation.number, isolated: true })
    if (this.#options.size === 0) for (const member of born) this.#retire(member)
    else
      for (const { member } of up) {
        // One may have died while the others were loading.
        if (this.#members.has(member.number)) this.#options.ready(member)
        else this.#replace(member, false)
      }
    return old
  }

  /** One that was killed is no fault of the code: another takes its place. */
  async #bringUp(generation: Generation, born: Member[]): Promise<Ready> {
    for (let tries = 1; ; tries++) {
      const member = this.#prepared.shift() ?? this.#fork(false)
      born.push(member)
      const { modules } = generation.loading
      // One leaves them for all.
      this.#load(
        member,
        generation,
        modules && (born.length === 1 ? modules : { ...modules, writes: undefined }),
      )
      try {
        return { member, tasks: await member.ready }
      } catch (error) {
        const isSilent = error instanceof WorkerBrokenError && error.failure === undefined
        if (!isSilent || !member.isStaying || tries === TRIES) throw error
      }
    }
  }

  /** @param modules not where the code may have changed since */
  #load(member: Member, { number, loading, skip }: Generation, modules?: ModuleFiles): void {
    member.load({ ...loading, skip: [...skip], modules }, number, this.#options.clock.now())
    if (this.#leased !== undefined) member.hold(this.#leased)
  }

  async #inTime<T>(work: Promise<T>, born: readonly Member[], signal: AbortSignal): Promise<T> {
    const { readyTimeout } = this.#options
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => late.reject(notReady(born, readyTimeout)), readyTimeout)
    const giveUp = (): void => late.reject(signal.reason)
    signal.addEventListener('abort', giveUp)
    try {
      return await Promise.race([work, late.promise])
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', giveUp)
    }
  }

  #refuseClosing(): void {
    if (this.#closing) throw new DaemonError('The daemon is ending: it brings up no workers.')
  }

  /** Lets all finish, kills what is left after `timeout` ms; resolves when none is left. */
  async close(timeout: number): Promise<void> {
    this.#closing = true
    this.discard()
    const members = [...this.#members.values()]
    for (const member of members) this.#dismiss(member)
    const timer = setTimeout(() => this.kill(), timeout)
    await Promise.all(members.map((member) => member.gone))
    clearTimeout(timer)
  }

  /** Ends all at once. */
  kill(): void {
    this.#closing = true
    for (const member of this.#members.values()) this.#kill(member)
  }

  /** Lets a worker finish and go. When it has had its time, its jobs are told to end; it is killed after the grace. */
  #retire(member: Member): void {
    if (!this.#dismiss(member)) return
    const { drainTimeout, killGrace, overdue } = this.#options
    let timer = setTimeout(() => {
      timer = setTimeout(() => this.#kill(member), killGrace)
      overdue(member)
    }, drainTimeout)
    void member.gone.then(() => clearTimeout(timer))
  }

  /** @returns whether it had not been told before */
  #dismiss(member: Member): boolean {
    if (member.order !== undefined) return false
    member.order = 'retire'
    this.#options.leaving(member)
    member.send({ kind: 'retire' })
    return true
  }

  #kill(member: Member): void {
    this.#options.leaving(member)
    member.kill()
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
  #fork(isolated: boolean): Member {
    const { env, reports, message, begun, inspect } = this.#options
    const member = new Member({
      isolated,
      brief: this.#options.brief(),
      env,
      reports,
      inspectPort: inspect === undefined ? undefined : this.#inspectPort(),
      message,
      begun,
      ended: (one, exit) => this.#gone(one, exit),
    })
    this.#members.set(member.number, member)
    return member
  }

  #gone(member: Member, exit: Exit): void {
    const { order, relieved, isolated, broken, importing } = member
    this.#members.delete(member.number)
    this.#prepared = this.#prepared.filter((one) => one !== member)
    const worked = this.#options.gone(member, exit, order, broken)
    // Those of a generation to come are replaced when it takes over; those of one that has retired, never.
    if (member.generation !== this.#generation?.number) return
    if (importing !== undefined && !worked && order !== 'retire' && !this.#closing)
      this.#skip(importing, this.#generation)
    // One that is isolated may have been wanted again since it was told to go.
    if (order === undefined ? !relieved : isolated) this.#replace(member, worked || order !== undefined)
  }

  #skip(task: string, { skip }: Generation): void {
    if (!skip.has(task)) this.#options.fatal(task)
    skip.add(task)
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
    if (isolated && (!this.#isolating || this.#isolated().some(({ isStaying }) => isStaying))) return
    let member: Member
    try {
      member = this.#fork(isolated)
    } catch (error) {
      this.#options.unforked(error as Error)
      return this.#replace({ generation, isolated, readyAt: undefined }, false)
    }
    this.#load(member, this.#generation)
    member.ready.then(
      () => {
        if (member.isStaying) this.#options.ready(member)
      },
      () => {}, // Its exit has been told, and brought the next.
    )
  }
}

const notReady = (born: readonly Member[], timeout: number): DaemonError => {
  const waiting = born.filter(({ readyAt }) => readyAt === undefined).map(({ pid }) => pid)
  return new DaemonError(
    `The new workers are not ready after ${timeout / 1000} s (pid ${waiting.join(', ')}): a module, or an onLoad, awaits what does not come. Mend that, or give it more time (--ready-timeout).`,
  )
}
