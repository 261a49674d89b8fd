/** What the commands find in a database that no daemon serves. */
import { systemClock } from '../clock.ts'
import type { Project } from '../config.ts'
import { Commands, idleQueue } from '../daemon/commands.ts'
import { DaemonError } from '../model/errors.ts'
import type { Database } from '../store/database.ts'
import { migrate, refuseOlder } from '../store/migrate.ts'
import type { Verb } from '../wire/protocol.ts'
import { version } from './version.ts'

/** A list is asked for page by page. */
let told = false

interface Question {
  readonly verb: Verb
  readonly params: unknown
  /** It changes nothing. */
  readonly reading: boolean
}

/** @returns what the database says; throws what the command throws */
export const askDatabase = async (
  database: Database,
  { settings }: Project,
  { verb, params, reading }: Question,
): Promise<unknown> => {
  if (!told) process.stderr.write(`No daemon answers: this is what ${database.name} holds.\n`)
  told = true
  const store = await database.open()
  try {
    // A look changes nothing: an older ztask, whose daemon is to start again, would refuse what has been migrated.
    if (reading) await refuseOlder(store, database.name)
    else await migrate(store)
    const facts = {
      workers: [],
      generation: 0,
      generations: [],
      notReloaded: null,
      version,
      project: settings.project,
      database: database.name,
    }
    const commands = new Commands({
      store,
      clock: systemClock,
      queue: idleQueue,
      facts: () => facts,
      reload: () => Promise.reject(new DaemonError('No daemon runs here: there is no code to reload.')),
    })
    return await commands.run(verb, params)
  } catch (error) {
    throw database.explained(error as Error)
  } finally {
    await store.close()
  }
}
