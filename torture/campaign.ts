/** Runs a system under disturbances, then lets it come to rest, and tells what became of every call. */
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Ended, processesIn } from '../test/harness/process.ts'
import { TcpProxy } from '../test/harness/proxy.ts'
import { Actor, startApplication, startDaemon, workersOf } from './actors.ts'
import { type Database, DatabaseFile, DatabaseServer, LEASE, type Over } from './database.ts'
import { type Disturbance, durationOf, type Kind, kindsOf, schedule } from './disturbances.ts'
import { type Incident, Records, type Repeat } from './records.ts'
import { Site } from './site.ts'

export interface CampaignOptions {
  readonly seed: number
  /** ms */
  readonly duration: number
  /** The daemon answers before it commits: losses must be found. */
  readonly early: boolean
  /** How many daemons share a server; none where one has a file. */
  readonly nodes: number | undefined
}

export interface CampaignReport {
  readonly acknowledged: number
  readonly ended: number
  readonly lost: readonly string[]
  readonly repeats: readonly Repeat[]
  readonly done: Readonly<Partial<Record<Kind, number>>>
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
  /^The (database .* cannot be (used|opened): .*\. (Free space|Another process writes|Start the server|Wait until the server)\b.*|workers cannot load the code: .*SIGKILL.*)\n*$/

const now = (): number => performance.timeOrigin + performance.now()

/** A daemon, and what its clients connect to. */
interface Node {
  readonly daemon: Actor
  readonly proxy: TcpProxy
}

export class Campaign {
  readonly #options: CampaignOptions
  readonly #site: Site
  readonly #database: Database
  readonly #onServer: boolean
  readonly #records: Records
  readonly #crashed: string[] = []
  #refused = 0
  readonly #incidents: Incident[] = []
  readonly #done: Partial<Record<Kind, number>>
  /** Outages that are still to end. */
  readonly #open = new Set<Promise<void>>()
  readonly #nodes: readonly Node[]
  readonly #applications: Actor[]

  private constructor(
    options: CampaignOptions,
    site: Site,
    database: Database,
    proxies: readonly (readonly [url: string, proxy: TcpProxy])[],
  ) {
    this.#options = options
    this.#site = site
    this.#database = database
    this.#onServer = options.nodes !== undefined
    this.#done = Object.fromEntries(kindsOf(this.#onServer).map((kind) => [kind, 0]))
    this.#records = new Records(site, database)
    this.#nodes = proxies.map(([url, proxy], number) => ({ daemon: this.#daemon(url, number), proxy }))
    this.#applications = Array.from({ length: APPLICATIONS }, (_, number) => {
      const [, proxy] = proxies[number % proxies.length] as (typeof proxies)[number]
      return new Actor(
        () => startApplication(site, proxy.url),
        (how) => this.#look(how, 'an application'),
      )
    })
  }

  #daemon(url: string, number: number): Actor {
    // Of several in one folder each would generate, and reload what the others have generated.
    const mode = this.#onServer ? ['--noreload', '--url', url] : []
    return new Actor(
      () => startDaemon(this.#site, this.#options.early, [...mode, ...this.#database.flags(number)]),
      (how) => {
        this.#look(how, DAEMON)
        this.#open.add(this.#records.check().then(() => {}))
      },
    )
  }

  /** @param ports that nobody listens on, one a daemon */
  static async run(options: CampaignOptions, ports: readonly number[]): Promise<CampaignReport> {
    const urls = ports.map((port) => `tcp://127.0.0.1:${port}`)
    const site = new Site(urls[0] ?? '')
    const { nodes, early } = options
    // A full disk rolls a late commit back, and what is lost so is no kill's doing, which is what is to be found then.
    const database =
      nodes === undefined ? new DatabaseFile(site, site.hasDisk && !early) : await DatabaseServer.start(nodes)
    const proxies = await Promise.all(urls.map(async (url) => [url, await TcpProxy.to(url)] as const))
    const campaign = new Campaign(options, site, database, proxies)
    try {
      return await campaign.#run()
    } finally {
      await campaign.#end()
      for (const [, proxy] of proxies) proxy.close()
      await database.close()
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
    for (const disturbance of schedule(this.#options.seed, this.#onServer)) {
      if (now() + disturbance.after > end) break
      await sleep(disturbance.after)
      const { kind } = disturbance
      if (await this.#disturb(disturbance)) this.#done[kind] = (this.#done[kind] ?? 0) + 1
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
    if (!(await this.#records.check()))
      throw new Error('The database cannot be read, though nothing is done to it.')
    return {
      acknowledged: this.#records.acknowledged,
      ended: this.#records.ended,
      lost: [...this.#records.lost],
      repeats: this.#records.repeats(this.#incidents),
      done: this.#done,
      rejected: this.#records.rejected,
      refused: this.#refused,
      crashed: this.#crashed,
      omitted: this.#database.omitted,
      left,
    }
  }

  async #rest(): Promise<number> {
    const deadline = now() + REST
    for (;;) {
      const left = (await this.#database.waiting())?.size
      if (left === 0 || now() > deadline) return left ?? -1
      await sleep(100)
    }
  }

  async #end(): Promise<void> {
    await Promise.all(
      [...this.#nodes.map(({ daemon }) => daemon), ...this.#applications].map((actor) =>
        actor.stop('SIGKILL'),
      ),
    )
    // The workers follow their master; a disk in use cannot be taken away.
    while (processesIn(this.#site.dir).length > 0) await sleep(10)
  }

  /** @returns whether there was something to do it to */
  async #disturb(disturbance: Disturbance): Promise<boolean> {
    const { kind, size, pick } = disturbance
    const { daemon, proxy } = pickOf(this.#nodes, pick) as Node
    const master = daemon.process.pid
    // Another number of the same draw, as which node it is follows from the first digits.
    const within = (pick * this.#nodes.length) % 1
    const lasts = durationOf(disturbance, this.#onServer)
    switch (kind) {
      case 'kill worker':
        return this.#kill(kind, pickOf(workersOf(this.#site, master), within))
      case 'kill master':
        return this.#kill(kind, master)
      case 'kill client':
        return this.#kill(kind, pickOf(this.#applications, pick)?.process.pid)
      case 'freeze worker':
        return this.#freeze(kind, pickOf(workersOf(this.#site, master), within), lasts)
      case 'freeze master':
        return this.#freeze(kind, master, lasts)
      case 'freeze client':
        return this.#freeze(kind, pickOf(this.#applications, pick)?.process.pid, lasts)
      case 'reload':
        this.#site.save(this.#onServer)
        return !this.#onServer || this.#signal(kind, master, 'SIGHUP')
      case 'cut connections':
        proxy.cut()
        return true
      case 'hold up connections':
        return this.#meanwhile(lasts, proxy.holdUp())
      case 'step clock':
        this.#site.write('shift', `${Math.round((2 * size - 1) * STEP)}`)
        return true
      default:
        return this.#disturbDatabase(disturbance, lasts)
    }
  }

  async #disturbDatabase(disturbance: Disturbance, lasts: number): Promise<boolean> {
    const { kind } = disturbance
    // Before it is done: what happens because of it must not come first.
    this.#incidents.push({ kind, pid: 0, at: now(), ...silence(kind, lasts), ...doubt(kind, lasts) })
    const over = await this.#database.disturb(disturbance)
    return over !== undefined && this.#meanwhile(lasts, over)
  }

  #kill(kind: Kind, pid: number | undefined): boolean {
    return this.#signal(kind, pid, 'SIGKILL')
  }

  #freeze(kind: Kind, pid: number | undefined, lasts: number): boolean {
    if (!this.#signal(kind, pid, 'SIGSTOP', this.#onServer ? silence(kind, lasts) : {})) return false
    return this.#meanwhile(lasts, () => void this.#signal(kind, pid, 'SIGCONT'))
  }

  #signal(
    kind: Kind,
    pid: number | undefined,
    signal: NodeJS.Signals,
    more: Pick<Incident, 'silent'> = {},
  ): boolean {
    if (pid === undefined || pid < 1) return false
    try {
      // Before it is sent: what happens because of it must not come first.
      this.#incidents.push({ kind, pid, at: now(), ...more })
      process.kill(pid, signal)
      return true
    } catch {
      this.#incidents.pop()
      return false // It ended meanwhile.
    }
  }

  #meanwhile(lasts: number, over: Over): true {
    const open = sleep(lasts).then(over)
    this.#open.add(open)
    void open.then(() => this.#open.delete(open))
    return true
  }
}

/** A daemon renews its lease when half of it is over, and what stops it then may cost it the rest, ms. */
const RENEWED = 300 * LEASE
/** How much longer than what stops it a daemon may be silent: it was about to renew its lease, and connects anew, ms. */
const BESIDE = 1000 * LEASE

/** @returns for how long a daemon may be silent, where that is longer than its lease allows */
const silence = (kind: Kind, lasts: number): Pick<Incident, 'silent'> => {
  const stops = kind === 'freeze master' || kind === 'cut node off' || kind === 'kill server'
  return stops && lasts > RENEWED ? { silent: lasts + BESIDE } : {}
}

/** How long it may take a daemon to write again what it does not know to be written, once it can, ms. */
const AGAIN = 1500

/** @returns for how long what is written may have been written before, by somebody who was not told */
const doubt = (kind: Kind, lasts: number): Pick<Incident, 'unsure'> => {
  if (kind === 'terminate connection') return { unsure: AGAIN }
  return kind === 'kill server' ? { unsure: lasts + AGAIN } : {}
}

const pickOf = <T>(list: readonly T[], pick: number): T | undefined => list[Math.floor(pick * list.length)]
