/** The processes of a campaign: a daemon and applications that are started again whenever they die. */
import { readFileSync } from 'node:fs'
import { type Ended, EXECUTABLE, processesIn, RunningProcess, TSX } from '../test/harness/process.ts'
import type { Site } from './site.ts'

/** What starts again after each death, until it is told to stop. */
export class Actor {
  readonly #start: () => RunningProcess
  readonly #died: (how: Ended) => void
  #running: RunningProcess
  #stopped = false

  /** @param died told after each death, before the next start */
  constructor(start: () => RunningProcess, died: (how: Ended) => void) {
    this.#start = start
    this.#died = died
    this.#running = this.#run()
  }

  get process(): RunningProcess {
    return this.#running
  }

  stop(signal: NodeJS.Signals): Promise<Ended> {
    this.#stopped = true
    return this.#running.kill(signal)
  }

  #run(): RunningProcess {
    const running = this.#start()
    void running.ended.then((how) => {
      if (this.#stopped) return
      this.#died(how)
      this.#running = this.#run()
    })
    return running
  }
}

/**
 * @param early it answers before it has committed
 * @param flags of this one
 */
export const startDaemon = (site: Site, early: boolean, flags: readonly string[]): RunningProcess =>
  new RunningProcess(
    [
      EXECUTABLE,
      'daemon',
      '--workers',
      '3',
      '--concurrency',
      '5',
      '--loglevel',
      'WARNING',
      '-f',
      'daemon.log',
      ...flags,
    ],
    site.dir,
    {
      NODE_OPTIONS: ['clock', ...(early ? ['late-commits'] : [])]
        .map((name) => `--import ${site.path(`${name}.mjs`)}`)
        .join(' '),
    },
  )

export const startApplication = (site: Site, url: string): RunningProcess =>
  new RunningProcess(['--import', TSX, 'application.mts'], site.dir, {
    ZTASKD_URL: url,
  })

/** @returns the workers of a daemon, and not its compilers */
export const workersOf = (site: Site, daemon: number): number[] =>
  processesIn(site.dir).filter((pid) => {
    try {
      const parent = Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1])
      return parent === daemon && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('worker/main')
    } catch {
      return false // It ended meanwhile.
    }
  })
