/** Runs `ztask generate` in a process of its own: ts-morph is 70 MB and blocks the loop it parses on. */

import { spawn } from 'node:child_process'
import { constants, setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'
import { GenerateError } from '../model/errors.ts'

const LOWEST = constants.priority.PRIORITY_LOW
const EXECUTABLE = fileURLToPath(new URL('../../../bin/ztask.js', import.meta.url))

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/**
 * Writes the client and the registry.
 *
 * @param root the project's folder
 * @returns its warnings as it printed them, or nothing
 * @throws GenerateError with what the process printed
 */
export const runGenerate = async (root: string): Promise<string> => {
  const { code, stderr } = await run(root, [])
  if (code !== 0) throw new GenerateError(stderr.trim() || `ztask generate ended with exit code ${code}.`)
  return stderr.trim()
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
  const { stdout, stderr } = await run(root, ['--check', '--json'], signal, LOWEST)
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

const run = async (
  root: string,
  flags: readonly string[],
  signal?: AbortSignal,
  priority?: number,
): Promise<Ended> => {
  const child = spawn(process.execPath, [EXECUTABLE, 'generate', ...flags], {
    cwd: root,
    ...(signal && { signal }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  // Nobody waits for it: where jobs run it is not to be felt.
  if (priority !== undefined && child.pid !== undefined) setPriority(child.pid, priority)
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
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  }).finally(() => process.off('exit', end))
  return { code, ...printed }
}
