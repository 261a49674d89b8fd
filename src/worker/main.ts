/** A worker's process: runs user code, never opens the database, and ends with its master. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import Denque from 'denque'
import { hostMonotonic } from '../clock.ts'
import { failureOf, type Outcome, SUCCEEDED } from '../model/outcome.ts'
import type { Progress } from '../model/progress.ts'
import type { StopReason } from '../model/run.ts'
import {
  BEGINNING,
  BRIEF,
  type Ended,
  type Handing,
  type Leased,
  type Loading,
  type MasterMessage,
  type ModuleFiles,
  nextPlace,
  RESULT,
  type WorkerBrief,
  type WorkerMessage,
} from '../wire/ipc.ts'
import { callAll } from './callables.ts'
import { Claims } from './claims.ts'
import { Current, type RunHost } from './current.ts'
import { traceFiles } from './graph.ts'
import { WorkersLog } from './job-log.ts'
import { installTsx, loadInTurn, loadProject, loadTasks, specsOf, startCompiler } from './load.ts'
import { Loads } from './loads.ts'
import { Modules } from './modules.ts'
import { performToOutcome } from './perform.ts'
import { Progresses } from './progress.ts'
import { type Registry, resolvedTask } from './registry.ts'
import { type Shared, startWatchdog, tellBegun } from './watchdog.ts'

const send = (message: WorkerMessage, sent?: () => void): void => {
  process.send?.(message, undefined, undefined, () => sent?.())
}

/** Outcomes of one turn of the event loop travel together. */
class Reports {
  readonly #begun: () => number
  readonly #sent: (ended: readonly Ended[]) => void
  #ended: Ended[] = []
  /** Since when there is something to do, or the last report. */
  #since: number | undefined

  /**
   * @param begun asked up to which run all have begun, or do when the report is sent
   * @param sent told which outcomes have just left this process
   */
  constructor(begun: () => number, sent: (ended: readonly Ended[]) => void) {
    this.#begun = begun
    this.#sent = sent
  }

  /** There is something to do. */
  busy(): void {
    this.#since ??= performance.now()
  }

  /** What there was to do is done, once what has ended is reported. */
  idle(): void {
    this.#since = undefined
  }

  add(run: number, outcome: Outcome): void {
    const ended: Ended = outcome === SUCCEEDED ? run : [run, outcome]
    if (this.#ended.push(ended) === 1) setImmediate(() => this.#flush())
  }

  /** Calls back when all has left this process. */
  last(left: () => void): void {
    // With nothing in it, too: what was sent before may still wait for room in the pipe.
    this.#send(left)
  }

  #flush(): void {
    if (this.#ended.length > 0) this.#send()
  }

  #send(then?: () => void): void {
    const ended = this.#ended
    this.#ended = []
    const now = performance.now()
    const worked = now - (this.#since ?? now)
    this.#since = now
    send({ kind: 'ended', ended, worked, begun: this.#begun() }, () => {
      this.#sent(ended)
      then?.()
    })
  }
}

/** When modules are kept for the next generation, ms after the last was loaded: what waits for this one comes first. */
const KEEP_AFTER = 200

/** A job that was handed over and has not begun. */
interface Handed {
  readonly place: number
  readonly handing: Handing
}

class Server implements RunHost {
  readonly #brief: WorkerBrief
  readonly #reports = new Reports(
    () => this.#tellLatest(),
    (ended) => this.#reported(ended),
  )
  readonly #progresses = new Progresses((runs) => send({ kind: 'progress', runs }))
  readonly #claims: Claims
  readonly #runs: Int32Array
  readonly #end: Float64Array
  readonly #loads = new Loads(() => this.#loaded())
  readonly #log: WorkersLog
  #registry: Registry | undefined
  #onExit: readonly string[] = []
  /** By the run's number. */
  readonly #running = new Map<number, Current>()
  /** Runs whose results somebody wants. */
  readonly #wanted = new Set<number>()
  /** Runs that wait for another job, and hold no slot meanwhile; by how many of their waits. */
  readonly #waiting = new Map<number, number>()
  /** What they have begun to wait for and is not told yet. */
  readonly #awaits = new Map<number, string[]>()
  /** Runs that have waited, and go on when there is a slot for them. */
  readonly #returning = new Denque<() => void>()
  /** In the order in which they are to begin. */
  readonly #stock = new Denque<Handed>()
  /** Jobs that have begun, and that the master does not know to have ended. */
  #busy = 0
  /** The latest run that has begun. */
  #latest = 0
  /** The master knows that the runs up to this one have begun. */
  #told = 0
  #hasCode = false
  #retiring = false
  #left = false
  #lease: NodeJS.Timeout | undefined
  #isFenced = false

  constructor(brief: WorkerBrief, { claims, runs, end }: Shared) {
    this.#brief = brief
    this.#claims = new Claims(claims)
    this.#runs = new Int32Array(runs)
    this.#end = new Float64Array(end)
    this.#log = new WorkersLog(brief.log)
  }

  /** Whether it was told which code to load. */
  get hasCode(): boolean {
    return this.#hasCode
  }

  async #load(loading: Loading): Promise<void> {
    let tellFiles = (): void => {}
    try {
      const modules = loading.modules && (await keptModules(loading.modules))
      // Of hooks the last comes first, and those of the modules call no other for what they know.
      if (loading.traced) tellFiles = traceFiles((files, since) => send({ kind: 'files', files, since }))
      const registry = await loadProject(loading, this.#brief.root)
      if (loading.strict) await loadTasks(registry)
      this.#onExit = loading.onExit
      this.#open(registry)
      if (!loading.strict) await this.#loadInTurn(registry, loading.skip)
      modules?.end()
      const writes = loading.modules?.writes
      if (writes !== undefined) setTimeout(() => modules?.write(writes), KEEP_AFTER).unref()
    } catch (error) {
      // What mends it may be one of those.
      tellFiles()
      send({ kind: 'broken', failure: failureOf(error) }, () => end(1))
    }
  }

  #loadInTurn(registry: Registry, skip: readonly string[]): Promise<void> {
    return loadInTurn(
      registry,
      skip,
      (task) => send({ kind: 'importing', task }),
      (task, error) => send({ kind: 'faulty', task, failure: failureOf(error) }),
    )
  }

  #isInStock(run: number): boolean {
    return this.#stock.toArray().some(({ handing: [number] }) => number === run)
  }

  /** From now on jobs may come; or the worker leaves, where it was told to while it loaded. */
  #open(registry: Registry): void {
    this.#registry = registry
    if (this.#retiring) this.#leave()
    else send({ kind: 'ready', tasks: specsOf(registry) })
  }

  receive(message: MasterMessage): void {
    switch (message.kind) {
      case 'load':
        this.#hasCode = true
        void this.#load(message)
        break
      case 'jobs':
        this.#take(message.first, message.jobs)
        break
      case 'abort':
        this.#abort(message.run, message.reason)
        break
      case 'wanted':
        // One that has ended is not asked again.
        if (this.#running.has(message.run) || this.#isInStock(message.run)) this.#wanted.add(message.run)
        break
      case 'ping':
        send({ kind: 'pong', loading: this.#loads.holds })
        break
      case 'reopen':
        this.#log.reopen()
        break
      case 'lease':
        this.#hold(message)
        break
      case 'retire':
        this.#retire()
    }
  }

  /** At that time what runs is to end and nothing begins, where nothing else is said before; the watchdog sees to what does not. */
  #hold({ notice, end }: Leased): void {
    clearTimeout(this.#lease)
    const left = notice - hostMonotonic()
    this.#isFenced = left <= 0
    if (!this.#isFenced) this.#lease = setTimeout(() => this.#fence(end - notice), left).unref()
    this.#begin()
  }

  /** @param before its end, ms */
  #fence(before: number): void {
    // Where this thread has computed for a while it may have been renewed, and what says so waits behind this.
    const [end = 0] = this.#end
    if (end - before > hostMonotonic()) return this.#hold({ notice: end - before, end })
    this.#isFenced = true
    for (const job of this.#running.values()) job.stop('fenced')
  }

  #take(first: number, jobs: readonly Handing[]): void {
    let place = first
    for (const handing of jobs) {
      const [run, , , , , , asked] = handing
      if (asked & RESULT) this.#wanted.add(run)
      this.#stock.push({ place, handing })
      place = nextPlace(place)
    }
    this.#reports.busy()
    this.#begin()
  }

  /**
   * Begins what there is room for. What has ended makes room only when it was reported: should this process die, the
   * master has to know which jobs can have begun.
   */
  #begin(): void {
    while (this.#busy < this.#brief.concurrency && !this.#isFenced) {
      if (this.#returning.length > 0) {
        this.#returning.shift()?.()
        continue
      }
      const next = this.#next()
      if (next === undefined) return
      this.#stock.shift()
      // Else it was called back, and is another worker's.
      if (!this.#claims.claim(next.place)) continue
      const [number] = next.handing
      this.#latest = number
      if (this.#busy++ === 0 && number > this.#told) tellBegun(number)
      void this.#run(next.handing)
    }
  }

  /** What begins as soon as there is room. */
  #next(): Handed | undefined {
    const next = this.#stock.peekFront()
    return next !== undefined && this.#loads.holds && !this.#isResolved(next.handing) ? undefined : next
  }

  #isResolved([, , task]: Handing): boolean {
    return this.#registry !== undefined && resolvedTask(this.#registry, task) !== undefined
  }

  /** After the job that loaded its module, which is just being called. */
  #loaded(): void {
    queueMicrotask(() => {
      this.#begin()
      send({ kind: 'loaded' })
    })
  }

  /** The next in stock begins as soon as the report that says so has left. */
  #tellLatest(): number {
    this.#told = this.#next()?.handing[0] ?? this.#latest
    return this.#told
  }

  #reported(ended: readonly Ended[]): void {
    this.#busy -= ended.length
    // Mostly there is none of either.
    if (this.#wanted.size > 0 || this.#waiting.size > 0)
      for (const one of ended) {
        const run = typeof one === 'number' ? one : one[0]
        this.#wanted.delete(run)
        if (this.#waiting.delete(run)) this.#busy++
      }
    this.#begin()
    if (this.#busy === 0) this.#reports.idle()
  }

  #abort(run: number, reason: StopReason): void {
    this.#running.get(run)?.stop(reason)
    this.#giveBack((number) => number === run)
  }

  /** What has not begun is not to begin here. */
  #giveBack(which: (run: number) => boolean): void {
    for (const { place, handing } of this.#stock.toArray())
      if (which(handing[0]) && this.#claims.claim(place)) {
        this.#busy++
        this.#reports.add(handing[0], { kind: 'unbegun' })
      }
  }

  async #run(handing: Handing): Promise<void> {
    if (this.#registry === undefined) return
    const [number, id, task, args, attempt, created, asked] = handing
    const job = new Current({ id, task, attempt, created }, this, number)
    this.#running.set(number, job)
    Atomics.store(this.#runs, 0, this.#running.size)
    const loaded = this.#isResolved(handing) ? undefined : this.#loads.begin()
    const called = (): void => {
      // At once and not with others: the task may never yield.
      if (asked & BEGINNING) send({ kind: 'begun', run: number })
      loaded?.()
    }
    const begun = asked & BEGINNING || loaded !== undefined ? called : undefined
    const outcome = await performToOutcome(this.#registry, { job, args, begun })
    // Where it did not come to be called.
    loaded?.()
    this.#progresses.ended(number)
    this.#reports.add(number, outcome)
    this.#running.delete(number)
    Atomics.store(this.#runs, 0, this.#running.size)
    if (this.#retiring && this.#running.size === 0) this.#leave()
  }

  /**
   * A run waits for another job, which may be behind it in this very worker: it gives its slot back. The next begins when the
   * master knows. What has waited goes before it.
   *
   * @returns called when it waits no longer: resolves when there is a slot for it, or `most` ms have passed: then one more runs
   *   for a while
   */
  waits(run: number, id: string): (most?: number) => Promise<void> {
    const waits = (this.#waiting.get(run) ?? 0) + 1
    this.#waiting.set(run, waits)
    const awaits = this.#awaits.get(run)
    if (awaits !== undefined) awaits.push(id)
    else {
      this.#awaits.set(run, [id])
      queueMicrotask(() => this.#tellAwaits(run, waits === 1))
    }
    return (most) => this.#goesOn(run, most)
  }

  /** All that a run begins to wait for at once travels together. */
  #tellAwaits(run: number, isFirst: boolean): void {
    const awaits = this.#awaits.get(run) ?? []
    this.#awaits.delete(run)
    send({ kind: 'waits', run, awaits }, () => {
      if (!isFirst) return
      this.#busy--
      this.#begin()
      // A wait is no work: the stock goes by that.
      if (this.#busy === 0) this.#reports.idle()
    })
  }

  mostWanted(run: number): number | undefined {
    return this.#wanted.has(run) ? this.#brief.maxPayload : undefined
  }

  progress(run: number, progress: Progress): void {
    this.#progresses.say(run, progress)
  }

  #goesOn(run: number, most: number | undefined): Promise<void> {
    if (this.#endsOneOfSeveral(run)) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    let isBack = false
    const back = (): void => {
      if (isBack) return
      isBack = true
      clearTimeout(timer)
      // Another may have begun meanwhile; and it may have ended.
      if (!this.#endsOneOfSeveral(run) && this.#waiting.delete(run)) {
        this.#busy++
        this.#reports.busy()
        send({ kind: 'waits', run, awaits: [] })
      }
      resolve()
    }
    const timer = most === undefined ? undefined : setTimeout(back, most)
    this.#returning.push(back)
    this.#begin()
    return promise
  }

  /** @returns whether a run goes on waiting when one of its waits has ended */
  #endsOneOfSeveral(run: number): boolean {
    const left = (this.#waiting.get(run) ?? 0) - 1
    if (left > 0) this.#waiting.set(run, left)
    return left > 0
  }

  #retire(): void {
    this.#retiring = true
    this.#giveBack(() => true)
    if (this.#registry !== undefined && this.#running.size === 0) this.#leave()
  }

  #leave(): void {
    if (this.#left) return
    this.#left = true
    this.#reports.last(() => {
      callAll(this.#onExit, this.#brief.root).then(
        () => end(0),
        (error: unknown) => {
          console.error('ztask: onExit failed', error)
          end(1)
        },
      )
    })
  }
}

const keptModules = async ({ reads }: ModuleFiles): Promise<Modules> => {
  await installTsx()
  return Modules.from(reads)
}

const end = (code: number): void => {
  // Where a debugger is attached, Node waits in an exit, and in a kill of itself, until it lets go: so the master kills.
  if (process.getBuiltinModule('node:inspector').url() !== undefined)
    process.once('exit', () => send({ kind: 'left' }))
  process.exit(code)
}

/** What does not depend on the code, before it comes; of what takes long no more is begun once it has. */
const prepare = async ({ typescript }: WorkerBrief, hasCode: () => boolean): Promise<void> => {
  // What every task imports; before tsx, which would parse each of its modules.
  await import(new URL('../index.js', import.meta.url).href)
  if (typescript) await installTsx()
  // The code may have come meanwhile: it is known when the event loop has turned.
  await nextTurn()
  if (typescript && !hasCode()) startCompiler()
}

const main = async (): Promise<void> => {
  // A terminal's Ctrl-C reaches the whole group: when to end is the master's to say.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  const brief = JSON.parse(process.env[BRIEF] ?? '') as WorkerBrief
  delete process.env[BRIEF]
  const shared = {
    claims: Claims.memory(brief.concurrency),
    runs: new SharedArrayBuffer(4),
    end: new SharedArrayBuffer(8),
  }
  startWatchdog(shared)
  const server = new Server(brief, shared)
  process.on('message', (message: MasterMessage) => server.receive(message))
  // What fails here fails again where it is needed, and is told there.
  prepare(brief, () => server.hasCode).catch(() => {})
}

await main()
