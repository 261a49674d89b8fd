/** The workers: forked by generation, replaced when they die, retired when their code is old. */
import cluster, { type Worker as ClusterWorker } from 'node:cluster'
import { fileURLToPath } from 'node:url'
import type { Failure } from '../model/outcome.ts'
import type { Exit, Worker } from '../model/run.ts'
import type { TaskSpec } from '../model/task-spec.ts'
import { BRIEF, type Handing, type MasterMessage, type WorkerBrief, type WorkerMessage } from '../wire/ipc.ts'

export interface PoolOptions {
  readonly size: number
  /** Asked at each fork. */
  readonly brief: () => WorkerBrief
  /** Where workers run: tsx finds tsconfig.json there. */
  readonly root: string
  readonly env: Readonly<Record<string, string>>
  /** What a member of an old generation gets to finish, ms. */
  readonly retireTimeout: number
  /** A generation takes over; told before its workers are ready. */
  readonly renewed: (generation: Generation) => void
  /** A worker can take jobs. */
  readonly ready: (worker: Worker) => void
  readonly message: (worker: Worker, message: WorkerMessage) => void
  /** A worker is gone, whether it was told to go or not. */
  readonly gone: (worker: Worker, exit: Exit, expected: boolean) => void
}

interface Member extends Worker {
  readonly process: ClusterWorker
  ready: boolean
  retired: boolean
  broken: Failure | undefined
}

/** The workers of one version of the code. */
export interface Generation {
  readonly number: number
  readonly tasks: readonly TaskSpec[]
}

/** A worker that dies before it is ready is replaced after this, doubled each time (ms): a bad import is no fork bomb. */
const FIRST_PAUSE = 100
const LONGEST_PAUSE = 10_000

export class Pool {
  readonly #options: PoolOptions
  readonly #members = new Map<number, Member>()
  #generation: Generation = { number: 0, tasks: [] }
  #latest = 0
  #pause = FIRST_PAUSE
  #closing = false

  constructor(options: PoolOptions) {
    this.#options = options
    cluster.setupPrimary({
      exec: fileURLToPath(new URL('../worker/main.js', import.meta.url)),
      args: [],
      execArgv: [],
      cwd: options.root,
      // The fourth is the lifeline (wire/ipc.ts): only the master holds its other end.
      stdio: ['ignore', 'inherit', 'inherit', 'pipe', 'ipc'],
    })
  }

  /** The generation that new jobs go to; 0 before the first is ready. */
  get generation(): Generation {
    return this.#generation
  }

  /** Those that live, of whatever generation. */
  get workers(): readonly Worker[] {
    return [...this.#members.values()]
  }

  /** Hands jobs to a worker. */
  hand(worker: Worker, jobs: readonly Handing[]): void {
    const member = this.#members.get(worker.number)
    if (member !== undefined) this.#send(member, { kind: 'jobs', jobs })
  }

  /**
   * Forks a generation on the code as it is now; when all of it is ready it takes over and the old one retires.
   *
   * @returns its number
   * @throws the Failure of the worker that could not be made ready, as `cause`; the old generation then goes on
   */
  async renew(): Promise<number> {
    const number = ++this.#latest
    const born = Array.from({ length: this.#options.size }, () => this.#fork(number))
    let specs: readonly (readonly TaskSpec[])[]
    try {
      specs = await Promise.all(born.map((one) => one.tasks))
    } catch (error) {
      for (const { member } of born) this.#kill(member)
      throw error
    }
    const old = [...this.#members.values()].filter((member) => member.generation < number)
    this.#generation = { number, tasks: specs[0] ?? [] }
    this.#options.renewed(this.#generation)
    for (const member of old) this.#retire(member, this.#options.retireTimeout)
    for (const { member } of born) if (!member.process.isDead()) this.#options.ready(member)
    return number
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
    member.retired = true
    this.#send(member, { kind: 'retire' })
    const timer = setTimeout(() => this.#kill(member), timeout)
    member.process.once('exit', () => clearTimeout(timer))
  }

  #send({ process: child }: Member, message: MasterMessage): void {
    // A worker that is just going has no channel any more; its exit gives back what it was handed.
    if (child.isConnected()) child.process.send(message, () => {})
  }

  #kill(member: Member): void {
    member.retired = true
    member.process.process.kill('SIGKILL')
  }

  #fork(generation: number): { member: Member; tasks: Promise<readonly TaskSpec[]> } {
    const child = cluster.fork({ ...this.#options.env, [BRIEF]: JSON.stringify(this.#options.brief()) })
    const member: Member = {
      number: child.id,
      pid: child.process.pid ?? 0,
      generation,
      process: child,
      ready: false,
      retired: false,
      broken: undefined,
    }
    this.#members.set(member.number, member)
    const tasks = new Promise<readonly TaskSpec[]>((resolve, reject) => {
      child.on('message', (message: WorkerMessage) => {
        if (message.kind === 'ready') {
          member.ready = true
          resolve(message.tasks)
        } else if (message.kind === 'broken') {
          member.broken = message.failure
        } else this.#options.message(member, message)
      })
      // Without a listener an error of the channel would end the master.
      child.on('error', () => {})
      child.once('exit', (code: number | null, signal: string | null) => {
        this.#members.delete(member.number)
        reject(new WorkerBrokenError(member.broken, { code, signal }))
        this.#gone(member, { code, signal })
      })
    })
    return { member, tasks }
  }

  #gone(member: Member, exit: Exit): void {
    this.#options.gone(member, exit, member.retired)
    if (!member.retired && !this.#closing && member.generation === this.#generation.number)
      this.#replace(member)
  }

  /** One that had been ready is replaced at once, one that had not after a growing pause. */
  #replace({ generation, ready }: Member): void {
    const pause = ready ? 0 : this.#pause
    this.#pause = ready ? FIRST_PAUSE : Math.min(this.#pause * 2, LONGEST_PAUSE)
    setTimeout(() => {
      if (this.#closing || generation !== this.#generation.number) return
      const { member, tasks } = this.#fork(generation)
      tasks.then(
        () => {
          if (!member.retired) this.#options.ready(member)
        },
        () => {}, // Its exit has been told, and brought the next.
      )
    }, pause)
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

const exited = (child: ClusterWorker): Promise<void> =>
  new Promise((resolve) => {
    if (child.isDead()) resolve()
    else child.once('exit', () => resolve())
  })
