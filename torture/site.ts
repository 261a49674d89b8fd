/** The project that is tortured: an application of its own in a temporary folder, and what it writes down. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeApplication } from '../test/harness/application.ts'

/**
 * Each run says when it begins and when it ends, by a clock that no disturbance steps, and of when its row is. A name tells how long it lasts:
 * `…-120` is 120 ms.
 */
const TASKS = `
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { currentJob, task } from 'ztask'

const say = (what: string, name: string) => {
  const now = performance.timeOrigin + performance.now()
  appendFileSync('runs/' + process.pid, [what, name, now, currentJob().created.getTime()].join(' ') + '\\n')
}

export const work = task({ retryCount: 1_000_000, retryAfter: 0.05 }, async (name: string) => {
  say('begin', name)
  const lasts = Number(name.split('-').at(-1))
  if (lasts > 0) await sleep(lasts)
  say('end', name)
})
`

/** Shifts the time of day of the daemon and its workers by what a file says, ms. */
const STEPPED_CLOCK = `
import { readFileSync } from 'node:fs'
const real = Date.now.bind(Date)
let shift = 0
const look = () => {
  try { shift = Number(readFileSync(new URL('./shift', import.meta.url), 'utf8')) || 0 } catch {}
}
look()
setInterval(look, 50).unref()
Date.now = () => real() + shift
`

/**
 * Commits a while after the daemon believes that it has: so it answers too early, as a fault of the product would make it,
 * and the campaign must find losses.
 */
const LATE_COMMITS = `
import { DatabaseSync } from 'node:sqlite'
const exec = DatabaseSync.prototype.exec
let late = false
DatabaseSync.prototype.exec = function (text) {
  // The migrations before it have transactions of another kind.
  if (text === 'begin immediate') late = true
  if (text === 'begin immediate' && this.isTransaction) return
  if (text !== 'commit' || !late) return exec.call(this, text)
  setTimeout(() => this.isTransaction && exec.call(this, text), 1000)
}
`

/**
 * Calls without end, and writes down each name whose call has resolved, not before: a line in the journal is an
 * acknowledgement.
 */
const APPLICATION = `
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { tasks } from './src/ztask/client.ts'

const journal = 'acknowledged/' + process.pid
const note = (names) => appendFileSync(journal, names.map((name) => name + '\\n').join(''))
let count = 0
let stopping = false
process.on('SIGTERM', () => { stopping = true })

const lasting = () => (Math.random() < 0.1 ? 20 + Math.floor(Math.random() * 180) : 0)
const name = () => process.pid + '.' + count++ + '-' + lasting()

const call = async () => {
  const names = Array.from({ length: Math.random() < 0.1 ? 5 : 1 }, name)
  const [first] = names
  try {
    if (names.length > 1) await tasks.work.batch(names.map((one) => [one]))
    else if (Math.random() < 0.2) await tasks.work.after(Math.random(), first)
    else await tasks.work.async(first)
  } catch (error) {
    if (error.code === undefined) throw error
    appendFileSync('rejected/' + process.pid, error.code + '\\n')
    return
  }
  note(names)
}

while (!stopping) {
  await Promise.all(Array.from({ length: 1 + Math.floor(Math.random() * 8) }, call))
  await sleep(Math.random() * 60)
}
`

export class Site {
  readonly dir: string
  /** Whether the database has a small disk of its own, which can be filled. */
  readonly hasDisk: boolean

  constructor(url: string) {
    this.dir = makeApplication('torture', url, TASKS)
    for (const folder of ['runs', 'acknowledged', 'rejected', '.ztask'])
      mkdirSync(this.path(folder), { recursive: true })
    this.write('clock.mjs', STEPPED_CLOCK)
    this.write('late-commits.mjs', LATE_COMMITS)
    this.write('application.mts', APPLICATION)
    this.hasDisk = this.#mount()
  }

  path(file: string): string {
    return join(this.dir, file)
  }

  write(file: string, text: string): void {
    writeFileSync(this.path(file), text)
  }

  /**
   * Another text with the same tasks.
   *
   * @param atOnce as a deployment does it, and not as an editor: whoever reads meanwhile finds the one text or the other
   */
  save(atOnce: boolean): void {
    const file = atOnce ? 'tasks.new' : 'src/tasks.ts'
    this.write(file, `${TASKS}// saved ${performance.now()}\n`)
    if (atOnce) renameSync(this.path(file), this.path('src/tasks.ts'))
  }

  remove(): void {
    if (this.hasDisk) execFileSync('umount', [this.path('.ztask')])
    rmSync(this.dir, { recursive: true, force: true })
  }

  #mount(): boolean {
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', this.path('.ztask')], {
        stdio: 'ignore',
      })
      return true
    } catch {
      // Not root, or no right to mount: the disk stays as it is, and the table says so.
      return false
    }
  }
}
