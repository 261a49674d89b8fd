import type { Command } from 'commander'
import { DatabaseLockedError } from '../model/errors.ts'
import { databaseOf } from '../store/database.ts'
import type { MigrationState } from '../store/store.ts'
import { type ProjectFlags, projectOf, withProjectFlags } from './flags.ts'
import { printJson, printTable } from './print.ts'

type Flags = ProjectFlags & { list?: boolean; fake?: string; json?: boolean }

/** `ztask migrate [--list] [--fake NAME]`; the daemon migrates an embedded database by itself when it starts. */
export const addMigrate = (program: Command): void => {
  withProjectFlags(program.command('migrate'))
    .description('bring the database to this version')
    .option('--list', 'show the migrations, and change nothing')
    .option('--fake <name>', 'mark one as applied without running it')
    .option('--json', 'with --list: as JSON')
    .action(async (flags: Flags) => {
      const [{ settings, root }, { fakeMigration, listMigrations, migrate, NONE_APPLIED }] =
        await Promise.all([projectOf(flags), import('../store/migrate.ts')])
      const database = databaseOf(settings, root)
      // A look must not make the database.
      if (flags.list && !database.exists()) return show(NONE_APPLIED, flags.json === true)
      const lock = flags.list ? undefined : await database.takeLock(1000)
      if (lock === undefined && !flags.list)
        throw new DatabaseLockedError(`${database.name} is held by a daemon. Stop it first.`, {
          file: database.name,
        })
      const store = await database.open()
      try {
        if (flags.list) show(await listMigrations(store), flags.json === true)
        else if (flags.fake !== undefined)
          process.stdout.write(`marked as applied: ${await fakeMigration(store, flags.fake)}\n`)
        else {
          const applied = await migrate(store)
          process.stdout.write(
            applied.length === 0 ? 'nothing to apply\n' : `applied: ${applied.join(', ')}\n`,
          )
        }
      } catch (error) {
        throw database.explained(error as Error)
      } finally {
        await store.close()
        lock?.release()
      }
    })
}

const show = (states: readonly MigrationState[], json: boolean): void => {
  if (json) printJson(states)
  else printTable(states.map(({ name, applied }) => [applied ? '[x]' : '[ ]', name]))
}
