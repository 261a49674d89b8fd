/** `--typecheck`: the project's own compiler, after each change, beside everything else; it holds nothing up. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { constants, setPriority } from 'node:os'
import { dirname, join } from 'node:path'
import { DaemonError } from '../model/errors.ts'

export interface TypecheckOptions {
  readonly root: string
  /** @param report what the compiler says; nothing where the types hold */
  readonly checked: (report: string) => void
  readonly failed: (error: Error) => void
}

/** Of thousands of errors the first are enough. */
const MOST_REPORTED = 16_000

export class Typecheck {
  readonly #options: TypecheckOptions
  readonly #compiler: string
  #child: ChildProcess | undefined

  /** @throws DaemonError where the project has no TypeScript */
  constructor(options: TypecheckOptions) {
    this.#options = options
    this.#compiler = compilerOf(options.root)
  }

  /** Checks the files as they are now; what runs already looks at old ones, and is ended. */
  run(): void {
    this.stop()
    const { root, checked, failed } = this.#options
    const child = spawn(process.execPath, [this.#compiler, '--noEmit', '--pretty', 'false'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    // New code comes up at the same time, and somebody waits for that.
    if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW)
    let said = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        if (said.length < MOST_REPORTED) said += text
      })
    child.once('error', (error) => {
      if (this.#child === child) failed(error)
    })
    child.once('close', (code) => {
      if (this.#child !== child) return
      this.#child = undefined
      checked(code === 0 ? '' : said.trim() || `The compiler ended with exit code ${code}.`)
    })
  }

  stop(): void {
    const child = this.#child
    this.#child = undefined
    child?.kill('SIGKILL')
  }
}

const compilerOf = (root: string): string => {
  try {
    const manifest = createRequire(join(root, 'package.json')).resolve('typescript/package.json')
    return join(dirname(manifest), 'bin', 'tsc')
  } catch (cause) {
    throw new DaemonError(
      `--typecheck runs the project's own compiler, and there is none in ${root}. npm install --save-dev typescript, or leave the flag out.`,
      {},
      { cause },
    )
  }
}
