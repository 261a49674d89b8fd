/** What a queue must be able to do to be measured. Each adapter in contestants/ makes one of these out of a library. */

/** The arguments of a job: about 100 bytes as JSON. The first is an address, or the id of a job that says when it ran. */
export type Args = readonly [id: string, subject: string, data: object]

/** As in bodies.js. */
export type TaskName = 'noop' | 'stamp'

/** The settings for many jobs, for few jobs and quick starts, or, where nothing runs, for many jobs at the usual intervals of polling. */
export type Tuning = 'throughput' | 'latency' | 'idle'

export interface Setup {
  /** What runs the tasks is ready, has run some, and waits for `release`; else it runs from the start. */
  readonly held: boolean
  readonly tuning: Tuning
  /** Few jobs: a look whether all works, no measurement. */
  readonly small: boolean
  /** Environment of the workers. */
  readonly env: NodeJS.ProcessEnv
  /** Opens the gate of bodies.js, once this many tasks stand before it. */
  readonly gate: Gate
}

export interface Gate {
  /** Resolves when `count` tasks wait. */
  readonly waits: (count: number) => Promise<void>
  readonly open: () => void
}

/** Processes, by id. */
export interface Processes {
  readonly server: readonly number[]
  readonly workers: readonly number[]
}

/** A queue with an empty database and two workers. */
export interface Session {
  /** One call; resolves when the job is acknowledged. */
  call(task: TaskName, args: Args): Promise<unknown>
  /** The same, due that many seconds later. */
  after(seconds: number, task: TaskName, args: Args): Promise<unknown>
  /** Many no-op jobs by the bulk form. */
  bulk(jobs: readonly Args[]): Promise<unknown>
  /** What the store needs before it is measured with what is in it now. */
  settle(): Promise<void>
  /** Lets held workers begin. */
  release(): void
  /** @returns whether no job is waiting or running */
  isDone(): Promise<boolean>
  processes(): Processes
  close(): Promise<void>
}

export interface Prepared {
  /** Of the package and its server. */
  readonly versions: string
  open(setup: Setup): Promise<Session>
  end(): Promise<void>
}

export interface Contestant {
  readonly name: string
  /** Whether what is acknowledged survives a power cut. */
  readonly isDurable: boolean
  /** What is not a default, for the report. */
  readonly settings: string
  /** Jobs that run before S4 and S7 are measured: as many as take a second or more, so that what is compiled is. */
  readonly warmUp: number
  /**
   * @param folder empty, for what its server keeps
   * @throws Unavailable where this machine lacks a part of it
   */
  prepare(folder: string): Promise<Prepared>
}

/** A contestant cannot be measured here. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable'
}
