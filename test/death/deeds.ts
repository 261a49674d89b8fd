/** A project whose task does what its argument says, in every way in which code can go wrong. */
import { makeProject, shareProject, type TestProject } from '../harness/project.ts'

const DEEDS = `
import { appendFileSync, existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { currentJob, task } from 'ztask'

const say = (what: string) => appendFileSync('ran.log', what + ' ' + process.pid + ' ' + Date.now() + '\\n')
const until = async (file: string) => { while (!existsSync(file)) await sleep(5) }
const hoard: unknown[] = []

const DEEDS: Record<string, (detail: string) => unknown> = {
  return: () => {},
  throw: () => { throw new TypeError('thrown on purpose') },
  'reject-later': async () => { await sleep(5); throw new RangeError('rejected on purpose') },
  spin: () => { for (;;) {} },
  'spin-later': async () => { await sleep(20); for (;;) {} },
  wait: (detail) => until(detail),
  // Computes until the file is there.
  pause: (detail) => { while (!existsSync(detail)); },
  // The same, when it has ended.
  'leave-pause': (detail) => { setTimeout(() => { say('pauses:' + detail); while (!existsSync(detail)); }, 20) },
  forever: () => new Promise(() => setInterval(() => {}, 1000)),
  hoard: () => { for (;;) hoard.push(new Array(10_000).fill(Math.random())) },
  exit: () => process.exit(3),
  sigkill: () => process.kill(process.pid, 'SIGKILL'),
  sigsegv: () => process.kill(process.pid, 'SIGSEGV'),
  'kill-master': () => process.kill(process.ppid, 'SIGKILL'),
  // Ends when its signal says so.
  obey: () => new Promise((_, reject) => {
    const { signal } = currentJob()
    const timer = setInterval(() => {}, 1000)
    signal.addEventListener('abort', () => {
      say('aborted:' + signal.reason.name)
      clearInterval(timer)
      reject(signal.reason)
    })
  }),
  // The same, and says what it was told.
  heed: () => new Promise((_, reject) => {
    const { signal } = currentJob()
    const timer = setInterval(() => {}, 1000)
    signal.addEventListener('abort', () => {
      say('because:' + signal.reason.message)
      clearInterval(timer)
      reject(signal.reason)
    })
  }),
  // Ends, and late.
  'obey-late': (detail) => new Promise((resolve) => {
    const timer = setInterval(() => {}, 1000)
    currentJob().signal.addEventListener('abort', async () => {
      await until(detail)
      clearInterval(timer)
      resolve(undefined)
    })
  }),
  // Returns all the same.
  finish: () => new Promise<void>((resolve) => {
    const timer = setInterval(() => {}, 1000)
    currentJob().signal.addEventListener('abort', () => { clearInterval(timer); resolve() })
  }),
}

const act = async (deed: string, detail: string) => {
  say(deed + ':' + detail)
  // So that all that are to run together do.
  if (detail.startsWith('after-')) await until(detail)
  await DEEDS[deed]?.(detail)
  say('done:' + detail)
}

/** No retry. */
export const once = task({ retryCount: 0 }, act)
/** Two retries, at once. */
export const thrice = task({ retryCount: 2, retryAfter: 0 }, act)
/** Neither may take long. */
export const onceTimed = task({ retryCount: 0, timeout: 0.2 }, act)
export const thriceTimed = task({ retryCount: 2, retryAfter: 0, timeout: 0.2 }, act)

/** Lasts so many ms, whatever its signal says. */
export const lasting = task({ retryCount: 0 }, async (ms: number, name: string) => {
  say('begin:' + name)
  await sleep(ms)
  say('end:' + name)
})

export const report = task(() => {
  const { id, task: name, attempt, created, signal, log } = currentJob()
  appendFileSync('report.json', JSON.stringify({ id, name, attempt, created, aborted: signal.aborted }))
  log.info({ extra: 1 }, 'a line of a task')
})
`

export const TASKS = ['once', 'thrice', 'onceTimed', 'thriceTimed', 'lasting', 'report'] as const

export const deedsProject = (shared = false): Promise<TestProject> =>
  (shared ? shareProject : makeProject)({ files: { 'src/deeds.ts': DEEDS } })
