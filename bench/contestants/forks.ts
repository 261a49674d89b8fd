/** The two worker processes of a peer. */
import { type ChildProcess, fork } from 'node:child_process'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Session } from '../contestant.ts'
import { callAll, done } from '../load.ts'
import { ended } from '../machine.ts'

const PEERS = resolve(import.meta.dirname, '../peers')
const WORKERS = 2
/** Jobs that run before workers are held: as many as ours run, one in each slot. */
const BEFORE_HELD = 200
/** What they have begun by themselves is over by then, ms. */
const CALM = 500

/** Loads a package of the peers'. */
export const peer = createRequire(join(PEERS, 'package.json'))

/** @returns the version of a package of the peers' */
export const versionOf = (name: string): string =>
  (peer(join(PEERS, 'node_modules', name, 'package.json')) as { version: string }).version

const heard = (child: ChildProcess, word: string): Promise<void> =>
  new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`a worker ended with ${code} before it was ${word}`)))
    child.on('message', (said) => {
      if (said === word) resolve()
    })
  })

export class Forks {
  readonly #children: readonly ChildProcess[]

  private constructor(children: readonly ChildProcess[]) {
    this.#children = children
  }

  /** Starts them; resolves when they work. */
  static async start(library: string, settings: object, env: NodeJS.ProcessEnv): Promise<Forks> {
    const all = { ...process.env, ...env, BENCH_WORKER: JSON.stringify({ library, settings }) }
    const children = Array.from({ length: WORKERS }, () => fork(join(PEERS, 'worker.js'), { env: all }))
    await Promise.all(children.map((child) => heard(child, 'working')))
    return new Forks(children)
  }

  get pids(): readonly number[] {
    return this.#children.map(({ pid }) => pid ?? 0)
  }

  /** Stops them as they are, connected and at work on an empty queue, until `release`. */
  async hold(session: Session): Promise<void> {
    await callAll(session, BEFORE_HELD, BEFORE_HELD)
    await done(session)
    await sleep(CALM)
    for (const child of this.#children) child.kill('SIGSTOP')
  }

  release(): void {
    for (const child of this.#children) child.kill('SIGCONT')
  }

  async end(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL')
    await Promise.all(this.#children.map(ended))
  }
}
