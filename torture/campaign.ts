/** Runs a system under disturbances, then lets it come to rest, and tells what became of every call. */
import { readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Ended, processesIn } from '../test/harness/process.ts'
import { TcpProxy } from '../test/harness/proxy.ts'
import { Actor, startApplication, startDaemon, workersOf } from './actors.ts'
import { type Disturbance, durationOf, KINDS, type Kind, schedule } from './disturbances.ts'
import { type Incident, Records, type Repeat } from './records.ts'
import { Site } from './site.ts'

export interface CampaignOptions {
  readonly seed: number
  /** ms */
  readonly duration: number
  /** The daemon answers before it commits: losses must be found. */
  readonly early: boolean
}

export interface CampaignReport {
  readonly acknowledged: number
  readonly ended: number
  readonly lost: readonly string[]
  readonly repeats: readonly Repeat[]
  readonly done: Readonly<Record<Kind, number>>
  /** Calls that were rejected, by the code of their error: no loss, where they are not acknowledged. */
  readonly rejected: Readonly<Record<string, number>>
  /** Starts of the daemon that were refused, with a reason. */
  readonly refused: number
  /** What ended by itself. */
  readonly crashed: readonly string[]
  /** What was not done: on this machine it cannot be, or it would hide what is looked for. */
  readonly omitted: readonly Kind[]
  /** Jobs that are still in the table at the end: none, but where something hangs. */
  readonly left: number
}

const APPLICATIONS = 3
/** How far the clock is stepped, ms. */
const STEP = 3_600_000
/** How long all may take to come to rest, ms. */
const REST = 180_000

const DAEMON = 'the daemon'
/** What a start may be refused with, in a sentence: its disk was full, the database locked, or its workers were killed while they loaded. */
export const REFUSED =
  /^The (database .* cannot be (used|opened): .*\. (Free space|Another process writes) .*|workers cannot load the code: .*SIGKILL.*)\n*$/

const now = (): number => performance.timeOrigin + performance.now()

export class Campaign {
  readonly #options: CampaignOptions
  readonly #site: Site
  readonly #proxy: TcpProxy
  readonly #records: Records
  readonly #crashed: string[] = []
  #refused = 0
  readonly #incidents: Incident[] = []
  readonly #done = Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Record<Kind, number>
  /** Outages that are still to end. */
  readonly #open = new Set<Promise<void>>()
  readonly #daemon: Actor
  readonly #applications: Actor[]

  private constructor(options: CampaignOptions, site: Site, proxy: TcpProxy) {
    this.#options = options
    this.#site = site
    this.#proxy = proxy
    this.#records = new Records(site)
    this.#daemon = new Actor(
      () => startDaemon(site, options.early),
      (how) => {
        this.#look(how, DAEMON)
        this.#records.check()
      },
    )
    this.#applications = Array.from(
      { length: APPLICATIONS },
      () =>
        new Actor(
          () => startApplication(site, proxy.url),
          (how) => this.#look(how, 'an application'),
        ),
    )
  }

  /** @param port that nobody listens on */
  static async run(options: CampaignOptions, port: number): Promise<CampaignReport> {
    const url = `tcp://127.0.0.1:${port}`
    const site = new Site(url)
    const proxy = await TcpProxy.to(url)
    const campaign = new Campaign(options, site, proxy)
    try {
      return await campaign.#run()
    } finally {
      await campaign.#end()
      proxy.close()
      site.remove()
    }
  }

  /** It should end by the campaign's signals alone. */
  #look({ code, signal, stderr }: Ended, who: string): void {
    if (signal === 'SIGKILL') return
    if (code === 1 && who === DAEMON && REFUSED.test(stderr)) this.#refused++
    else this.#crashed.push(`${who} ended: ${signal ?? code} ${stderr.slice(0, 2000)}`)
  }

  async #run(): Promise<CampaignReport> {
    while (readdirSync(this.#site.path('acknowledged')).length === 0) {
      if (this.#crashed.length > 0) throw new Error(this.#crashed.join('\n'))
      await sleep(20)
    }
    const end = now() + this.#options.duration
    for (const disturbance of schedule(this.#options.seed)) {
      if (now() + disturbance.after > end) break
      await sleep(disturbance.after)
      if (this.#disturb(disturbance)) this.#done[disturbance.kind]++
    }
    await Promise.all(this.#open)
    // Ahead of all that was ever due.
    this.#site.write('shift', `${2 * STEP}`)
    // One that was just being started has no ear for it yet.
    for (const { code, signal, stderr } of await Promise.all(
      this.#applications.map((application) => application.stop('SIGTERM')),
    ))
      if (code !== 0 && signal !== 'SIGTERM')
        this.#look({ code, signal, stderr, stdout: '' }, 'an application')
    const left = await this.#rest()
    if (!this.#records.check()) throw new Error('The database cannot be read, though nothing is done to it.')
    return {
      acknowledged: this.#records.acknowledged,
      ended: this.#records.ended,
      lost: [...this.#records.lost],
      repeats: this.#records.repeats(this.#incidents),
      done: this.#done,
      rejected: this.#records.rejected,
      refused: this.#refused,
      crashed: this.#crashed,
      omitted: this.#fills ? [] : ['fill disk'],
      left,
    }
  }

  async #rest(): Promise<number> {
    const deadline = now() + REST
    for (;;) {
      const left = this.#records.waiting().size
      if (left === 0 || now() > deadline) return left
      await sleep(100)
    }
  }

  async #end(): Promise<void> {
    await Promise.all([this.#daemon, ...this.#applications].map((actor) => actor.stop('SIGKILL')))
    // The workers follow their master; a disk in use cannot be taken away.
    while (processesIn(this.#site.dir).length > 0) await sleep(10)
  }

  /**
   * Not where the daemon answers too early: a full disk rolls a late commit back, and what is lost so is no kill's doing,
   * which is what the campaign has to find.
   */
  get #fills(): boolean {
    return this.#site.hasDisk && !this.#options.early
  }

  /** @returns whether there was something to do it to */
  #disturb(disturbance: Disturbance): boolean {
    const { kind, size, pick } = disturbance
    const master = this.#daemon.process.pid
    const lasts = durationOf(disturbance)
    switch (kind) {
      case 'kill worker':
        return this.#kill(kind, pickOf(workersOf(this.#site, master), pick))
      case 'kill master':
        return this.#kill(kind, master)
      case 'kill client':
        return this.#kill(kind, pickOf(this.#applications, pick)?.process.pid)
      case 'freeze worker':
        return this.#freeze(kind, pickOf(workersOf(this.#site, master), pick), lasts)
      case 'freeze master':
        return this.#freeze(kind, master, lasts)
      case 'freeze client':
        return this.#freeze(kind, pickOf(this.#applications, pick)?.process.pid, lasts)
      case 'reload':
        this.#site.save()
        return true
      case 'cut connections':
        this.#proxy.cut()
        return true
      case 'hold up connections':
        return this.#meanwhile(lasts, this.#proxy.holdUp())
      case 'lock database':
        return this.#meanwhile(lasts, this.#lock())
      case 'fill disk':
        return this.#fills && this.#meanwhile(lasts, this.#fill())
      case 'step clock':
        this.#site.write('shift', `${Math.round((2 * size - 1) * STEP)}`)
        return true
    }
  }

  #kill(kind: Kind, pid: number | undefined): boolean {
    return this.#signal(kind, pid, 'SIGKILL')
  }

  #freeze(kind: Kind, pid: number | undefined, lasts: number): boolean {
    if (!this.#signal(kind, pid, 'SIGSTOP')) return false
    return this.#meanwhile(lasts, () => this.#signal(kind, pid, 'SIGCONT'))
  }

  #signal(kind: Kind, pid: number | undefined, signal: NodeJS.Signals): boolean {
    if (pid === undefined || pid < 1) return false
    try {
      // Before it is sent: what happens because of it must not come first.
      this.#incidents.push({ kind, pid, at: now() })
      process.kill(pid, signal)
      return true
    } catch {
      this.#incidents.pop()
      return false // It ended meanwhile.
    }
  }

  #meanwhile(lasts: number, over: () => void): true {
    const open = sleep(lasts).then(over)
    this.#open.add(open)
    void open.then(() => this.#open.delete(open))
    return true
  }

  #lock(): () => void {
    const db = new DatabaseSync(this.#site.path('.ztask/ztask.db'), { timeout: 1000 })
    try {
      db.exec('begin immediate')
    } catch {
      // It is being written to without a pause, or is not made yet.
    }
    return () => db.close()
  }

  #fill(): () => void {
    const ballast = this.#site.path('.ztask/ballast')
    const { bavail, bsize } = statfsSync(this.#site.path('.ztask'))
    try {
      writeFileSync(ballast, Buffer.alloc(bavail * bsize + 1))
    } catch {
      // It is full: so it was meant.
    }
    return () => rmSync(ballast, { force: true })
  }
}

const pickOf = <T>(list: readonly T[], pick: number): T | undefined => list[Math.floor(pick * list.length)]
