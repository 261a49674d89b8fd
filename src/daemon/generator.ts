/** Runs `ztask generate` in a process of its own: ts-morph is 70 MB and blocks the loop it parses on. */

import { type ChildProcess, fork, spawn } from 'node:child_process'
import { constants, setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Project } from '../config.ts'
import { GenerateError } from '../model/errors.ts'

const LOWEST = constants.priority.PRIORITY_LOW
const EXECUTABLE = fileURLToPath(new URL('../../../bin/ztask.js', import.meta.url))
const SERVER = fileURLToPath(new URL('../../codegen/serve.js', import.meta.url))

/** Characters of what a process prints that dies. */
const MOST_SAID = 4000

/** What a run told, besides what it wrote. */
export interface Generated {
  /** As `ztask generate` prints them; nothing where there are none. */
  readonly warnings: string
  /** The files that it read outside of `include`, absolute. */
  readonly outside: readonly string[]
}

/** A process that has generated keeps what it parsed: the next time takes a tenth. */
export class Generator {
  readonly #root: string
  readonly #timeout: number
  #child: ChildProcess | undefined
  /** The end of what it has printed: nothing, but where it dies. */
  #said = ''
  #stopped = false

  /**
   * @param root the project's folder
   * @param timeout how long it may take, ms
   */
  constructor(root: string, timeout: number) {
    this.#root = root
    this.#timeout = timeout
  }

  /**
   * Writes the client and the registry; once at a time.
   *
   * @param project by its file alone: what is written is committed
   * @throws GenerateError with what is wrong in the sources, or of the process
   */
  async generate(project: Project): Promise<Generated> {
    if (this.#stopped) throw new GenerateError('The daemon is ending: it generates nothing.')
    const isNew = this.#child === undefined
    const child = this.#child ?? this.#start()
    const reply = Promise.withResolvers<Generated | { readonly error: string } | undefined>()
    const gone = (): void => reply.resolve(undefined)
    const timer = setTimeout(() => {
      reply.resolve({ error: `Generating took longer than ${this.#timeout / 1000} s, and was ended.` })
      child.kill('SIGKILL')
    }, this.#timeout)
    child.once('message', reply.resolve).once('exit', gone).once('error', gone)
    child.send(project, (error) => {
      if (error !== null) gone()
    })
    const told = await reply.promise
    clearTimeout(timer)
    child.off('message', reply.resolve).off('exit', gone).off('error', gone)
    if (told === undefined) {
      if (this.#child === child) this.#child = undefined
      // It may have been dead before it was asked, unseen yet; a new one that dies does so of what it was asked for.
      if (!isNew && !this.#stopped) return this.generate(project)
      throw new GenerateError(`The process that generates has ended. Save once more. ${this.#said}`.trim())
    }
    if ('error' in told) throw new GenerateError(told.error)
    return told
  }

  stop(): void {
    this.#stopped = true
    this.#child?.kill('SIGKILL')
  }

  #start(): ChildProcess {
    const child = fork(SERVER, {
      cwd: this.#root,
      execArgv: [],
      // As a project is compared: what is undefined stays so.
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    this.#child = child
    this.#said = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-MOST_SAID)
    })
    const gone = (): void => {
      if (this.#child === child) this.#child = undefined
    }
    child.once('exit', gone).once('error', gone)
    return child
  }
}

/** What `ztask generate --check --json` prints, as far as it is read here. */
interface Checked {
  readonly tasks: readonly string[]
  readonly stale: readonly { readonly file: string }[]
  readonly problems: readonly Problem[]
  readonly error: { readonly message: string; readonly data: Readonly<Record<string, unknown>> } | null
}

interface Problem {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly severity: 'error' | 'warning'
  readonly message: string
  readonly cure: string
}

/**
 * Compares the client and the registry with the sources; writes neither.
 *
 * @param signal ends the process
 * @returns what is wrong and the cure; nothing where they agree, or where there are no sources with tasks, as in an image
 * @throws what ends the process before it has answered
 */
export const checkGenerated = async (root: string, signal: AbortSignal): Promise<string | undefined> => {
  const { stdout, stderr } = await check(root, signal)
  if (stdout === '') throw new GenerateError(stderr.trim() || 'ztask generate printed nothing.')
  const { tasks, stale, problems, error }: Checked = JSON.parse(stdout)
  // Nothing matches `include`: there are no sources.
  if (error !== null) return error.data.include === undefined ? error.message : undefined
  // Its warnings were told when the files were written.
  const errors = problems.filter(({ severity }) => severity === 'error')
  if (errors.length > 0) return errors.map(sentence).join('\n')
  if (tasks.length === 0 || stale.length === 0) return undefined
  const files = stale.map(({ file }) => file).join(', ')
  return `Stale: ${files}. Run ztask generate, and deploy the result.`
}

const sentence = ({ file, line, column, severity, message, cure }: Problem): string =>
  `${file}:${line}:${column}: ${severity}: ${message} ${cure}`

const check = async (root: string, signal: AbortSignal): Promise<{ stdout: string; stderr: string }> => {
  const child = spawn(process.execPath, [EXECUTABLE, 'generate', '--check', '--json'], {
    cwd: root,
    signal,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  // Nobody waits for it: where jobs run it is not to be felt.
  if (child.pid !== undefined) setPriority(child.pid, LOWEST)
  const printed = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      printed[name] += text
    })
  // A daemon that is ended while it starts leaves nobody behind who writes.
  const end = (): void => {
    child.kill()
  }
  process.once('exit', end)
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => resolve())
  }).finally(() => process.off('exit', end))
  return printed
}
