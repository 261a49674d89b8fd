/**
 * How a command reaches the jobs: through the daemon where one runs, else in the database itself. The database's lock
 * tells which: whoever gets it knows that no daemon runs.
 */
import { existsSync } from 'node:fs'
import { close, connectionTo } from '../client/process.ts'
import { systemClock } from '../clock.ts'
import type { Project } from '../config.ts'
import { Commands, idleQueue } from '../daemon/commands.ts'
import { DaemonError, DaemonUnavailableError } from '../model/errors.ts'
import { masked } from '../model/masked.ts'
import { takeLock } from '../store/lock.ts'
import { migrate, refuseOlder } from '../store/migrate.ts'
import { databaseFile, openStore } from '../store/open.ts'
import type { Verb } from '../wire/protocol.ts'
import { reachOf } from './flags.ts'
import { version } from './version.ts'

/** How long a command that changes jobs waits for another that does, ms. */
const LOCK_WAIT = 100
/** Verbs that only look: several may at once, and a daemon that does not answer does not stop them. */
const READING: readonly Verb[] = ['status', 'list', 'show']

/**
 * @returns what the daemon answers, or what the database says where none runs
 * @throws what the command throws; DaemonUnavailableError where a daemon holds the database and does not answer
 */
export const ask = async (project: Project, verb: Verb, params: unknown): Promise<unknown> => {
  const { settings, root } = project
  const file = databaseFile(settings.database, root)
  const reading = READING.includes(verb)
  const lock = existsSync(file)
    ? takeLock(file, reading ? 0 : LOCK_WAIT, reading ? 'shared' : 'exclusive')
    : undefined
  if (lock !== undefined) {
    try {
      return await askDatabase(file, project, verb, params)
    } finally {
      lock.release()
    }
  }
  try {
    return await askDaemon(project, verb, params)
  } catch (error) {
    const readable = error instanceof DaemonUnavailableError && reading && existsSync(file)
    if (!readable) throw error
    return await askDatabase(file, project, verb, params)
  }
}

/**
 * Asks the daemon alone, whatever the database on this machine is.
 *
 * @throws DaemonUnavailableError where none answers
 */
export const askDaemon = async (project: Project, verb: Verb, params: unknown): Promise<unknown> => {
  try {
    return await connectionTo(reachOf(project)).ask(verb, params)
  } finally {
    close()
  }
}

/** A list is asked for page by page. */
let told = false

const askDatabase = async (
  file: string,
  { settings }: Project,
  verb: Verb,
  params: unknown,
): Promise<unknown> => {
  if (!told) process.stderr.write(`No daemon answers: this is what ${masked(file)} holds.\n`)
  told = true
  const store = openStore(file)
  try {
    // A look changes nothing: an older ztask, whose daemon is to start again, would refuse what has been migrated.
    if (READING.includes(verb)) await refuseOlder(store.kysely, file)
    else await migrate(store.kysely)
    const facts = {
      workers: [],
      generation: 0,
      generations: [],
      notReloaded: null,
      version,
      project: settings.project,
      database: masked(file),
    }
    const commands = new Commands({
      store,
      clock: systemClock,
      queue: idleQueue,
      facts: () => facts,
      reload: () => Promise.reject(new DaemonError('No daemon runs here: there is no code to reload.')),
    })
    return await commands.run(verb, params)
  } finally {
    await store.close()
  }
}
