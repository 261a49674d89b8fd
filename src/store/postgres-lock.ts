/**
 * Whether any daemon of a schema runs: an advisory lock of a session, which daemons hold together and a command that is to be alone does
 * not get then. The server frees it with its connection.
 */
import pg from 'pg'
import type { DatabaseLock, LockKind } from './lock.ts'
import type { PostgresOptions } from './postgres.ts'

const TRY: Readonly<Record<LockKind, string>> = {
  exclusive: 'pg_try_advisory_lock',
  shared: 'pg_try_advisory_lock_shared',
}
/** How long it waits before it tries again, ms. */
const PAUSE = 50

/** @returns the lock, or `undefined` where another process holds it for longer than `wait` ms */
export const takeServerLock = async (
  { url, schema }: PostgresOptions,
  wait: number,
  kind: LockKind = 'exclusive',
): Promise<DatabaseLock | undefined> => {
  const client = new pg.Client({ connectionString: url, application_name: 'ztask lock', keepAlive: true })
  client.on('error', () => {})
  await client.connect()
  const until = performance.now() + wait
  try {
    for (;;) {
      const { rows } = await client.query(`select ${TRY[kind]}(hashtextextended($1, 0)) as taken`, [
        `ztask ${schema}`,
      ])
      if (rows[0]?.taken === true) return { release: () => void client.end() }
      if (performance.now() >= until) break
      await new Promise((resolve) => setTimeout(resolve, PAUSE))
    }
  } catch (error) {
    await client.end()
    throw error
  }
  await client.end()
  return undefined
}
