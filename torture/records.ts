/** What became of each call, read from what the applications and the tasks have written, and from the table of jobs. */
import { closeSync, existsSync, openSync, readdirSync, readSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { Site } from './site.ts'

/** Of a process that was killed, or of an outage: times by a clock that is not stepped, epoch ms. */
export interface Incident {
  readonly kind: string
  readonly pid: number
  readonly at: number
}

interface Run {
  readonly pid: number
  readonly begun: number
  ended: number | undefined
}

/** A job that ended more than once, and what explains it; nothing may be unexplained. */
export interface Repeat {
  readonly name: string
  readonly because: string | undefined
}

/** SQLITE_BUSY, SQLITE_IOERR, SQLITE_FULL: a disturbance is under way (sqlite.org/rescode.html). */
const PASSING: readonly number[] = [5, 10, 13]

/** How far the clocks of processes may differ, ms: each counts on from its own start. */
const TOLERANCE = 50

export class Records {
  readonly #site: Pick<Site, 'path'>
  readonly #offsets = new Map<string, number>()
  readonly #acknowledged = new Set<string>()
  readonly #runs = new Map<string, Run[]>()
  readonly #unsettled = new Set<string>()
  readonly lost = new Set<string>()
  /** Calls that were rejected, by the code of their error. */
  readonly rejected: Record<string, number> = {}

  constructor(site: Pick<Site, 'path'>) {
    this.#site = site
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
  check(): boolean {
    for (const [, [name = '']] of this.#fresh('acknowledged')) {
      this.#acknowledged.add(name)
      this.#unsettled.add(name)
    }
    for (const [, [code = '']] of this.#fresh('rejected'))
      this.rejected[code] = (this.rejected[code] ?? 0) + 1
    const waiting = this.#waitingNow()
    if (waiting === undefined) return false
    for (const [pid, [what, name = '', at]] of this.#fresh('runs')) this.#note(pid, what, name, Number(at))
    for (const name of this.#unsettled) {
      if (this.#runs.get(name)?.some(({ ended }) => ended !== undefined)) this.#unsettled.delete(name)
      else if (!waiting.has(name)) this.lost.add(name)
    }
    return true
  }

  #waitingNow(): Set<string> | undefined {
    try {
      return this.waiting()
    } catch (error) {
      const { errcode } = error as { errcode?: number }
      if (errcode !== undefined && PASSING.includes(errcode & 0xff)) return undefined
      throw error
    }
  }

  /**
   * Reads only: whoever may write and closes last moves the log into the database and removes it, and the next daemon
   * would never start on what a killed one has left.
   *
   * @returns the names of the jobs in the table
   */
  waiting(): Set<string> {
    const db = new DatabaseSync(this.#site.path('.ztask/ztask.db'), { readOnly: true, timeout: 10_000 })
    try {
      const rows = db.prepare('select args from jobs').all() as { args: string }[]
      return new Set(rows.map(({ args }) => (JSON.parse(args) as [string])[0]))
    } finally {
      db.close()
    }
  }

  /**
   * A run that is not told to have ended may have: its outcome is lost with the master, or with the worker that had it. And a
   * worker that was frozen when its master died wakes later, and does what it had before it finds out.
   */
  repeats(incidents: readonly Incident[]): Repeat[] {
    const masters = incidents.filter(({ kind }) => kind === 'kill master')
    const frozen = incidents.filter(({ kind }) => kind === 'freeze worker')
    // Several of one process, and of others: numbers come again.
    const workers = Map.groupBy(
      incidents.filter(({ kind }) => kind === 'kill worker'),
      ({ pid }) => pid,
    )
    return [...this.#runs].flatMap(([name, runs]) => {
      // What two processes have written is read in any order.
      const whole = runs.filter(({ ended }) => ended !== undefined).sort((a, b) => a.begun - b.begun)
      return whole.slice(1).map((again, index) => {
        const { pid, begun } = whole[index] as Run
        const between = ({ at }: Incident): boolean => at > begun - TOLERANCE && at < again.begun + TOLERANCE
        if (workers.get(pid)?.some(between)) return { name, because: 'its worker was killed' }
        if (masters.some(between)) return { name, because: 'the master was killed' }
        const slept = frozen.some(
          (freeze) =>
            freeze.pid === pid && masters.some((kill) => kill.at > freeze.at - TOLERANCE && kill.at < begun),
        )
        return { name, because: slept ? 'its worker was frozen when the master was killed' : undefined }
      })
    })
  }

  #note(pid: number, what: string | undefined, name: string, at: number): void {
    const runs = this.#runs.get(name) ?? []
    this.#runs.set(name, runs)
    if (what === 'begin') runs.push({ pid, begun: at, ended: undefined })
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
