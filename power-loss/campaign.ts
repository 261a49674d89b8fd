/** Records a daemon's writes under load, then cuts the power at many of them, and opens what is left. */
import { randomUUID } from 'node:crypto'
import { createReadStream, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { Dealer } from 'zeromq'
import { makeApplication } from '../test/harness/application.ts'
import { EXECUTABLE, RunningProcess } from '../test/harness/process.ts'
import { Disk } from './disk.ts'
import { readTrace, STRACE, type Step } from './trace.ts'

export interface PowerLossReport {
  readonly acknowledged: number
  readonly commits: number
  readonly checkpoints: number
  /** Answers that left before what they speak of was durable. */
  readonly early: number
  readonly cuts: number
  /** Databases that could not be read, or were found corrupt. */
  readonly corrupt: readonly string[]
  /** Acknowledged jobs that were not there. */
  readonly lost: number
}

/** As a row holds it, in one piece: the jobs here fit into a page. */
const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g
const DATABASE = 'ztask.db'
const TASKS = `import { task } from 'ztask'\nexport const work = task((_: string) => {})\n`
/** Due in an hour: no row goes while it is recorded. */
const LATER = 3_600_000
const IN_FLIGHT = 20

export class PowerLossCampaign {
  readonly #dir: string
  readonly #url: string
  readonly #ids: string[] = []

  constructor(port: number) {
    this.#url = `tcp://127.0.0.1:${port}`
    this.#dir = makeApplication('power', this.#url, TASKS)
  }

  /** @param jobs to enqueue @param cuts of the power @param chance numbers from 0 to 1, of a seed */
  async run(jobs: number, cuts: number, chance: () => number): Promise<PowerLossReport> {
    try {
      await this.#record(jobs)
      const lines = createInterface({ input: createReadStream(join(this.#dir, 'trace')) })
      const read: string[] = []
      for await (const line of lines) read.push(line)
      const steps = [...readTrace(read, DATABASE)]
      return this.#cut(steps, cuts, chance)
    } finally {
      rmSync(this.#dir, { recursive: true, force: true })
    }
  }

  async #record(jobs: number): Promise<void> {
    const flags = ['daemon', '--noreload', '--workers', '1']
    const traced = [...STRACE, '-o', 'trace', process.execPath, EXECUTABLE, ...flags]
    const daemon = new RunningProcess(traced, this.#dir, {}, 'strace')
    const { pid } = JSON.parse(await daemon.prints(/Listening on/)) as { pid: number }
    try {
      await this.#enqueue(jobs)
    } finally {
      process.kill(pid, 'SIGKILL')
      await daemon.ended
    }
  }

  /** A job a message, several in flight: the number of a message is the place of its job. */
  async #enqueue(jobs: number): Promise<void> {
    const socket = new Dealer({ linger: 0, immediate: true, receiveTimeout: 30_000 })
    socket.connect(this.#url)
    const args = JSON.stringify(['x'.repeat(1500)])
    const send = (): Promise<void> => {
      const seq = this.#ids.push(randomUUID()) - 1
      const job = [this.#ids[seq], 'work', args, LATER]
      return socket.send(['ztask/1', JSON.stringify({ kind: 'enqueue', project: 'power', seq, jobs: [job] })])
    }
    try {
      for (let i = 0; i < IN_FLIGHT; i++) await send()
      for (let answered = 0; answered < this.#ids.length; answered++) {
        await socket.receive()
        if (this.#ids.length < jobs) await send()
      }
    } finally {
      socket.close()
    }
  }

  #cut(steps: readonly Step[], cuts: number, chance: () => number): PowerLossReport {
    const begin = steps.findIndex(({ kind }) => kind === 'answer')
    const points = new Set(
      Array.from({ length: cuts }, () => begin + Math.floor(chance() * (steps.length - begin))),
    )
    const disk = new Disk()
    const durable = new Set<string>()
    const acknowledged = new Set<string>()
    const corrupt: string[] = []
    let [early, lost, checkpoints] = [0, 0, 0]
    for (const [index, step] of steps.entries()) {
      for (const one of disk.apply(step))
        if (one.kind === 'write')
          for (const [id] of one.bytes.toString('latin1').matchAll(UUID)) durable.add(id)
      if (step.kind === 'sync' && step.file === DATABASE) checkpoints++
      if (step.kind === 'answer') {
        const ids = step.seqs.map((seq) => this.#ids[seq] ?? '')
        early += ids.filter((id) => !durable.has(id)).length
        for (const id of ids) acknowledged.add(id)
      }
      if (!points.has(index)) continue
      const found = this.#open(disk, chance)
      if (typeof found === 'string') corrupt.push(found)
      else lost += [...acknowledged].filter((id) => !found.has(id)).length
    }
    const commits = steps.filter((step) => step.kind === 'sync' && step.file !== DATABASE).length
    return { acknowledged: acknowledged.size, commits, checkpoints, early, cuts: points.size, corrupt, lost }
  }

  /** @returns the ids of the jobs that are there, or what is wrong with the database */
  #open(disk: Disk, chance: () => number): Set<string> | string {
    const folder = mkdtempSync(join(this.#dir, 'after-'))
    disk.cut(folder, chance)
    let db: DatabaseSync | undefined
    try {
      db = new DatabaseSync(join(folder, DATABASE))
      const [{ integrity_check: verdict } = { integrity_check: 'nothing' }] = db
        .prepare('pragma integrity_check')
        .all() as { integrity_check: string }[]
      if (verdict !== 'ok') return verdict
      return new Set((db.prepare('select id from jobs').all() as { id: string }[]).map(({ id }) => id))
    } catch (error) {
      return String(error)
    } finally {
      db?.close()
      rmSync(folder, { recursive: true })
    }
  }
}
