/** Sources of tasks that say which version of them ran, and what tests of reloads ask of a daemon. */
import { readFileSync } from 'node:fs'
import { processesIn, type RunningProcess } from '../harness/process.ts'
import type { TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

export const DEVELOPMENT = ['--reload', '--workers', '1']

const HEAD = `
import { appendFileSync, existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { currentJob, task } from 'ztask'
const say = (what: string) => appendFileSync('ran.log', what + ' ' + process.pid + ' ' + Date.now() + '\\n')
`

/** A task that says a word, and one that waits for a file, or for its signal, and says it then. */
export const saying = (word: string, options = ''): string => `${HEAD}
export const greet = task({ retryCount: 0${options} }, () => say('${word}'))
export const wait = task({ retryCount: 0 }, async (file: string) => {
  say('wait:${word}')
  while (!existsSync(file)) await sleep(5)
  say('done:${word}')
})
export const obey = task({ retryCount: 0 }, async () => {
  say('obey:${word}')
  await new Promise((_, reject) => {
    const timer = setInterval(() => {}, 1000)
    currentJob().signal.addEventListener('abort', () => { clearInterval(timer); reject(currentJob().signal.reason) })
  })
})
export const ignore = task({ retryCount: 0 }, async (file: string) => {
  say('ignore:${word}')
  while (!existsSync(file)) await sleep(5)
})
export const fail = task({ retryCount: 1, retryAfter: 0 }, () => { throw new Error('on ${word}') })
`

export const TASKS = ['greet', 'wait', 'obey', 'ignore', 'fail'] as const

/** Waits until the log holds so many lines that match. */
export const told = (daemon: RunningProcess, pattern: RegExp, times = 1): Promise<string[]> =>
  until(
    () => `${times} of ${pattern} in ${daemon.stdout}`,
    () => {
      const lines = daemon.stdout.split('\n').filter((line) => pattern.test(line))
      return lines.length >= times && lines
    },
  )

interface Status {
  readonly generation: number
  readonly workers: readonly { pid: number }[]
  readonly generations: readonly { generation: number; workers: number; running: number; loaded: string }[]
  readonly notReloaded: { message: string } | null
}

export const statusOf = (project: TestProject): Promise<Status> => project.ask('status')

/** @returns the command line of a process; nothing where it has ended meanwhile */
export const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

/** @returns the worker processes of a project, whatever the daemon says of them */
export const workersIn = (project: TestProject): number[] =>
  processesIn(project.dir).filter((pid) => commandOf(pid).includes('worker/main'))
