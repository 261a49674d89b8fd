/** A project with a daemon, for benches that look inside. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { v7 } from 'uuid'
import { type ClientSpec, type Job, makeClient } from '../dist/src/index.js'
import { ended, freePort, listening } from './machine.ts'

export const CHECKOUT = resolve(import.meta.dirname, '..')
const EXECUTABLE = join(CHECKOUT, 'bin/ztask.js')
/** About 100 bytes as JSON. */
const ARGS = ['a@b.c', 'Welcome!', { userId: 12345, vars: { name: 'Ann', plan: 'pro' } }] as const

const TASKS = `
import { writeFileSync } from 'node:fs'
import { task } from 'ztask'
export const noop = task(async () => {})
export const stamp = task((file) => writeFileSync(file, String(Date.now())))
`

type Calls = { async(...args: unknown[]): Promise<Job>; run(...args: unknown[]): Promise<unknown> }

export class Rig {
  readonly root: string
  readonly #port: number
  #daemon: ChildProcess | undefined

  private constructor(root: string, port: number) {
    this.root = root
    this.#port = port
  }

  /** @param top the folder that it is made in, which whoever made that removes */
  static async make(top: string): Promise<Rig> {
    const root = mkdtempSync(join(top, 'rig-'))
    for (const folder of ['src', 'node_modules']) mkdirSync(join(root, folder))
    symlinkSync(CHECKOUT, join(root, 'node_modules/ztask'))
    writeFileSync(join(root, 'package.json'), '{ "name": "bench", "type": "module" }')
    writeFileSync(join(root, 'src/tasks.js'), TASKS)
    for (const command of ['generate', 'migrate'])
      execFileSync(process.execPath, [EXECUTABLE, command], { cwd: root, stdio: 'ignore' })
    return new Rig(root, await freePort())
  }

  /** Starts a daemon of 2 workers; resolves when it listens, to its process. */
  async start(env: Readonly<Record<string, string>> = {}): Promise<ChildProcess> {
    const flags = ['--workers', '2', '--noreload', '-l', 'ERROR', '--url', this.#url]
    this.#daemon = spawn(process.execPath, [EXECUTABLE, 'daemon', ...flags], {
      cwd: this.root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    await listening(this.#port, this.#daemon)
    return this.#daemon
  }

  async end(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const daemon = this.#daemon
    if (daemon === undefined) return
    this.#daemon = undefined
    daemon.kill(signal)
    await ended(daemon)
  }

  get #url(): string {
    return `tcp://127.0.0.1:${this.#port}`
  }

  database(): DatabaseSync {
    return new DatabaseSync(join(this.root, '.ztask/ztask.db'), { timeout: 60_000 })
  }

  /** Writes jobs into the table. @param due epoch ms */
  fill(count: number, due: (index: number) => number, task = 'noop', args: readonly unknown[] = ARGS): void {
    const db = this.database()
    const insert = db.prepare(
      "insert into jobs (id, task, args, state, due, created, attempts) values (?, ?, ?, 'queued', ?, ?, 0)",
    )
    const now = Date.now()
    const text = JSON.stringify(args)
    db.exec('begin')
    for (let i = 0; i < count; i++) insert.run(v7(), task, text, due(i), now)
    db.exec('commit')
    db.close()
  }

  calls(): Record<'noop', Calls> {
    const spec: ClientSpec = {
      project: 'bench',
      url: this.#url,
      settings: { callTimeout: 60 },
      tasks: ['noop'],
      load: () => Promise.reject(new Error('no registry here')),
    }
    return makeClient<Record<'noop', Calls>>(spec)
  }

  /** @returns what calls the no-op task so often, so many calls in flight; resolves when the last is acknowledged */
  caller(): (count: number, inFlight: number) => Promise<void> {
    const { noop } = this.calls()
    return async (count, inFlight) => {
      let made = 0
      const one = async (): Promise<void> => {
        while (made++ < count) await noop.async(...ARGS)
      }
      await Promise.all(Array.from({ length: inFlight }, one))
    }
  }

  /** Resident memory of the master, MiB. */
  get resident(): number {
    const status = readFileSync(`/proc/${this.#daemon?.pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
  }
}
