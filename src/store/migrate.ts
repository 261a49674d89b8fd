/** Numbered migrations, applied in order by Kysely's own migrator. */
import type { Kysely } from 'kysely'
import { migrations } from '../../migrations/index.ts'
import { ConfigError, DatabaseError, DatabaseTooNewError } from '../model/errors.ts'
import { Migrator, NO_MIGRATIONS, sql } from './kysely.ts'
import type { Schema } from './schema.ts'
import type { MigrationState } from './store.ts'

const TABLE = 'ztask_migrations'

/** What has migrations. */
export interface Migrated {
  readonly kysely: Kysely<Schema>
  /** In which the tables are, where a database has several. */
  readonly schema?: string
}

const migratorOf = ({ kysely: db, schema }: Migrated): Migrator =>
  new Migrator({
    db,
    provider: { getMigrations: async () => migrations },
    migrationTableName: TABLE,
    migrationLockTableName: `${TABLE}_lock`,
    ...(schema !== undefined && { migrationTableSchema: schema }),
  })

interface Applied {
  readonly [TABLE]: { name: string; timestamp: string }
}

/** Not by Kysely's introspection: of a server it reads all schemas, and fails where another is just being dropped. */
const isThere = async (db: Kysely<Schema>, schema: string | undefined): Promise<boolean> => {
  const { rows } =
    schema === undefined
      ? await sql`select 1 from sqlite_schema where name = ${TABLE}`.execute(db)
      : await sql`select 1 from pg_tables where schemaname = ${schema} and tablename = ${TABLE}`.execute(db)
  return rows.length > 0
}

const appliedNames = async ({ kysely: db, schema }: Migrated): Promise<string[]> => {
  if (!(await isThere(db, schema))) return []
  const rows = await (db as unknown as Kysely<Applied>).selectFrom(TABLE).select('name').execute()
  return rows.map(({ name }) => name)
}

/** @throws DatabaseTooNewError where the database has a migration that this version does not know */
const refuseNewer = async (db: Migrated): Promise<void> => {
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
export const migrate = async (db: Migrated): Promise<readonly string[]> => {
  // Who has no right to change tables, and finds them changed, needs none.
  if ((await listMigrations(db)).every(({ applied }) => applied)) return []
  await makeSchema(db)
  const { error, results } = await migratorOf(db).migrateToLatest()
  if (error !== undefined) throw error
  return (results ?? []).map(({ migrationName }) => migrationName)
}

/** Any number that nobody else locks by: 'ztask' in ASCII. */
const SCHEMA_LOCK = 0x7a7461736b

/** One after the other: of two that make it at once the second would fail. */
const makeSchema = async ({ kysely, schema }: Migrated): Promise<void> => {
  if (schema === undefined) return
  await kysely.transaction().execute(async (one) => {
    await sql`select pg_advisory_xact_lock(${SCHEMA_LOCK})`.execute(one)
    const { rows } = await sql`select 1 from pg_namespace where nspname = ${schema}`.execute(one)
    if (rows.length === 0) await one.schema.createSchema(schema).execute()
  })
}

/** Every migration, in order, where there is no database yet. */
export const NONE_APPLIED: readonly MigrationState[] = Object.keys(migrations).map((name) => ({
  name,
  applied: false,
}))

/** @returns every migration, in order, with whether it has been applied. */
export const listMigrations = async (db: Migrated): Promise<readonly MigrationState[]> => {
  await refuseNewer(db)
  const applied = new Set(await appliedNames(db))
  return Object.keys(migrations).map((name) => ({ name, applied: applied.has(name) }))
}

/** @throws DatabaseError where the database lacks a migration, DatabaseTooNewError where it has an unknown one */
export const refuseOlder = async (db: Migrated, file: string): Promise<void> => {
  const missing = (await listMigrations(db)).filter(({ applied }) => !applied).map(({ name }) => name)
  if (missing.length > 0)
    throw new DatabaseError(
      `The database ${file} lacks ${missing.join(', ')}: it was made by an older ztask. Copy it, then run npx ztask migrate, or start the daemon.`,
      { file },
    )
}

/**
 * Marks a migration as applied without running it, for a database that already has the change.
 *
 * @param wanted its name, or the number that begins it
 * @throws ConfigError where no migration has this name, it has been applied, or one before it has not
 */
export const fakeMigration = async (db: Migrated, wanted: string): Promise<string> => {
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
  if ((await appliedNames(db)).length === 0) {
    await makeSchema(db)
    await migratorOf(db).migrateTo(NO_MIGRATIONS)
  }
  await (db.kysely as unknown as Kysely<Applied>)
    .insertInto(TABLE)
    .values({ name: state.name, timestamp: new Date().toISOString() })
    .execute()
  return state.name
}
