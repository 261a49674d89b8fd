/** Numbered migrations, applied in order by Kysely's own migrator. */
import type { Kysely } from 'kysely'
import { migrations } from '../../migrations/index.ts'
import { ConfigError, DatabaseError, DatabaseTooNewError } from '../model/errors.ts'
import { masked } from '../model/masked.ts'
import { Migrator, NO_MIGRATIONS } from './kysely.ts'
import type { Schema } from './schema.ts'
import type { MigrationState } from './store.ts'

const TABLE = 'ztask_migrations'

const migratorOf = (db: Kysely<Schema>): Migrator =>
  new Migrator({
    db,
    provider: { getMigrations: async () => migrations },
    migrationTableName: TABLE,
    migrationLockTableName: `${TABLE}_lock`,
  })

interface Applied {
  readonly [TABLE]: { name: string; timestamp: string }
}

const appliedNames = async (db: Kysely<Schema>): Promise<string[]> => {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true })
  if (!tables.some(({ name }) => name === TABLE)) return []
  const rows = await (db as unknown as Kysely<Applied>).selectFrom(TABLE).select('name').execute()
  return rows.map(({ name }) => name)
}

/** @throws DatabaseTooNewError where the database has a migration that this version does not know */
const refuseNewer = async (db: Kysely<Schema>): Promise<void> => {
  const unknown = (await appliedNames(db)).filter((name) => !(name in migrations))
  if (unknown.length > 0)
    throw new DatabaseTooNewError(
      `The database has been migrated by a newer ztask (${unknown.join(', ')}). Update ztask, or use another database.`,
      { unknown },
    )
}

/**
 * Applies what has not been applied.
 *
 * @returns the names of those applied now
 * @throws DatabaseTooNewError, or the database's own error
 */
export const migrate = async (db: Kysely<Schema>): Promise<readonly string[]> => {
  await refuseNewer(db)
  const { error, results } = await migratorOf(db).migrateToLatest()
  if (error !== undefined) throw error
  return (results ?? []).map(({ migrationName }) => migrationName)
}

/** Every migration, in order, where there is no database yet. */
export const NONE_APPLIED: readonly MigrationState[] = Object.keys(migrations).map((name) => ({
  name,
  applied: false,
}))

/** @returns every migration, in order, with whether it has been applied. */
export const listMigrations = async (db: Kysely<Schema>): Promise<readonly MigrationState[]> => {
  await refuseNewer(db)
  const applied = new Set(await appliedNames(db))
  return Object.keys(migrations).map((name) => ({ name, applied: applied.has(name) }))
}

/** @throws DatabaseError where the database lacks a migration, DatabaseTooNewError where it has an unknown one */
export const refuseOlder = async (db: Kysely<Schema>, file: string): Promise<void> => {
  const missing = (await listMigrations(db)).filter(({ applied }) => !applied).map(({ name }) => name)
  if (missing.length > 0)
    throw new DatabaseError(
      `The database ${masked(file)} lacks ${missing.join(', ')}: it was made by an older ztask. Copy it, then run npx ztask migrate, or start the daemon.`,
      { file: masked(file) },
    )
}

/**
 * Marks a migration as applied without running it, for a database that already has the change.
 *
 * @param wanted its name, or the number that begins it
 * @throws ConfigError where no migration has this name, it has been applied, or one before it has not
 */
export const fakeMigration = async (db: Kysely<Schema>, wanted: string): Promise<string> => {
  const states = await listMigrations(db)
  const state = states.find(({ name }) => name === wanted || name.split('_')[0] === wanted)
  if (state === undefined)
    throw new ConfigError(`No migration '${wanted}'. They are: ${Object.keys(migrations).join(', ')}.`, {
      wanted,
    })
  if (state.applied)
    throw new ConfigError(`Migration ${state.name} has been applied already: there is nothing to mark.`, {
      name: state.name,
    })
  const next = states.find(({ applied }) => !applied)
  if (next !== undefined && next !== state)
    throw new ConfigError(
      `Migration ${next.name} comes before ${state.name} and has not been applied. Run ztask migrate, or mark that one first.`,
      {
        name: state.name,
        next: next.name,
      },
    )
  // Migrating "to none" only makes the migrator's own tables, where they are not there yet.
  if ((await appliedNames(db)).length === 0) await migratorOf(db).migrateTo(NO_MIGRATIONS)
  await (db as unknown as Kysely<Applied>)
    .insertInto(TABLE)
    .values({ name: state.name, timestamp: new Date().toISOString() })
    .execute()
  return state.name
}
