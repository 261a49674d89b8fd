/**
 * How soon what dies or hangs is dealt with, beside the bars: the jobs of a worker that is killed run again, a busy loop
 * past its timeout is gone, a cancel reaches a task's signal.
 *
 * Run: npm run bench:death
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ClientSpec, close, type Job, makeClient } from '../dist/src/index.js'
import { freePort } from './machine.ts'
import { quantile } from './statistics.ts'

const CHECKOUT = resolve(import.meta.dirname, '..')
const EXECUTABLE = join(CHECKOUT, 'bin/ztask.js')
const KILLS = 40
const JOBS_A_KILL = 10
const TIMEOUTS = 10
const CANCELS = 300
const GRACE = 1

const TASKS = `
import { appendFileSync, existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { currentJob, task } from 'ztask'
const say = (what: string) => appendFileSync('ran.log', what + ' ' + process.pid + ' ' + Date.now() + '\\n')

/** Waits at its first run, to be killed; later runs end at once. */
export const brief = task({ retryCount: 1, retryAfter: 0 }, async (name: string) => {
  say('run:' + name)
  while (!existsSync('release-' + name.split('-')[0])) await sleep(5)
})
export const spin = task({ retryCount: 0, timeout: 0.5 }, (name: string) => {
  say('spin:' + name)
  for (;;) {}
})
export const obey = task({ retryCount: 0 }, (name: string) => new Promise<void>((end) => {
  const timer = setInterval(() => {}, 1000)
  currentJob().signal.addEventListener('abort', () => { say('told:' + name); clearInterval(timer); end() })
  say('obey:' + name)
}))
`

interface Line {
  readonly what: string
  readonly pid: number
  readonly at: number
}

type Call = { async(name: string): Promise<Job> }

const root = mkdtempSync(join(tmpdir(), 'ztask-bench-'))
const url = `tcp://127.0.0.1:${await freePort()}`

const lines = (): Line[] => {
  const file = join(root, 'ran.log')
  if (!existsSync(file)) return []
  const found = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return found.map((line) => {
    const [what = '', pid, at] = line.split(' ')
    return { what, pid: Number(pid), at: Number(at) }
  })
}

const until = async <T>(what: string, probe: () => T | undefined): Promise<T> => {
  for (const end = Date.now() + 60_000; Date.now() < end; await sleep(5)) {
    const value = probe()
    if (value !== undefined) return value
  }
  throw new Error(`in vain: ${what}`)
}

const start = async (): Promise<ChildProcess> => {
  mkdirSync(join(root, 'src'))
  mkdirSync(join(root, 'node_modules'))
  symlinkSync(CHECKOUT, join(root, 'node_modules/ztask'))
  writeFileSync(join(root, 'package.json'), '{ "name": "bench", "type": "module" }')
  writeFileSync(join(root, 'src/tasks.ts'), TASKS)
  const flags = [
    '--workers',
    '2',
    '--concurrency',
    `${JOBS_A_KILL}`,
    '--kill-grace',
    `${GRACE}`,
    '--url',
    url,
  ]
  const daemon = spawn(process.execPath, [EXECUTABLE, 'daemon', ...flags], { cwd: root })
  await new Promise<void>((serves) => {
    daemon.stdout.on('data', (data) => String(data).includes('Listening') && serves())
  })
  return daemon
}

const spec: ClientSpec = {
  project: 'bench',
  url,
  tasks: ['brief', 'spin', 'obey'],
  load: () => Promise.reject(new Error('no registry here')),
}
const tasks = makeClient<Record<'brief' | 'spin' | 'obey', Call>>(spec)

const print = (what: string, values: readonly number[], bar: string): void =>
  console.log(
    `${what.padEnd(58)} p50 ${quantile(values, 0.5).toFixed(0)} ms · p99 ${quantile(values, 0.99).toFixed(0)} ms · worst ${Math.max(...values).toFixed(0)} ms  (${bar})`,
  )

/** From the kill of a worker to the start of each of its jobs' next runs, which end as soon as they have begun. */
const kill = async (name: string): Promise<number[]> => {
  await Promise.all(Array.from({ length: 2 * JOBS_A_KILL }, (_, i) => tasks.brief.async(`${name}-${i}`)))
  const begun = await until('all to run', () => {
    const all = lines().filter(({ what }) => what.startsWith(`run:${name}-`))
    return all.length === 2 * JOBS_A_KILL ? all : undefined
  })
  // Between a start and its mark there is a tenth of a second.
  await sleep(150)
  const victim = begun[0]?.pid ?? 0
  const cut = begun.filter(({ pid }) => pid === victim).map(({ what }) => what)
  writeFileSync(join(root, `release-${name}`), '')
  const at = Date.now()
  process.kill(victim, 'SIGKILL')
  const again = await until('all to run again', () => {
    const all = lines().filter(({ what, at: when }) => cut.includes(what) && when >= at)
    return all.length >= cut.length ? all : undefined
  }).catch(() => [])
  return again.map((line) => line.at - at)
}

const daemon = await start()
try {
  const restarts: number[] = []
  for (let i = 0; i < KILLS; i++) restarts.push(...(await kill(`k${i}`)))
  print(`killed worker: its jobs start again (${restarts.length})`, restarts, 'bar: p99 500 ms')

  const gone: number[] = []
  for (let i = 0; i < TIMEOUTS; i++) {
    await tasks.spin.async(`s${i}`)
    const { pid, at } = await until('a spin', () => lines().find(({ what }) => what === `spin:s${i}`))
    await until('its end', () => (existsSync(`/proc/${pid}`) ? undefined : true))
    gone.push(Date.now() - at - 500)
  }
  print(
    `busy loop: gone after its timeout, kill-grace ${GRACE} s (${gone.length})`,
    gone,
    `bar: ${GRACE * 1000 + 1000} ms`,
  )

  const told: number[] = []
  for (let i = 0; i < CANCELS; i++) {
    const job = await tasks.obey.async(`c${i}`)
    await until('an obey', () => lines().find(({ what }) => what === `obey:c${i}`))
    const at = Date.now()
    await job.cancel()
    const { at: when } = await until('its signal', () => lines().find(({ what }) => what === `told:c${i}`))
    told.push(when - at)
  }
  print(`cancel: reaches the signal of a running task (${told.length})`, told, 'bar: 20 ms')
} finally {
  close()
  daemon.kill('SIGTERM')
  await new Promise((ended) => daemon.once('exit', ended))
  rmSync(root, { recursive: true, force: true })
}
