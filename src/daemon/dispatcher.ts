/**
 * Hands jobs whose turn it is to workers that have room, and knows which run has which job. A worker begins them in the
 * order in which it was handed them, `concurrency` at a time, one more for each that waits for another job, and the next only when what has ended was reported: so of
 * those that it has, no more than the first `concurrency` can have begun; the others are its stock. It tells of the first
 * that it begins, and with each report how far it is: where it has not told of the first, none has begun.
 *
 * Of runs that wait a worker has no more than a bound, and what it has in stock: then it is handed only what runs wait for.
 * So they go on, and what they wait for does, too.
 *
 * A suspect runs in an isolated worker, alone, and no second one beside it but what it waits for itself. Who dies alone is to
 * blame; where two die, nobody is, and they are tried again without each other.
 */
import type { Clock } from '../clock.ts'
import type { Job, SuspectChoice } from '../model/job.ts'
import type { Run, Worker } from '../model/run.ts'
import { type Handing, nextPlace } from '../wire/ipc.ts'
import { Apart } from './dispatcher/apart.ts'
import { Stock } from './dispatcher/stock.ts'
import { Waits } from './dispatcher/waits.ts'

export interface DispatcherOptions {
  /** Jobs a worker runs at a time. */
  readonly concurrency: number
  readonly clock: Clock
  /** Takes from the scheduler. */
  readonly take: (limit: number) => readonly Job[]
  /** Of all, or of those of these ids. */
  readonly takeSuspect: (choice: SuspectChoice) => Job | undefined
  /** Whether a job of that id is a suspect that waits for its turn. */
  readonly isSuspect: (id: string) => boolean
  /** A suspect is about to run: writes that down, then calls `tried` with the job as it is now, or with none: it does not run. */
  readonly trial: (job: Job, tried: (job: Job | undefined) => void) => void
  /** The worker for it has gone meanwhile. */
  readonly back: (job: Job) => void
  /** Tells why a job cannot run on the code there is; such a job is not handed out. */
  readonly obstacle: (job: Job) => string | undefined
  readonly held: (job: Job, reason: string) => void
  /** Whether it is too late for a job to begin; such a job is not handed out. */
  readonly expired: (job: Job) => boolean
  readonly started: (run: Run) => void
  /** What a worker is asked of a job, as a handing says it. */
  readonly asked: (job: Job) => number
  /** `first` is the place of the first of them. */
  readonly hand: (worker: Worker, first: number, jobs: readonly Handing[]) => void
  /** The first run's number: the boot number in the upper bits, so that no two runs share one. */
  readonly firstRun: number
}

/** Runs for each of its slots that wait in a worker for other jobs, beyond which it begins no others: each takes 17 KB there, and more in its task. */
const WAITING_A_SLOT = 100

interface Slot {
  readonly worker: Worker
  readonly runs: Set<number>
  /** Of them those that wait for other jobs: they hold no slot meanwhile. */
  readonly slotless: Set<number>
  readonly stock: Stock
  /** Of the next job. */
  place: number
  /** The number of its latest run. */
  latest: number
  /** Its runs up to this number were asked for. */
  asked: number
  /** Its runs up to this number have begun: it has said so. */
  known: number
  /** It gets no more jobs. */
  closed: boolean
  /** It left jobs untouched: it gets no more until it can begin some. */
  stuck: boolean
}

/** What a worker with room is about to be handed. */
interface Load {
  readonly slot: Slot
  readonly room: number
  readonly jobs: Job[]
}

/** What a worker that is gone had. */
export interface Dismissed {
  /** The first of them has begun, and the others can have. */
  readonly begun: readonly Run[]
  /** The one to blame, where it can be no other. */
  readonly culprit: Run | undefined
  readonly stock: readonly Run[]
}

export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #slots = new Map<number, Slot>()
  readonly #runs = new Map<number, Run>()
  readonly #waits = new Waits()
  readonly #apart = new Apart()
  #next: number
  /** The suspect that is about to run. */
  #trial: number | undefined

  constructor(options: DispatcherOptions) {
    this.#options = options
    this.#next = options.firstRun
  }

  /** @returns how many jobs a worker runs; what it has in stock is not among them */
  runningOn(worker: Worker): number {
    const slot = this.#slots.get(worker.number)
    return slot === undefined ? 0 : Math.min(this.#slotsOf(slot), slot.runs.size)
  }

  /** @returns what runs, the oldest first */
  runs(): IterableIterator<Run> {
    return this.#runs.values()
  }

  runsOn(worker: Worker): Run[] {
    return [...(this.#slots.get(worker.number)?.runs ?? [])].flatMap((number) => this.#runs.get(number) ?? [])
  }

  /** @returns the run of a job, where it runs */
  runOf(seq: number): Run | undefined {
    for (const run of this.#runs.values()) if (run.job.seq === seq) return run
    return undefined
  }

  /** @returns the run of that number, where this worker has it */
  runBy(number: number, worker: Worker): Run | undefined {
    const run = this.#runs.get(number)
    return run?.worker.number === worker.number ? run : undefined
  }

  /** What is known of a job that runs has changed. @returns its run as it is now */
  update(run: Run, job: Job): Run {
    const next = { ...run, job }
    if (this.#runs.has(run.number)) this.#runs.set(run.number, next)
    return next
  }

  /** Runs handed over before that time of which it is not known whether they have begun. Each is told once. */
  doubtful(before: number): [Worker, Run[]][] {
    const found: [Worker, Run[]][] = []
    for (const slot of this.#slots.values()) {
      if (slot.asked === slot.latest) continue
      const runs = this.runsOn(slot.worker).filter((run) => run.number > slot.asked && run.started < before)
      if (runs.length > 0) found.push([slot.worker, runs])
      slot.asked = runs.at(-1)?.number ?? slot.asked
    }
    return found
  }

  /** Whether there are runs that `doubtful` has not told. */
  get inDoubt(): boolean {
    return [...this.#slots.values()].some(({ asked, latest, runs }) => asked < latest && runs.size > 0)
  }

  /** A run waits for other jobs, and its slot is another's; with none it goes on. */
  waits(number: number, worker: Worker, awaits: readonly string[]): void {
    const slotless = this.#slots.get(worker.number)?.slotless
    if (awaits.length === 0) {
      if (slotless?.delete(number)) this.#waits.remove(number)
    } else if (this.runBy(number, worker) !== undefined) {
      slotless?.add(number)
      this.#waits.add(number, awaits)
    }
  }

  /** The jobs that runs wait for. */
  get awaited(): Pick<Waits, 'has' | 'ids'> {
    return this.#waits
  }

  /** Where not all that is waited for is known, any job may be what others wait for. */
  #isFull({ slotless }: Slot): boolean {
    return slotless.size >= WAITING_A_SLOT * this.#options.concurrency && this.#waits.areKnown
  }

  /** How many jobs workers can be handed. */
  get room(): number {
    return roomIn(this.#loadsOf(this.#open().filter((slot) => !this.#isFull(slot))))
  }

  /** How many jobs workers can be handed that get only what runs wait for; nothing where there is no such worker. */
  get roomForAwaited(): number | undefined {
    const full = this.#open().filter((slot) => this.#isFull(slot))
    return full.length === 0 ? undefined : roomIn(this.#loadsOf(full))
  }

  /** Hands out jobs that runs wait for, to workers that get no others. @returns those for which there is no room */
  handAwaited(jobs: readonly Job[]): readonly Job[] {
    const loads = this.#loadsOf(this.#open().filter((slot) => this.#isFull(slot)))
    const fit = jobs.filter((job) => !this.#holdUnfit(job))
    const room = roomIn(loads)
    for (const job of fit.slice(0, room)) idlest(loads).jobs.push(job)
    for (const { slot, jobs } of loads) this.#hand(slot, jobs)
    return fit.slice(room)
  }

  /** How many of a worker's runs can have begun. */
  #slotsOf({ slotless }: Slot): number {
    return this.#options.concurrency + slotless.size
  }

  /** A worker has begun what it has up to this run. */
  begun(worker: Worker, number: number): void {
    const slot = this.#slots.get(worker.number)
    if (slot !== undefined) slot.known = Math.max(slot.known, number)
  }

  /** Whether a worker has begun something that has not ended. */
  hasBegun(worker: Worker): boolean {
    const [first] = this.runsOn(worker)
    return first !== undefined && !this.isDoubtful(first)
  }

  /** Whether it is not known of a run that it has begun. */
  isDoubtful(run: Run): boolean {
    const slot = this.#slots.get(run.worker.number)
    return slot !== undefined && run.number > slot.known
  }

  /** A worker left jobs untouched: it gets no more until it can begin some. */
  stuck(worker: Worker): void {
    const slot = this.#slots.get(worker.number)
    if (slot === undefined) return
    slot.stuck = true
    slot.stock.tooLarge()
  }

  /** The event loop of a worker has turned. @returns whether it was stuck */
  turned(worker: Worker): boolean {
    const slot = this.#slots.get(worker.number)
    if (slot === undefined || !slot.stuck) return false
    slot.stuck = false
    return true
  }

  /** Whether a suspect is about to run, or runs. */
  get onTrial(): boolean {
    if (this.#trial !== undefined) return true
    return [...this.#slots.values()].some(({ worker, runs }) => worker.isolated && runs.size > 0)
  }

  /** @returns the suspect that is being tried; the others wait for it. None while the next is about to be */
  get tried(): Run | undefined {
    return this.#trial === undefined ? this.suspects().at(-1) : undefined
  }

  /** @returns the suspects that run, or wait for another that does, the oldest first */
  suspects(): Run[] {
    const isolated = [...this.#slots.values()].filter(({ worker }) => worker.isolated)
    return isolated.flatMap(({ worker }) => this.runsOn(worker)).sort((a, b) => a.number - b.number)
  }

  isStuck(worker: Worker): boolean {
    return this.#slots.get(worker.number)?.stuck === true
  }

  /** This worker gets no more jobs. */
  close(worker: Worker): void {
    const slot = this.#slots.get(worker.number)
    if (slot !== undefined) slot.closed = true
  }

  /** A worker can take jobs; those of an older generation get no more, nor does this one where it is the older. */
  admit(worker: Worker): void {
    const others = [...this.#slots.values()]
    for (const slot of others) if (slot.worker.generation < worker.generation) slot.closed = true
    const closed = others.some((slot) => slot.worker.generation > worker.generation)
    const fresh = {
      runs: new Set<number>(),
      slotless: new Set<number>(),
      stock: new Stock(),
      place: 1,
      latest: 0,
      asked: 0,
      known: 0,
      stuck: false,
    }
    this.#slots.set(worker.number, { worker, closed, ...fresh })
  }

  /** A worker is gone. @returns the runs that were cut */
  dismiss(worker: Worker): Dismissed {
    const slot = this.#slots.get(worker.number)
    const count = slot !== undefined && this.hasBegun(worker) ? this.#slotsOf(slot) : 0
    const runs = this.runsOn(worker)
    const begun = runs.slice(0, count)
    if (worker.isolated && begun.length > 1)
      for (const { number, job } of begun) this.#apart.add(job.id, this.#awaitedBy([number]))
    for (const { number } of runs) this.end(number, worker)
    this.#slots.delete(worker.number)
    return { begun, culprit: begun.length === 1 ? begun[0] : undefined, stock: runs.slice(count) }
  }

  /**
   * Ends a run. The fence of every outcome: a report of a run that is over, or was another worker's, ends nothing.
   *
   * @returns the run, or `undefined` where this worker has none of this number
   */
  end(number: number, worker: Worker): Run | undefined {
    const run = this.runBy(number, worker)
    if (run === undefined) return undefined
    this.#runs.delete(number)
    const slot = this.#slots.get(worker.number)
    slot?.runs.delete(number)
    if (slot?.slotless.delete(number)) this.#waits.remove(number)
    slot?.stock.weigh(-run.job.args.length)
    return run
  }

  /** A worker has reported so many runs, at which it worked for so long, ms. */
  reported(worker: Worker, count: number, worked: number): void {
    this.#slots.get(worker.number)?.stock.ended(count, worked)
  }

  /** Hands out what is due, to the workers that have the least to do. */
  dispatch(): void {
    this.#dispatchSuspect()
    const loads = this.#loadsOf(this.#open().filter((slot) => !this.#isFull(slot)))
    let room = roomIn(loads)
    while (room > 0) {
      const jobs = this.#options.take(room)
      if (jobs.length === 0) break
      for (const job of jobs) {
        if (this.#holdUnfit(job)) continue
        room--
        idlest(loads).jobs.push(job)
      }
    }
    for (const { slot, jobs } of loads) this.#hand(slot, jobs)
  }

  /** The workers that may be handed jobs. */
  #open(): Slot[] {
    return [...this.#slots.values()].filter(
      ({ closed, stuck, worker }) => !closed && !stuck && !worker.isolated,
    )
  }

  #loadsOf(slots: readonly Slot[]): Load[] {
    return slots.map((slot) => ({ slot, room: this.#roomOf(slot), jobs: [] }))
  }

  #dispatchSuspect(): void {
    while (this.#trial === undefined && this.#ward() !== undefined) {
      const choice = this.#choice()
      const job = choice && this.#options.takeSuspect(choice)
      if (job === undefined) return
      if (this.#holdUnfit(job)) continue
      this.#trial = job.seq
      this.#options.trial(job, (tried) => this.#try(tried))
    }
  }

  /**
   * @returns which suspects may be tried now: none while one runs; those that others wait for, where all wait that are in
   *   their workers: else those would wait for ever; any where there are none, but for those that are to be tried after others
   */
  #choice(): SuspectChoice | undefined {
    const slots = [...this.#slots.values()].filter(({ worker, runs }) => worker.isolated && runs.size > 0)
    if (slots.some(({ runs, slotless }) => runs.size > slotless.size)) return undefined
    if (slots.length === 0) {
      if (this.#apart.size === 0) return {}
      return { fits: ({ id }) => !this.#apart.isLater(id, this.#options.isSuspect) }
    }
    const waiting = slots.flatMap(({ worker }) => this.runsOn(worker))
    const awaited = this.#awaitedBy(waiting.map(({ number }) => number))
    return { only: [...awaited].filter((id) => !waiting.some(({ job }) => this.#apart.keeps(id, job.id))) }
  }

  /** @returns the jobs that runs wait for, and those that these wait for, wherever they run, and so on */
  #awaitedBy(runs: readonly number[]): ReadonlySet<string> {
    const found = new Set(runs.flatMap((run) => [...this.#waits.of(run)]))
    const others = new Map(this.#waits.runs().map((run) => [this.#runs.get(run)?.job.id, run]))
    // What is added while it is gone through is gone through, too.
    for (const id of found) {
      const run = others.get(id)
      if (run !== undefined) for (const next of this.#waits.of(run)) found.add(next)
    }
    return found
  }

  #ward(): Slot | undefined {
    return [...this.#slots.values()].find(
      ({ closed, stuck, worker, runs, slotless }) =>
        worker.isolated && !closed && !stuck && runs.size === slotless.size,
    )
  }

  #try(job: Job | undefined): void {
    this.#trial = undefined
    if (job === undefined) return
    const ward = this.#ward()
    if (ward === undefined) this.#options.back(job)
    else this.#hand(ward, [job])
  }

  #roomOf(slot: Slot): number {
    return Math.max(0, this.#slotsOf(slot) + slot.stock.size - slot.runs.size)
  }

  #holdUnfit(job: Job): boolean {
    const reason = this.#options.obstacle(job)
    if (reason !== undefined) this.#options.held(job, reason)
    return reason !== undefined || this.#options.expired(job)
  }

  #hand(slot: Slot, jobs: readonly Job[]): void {
    if (jobs.length === 0) return
    const first = slot.place
    const now = this.#options.clock.monotonic()
    this.#options.hand(
      slot.worker,
      first,
      jobs.map((job) => this.#begin(job, slot, now)),
    )
  }

  #begin(job: Job, slot: Slot, started: number): Handing {
    const run: Run = { number: this.#next++, job, worker: slot.worker, place: slot.place, started }
    slot.place = nextPlace(slot.place)
    slot.latest = run.number
    slot.runs.add(run.number)
    slot.stock.weigh(job.args.length)
    this.#runs.set(run.number, run)
    this.#options.started(run)
    const { id, task, args, attempts, created } = job
    return [run.number, id, task, args, attempts + 1, created, this.#options.asked(job)]
  }
}

const roomIn = (loads: readonly Load[]): number => loads.reduce((sum, { room }) => sum + room, 0)

/** @returns of those that have room, the one that has the least to do: a free worker comes before another's stock */
const idlest = (loads: readonly Load[]): Load => {
  let best: Load | undefined
  for (const load of loads) {
    if (load.jobs.length >= load.room) continue
    if (best === undefined || work(load) < work(best)) best = load
  }
  // There is room for every job that was taken.
  return best as Load
}

const work = ({ slot, jobs }: Load): number => slot.runs.size + jobs.length
