/** A user's project in a folder of its own, with the real executable, a real daemon, a real database. */

import { hash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, afterEach, expect, inject } from 'vitest'
import { Dealer } from 'zeromq'
import { close, makeClient } from '../../dist/src/index.js'
import type { UntypedCalls } from '../../src/client/client.ts'
import type { JobView } from '../../src/daemon/commands.ts'
import type { ClientSettings } from '../../src/settings.ts'
import { PROTOCOL, type Verb } from '../../src/wire/protocol.ts'
import { freePort } from './ports.ts'
import { type Ended, EXECUTABLE, processesIn, REPOSITORY, RunningProcess, TSX } from './process.ts'
import { TASKS } from './tasks.ts'
import { until } from './until.ts'

export interface ProjectOptions {
  /** Settings, as source text of the object. */
  readonly config?: string
  /** Files beside src/tasks.ts, by path. */
  readonly files?: Readonly<Record<string, string>>
}

/** A row of the table of jobs. */
export interface Row {
  readonly id: string
  readonly seq: number
  readonly task: string
  readonly args: string
  readonly state: string
  readonly due: number
  readonly created: number
  readonly attempts: number
  readonly failed_at: number | null
  readonly failure: string | null
  readonly reason: string | null
  readonly mark: string | null
  readonly awaited: number | null
  readonly result: string | null
  readonly expires: number | null
  readonly options: string | null
}

export class TestProject {
  readonly dir: string
  readonly url: string
  readonly #processes: RunningProcess[] = []
  readonly #top: string

  /** @param top what is removed at the end, where it is more than the project's folder */
  constructor(dir: string, url: string, top = dir) {
    this.dir = dir
    this.url = url
    this.#top = top
  }

  path(file: string): string {
    return join(this.dir, file)
  }

  write(file: string, text: string): void {
    mkdirSync(dirname(this.path(file)), { recursive: true })
    writeFileSync(this.path(file), text)
  }

  read(file: string): string {
    return readFileSync(this.path(file), 'utf8')
  }

  /** Puts packages of the repository's into the project's node_modules. */
  link(names: readonly string[]): void {
    linkPackages(this.dir, names)
  }

  exists(file: string): boolean {
    return existsSync(this.path(file))
  }

  remove(file: string): void {
    rmSync(this.path(file), { recursive: true })
  }

  /** Runs `ztask …` to its end. */
  ztask(...argv: string[]): Promise<Ended> {
    return this.start([EXECUTABLE, ...argv]).ended
  }

  /** Runs `ztask …` that must succeed. @returns its stdout, parsed */
  async json<T>(...argv: string[]): Promise<T> {
    const ended = await this.ztask(...argv, '--json')
    expect(ended.code, ended.stderr).toBe(0)
    return JSON.parse(ended.stdout) as T
  }

  /** Starts node on a command line in this project. */
  start(argv: readonly string[], env: Readonly<Record<string, string | undefined>> = {}): RunningProcess {
    const running = new RunningProcess(argv, this.dir, env)
    this.#processes.push(running)
    return running
  }

  /** Starts a script of the user's, TypeScript. */
  script(
    source: string,
    env: Readonly<Record<string, string | undefined>> = {},
    name = 'script.mts',
  ): RunningProcess {
    this.write(name, source)
    return this.start(['--import', TSX, name], env)
  }

  /** Starts a daemon; resolves when it serves. */
  async daemon(
    flags: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<RunningProcess> {
    const daemon = this.launch(flags, env)
    await daemon.prints(/Listening on/)
    return daemon
  }

  /** Starts a daemon and does not wait. */
  launch(flags: readonly string[] = [], env: Readonly<Record<string, string>> = {}): RunningProcess {
    const noreload = existsSync(this.path('src/ztask/registry.ts')) && !flags.includes('--reload')
    const given = flags.filter((flag) => flag !== '--reload')
    const mode = noreload ? ['--noreload'] : []
    return this.start([EXECUTABLE, 'daemon', '--workers', '1', ...mode, ...given], env)
  }

  /** Starts a daemon with these flags and no others, and does not wait. */
  launchOnly(flags: readonly string[]): RunningProcess {
    return this.start([EXECUTABLE, 'daemon', ...flags])
  }

  /** This test's own client of the project; it knows every task name. */
  client(settings: Partial<ClientSettings> = {}): Record<'note' | 'act' | 'failOnce', UntypedCalls> {
    return this.calls(['note', 'act', 'failOnce'], settings)
  }

  /** The calls of other names, whether the project has such tasks or not. */
  calls<Name extends string>(
    names: readonly Name[],
    settings: Partial<ClientSettings> = {},
  ): Record<Name, UntypedCalls> {
    return makeClient({
      project: 'fixture',
      url: this.url,
      settings,
      tasks: names,
      load: () => Promise.reject(new Error('no registry here')),
    })
  }

  /** What has run, in order: the first words of ran.log's lines. */
  ran(): string[] {
    return this.runs().map(({ what }) => what)
  }

  runs(): { what: string; pid: number; at: number }[] {
    if (!existsSync(this.path('ran.log'))) return []
    const lines = readFileSync(this.path('ran.log'), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
    return lines.map((line) => {
      const [, what = '', pid, at] = /^(.*) (\d+) (\d+)$/.exec(line) ?? []
      return { what, pid: Number(pid), at: Number(at) }
    })
  }

  /** Waits until `what` has run `times` times. */
  async hasRun(what: string, times = 1): Promise<void> {
    await until(`${what} to run ${times} times; ran: ${this.ran().join(', ')}`, () => {
      return this.ran().filter((one) => one === what).length >= times
    })
  }

  /** The rows of the database, read beside the daemon. */
  rows(): Row[] {
    return this.sql('select * from jobs order by seq')
  }

  /** Runs SQL in the database, beside the daemon. @returns the rows of a query */
  sql<T = Row>(text: string): T[] {
    return this.withDatabase((db) => {
      if (/^\s*(select|pragma|explain)\b/i.test(text)) return db.prepare(text).all() as T[]
      db.exec(text)
      return []
    })
  }

  /** Opens the database beside the daemon, for as long as `use` takes. */
  withDatabase<T>(use: (db: DatabaseSync) => T): T {
    const db = new DatabaseSync(this.path('.ztask/ztask.db'), { timeout: 5000 })
    try {
      return use(db)
    } finally {
      db.close()
    }
  }

  /** Waits for a job to be in a state. @returns what `ztask show` says of it */
  async job(id: string, state: JobView['state']): Promise<JobView> {
    // A look at the row costs a thousandth of a command.
    if (state === 'failed' || state === 'held')
      await until(`job ${id} to be ${state}`, () =>
        this.rows().some((row) => row.id === id && row.state === state),
      )
    return until(`job ${id} to be ${state}`, async () => {
      const job = await this.ask<JobView>('show', { id })
      return job.state === state ? job : undefined
    })
  }

  /** Asks the daemon what a command with `--json` would, in a hundredth of its time. */
  async ask<T>(verb: Verb, params: object = {}): Promise<T> {
    const socket = new Dealer({ linger: 0, receiveTimeout: 20_000 })
    try {
      socket.connect(this.url)
      await socket.send([PROTOCOL, JSON.stringify({ kind: 'ask', project: 'fixture', seq: 1, verb, params })])
      const [, body] = await socket.receive()
      const { value, error } = JSON.parse(String(body)) as { value: T; error?: { message: string } }
      expect(error).toBe(undefined)
      return value
    } finally {
      socket.close()
    }
  }

  /** Ends what runs, and finds out whether anything of it is left. */
  async end(): Promise<void> {
    for (const running of this.#processes) if (!running.hasEnded) await running.kill('SIGKILL')
    await until(
      `no process to be left in ${this.dir}: ${processesIn(this.dir)}`,
      () => processesIn(this.dir).length === 0,
    )
    rmSync(this.#top, { recursive: true, force: true })
  }
}

const open: TestProject[] = []
const shared: TestProject[] = []

const endAll = async (projects: TestProject[]): Promise<void> => {
  close()
  for (const project of projects.splice(0)) await project.end()
}

afterEach(() => endAll(open))
afterAll(() => endAll(shared))

/** Makes a project with the fixture tasks, generated; it ends with the test, which fails where a process is left. */
export const makeProject = async (options: ProjectOptions = {}): Promise<TestProject> => {
  const project = await emptyProject()
  open.push(project)
  return fill(project, options)
}

/** Makes an empty folder, with no package above it; it ends with the test, which fails where a process is left. */
export const makeFolder = async (): Promise<TestProject> => {
  const project = await emptyProject()
  open.push(project)
  return project
}

/** Makes a project, in a beforeAll, for all tests of the file; it ends with them. */
export const shareProject = async (options: ProjectOptions = {}): Promise<TestProject> => {
  const project = await emptyProject()
  shared.push(project)
  return fill(project, options)
}

/**
 * Copies a project, not generated, with an address of its own in the environment alone; it ends with the test.
 *
 * @param below the project's folder within what is copied, of a monorepo say
 */
export const copyProject = async (from: string, below = '.'): Promise<CopiedProject> => {
  const { dir: top, url } = await emptyProject()
  cpSync(from, top, { recursive: true })
  linkPackages(top, ['ztask', 'ts-morph', '@types/node'])
  const project = new CopiedProject(join(top, below), url, top)
  open.push(project)
  return project
}

/** A project that is configured by its environment. */
class CopiedProject extends TestProject {
  override start(
    argv: readonly string[],
    env: Readonly<Record<string, string | undefined>> = {},
  ): RunningProcess {
    return super.start(argv, { ZTASKD_URL: this.url, ...env })
  }
}

const linkPackages = (root: string, names: readonly string[]): void => {
  for (const name of names) {
    const link = join(root, 'node_modules', name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(name === 'ztask' ? REPOSITORY : join(REPOSITORY, 'node_modules', name), link)
  }
}

const emptyProject = async (): Promise<TestProject> =>
  new TestProject(
    realpathSync(mkdtempSync(join(tmpdir(), 'ztask-test-'))),
    `tcp://127.0.0.1:${await freePort()}`,
  )

const fill = async (
  project: TestProject,
  { config = '', files = {} }: ProjectOptions,
): Promise<TestProject> => {
  mkdirSync(project.path('node_modules'))
  symlinkSync(REPOSITORY, project.path('node_modules/ztask'))
  project.write('package.json', JSON.stringify({ name: 'fixture', type: 'module' }))
  project.write(
    'ztask.config.ts',
    `import { defineConfig } from 'ztask'\nexport default defineConfig({ url: '${project.url}', ${config} })\n`,
  )
  project.write('src/tasks.ts', TASKS)
  for (const [file, text] of Object.entries(files)) project.write(file, text)
  await generate(project, JSON.stringify([config, files]))
  return project
}

/** What generate wrote for a project: for the like of it the same, but for the url. */
interface Generated {
  readonly url: string
  readonly client: string
  readonly registry: string
}

const CLIENT = 'src/ztask/client.ts'
const REGISTRY = 'src/ztask/registry.ts'

/** In a folder that all files of tests share: a hundred times generate takes half a minute of two cores. */
const generate = async (project: TestProject, likeness: string): Promise<void> => {
  const shared = join(inject('generated'), `${hash('sha256', likeness)}.json`)
  if (existsSync(shared)) {
    const { url, client, registry }: Generated = JSON.parse(readFileSync(shared, 'utf8'))
    project.write(CLIENT, client.replaceAll(url, project.url))
    project.write(REGISTRY, registry)
    return
  }
  const { code, stderr } = await project.ztask('generate')
  expect(code, stderr).toBe(0)
  // Elsewhere where the configuration says so.
  if (!project.exists(CLIENT)) return
  const { url } = project
  const generated: Generated = { url, client: project.read(CLIENT), registry: project.read(REGISTRY) }
  const own = `${shared}.${process.pid}`
  writeFileSync(own, JSON.stringify(generated))
  renameSync(own, shared)
}
