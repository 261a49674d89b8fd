/**
 * One connection a process to a daemon: calls wait in a queue here and go to the socket only while a daemon answers, so
 * that each ends in one of four ways: stored, refused, not sent, or unknown.
 *
 * How it knows whether a daemon answers, without the socket's events (a listener on those keeps the process alive):
 * it says hello, and the welcome names the link: this connection to this start of the daemon. While answers are owed and
 * nothing comes, it says hello again. A welcome with another link means that what was sent on the old one may be lost:
 * it is sent again, with the same ids.
 */

import Denque from 'denque'
import { type Clock, systemClock } from '../clock.ts'
import type { JobSignal } from '../model/current-job.ts'
import {
  ClientClosedError,
  DaemonUnavailableError,
  fromRecord,
  OutcomeUnknownError,
} from '../model/errors.ts'
import { masked } from '../model/masked.ts'
import type { Progress } from '../model/progress.ts'
import type { RunOptions } from '../model/run-options.ts'
import type { Job } from '../model/task.ts'
import {
  type ClientMessage,
  type DaemonMessage,
  encode,
  readDaemonMessage,
  type Verb,
  type WireJob,
} from '../wire/protocol.ts'
import { storedJobs } from './handle.ts'
import type { Link, OutgoingJob } from './link.ts'
import { Presence } from './presence.ts'
import { type AwaitedJob, Results } from './results.ts'
import { DealerSocket, type SentMessage } from './socket.ts'
import { Watches } from './watches.ts'

type Cargo =
  | { readonly kind: 'job'; readonly job: OutgoingJob }
  /** Jobs that are stored together or not at all. */
  | {
      readonly kind: 'batch'
      readonly jobs: readonly OutgoingJob[]
      readonly size: number
      readonly options: RunOptions | undefined
    }
  | { readonly kind: 'ask'; readonly verb: Verb; readonly params: unknown }

/** A call that has not ended. */
interface Call {
  readonly cargo: Cargo
  /** Calls are made, and are sent again, in this order. */
  readonly order: number
  /** When it was made, on the monotonic clock. */
  readonly made: number
  /** How long no daemon had answered, in all, when it was made. */
  readonly awayBefore: number
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** A message that awaits its answer, with the calls in it. */
interface Parcel {
  readonly seq: number
  readonly calls: readonly Call[]
  /** When it was first sent. */
  readonly sent: number
  /** How long the calls in it had waited for a daemon. */
  readonly spent: number
  readonly bytes: number
  readonly jobs: number
  /** How often it was given to the socket. */
  tries: number
}

/** Bounds of one message: above a hundred jobs a message the gain is small, and a large one holds up the next. */
const JOBS_A_PARCEL = 1000
const BYTES_A_PARCEL = 2 ** 20
/** Bounds of what is in flight; the rest waits its turn in the queue, without its clock running. */
const PARCELS_IN_FLIGHT = 32
const BYTES_IN_FLIGHT = 8 * 2 ** 20
/** A fifth of a second's work of a daemon, so that the clock of the last measures the daemon; a batch may go over it. */
const JOBS_IN_FLIGHT = 32_000
/** Of a job on the wire, beside its task's name and its arguments: the id, quotes and commas. */
const BYTES_A_JOB = 60
/** How often it looks whether something is late, ms. */
const TICK = 20
/** Where nothing is, but results are waited for: how often it looks, and how long a daemon may be silent, ms. */
const TICK_WAITING = 200
const SILENCE = 1000

export class Connection implements Link {
  /** As errors show it. */
  readonly #url: string
  readonly #project: string
  readonly #timeout: number
  readonly #clock: Clock
  readonly #socket: DealerSocket
  readonly #queue = new Denque<Call>()
  readonly #inFlight = new Map<number, Parcel>()
  #bytesInFlight = 0
  #jobsInFlight = 0
  #nextSeq = 1
  #nextOrder = 1
  readonly #presence = new Presence()
  #link: string | undefined
  #closed = false
  #flushScheduled = false
  readonly #handle = storedJobs(this)
  readonly #results: Results
  readonly #watches: Watches
  #timer: NodeJS.Timeout | undefined
  /** How long that waits, ms. */
  #paused = TICK

  /**
   * @param timeout ms that a call may take, counted while it is in flight or no daemon answers
   * @param keys the file of this client's keys, or its folder, where the daemon asks for them
   */
  constructor(url: string, project: string, timeout: number, keys?: string, clock: Clock = systemClock) {
    this.#timeout = timeout
    this.#url = masked(url)
    this.#project = project
    this.#clock = clock
    this.#socket = new DealerSocket({
      url,
      keys,
      received: (frames) => this.#receive(frames),
      undelivered: (message) => this.#undelivered(message),
      failed: (error) => this.#rejectAll(error),
      owed: () => this.#isWaiting,
    })
    this.#results = new Results({
      clock,
      ask: (jobs) => this.#tell({ kind: 'await', project, jobs }),
      seen: (ids) => this.#tell({ kind: 'seen', project, ids }),
      wake: () => this.#scheduleFlush(),
    })
    this.#watches = new Watches({
      url: this.#url,
      clock,
      ask: (jobs) => this.#tell({ kind: 'watch', project, jobs }),
      wake: () => {
        this.#begin()
        this.#scheduleFlush()
      },
    })
  }

  /**
   * Resolves to its handle when the job is on disk.
   *
   * @throws what the daemon refused it with, DaemonUnavailableError, OutcomeUnknownError, ClientClosedError
   */
  enqueue(job: OutgoingJob): Promise<Job> {
    return this.#call({ kind: 'job', job }) as Promise<Job>
  }

  /**
   * Resolves to the handles when all the jobs are on disk; else none is.
   *
   * @param size of their arguments, bytes
   * @throws as `enqueue`
   */
  enqueueAll(jobs: readonly OutgoingJob[], size: number, options?: RunOptions): Promise<Job[]> {
    return this.#call({ kind: 'batch', jobs, size, options }) as Promise<Job[]>
  }

  /**
   * Resolves to what the job's task returns.
   *
   * @param timeout ms
   * @throws as `enqueue`, and as `result`
   */
  async run(job: OutgoingJob, timeout: number): Promise<unknown> {
    const { id } = job
    const result = this.#await(job, timeout, false)
    // It is told by the result.
    this.enqueue({ ...job, wait: timeout }).catch((error: Error) => this.#results.failed(id, error))
    return result
  }

  /**
   * Resolves to what the task of a job returns that is on disk.
   *
   * @param timeout ms
   * @throws JobFailedError, JobCancelledError, ResultGoneError, ResultNotSentError, ResultTimeoutError, ClientClosedError
   */
  async result(job: AwaitedJob, timeout: number): Promise<unknown> {
    return this.#await(job, timeout, true)
  }

  /**
   * How far a job is, until it is over, or the signal aborts.
   *
   * @throws ClientClosedError; the iteration, too, or DaemonUnavailableError where none has answered for a minute
   */
  watch(id: string, signal: JobSignal): AsyncIterable<Progress> {
    if (this.#closed) throw new ClientClosedError('The client is closed.')
    return this.#watches.watch(id, signal)
  }

  #await(job: AwaitedJob, timeout: number, isStored: boolean): Promise<unknown> {
    if (this.#closed) return Promise.reject(new ClientClosedError('The client is closed.'))
    const result = this.#results.wait(job, timeout, isStored)
    this.#begin()
    return result
  }

  /** Asks the daemon; resolves to its answer. @throws as `enqueue` */
  ask(verb: Verb, params: unknown): Promise<unknown> {
    return this.#call({ kind: 'ask', verb, params })
  }

  /** Ends the connection; what waits is rejected. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#socket.close()
    this.#rejectAll(new ClientClosedError('The client was closed before the daemon answered.'))
  }

  get #isWaiting(): boolean {
    return this.#pending > 0 || this.#results.size > 0 || this.#watches.size > 0
  }

  get #pending(): number {
    return this.#queue.length + this.#inFlight.size
  }

  /** @param made when the call was made; a resend keeps the first time, which its delay counts from */
  #call(cargo: Cargo, made = this.#clock.monotonic()): Promise<unknown> {
    if (this.#closed) return Promise.reject(new ClientClosedError('The client is closed.'))
    return new Promise((resolve, reject) => {
      const awayBefore = this.#presence.away
      this.#queue.push({ cargo, order: this.#nextOrder++, made, awayBefore, resolve, reject })
      if (this.#pending === 1) this.#begin()
      this.#scheduleFlush()
    })
  }

  /** Something is waited for: from now on time counts. */
  #begin(): void {
    const pause = this.#pause
    if (this.#timer !== undefined && pause >= this.#paused) return
    if (this.#timer === undefined || this.#paused === TICK_WAITING)
      this.#presence.begin(this.#clock.monotonic())
    clearTimeout(this.#timer)
    this.#paused = pause
    this.#timer = setTimeout(() => this.#tick(), pause)
  }

  get #pause(): number {
    return this.#pending > 0 || !this.#presence.answering ? TICK : TICK_WAITING
  }

  /** Calls of one tick of the event loop travel together. */
  #scheduleFlush(): void {
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    setImmediate(() => {
      this.#flushScheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#closed) return
    if (!this.#presence.answering) return this.#greet()
    this.#results.flush()
    this.#watches.flush()
    while (
      this.#queue.length > 0 &&
      this.#inFlight.size < PARCELS_IN_FLIGHT &&
      this.#bytesInFlight < BYTES_IN_FLIGHT &&
      this.#jobsInFlight < JOBS_IN_FLIGHT
    )
      this.#send(this.#pack())
  }

  /** Takes the next calls off the queue: jobs as many as fit, a question or a batch alone. */
  #pack(): Parcel {
    const calls: Call[] = []
    let bytes = 0
    let jobs = 0
    while (this.#queue.length > 0 && calls.length < JOBS_A_PARCEL) {
      const call = this.#queue.peekFront() as Call
      const size = sizeOf(call.cargo)
      const alone = call.cargo.kind !== 'job'
      if (calls.length > 0 && (alone || bytes + size > BYTES_A_PARCEL)) break
      calls.push(call)
      bytes += size
      jobs += jobsOf(call.cargo)
      this.#queue.shift()
      if (alone) break
    }
    const spent = this.#presence.away - (calls[0]?.awayBefore ?? 0)
    return { seq: this.#nextSeq++, calls, sent: this.#presence.time, spent, bytes, jobs, tries: 0 }
  }

  #send(parcel: Parcel): void {
    if (!this.#inFlight.has(parcel.seq)) {
      this.#bytesInFlight += parcel.bytes
      this.#jobsInFlight += parcel.jobs
    }
    this.#inFlight.set(parcel.seq, parcel)
    parcel.tries++
    this.#socket.send({ frames: encode(this.#messageOf(parcel)), key: parcel.seq })
  }

  #messageOf({ seq, calls }: Parcel): ClientMessage {
    const project = this.#project
    const [first] = calls
    if (first?.cargo.kind === 'ask')
      return { kind: 'ask', project, seq, verb: first.cargo.verb, params: first.cargo.params }
    if (first?.cargo.kind === 'batch')
      return {
        kind: 'enqueue',
        project,
        seq,
        jobs: first.cargo.jobs.map((job) => onWire(job, 0)),
        together: true,
        ...(first.cargo.options !== undefined && { options: first.cargo.options }),
      }
    const now = this.#clock.monotonic()
    const jobs = calls.map(({ cargo, made }) =>
      cargo.kind === 'job' ? onWire(cargo.job, now - made) : undefined,
    )
    return { kind: 'enqueue', project, seq, jobs: jobs as WireJob[] }
  }

  /** No call: what is lost with a connection is told to the next one. */
  #tell(message: ClientMessage): void {
    this.#socket.send({ frames: encode(message), key: 0 })
  }

  #greet(): void {
    // Other calls may be answered by another daemon, which nobody has told what is waited for.
    const isAwaiting = this.#results.size > 0 || this.#watches.size > 0
    if (!this.#presence.wantsHello && !(isAwaiting && this.#presence.sinceHello > SILENCE)) return
    this.#presence.saidHello()
    this.#socket.send({ frames: encode({ kind: 'hello', project: this.#project }), key: 0 })
  }

  /** No daemon is connected: what never left goes back to the front of the queue. */
  #undelivered({ key }: SentMessage): void {
    this.#presence.lost()
    // Whatever the next welcome says, what is in flight is sent again.
    this.#link = undefined
    const parcel = this.#inFlight.get(key)
    if (parcel === undefined || this.#closed) return
    // Sent before, on another link, it may have arrived: it stays in flight, and its clock runs.
    if (parcel.tries > 1) return
    this.#drop(parcel)
    this.#requeue(parcel)
  }

  /** Puts calls back to their place: several parcels may come back, the first of them first. */
  #requeue({ calls }: Parcel): void {
    const order = calls[0]?.order ?? 0
    const before: Call[] = []
    for (
      let head = this.#queue.peekFront();
      head !== undefined && head.order < order;
      head = this.#queue.peekFront()
    ) {
      before.push(head)
      this.#queue.shift()
    }
    for (const call of [...before, ...calls].toReversed()) this.#queue.unshift(call)
  }

  #receive(frames: readonly Buffer[]): void {
    let message: DaemonMessage
    try {
      message = readDaemonMessage(frames)
    } catch (error) {
      return this.#rejectAll(error as Error)
    }
    if (message.kind === 'refused' && message.seq === undefined)
      return this.#rejectAll(fromRecord(message.error))
    this.#presence.heard()
    if (message.kind === 'welcome') this.#welcome(message.link)
    else if (message.kind === 'ended') this.#results.told(message.jobs)
    else if (message.kind === 'progress') this.#watches.told(message.jobs)
    else this.#answer(message)
    this.#flush()
  }

  #welcome(link: string): void {
    const before = this.#link
    this.#link = link
    if (before === link) return
    for (const parcel of [...this.#inFlight.values()]) this.#send(parcel)
    this.#results.askAll()
    this.#watches.askAll()
  }

  #answer(message: Exclude<DaemonMessage, { kind: 'welcome' | 'ended' | 'progress' }>): void {
    const parcel = message.seq === undefined ? undefined : this.#inFlight.get(message.seq)
    if (parcel === undefined) return
    this.#drop(parcel)
    if (message.kind === 'refused') {
      for (const call of parcel.calls) call.reject(fromRecord(message.error))
      return
    }
    const refused = new Map(message.kind === 'stored' ? message.refused : [])
    parcel.calls.forEach(({ cargo, resolve, reject }, index) => {
      const error = refused.get(index)
      if (error !== undefined) reject(fromRecord(error))
      else if (cargo.kind === 'job') resolve(this.#stored(cargo.job, parcel.tries > 1))
      else if (cargo.kind === 'batch') resolve(cargo.jobs.map(({ id, task }) => this.#handle(id, task)))
      else resolve(message.kind === 'answer' ? message.value : undefined)
    })
  }

  #stored({ id, task, wait }: OutgoingJob, isOld: boolean): Job {
    if (wait !== undefined) this.#results.stored(id, isOld)
    return this.#handle(id, task)
  }

  /** No call can be sent: what waits has failed for that reason, and of what was sent nobody knows. */
  #rejectAll(error: Error): void {
    const waiting = this.#queue.toArray()
    const sent = [...this.#inFlight.values()]
    this.#queue.clear()
    for (const parcel of sent) this.#drop(parcel)
    this.#results.rejectAll(error)
    this.#watches.rejectAll(error)
    for (const call of waiting) call.reject(error)
    for (const { calls } of sent) for (const call of calls) call.reject(this.#unknown(call))
  }

  #drop(parcel: Parcel): void {
    if (!this.#inFlight.delete(parcel.seq)) return
    this.#bytesInFlight -= parcel.bytes
    this.#jobsInFlight -= parcel.jobs
  }

  #tick(): void {
    this.#timer = undefined
    if (this.#closed || !this.#isWaiting) return
    this.#presence.tick(this.#clock.monotonic(), this.#jobsInFlight, this.#pending > 0 ? 0 : SILENCE)
    this.#expire()
    if (!this.#isWaiting) return
    this.#greet()
    this.#paused = this.#pause
    this.#timer = setTimeout(() => this.#tick(), this.#paused)
  }

  /** Both are in the order in which they were made, so what is not late hides nothing that is. */
  #expire(): void {
    const { away, time } = this.#presence
    while (this.#queue.length > 0) {
      const call = this.#queue.peekFront() as Call
      if (away - call.awayBefore < this.#timeout) break
      this.#queue.shift()
      call.reject(this.#unavailable(call))
    }
    for (const parcel of this.#inFlight.values()) {
      const spent = time - parcel.sent + parcel.spent
      if (spent < this.#timeout) break
      this.#drop(parcel)
      for (const call of parcel.calls) call.reject(this.#unknown(call))
    }
  }

  #unavailable({ cargo }: Call): DaemonUnavailableError {
    const what = cargo.kind === 'ask' ? `${cargo.verb} was not asked` : `${named(cargo)} was not sent`
    return new DaemonUnavailableError(
      `No daemon answered at ${this.#url} for ${this.#timeout / 1000} s: ${what}. Start one (npx ztask daemon), or check ZTASKD_URL, and ZTASKD_KEYS where it lets in only clients with keys.`,
      { url: this.#url, timeout: this.#timeout / 1000 },
    )
  }

  #unknown({ cargo, made }: Call): OutcomeUnknownError {
    const id = cargo.kind === 'job' ? cargo.job.id : undefined
    const what = named(cargo)
    const again = cargo.kind === 'batch' ? 'the same ids' : 'the same id'
    return new OutcomeUnknownError(
      `${what} was sent to ${this.#url} and no answer came within ${this.#timeout / 1000} s: it may be stored or not. error.resend() sends it again with ${again}.`,
      { url: this.#url, timeout: this.#timeout / 1000, id },
      () => this.#call(cargo, made) as Promise<Job>,
    )
  }
}

/** Bytes, or a little less: of what is in flight it is a rough bound. */
const sizeOf = (cargo: Cargo): number => {
  if (cargo.kind === 'job') return BYTES_A_JOB + cargo.job.task.length + cargo.job.args.length
  if (cargo.kind === 'ask') return 0
  return cargo.size + cargo.jobs.length * (BYTES_A_JOB + (cargo.jobs[0]?.task.length ?? 0))
}

const jobsOf = (cargo: Cargo): number => {
  if (cargo.kind === 'ask') return 0
  return cargo.kind === 'job' ? 1 : cargo.jobs.length
}

const named = (cargo: Cargo): string => {
  if (cargo.kind === 'ask') return cargo.verb
  return cargo.kind === 'job' ? cargo.job.task : `a batch of ${cargo.jobs.length} ${cargo.jobs[0]?.task}`
}

/** @param waited ms since the call: `after` counts from the call, not from when the daemon hears of it */
const onWire = ({ id, task, args, after, at, wait, options }: OutgoingJob, waited: number): WireJob => {
  if (options !== undefined) {
    const left = after === undefined ? null : Math.max(0, after - waited)
    return [id, task, args, left, at ?? null, wait ?? null, options]
  }
  if (wait !== undefined) return [id, task, args, null, null, wait]
  if (at !== undefined) return [id, task, args, null, at]
  return after === undefined ? [id, task, args] : [id, task, args, Math.max(0, after - waited)]
}
