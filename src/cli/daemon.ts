import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { PerformanceObserver } from 'node:perf_hooks'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { loadProject } from '../config.ts'
import { readAnew } from '../config-anew.ts'
import type { InspectAddress } from '../daemon/pool.ts'
import { ZtaskError } from '../model/errors.ts'
import { LOG_LEVELS, type LogLevel } from '../model/log-options.ts'
import type { EnvFileFlags } from './env-file.ts'
import {
  type ProjectFlags,
  positiveSeconds,
  projectOf,
  seconds,
  settingsOf,
  wholeNumber,
  withProjectFlags,
} from './flags.ts'
import { inspectAddress, inspected } from './inspect.ts'
import { version } from './version.ts'

interface DaemonFlags extends ProjectFlags, EnvFileFlags {
  readonly workers: number
  readonly listen: boolean
  readonly concurrency: number
  readonly noreload?: boolean
  readonly reload: boolean
  readonly loglevel: LogLevel
  readonly logfile?: string
  readonly replayfailed?: boolean
  readonly replayFailed?: boolean
  readonly typecheck?: boolean
  readonly shutdownTimeout: number
  readonly drainTimeout: number
  readonly readyTimeout: number
  readonly killGrace: number
  readonly hangTimeout: number
  readonly lease?: number
  readonly inspect?: InspectAddress | true
}

const MOST_WORKERS_BY_DEFAULT = 4

/** `ztask daemon`: serves until a signal ends it. */
export const addDaemon = (program: Command): void => {
  withProjectFlags(program.command('daemon'))
    .description('store the jobs that clients send, and run them in worker processes')
    .option(
      '--workers <n>',
      'worker processes; with none it only stores jobs',
      wholeNumber(0, 1024),
      defaultWorkers(),
    )
    .option('--no-listen', 'accept no calls, and run what is stored')
    .option('--concurrency <n>', 'jobs that a worker runs at a time', wholeNumber(1, 10_000), 10)
    .option('--noreload', 'production: do not generate, do not watch files')
    .addOption(new Option('--no-reload').hideHelp())
    // It is so without the flag; unknown, it would be answered with its opposite, as the nearest.
    .addOption(new Option('--reload').default(true).hideHelp())
    .addOption(
      new Option('-l, --loglevel <level>', 'what is logged')
        .choices(LOG_LEVELS)
        .default('INFO')
        .argParser(level),
    )
    .option('-f, --logfile <path>', 'log there instead of stdout; SIGUSR2 opens it again')
    .option('--replayfailed', 'give failed jobs their attempts back')
    .addOption(new Option('--replay-failed').hideHelp())
    .option('--typecheck', "run the project's tsc after each change too, and log what it says")
    .option('--drain-timeout <seconds>', 'what running jobs get when new code takes over', seconds, 30)
    .option('--ready-timeout <seconds>', 'what new workers get to be ready', positiveSeconds, 30)
    .option('--shutdown-timeout <seconds>', 'what running jobs get at SIGTERM', seconds, 30)
    .option('--kill-grace <seconds>', 'what a job that timed out, or is cancelled, gets to end', seconds, 5)
    .option('--hang-timeout <seconds>', 'when a worker that does not answer is reported', positiveSeconds, 60)
    .option(
      '--lease <seconds>',
      'when a daemon that shares a database counts as dead (ZTASKD_LEASE, 15)',
      positiveSeconds,
    )
    .option(
      '--inspect [[host:]port]',
      'let a debugger attach to the workers, each on a port of its own from 9229; one worker, unless --workers says more',
      inspectAddress,
    )
    .action((flags: DaemonFlags, command: Command) =>
      serve(
        flags.inspect !== undefined && command.getOptionValueSource('workers') === 'default'
          ? { ...flags, workers: 1 }
          : flags,
      ),
    )
}

const defaultWorkers = (): number => Math.min(availableParallelism(), MOST_WORKERS_BY_DEFAULT)

/** In place of commander's own check of the choices, which takes them in capitals only. */
const level = (text: string): LogLevel => {
  const found = LOG_LEVELS.find((one) => one === text.toUpperCase())
  if (found === undefined) throw new InvalidArgumentError(`Allowed choices are ${LOG_LEVELS.join(', ')}.`)
  return found
}

/** Bytes that the master's young generation has before it grows no more; it doubles. */
const YOUNG = 2 * 2 ** 20
/** Collections that come closer than this are those of a load, ms. */
const LOAD = 10

/**
 * Else the master's young generation grows to 115 MB under load, and stays: with a million jobs waiting the master took
 * 322 MiB, and so it takes 222, at the same speed with 64 calls in flight (npm run bench:large, Node 24.21). And what
 * was promoted and is garbage waits for less: 15 MB less after 40,000 jobs; at 20% it took up to a fifth more of the CPU, and
 * saved nothing more.
 */
const keepHeapSmall = (): void => {
  setFlagsFromString('--heap-growing-percent=50')
  setFlagsFromString('--semi-space-growth-factor=1')
  let growth = 1
  let last = 0
  // With its first 1 MiB a bulk insert takes the master 8.4 µs a job, so 6.3, with as much memory at the peak of S7. Not where little
  // happens: a collection of more takes longer. V8 lets it shrink again by itself.
  const limit = (): void => {
    const size =
      getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? 0
    const now = performance.now()
    const next = size < YOUNG && now - last < LOAD ? 2 : 1
    if (next !== growth) setFlagsFromString(`--semi-space-growth-factor=${next}`)
    growth = next
    last = now
  }
  new PerformanceObserver(limit).observe({ entryTypes: ['gc'] })
}

const serve = async (flags: DaemonFlags): Promise<void> => {
  keepHeapSmall()
  const [{ createLogger }, { startDaemon }] = await Promise.all([
    import('../log.ts'),
    import('../daemon/daemon.ts'),
  ])
  const project = await projectOf(flags)
  const { logfile } = flags
  const pretty = logfile === undefined && process.stdout.isTTY === true
  const logOptions = { level: flags.loglevel, file: logfile && resolve(logfile), pretty }
  const logger = createLogger(logOptions)
  const starting = startDaemon({
    project,
    committed: await loadProject(process.cwd(), {}),
    envFiles: flags.variables.paths,
    reread: () => {
      flags.variables.apply()
      return readAnew(process.cwd(), { flags: settingsOf(flags) }, flags.readyTimeout * 1000)
    },
    log: logger.log,
    workers: flags.workers,
    listens: flags.listen,
    concurrency: flags.concurrency,
    development: flags.reload && flags.noreload !== true,
    typecheck: flags.typecheck === true,
    drainTimeout: flags.drainTimeout * 1000,
    readyTimeout: flags.readyTimeout * 1000,
    replayFailed: flags.replayfailed === true || flags.replayFailed === true,
    shutdownTimeout: flags.shutdownTimeout * 1000,
    killGrace: flags.killGrace * 1000,
    hangTimeout: flags.hangTimeout * 1000,
    lease: (flags.lease ?? project.settings.lease) * 1000,
    workerLog: logOptions,
    inspect: inspected(flags.inspect),
    version,
  })
  process.on('SIGUSR2', () => {
    logger.reopen()
    starting.then(
      (daemon) => daemon.reopenLogs(),
      () => {}, // Told where it is awaited.
    )
  })
  process.on('SIGHUP', () => {
    starting.then(
      (daemon) => daemon.hangUp(),
      () => {}, // Told where it is awaited.
    )
  })
  endOnSignals(starting, logger.flush)
  try {
    await starting
  } catch (error) {
    // On a terminal the sentence on stderr is enough.
    if (!pretty)
      logger.log.fatal(error instanceof ZtaskError ? error.toJSON() : { err: error }, 'Not started')
    logger.flush()
    throw error
  }
}

/** The convention of shells: 128 and the signal's number. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const

type Ending = 'SIGINT' | 'SIGTERM'

/**
 * The first signal drains and exits 0, or 1 where an outcome could not be stored. A second one, or one before the daemon serves (an onLoad may take for ever), cuts
 * what runs and exits 128 + its number.
 */
const endOnSignals = (
  starting: Promise<{ drain(signal: string): Promise<boolean>; kill(): Promise<void> }>,
  flush: () => void,
): void => {
  let daemon: Awaited<typeof starting> | undefined
  let ending = false
  starting.then(
    (started) => {
      daemon = started
    },
    () => {}, // Told where it is awaited.
  )
  const end = async (signal: Ending): Promise<void> => {
    const first = !ending
    ending = true
    if (first && daemon !== undefined) {
      const settled = await daemon.drain(signal)
      flush()
      process.exit(settled ? 0 : 1)
    }
    // Workers that are only starting end with this process.
    await daemon?.kill()
    flush()
    process.exit(EXIT_CODES[signal])
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void end(signal))
}
