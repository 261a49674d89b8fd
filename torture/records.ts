/** What became of each call, read from what the applications and the tasks have written, and from the table of jobs. */
import { closeSync, existsSync, openSync, readdirSync, readSync } from 'node:fs'
import type { Database } from './database.ts'
import type { Site } from './site.ts'

/** Of a process that was killed, or of an outage: times by a clock that is not stepped, epoch ms. */
export interface Incident {
  readonly kind: string
  readonly pid: number
  readonly at: number
  /** A daemon could not say for so long that it lives, ms: others may have its jobs by then. */
  readonly silent?: number
  /** Answers of the server were lost, which until then, ms later, what was written is written again. */
  readonly unsure?: number
}

interface Run {
  readonly pid: number
  readonly begun: number
  ended: number | undefined
  /** When its row was made, epoch ms by the daemon's clock. */
  readonly created: number
}

/** A job that ended more than once, and what explains it; nothing may be unexplained. */
export interface Repeat {
  readonly name: string
  readonly because: string | undefined
  /** The second began before the first had ended. */
  readonly overlaps: boolean
}

/** How far the clocks of processes may differ, ms: each counts on from its own start. */
const TOLERANCE = 50

export class Records {
  readonly #site: Pick<Site, 'path'>
  readonly #database: Pick<Database, 'waiting'>
  readonly #offsets = new Map<string, number>()
  readonly #acknowledged = new Set<string>()
  readonly #runs = new Map<string, Run[]>()
  readonly #unsettled = new Set<string>()
  readonly lost = new Set<string>()
  /** Calls that were rejected, by the code of their error. */
  readonly rejected: Record<string, number> = {}

  constructor(site: Pick<Site, 'path'>, database: Pick<Database, 'waiting'>) {
    this.#site = site
    this.#database = database
  }

  get acknowledged(): number {
    return this.#acknowledged.size
  }

  get ended(): number {
    return [...this.#runs.values()].filter((runs) => runs.some(({ ended }) => ended !== undefined)).length
  }

  /**
   * Looks for calls that were acknowledged and are nowhere. Acknowledgements are read first, then the table, then what has
   * run: so what is in none of both is lost, also where all goes on meanwhile.
   *
   * @returns whether it could look: not while the disk is full, or another has the database
   */
  async check(): Promise<boolean> {
    const unsettled = new Set(this.#unsettled)
    for (const [, [name = '']] of this.#fresh('acknowledged')) {
      this.#acknowledged.add(name)
      this.#unsettled.add(name)
      unsettled.add(name)
    }
    for (const [, [code = '']] of this.#fresh('rejected'))
      this.rejected[code] = (this.rejected[code] ?? 0) + 1
    const waiting = await this.#database.waiting()
    if (waiting === undefined) return false
    for (const [pid, [what, name = '', at, created]] of this.#fresh('runs'))
      this.#note(pid, what, name, Number(at), Number(created))
    // Two may look at once: what the other has read meanwhile was not known to this look at the table.
    for (const name of unsettled) {
      if (this.#runs.get(name)?.some(({ ended }) => ended !== undefined)) this.#unsettled.delete(name)
      else if (!waiting.has(name)) this.lost.add(name)
    }
    return true
  }

  /**
   * A run that is not told to have ended may have: its outcome is lost with the master, or with the worker that had it. And a
   * worker that was frozen when its master died wakes later, and does what it had before it finds out. A call whose daemon died before
   * it had answered is sent again: where another daemon has taken its job over, run it, and removed its row, nobody knows of it any more.
   */
  repeats(incidents: readonly Incident[]): Repeat[] {
    const masters = incidents.filter(({ kind }) => kind === 'kill master')
    const frozen = incidents.filter(({ kind }) => kind === 'freeze worker')
    // Several of one process, and of others: numbers come again.
    const workers = Map.groupBy(
      incidents.filter(({ kind }) => kind === 'kill worker'),
      ({ pid }) => pid,
    )
    const because = ({ pid, begun, created }: Run, again: Run): string | undefined => {
      const between = ({ at, silent = 0 }: Incident): boolean =>
        at + silent > begun - TOLERANCE && at < again.begun + TOLERANCE
      if (workers.get(pid)?.some(between)) return 'its worker was killed'
      if (masters.some(between)) return 'the master was killed'
      if (incidents.some((one) => one.silent !== undefined && between(one)))
        return 'its daemon could not say that it lives for longer than its lease'
      const wasUnsure = incidents.some(
        ({ at, unsure }) =>
          unsure !== undefined && at < again.begun + TOLERANCE && at + unsure > begun - TOLERANCE,
      )
      if (wasUnsure) return 'the answer to its commit was lost, and it was written again'
      const wasSentAgain = again.created !== created && masters.some(({ at }) => at < begun)
      if (wasSentAgain) return 'the master was killed before it had answered, and the call sent again'
      const slept = frozen.some(
        (freeze) =>
          freeze.pid === pid && masters.some((kill) => kill.at > freeze.at - TOLERANCE && kill.at < begun),
      )
      return slept ? 'its worker was frozen when the master was killed' : undefined
    }
    return [...this.#runs].flatMap(([name, runs]) => {
      // What two processes have written is read in any order.
      const whole = runs.filter(({ ended }) => ended !== undefined).sort((a, b) => a.begun - b.begun)
      return whole.slice(1).map((again, index) => {
        const first = whole[index] as Run
        return { name, because: because(first, again), overlaps: again.begun < (first.ended ?? 0) }
      })
    })
  }

  #note(pid: number, what: string | undefined, name: string, at: number, created: number): void {
    const runs = this.#runs.get(name) ?? []
    this.#runs.set(name, runs)
    if (what === 'begin') runs.push({ pid, begun: at, ended: undefined, created })
    const open = runs.findLast((run) => run.pid === pid && run.ended === undefined)
    if (what === 'end' && open !== undefined) open.ended = at
  }

  /** @returns the lines that were written since the last look, split into words, each with the process that wrote it */
  *#fresh(folder: string): Generator<[number, string[]]> {
    for (const file of readdirSync(this.#site.path(folder))) {
      const path = `${folder}/${file}`
      const offset = this.#offsets.get(path) ?? 0
      const text = readFrom(this.#site.path(path), offset)
      // A process that is killed may leave half a line.
      const whole = text.slice(0, text.lastIndexOf('\n') + 1)
      this.#offsets.set(path, offset + Buffer.byteLength(whole))
      for (const line of whole.split('\n')) if (line !== '') yield [Number(file), line.split(' ')]
    }
  }
}

const readFrom = (file: string, offset: number): string => {
  if (!existsSync(file)) return ''
  const descriptor = openSync(file, 'r')
  try {
    const chunks: Buffer[] = []
    for (let at = offset; ; ) {
      const chunk = Buffer.alloc(65_536)
      const read = readSync(descriptor, chunk, 0, chunk.length, at)
      if (read === 0) return Buffer.concat(chunks).toString()
      chunks.push(chunk.subarray(0, read))
      at += read
    }
  } finally {
    closeSync(descriptor)
  }
}
