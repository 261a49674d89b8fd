/** A load goes through one reload after the other; what ran, and on which code, is written down. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ClientSpec, close, type Job, makeClient } from '../dist/src/index.js'
import { makeApplication } from '../test/harness/application.ts'
import { EXECUTABLE, type LogLine, RunningProcess } from '../test/harness/process.ts'
import { until } from '../test/harness/until.ts'

export interface CampaignOptions {
  readonly reloads: number
  /** Calls a second. */
  readonly rate: number
  readonly url: string
}

/** What a process holds. */
export interface Holdings {
  readonly megabytes: number
  readonly files: number
  /** Processes of the daemon's, itself among them. */
  readonly processes: number
}

export interface ReloadsReport {
  readonly acknowledged: number
  /** Acknowledged and never run. */
  readonly lost: readonly number[]
  readonly failed: number
  readonly repeated: readonly number[]
  /** Began on code that had been replaced: a generation after it was ready. */
  readonly onOldCode: readonly string[]
  /** From a save to "generation N is ready", ms. */
  readonly took: readonly number[]
  /** Of the master, after the fifth reload and after the last. */
  readonly early: Holdings
  readonly late: Holdings
}

const WORKERS = 2
const PACE = 10

/** One in twenty lasts longer than a reload takes. */
const tasks = (version: number): string => `
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { task } from 'ztask'

export const tick = task({ retryCount: 0 }, async (number: number) => {
  appendFileSync('ran.log', number + ' ${version} ' + Date.now() + '\\n')
  if (number % 20 === 0) await sleep(600)
})
`

interface Ran {
  readonly number: number
  readonly version: number
  readonly at: number
}

const readRuns = (dir: string): Ran[] =>
  readFileSync(join(dir, 'ran.log'), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [number = 0, version = 0, at = 0] = line.split(' ').map(Number)
      return { number, version, at }
    })

/** @returns what the master holds; Linux tells */
const holdingsOf = (pid: number): Holdings => {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return {
    megabytes: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024,
    files: readdirSync(`/proc/${pid}/fd`).length,
    processes: 1 + (children === '' ? 0 : children.split(' ').length),
  }
}

/** @returns when each version was ready, as the daemon's log tells, epoch ms; it grows */
const readyTimes = (daemon: RunningProcess): readonly number[] => {
  const times: number[] = []
  createInterface({ input: daemon.child.stdout as Readable }).on('line', (line) => {
    // Of sixty thousand lines these are few: the others are two a job.
    if (/"msg":"(Listening|Reloaded)/.test(line)) times.push(Date.parse((JSON.parse(line) as LogLine).time))
  })
  return times
}

export const reload = async ({ reloads, rate, url }: CampaignOptions): Promise<ReloadsReport> => {
  const dir = makeApplication('reloads', url, tasks(0))
  const daemon = new RunningProcess([EXECUTABLE, 'daemon', '--workers', `${WORKERS}`], dir)
  const ready = readyTimes(daemon)
  try {
    await until('the daemon to listen', () => ready.length > 0)
    const calls = callEvenly(url, rate)
    const took: number[] = []
    let early: Holdings | undefined
    for (let version = 1; version <= reloads; version++) {
      const saved = Date.now()
      writeFileSync(join(dir, 'src/tasks.ts'), tasks(version))
      await until(`reload ${version}; ${daemon.stdout.slice(-2000)}`, () => ready.length > version)
      took.push((ready[version] ?? Number.NaN) - saved)
      if (version === Math.min(5, Math.ceil(reloads / 2))) early = await atRest(daemon.pid)
    }
    const acknowledged = await calls.stop()
    const rows = (): { state: string }[] => rowsOf(dir)
    await until('the queue to be empty', () => rows().every(({ state }) => state === 'failed'))
    const late = await atRest(daemon.pid)
    const ran = readRuns(dir)
    const counts = Map.groupBy(ran, ({ number }) => number)
    return {
      acknowledged: acknowledged.length,
      lost: acknowledged.filter((number) => !counts.has(number)),
      failed: rows().length,
      repeated: [...counts].filter(([, runs]) => runs.length > 1).map(([number]) => number),
      onOldCode: ran
        .filter(({ version, at }) => at > (ready[version + 1] ?? Number.POSITIVE_INFINITY))
        .map(
          ({ number, version, at }) =>
            `${number} on ${version} at ${at}, ${at - (ready[version + 1] ?? 0)} ms late`,
        ),
      took,
      early: early as Holdings,
      late,
    }
  } finally {
    close()
    await daemon.kill('SIGTERM')
    rmSync(dir, { recursive: true, force: true })
  }
}

/** When the old generations have gone. */
const atRest = async (pid: number): Promise<Holdings> => {
  // The process that generates, the workers, and as many for the next change.
  await until('the old workers to be gone', () => holdingsOf(pid).processes === 2 + 2 * WORKERS)
  return holdingsOf(pid)
}

const rowsOf = (dir: string): { state: string }[] => {
  const db = new DatabaseSync(join(dir, '.ztask/ztask.db'), { readOnly: true, timeout: 5000 })
  try {
    return db.prepare('select state from jobs').all() as { state: string }[]
  } finally {
    db.close()
  }
}

/** Calls without end; each number is one call. */
const callEvenly = (url: string, rate: number): { stop(): Promise<number[]> } => {
  const spec = {
    ...{ project: 'reloads', url, settings: { callTimeout: 30 }, tasks: ['tick'] },
    load: () => Promise.reject(new Error('no registry here')),
  } satisfies ClientSpec
  const { tick } = makeClient<{ tick: { async(number: number): Promise<Job> } }>(spec)
  const acknowledged: number[] = []
  const began = performance.now()
  let next = 0
  let stopping = false
  const calling = (async () => {
    const open = new Set<Promise<unknown>>()
    while (!stopping) {
      const due = ((performance.now() - began) / 1000) * rate
      while (next < due) {
        const number = next++
        const call = tick.async(number).then(() => acknowledged.push(number))
        open.add(call)
        void call.finally(() => open.delete(call))
      }
      await sleep(PACE)
    }
    await Promise.all(open)
  })()
  return {
    async stop() {
      stopping = true
      await calling
      return acknowledged
    },
  }
}
