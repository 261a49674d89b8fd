/** Real processes, started from the repository's own executables, their output kept. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { until } from './until.ts'

export const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url))
export const EXECUTABLE = `${REPOSITORY}bin/ztask.js`
/** Preloads TypeScript support, as `node --import tsx` does where tsx is installed. */
export const TSX = `${REPOSITORY}node_modules/tsx/dist/loader.mjs`

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export class RunningProcess {
  readonly child: ChildProcess
  stdout = ''
  stderr = ''
  /** Resolves when the process has ended and its output is read. */
  readonly ended: Promise<Ended>
  hasEnded = false

  constructor(
    argv: readonly string[],
    cwd: string,
    env: Readonly<Record<string, string | undefined>> = {},
    command = process.execPath,
  ) {
    this.child = spawn(command, argv, {
      cwd,
      env: { ...process.env, NODE_OPTIONS: '', ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.child.stdout?.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString()
    })
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString()
    })
    this.ended = new Promise((resolve) => {
      this.child.once('close', (code, signal) => {
        this.hasEnded = true
        resolve({ code, signal, stdout: this.stdout, stderr: this.stderr })
      })
    })
  }

  get pid(): number {
    return this.child.pid ?? -1
  }

  /** Sends a signal and waits for the end. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<Ended> {
    this.child.kill(signal)
    return this.ended
  }

  /** Waits until stdout holds a line that matches. */
  async prints(pattern: RegExp): Promise<string> {
    return until(
      () => `${pattern} in the output of pid ${this.pid}:\n${this.stdout}\n${this.stderr}`,
      () => {
        const line = this.stdout.split('\n').find((one) => pattern.test(one))
        if (line === undefined && this.hasEnded)
          throw new Error(`ended before printing ${pattern}:\n${this.stdout}\n${this.stderr}`)
        return line
      },
    )
  }
}

/**
 * @param kilobytes what no file of the process may exceed; it binds root as well
 * @returns the command line that runs node on `argv` under that limit
 */
export const withFileLimit = (kilobytes: number, argv: readonly string[]): string[] => {
  // POSIX counts blocks of 512 bytes.
  const shell = `ulimit -S -f ${kilobytes * 2}; exec "$0" "$@"`
  const become = `process.execve('/bin/sh', ['sh', '-c', ...process.argv.slice(1)], process.env)`
  return ['--no-warnings', '-e', become, shell, process.execPath, ...argv]
}

/** @returns the JSON lines of a log, parsed */
export const logLines = (text: string): LogLine[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as LogLine)

export interface LogLine {
  readonly level: string
  readonly time: string
  readonly pid: number
  readonly msg: string
  readonly [fact: string]: unknown
}

/** @returns whether a process lives; a zombie does not. */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** @returns the processes whose working directory is `dir`: the daemon and workers of a test's project. */
export const processesIn = (dir: string): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/cwd`) === dir
      } catch {
        // It ended meanwhile.
        return false
      }
    })
