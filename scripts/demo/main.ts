/**
 * `npm run demo`: the main job on real input. The example application sends a newsletter to 1,000 subscribers, its daemon
 * is killed in the middle and started again, and what was acknowledged is counted against what ran.
 *
 * Exits 0 where every acknowledged job ran, else 1 with what went wrong.
 */
import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Said } from '../../examples/newsletter/src/said.ts'
import { Calls } from './calls.ts'
import { killAll, start } from './children.ts'
import { makeCopy } from './copy.ts'
import { delivered } from './files.ts'
import { makeProgress } from './progress.ts'
import { next, table } from './summary.ts'
import { judge } from './verdict.ts'
import { type Daemon, failedJobs, generate, startDaemon, status } from './ztask.ts'

const MAILS = 1000
/** How long the restarted daemon gets for what is left, ms. */
const PATIENCE = 60_000
/** How often the outbox is counted, ms. */
const PERIOD = 100

const progress = makeProgress(MAILS)
const copy = await makeCopy()

/** Nothing outlives the demo: not its processes, and where it was stopped not its folder. */
const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const
process.on('exit', killAll)
for (const [signal, code] of Object.entries(EXIT_CODES))
  process.on(signal, () => {
    killAll()
    // A worker lives a moment longer than its master, and may still write.
    rmSync(copy.dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
    process.exit(code)
  })

/** Runs the client beside a daemon that dies under it. @returns the daemon behind it */
const sendNewsletter = async (calls: Calls): Promise<Daemon> => {
  const first = await startDaemon(copy.dir)
  progress.say(`A daemon with two workers serves at ${copy.url}.`)
  const hear = (line: string): void => calls.hear(JSON.parse(line) as Said)
  const env = { ZTASK_DEMO_DAEMON: String(first.pid) }
  const client = start(['--import', 'tsx', 'src/demo.ts'], copy.dir, hear, env)
  progress.say(`The client enqueues 4 jobs, and a burst of ${MAILS} mails.`)
  const died = await Promise.race([first.ended.then(() => true), client.ended.then(() => false)])
  if (!died) throw new Error(`The client ended before its time: ${(await client.ended).stderr}`)
  progress.say(`SIGKILL: the daemon is dead. ${calls.mails.size} mails were acknowledged, it starts again.`)
  const daemon = await startDaemon(copy.dir)
  progress.say('The second daemon serves.')
  const { code, stderr } = await client.ended
  if (code !== 0) throw new Error(`The client failed: ${stderr}`)
  return daemon
}

/** Waits until no job is left but the failed ones, or patience ends. */
const settle = async (): Promise<void> => {
  const deadline = Date.now() + PATIENCE
  while (Date.now() < deadline) {
    const { waiting, scheduled, running, held } = await status(copy.dir)
    if (waiting + scheduled + running + held === 0) return
    await sleep(PERIOD)
  }
}

/** Shows how far it is until the returned function is called, and once more then. */
const watchOutbox = (calls: Calls): (() => void) => {
  const show = (): void =>
    progress.update(delivered(copy.dir).size, `delivered, ${calls.mails.size} acknowledged`)
  const timer = setInterval(show, PERIOD).unref()
  return () => {
    clearInterval(timer)
    show()
    progress.end()
  }
}

try {
  const begun = Date.now()
  progress.say(`${await generate(copy.dir)} (examples/newsletter, copied to ${copy.dir})`)
  const calls = new Calls()
  const unwatch = watchOutbox(calls)
  const daemon = await sendNewsletter(calls)
  await settle()
  unwatch()
  const failed = await failedJobs(copy.dir)
  await daemon.stop()
  const rows = judge(copy.dir, calls, failed)
  const wrong = rows.filter(({ ok }) => !ok)
  const seconds = ((Date.now() - begun) / 1000).toFixed(1)
  console.log(`\n${table(rows)}\n`)
  if (wrong.length === 0) console.log(`Every acknowledged job ran. ${seconds} s.`)
  else
    console.log(
      `The promise is broken: ${wrong.map(({ what, found }) => `${what.trim()}: ${found}`).join('; ')}.`,
    )
  console.log(next(copy.dir, failed[0]?.id ?? 'ID'))
  process.exitCode = wrong.length === 0 ? 0 : 1
} catch (error) {
  console.error(`\nThe demo could not go on: ${error instanceof Error ? error.message : String(error)}`)
  console.error(`The daemon's log is in ${copy.dir}/daemon.log`)
  process.exitCode = 1
  killAll()
}
