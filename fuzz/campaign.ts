/** A daemon under attack, an honest client beside it, and what became of both. */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { Dealer } from 'zeromq'
import { close, makeClient } from '../dist/src/index.js'
import type { UntypedCalls } from '../src/client/client.ts'
import { makeApplication } from '../test/harness/application.ts'
import { EXECUTABLE, RunningProcess } from '../test/harness/process.ts'
import { until } from '../test/harness/until.ts'
import { Connections } from './connections.ts'
import { type Attack, attacks, large, PROJECT, unread } from './messages.ts'
import { Owed } from './owed.ts'

export interface FuzzReport {
  /** By their kind. */
  readonly sent: Readonly<Record<string, number>>
  /** By theirs. */
  readonly answers: Readonly<Record<string, number>>
  /** Messages that got no answer, by their kind: none. */
  readonly unanswered: Readonly<Record<string, number>>
  readonly connections: number
  /** The most connections at once. */
  readonly mostOpen: number
  readonly honest: number
  /** Calls of the honest client that were rejected, and why. */
  readonly rejected: readonly string[]
  /** Milliseconds of an honest call: half of them, 99 of 100, the longest. */
  readonly latency: readonly [p50: number, p99: number, longest: number]
  /** The most memory of the master, MiB. */
  readonly memory: number
  /** Jobs that are stored, or have run, and were refused or never sent. */
  readonly strangers: readonly string[]
  /** Jobs of the honest client that have not run. */
  readonly missing: number
  /** How the daemon ended, where it did. */
  readonly crash: string | undefined
}

const TASKS = `
import { appendFileSync } from 'node:fs'
import { currentJob, task } from 'ztask'
export const work = task({ retryCount: 0 }, (..._: unknown[]) => appendFileSync('ran', currentJob().id + '\\n'))
`

/** Messages that go over one connection. */
const ROUND = 200
/** How long a message waits to be taken, and then for an answer, ms: as long as an honest call. */
const PATIENCE = 10_000
/** How long an honest client waits between two calls, ms. */
const PACE = 20
/** Connections that are held at once, and those that trickle. */
const CROWD = 2000
const TRICKLES = 50
/** The round in which the crowd comes, and each such many the large messages, and one who never reads. */
const RARELY = 20
/** What that one asks, beyond all that waits for one client. */
const UNREAD = 100

/** As a client of ours has messages in flight: of more that nobody reads the daemon may drop an answer. */
const MOST_OWED = 32

export class FuzzCampaign {
  readonly #seed: number
  readonly #duration: number
  readonly #url: string
  readonly #dir: string
  readonly #connections: Connections
  readonly #sent: Record<string, number> = {}
  readonly #answers: Record<string, number> = {}
  readonly #unanswered: Record<string, number> = {}
  readonly #sentIds = new Set<string>()
  readonly #accepted = new Set<string>()
  readonly #refused = new Set<string>()
  readonly #honest: string[] = []
  readonly #latencies: number[] = []
  readonly #rejected: string[] = []
  /** Never reads. */
  #deaf: Dealer | undefined
  #mostOpen = 0
  #memory = 0
  #over = false

  /** @param duration ms */
  constructor(seed: number, duration: number, port: number) {
    this.#seed = seed
    this.#duration = duration
    this.#url = `tcp://127.0.0.1:${port}`
    this.#connections = new Connections(port)
    this.#dir = makeApplication(PROJECT, this.#url, TASKS)
  }

  async run(): Promise<FuzzReport> {
    const flags = ['daemon', '--noreload', '--workers', '2', '--loglevel', 'ERROR', '-f', 'daemon.log']
    const daemon = new RunningProcess([EXECUTABLE, ...flags], this.#dir)
    try {
      this.#honest.push((await this.#client().async()).id)
      const honest = this.#callOn()
      const watch = this.#watch(daemon)
      const end = performance.now() + this.#duration
      for (let round = 0; performance.now() < end && !daemon.hasEnded; round++) await this.#attack(round)
      this.#over = true
      this.#connections.drop()
      this.#deaf?.close()
      await Promise.all([honest, watch])
      await until('the honest jobs to have run', () => daemon.hasEnded || this.#missing() === 0)
      return this.#report(daemon)
    } finally {
      close()
      await daemon.kill()
      rmSync(this.#dir, { recursive: true, force: true })
    }
  }

  #client(): UntypedCalls {
    const spec = {
      project: PROJECT,
      url: this.#url,
      settings: { callTimeout: PATIENCE / 1000 },
      tasks: ['work'],
    }
    const load = (): Promise<never> => Promise.reject(new Error('no registry here'))
    return makeClient<{ work: UntypedCalls }>({ ...spec, load }).work
  }

  async #callOn(): Promise<void> {
    const work = this.#client()
    while (!this.#over) {
      const start = performance.now()
      try {
        this.#honest.push((await work.async('honest')).id)
        this.#latencies.push(performance.now() - start)
      } catch (error) {
        this.#rejected.push(String(error))
      }
      await sleep(PACE)
    }
  }

  async #watch(daemon: RunningProcess): Promise<void> {
    while (!this.#over && !daemon.hasEnded) {
      const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8')) ?? []
      this.#memory = Math.max(this.#memory, Number(kilobytes ?? 0) / 1024)
      this.#mostOpen = Math.max(this.#mostOpen, this.#connections.open)
      await sleep(20)
    }
  }

  /** One connection with its messages, beside what goes on below. */
  async #attack(round: number): Promise<void> {
    const messages = attacks(this.#seed + round, ROUND, this.#honest.slice(-20))
    if (round % RARELY === 0) await this.#neverRead()
    if (round % RARELY === 1) messages.push(...large())
    if (round % RARELY === 2) this.#connections.hold(CROWD)
    if (round % RARELY === 10) this.#connections.drop()
    for (const { frames } of messages.slice(0, 5))
      this.#connections.throwAt(Buffer.concat(frames.map((one) => Buffer.from(one))))
    if (this.#connections.open < TRICKLES) this.#connections.trickle(100)
    const socket = new Dealer({
      linger: 0,
      receiveTimeout: PATIENCE,
      immediate: true,
      sendTimeout: PATIENCE,
    })
    socket.connect(this.#url)
    const owed = new Owed()
    try {
      for (const attack of messages) {
        this.#note(attack)
        owed.sent(attack)
        await socket.send(attack.frames.length === 0 ? [''] : [...attack.frames])
        while (owed.count > MOST_OWED) this.#hear(await socket.receive(), owed)
      }
      while (owed.count > 0) this.#hear(await socket.receive(), owed)
    } catch (error) {
      // Nothing more comes, or is taken: what is owed is counted.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    } finally {
      socket.close()
    }
    for (const kind of owed.left()) this.#unanswered[kind] = (this.#unanswered[kind] ?? 0) + 1
  }

  /** Until the next comes its answers wait in the daemon. */
  async #neverRead(): Promise<void> {
    this.#deaf?.close()
    this.#deaf = new Dealer({ linger: 0, immediate: true, sendTimeout: 10_000, receiveHighWaterMark: 1 })
    this.#deaf.connect(this.#url)
    for (const attack of unread(UNREAD)) {
      this.#note(attack)
      await this.#deaf.send([...attack.frames])
    }
  }

  #note({ kind, ids = [] }: Attack): void {
    this.#sent[kind] = (this.#sent[kind] ?? 0) + 1
    for (const id of ids) if (typeof id === 'string') this.#sentIds.add(id)
  }

  #hear([, body]: readonly Buffer[], owed: Owed): void {
    const answer = JSON.parse(String(body)) as { kind: string; seq?: number; refused?: [number, unknown][] }
    this.#answers[answer.kind] = (this.#answers[answer.kind] ?? 0) + 1
    const refused = new Set((answer.refused ?? []).map(([at]) => at))
    owed.answered(answer.seq)?.ids?.forEach((id, at) => {
      const taken = answer.kind === 'stored' && !refused.has(at)
      if (typeof id === 'string') (taken ? this.#accepted : this.#refused).add(id)
    })
  }

  #ran(): Set<string> {
    const file = join(this.#dir, 'ran')
    return new Set(existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : [])
  }

  #missing(): number {
    const ran = this.#ran()
    return this.#honest.filter((id) => !ran.has(id)).length
  }

  /** Of what is stored or has run: what was refused and never accepted, and what nobody has sent. */
  #strangers(): string[] {
    const db = new DatabaseSync(join(this.#dir, '.ztask/ztask.db'), { timeout: 10_000 })
    const rows = db.prepare('select id from jobs').all() as { id: string }[]
    db.close()
    const honest = new Set(this.#honest)
    return [...this.#ran(), ...rows.map(({ id }) => id)].filter((id) => {
      if (honest.has(id) || this.#accepted.has(id)) return false
      return this.#refused.has(id) || !this.#sentIds.has(id)
    })
  }

  #report(daemon: RunningProcess): FuzzReport {
    const sorted = this.#latencies.toSorted((a, b) => a - b)
    const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0
    return {
      sent: this.#sent,
      answers: this.#answers,
      unanswered: this.#unanswered,
      connections: this.#connections.made,
      mostOpen: this.#mostOpen,
      honest: this.#honest.length,
      rejected: this.#rejected,
      latency: [at(0.5), at(0.99), at(1)],
      memory: this.#memory,
      strangers: this.#strangers(),
      missing: this.#missing(),
      crash: daemon.hasEnded ? daemon.stderr.slice(0, 2000) || 'it ended' : undefined,
    }
  }
}
