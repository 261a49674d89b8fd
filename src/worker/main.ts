/** A worker's process: runs user code, never opens the database, and ends with its master. */
import inspector from 'node:inspector'
import { failureOf, type Outcome } from '../model/outcome.ts'
import { BRIEF, type Handing, type MasterMessage, type WorkerBrief, type WorkerMessage } from '../wire/ipc.ts'
import { callAll } from './callables.ts'
import { Current } from './current.ts'
import { WorkersLog } from './job-log.ts'
import { loadProject, specsOf } from './load.ts'
import { performToOutcome } from './perform.ts'
import type { Registry } from './registry.ts'
import { startWatchdog } from './watchdog.ts'

const send = (message: WorkerMessage, sent?: () => void): void => {
  process.send?.(message, undefined, undefined, () => sent?.())
}

/** Outcomes of one turn of the event loop travel together. */
class Reports {
  #ended: [number, Outcome][] = []

  add(run: number, outcome: Outcome): void {
    if (this.#ended.push([run, outcome]) === 1) setImmediate(() => this.flush())
  }

  flush(sent?: () => void): void {
    const ended = this.#ended
    this.#ended = []
    if (ended.length > 0) send({ kind: 'ended', ended }, sent)
    else sent?.()
  }
}

class Server {
  readonly #brief: WorkerBrief
  readonly #reports = new Reports()
  readonly #log: WorkersLog
  #registry: Registry | undefined
  /** By the run's number. */
  readonly #running = new Map<number, Current>()
  #retiring = false
  #left = false

  constructor(brief: WorkerBrief) {
    this.#brief = brief
    this.#log = new WorkersLog(brief.log)
  }

  /** From now on jobs may come; or the worker leaves, where it was told to while it loaded. */
  open(registry: Registry): void {
    this.#registry = registry
    if (this.#retiring) this.#leave()
    else send({ kind: 'ready', tasks: specsOf(registry) })
  }

  receive(message: MasterMessage): void {
    switch (message.kind) {
      case 'jobs':
        for (const handing of message.jobs) void this.#run(handing)
        break
      case 'abort':
        this.#running.get(message.run)?.stop(message.reason)
        break
      case 'ping':
        send({ kind: 'pong' })
        break
      case 'reopen':
        this.#log.reopen()
        break
      case 'retire':
        this.#retire()
    }
  }

  async #run([number, id, task, args, attempt, created, timed]: Handing): Promise<void> {
    if (this.#registry === undefined) return
    const job = new Current({ id, task, attempt, created })
    this.#running.set(number, job)
    // At once and not with others: the task may never yield.
    const begun = timed ? () => send({ kind: 'begun', run: number }) : undefined
    this.#reports.add(number, await performToOutcome(this.#registry, { job, args, begun }))
    this.#running.delete(number)
    if (this.#retiring && this.#running.size === 0) this.#leave()
  }

  #retire(): void {
    this.#retiring = true
    if (this.#registry !== undefined && this.#running.size === 0) this.#leave()
  }

  #leave(): void {
    if (this.#left) return
    this.#left = true
    this.#reports.flush(() => {
      callAll(this.#brief.onExit, this.#brief.root).then(
        () => end(0),
        (error: unknown) => {
          console.error('ztask: onExit failed', error)
          end(1)
        },
      )
    })
  }
}

const end = (code: number): void => {
  // Where a debugger is attached, Node waits in an exit, and in a kill of itself, until it lets go: so the master kills.
  if (inspector.url() !== undefined) process.once('exit', () => send({ kind: 'left' }))
  process.exit(code)
}

const main = async (): Promise<void> => {
  startWatchdog()
  // A terminal's Ctrl-C reaches the whole group: when to end is the master's to say.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  const brief = JSON.parse(process.env[BRIEF] ?? '') as WorkerBrief
  delete process.env[BRIEF]
  const server = new Server(brief)
  // Before the code is loaded, which may take long: the word to retire must not be missed.
  process.on('message', (message: MasterMessage) => server.receive(message))
  try {
    server.open(await loadProject(brief))
  } catch (error) {
    send({ kind: 'broken', failure: failureOf(error) }, () => end(1))
  }
}

await main()
