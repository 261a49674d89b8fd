/**
 * How a command reaches the jobs: through the daemon where one runs, else in the database itself. The database's lock
 * tells which: whoever gets it knows that no daemon runs.
 */
import { close, connectionTo } from '../client/process.ts'
import type { Project } from '../config.ts'
import { DaemonUnavailableError } from '../model/errors.ts'
import { databaseOf } from '../store/database.ts'
import type { Verb } from '../wire/protocol.ts'
import { reachOf } from './flags.ts'
import type * as Offline from './offline.ts'

/** How long a command that changes jobs waits for another that does, ms. */
const LOCK_WAIT = 100
/** Verbs that only look: several may at once, and a daemon that does not answer does not stop them. */
const READING: readonly Verb[] = ['status', 'list', 'show']

/** Kysely takes 90 ms to load: where a daemon answers, nobody waits for it. */
const askDatabase: typeof Offline.askDatabase = async (...question) =>
  (await import('./offline.ts')).askDatabase(...question)

/**
 * @returns what the daemon answers, or what the database says where none runs
 * @throws what the command throws; DaemonUnavailableError where a daemon holds the database and does not answer
 */
export const ask = async (project: Project, verb: Verb, params: unknown): Promise<unknown> => {
  const { settings, root } = project
  const database = databaseOf(settings, root)
  const reading = READING.includes(verb)
  const lock = database.exists()
    ? await database.takeLock(reading ? 0 : LOCK_WAIT, reading ? 'shared' : 'exclusive')
    : undefined
  if (lock !== undefined) {
    try {
      return await askDatabase(database, project, { verb, params, reading })
    } finally {
      lock.release()
    }
  }
  try {
    return await askDaemon(project, verb, params)
  } catch (error) {
    const readable = error instanceof DaemonUnavailableError && reading && database.exists()
    if (!readable) throw error
    return await askDatabase(database, project, { verb, params, reading })
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
