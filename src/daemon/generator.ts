/** Runs `ztask generate` in a process of its own: ts-morph is 70 MB and blocks the loop it parses on. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { GenerateError } from '../model/errors.ts'

const EXECUTABLE = fileURLToPath(new URL('../../../bin/ztask.js', import.meta.url))

/**
 * @param root the project's folder
 * @param flags of the command
 * @param signal ends the process
 * @returns its warnings as it printed them, or nothing
 * @throws GenerateError with what the process printed
 */
export const runGenerate = async (
  root: string,
  flags: readonly string[] = [],
  signal?: AbortSignal,
): Promise<string> => {
  const child = spawn(process.execPath, [EXECUTABLE, 'generate', ...flags], {
    cwd: root,
    ...(signal && { signal }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  child.stderr.on('data', (chunk: Buffer) => {
    printed += chunk.toString()
  })
  child.stdout.resume()
  // A daemon that is ended while it starts leaves nobody behind who writes.
  const end = (): void => {
    child.kill()
  }
  process.once('exit', end)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  }).finally(() => process.off('exit', end))
  if (code !== 0) throw new GenerateError(printed.trim() || `ztask generate ended with exit code ${code}.`)
  return printed.trim()
}
