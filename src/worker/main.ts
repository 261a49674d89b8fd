/** A worker's process: runs user code, never opens the database, and ends with its master. */
import { failureOf, type Outcome } from '../model/outcome.ts'
import { BRIEF, type Handing, type MasterMessage, type WorkerBrief, type WorkerMessage } from '../wire/ipc.ts'
import { callAll } from './callables.ts'
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

const serve = (registry: Registry, brief: WorkerBrief): void => {
  const reports = new Reports()
  let running = 0
  let retiring = false

  const leave = (): void => {
    reports.flush(() => {
      callAll(brief.onExit, brief.root).then(
        () => process.exit(0),
        (error: unknown) => {
          console.error('ztask: onExit failed', error)
          process.exit(1)
        },
      )
    })
  }
  const run = async ([number, , task, args]: Handing): Promise<void> => {
    running++
    reports.add(number, await performToOutcome(registry, { task, args }))
    running--
    if (retiring && running === 0) leave()
  }
  process.on('message', (message: MasterMessage) => {
    if (message.kind === 'jobs') for (const handing of message.jobs) void run(handing)
    else {
      retiring = true
      if (running === 0) leave()
    }
  })
}

const main = async (): Promise<void> => {
  startWatchdog()
  // A terminal's Ctrl-C reaches the whole group: when to end is the master's to say.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  const brief = JSON.parse(process.env[BRIEF] ?? '') as WorkerBrief
  delete process.env[BRIEF]
  try {
    const registry = await loadProject(brief)
    serve(registry, brief)
    send({ kind: 'ready', tasks: specsOf(registry) })
  } catch (error) {
    send({ kind: 'broken', failure: failureOf(error) }, () => process.exit(1))
  }
}

await main()
