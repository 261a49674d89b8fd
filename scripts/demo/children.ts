/** The processes that the demo starts; none outlives it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const running = new Set<ChildProcess>()

/** What of the environment is the demo's: not the settings of whoever starts it. */
const environment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ZTASKD_')))

/** Starts node on a command line; every line it prints goes to `line`. */
export const start = (
  argv: readonly string[],
  cwd: string,
  line: (text: string) => void,
  env: NodeJS.ProcessEnv = {},
): { readonly child: ChildProcess; readonly ended: Promise<Ended> } => {
  const child = spawn(process.execPath, argv, { cwd, env: { ...environment(), ...env }, stdio: 'pipe' })
  running.add(child)
  let stdout = ''
  let stderr = ''
  createInterface({ input: child.stdout }).on('line', line)
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', () => running.delete(child))
    child.once('close', (code) => resolve({ code, stdout, stderr }))
  })
  return { child, ended }
}

/** Runs node on a command line that must succeed. @returns its stdout */
export const run = async (argv: readonly string[], cwd: string): Promise<string> => {
  const { code, stdout, stderr } = await start(argv, cwd, () => {}).ended
  if (code === 0) return stdout
  throw new Error(`${argv.slice(1).join(' ')} ended with exit code ${code}: ${stderr || stdout}`)
}

/** Ends what runs, at once; the workers of a daemon end with it. */
export const killAll = (): void => {
  for (const child of running) child.kill('SIGKILL')
}
