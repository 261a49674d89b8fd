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

/** After how long a lock is taken again whose connection was lost, ms. */
const AGAIN = 500

/** @returns the lock, or `undefined` where another process holds it for longer than `wait` ms */
export const takeServerLock = async (
  options: PostgresOptions,
  wait: number,
  kind: LockKind = 'exclusive',
): Promise<DatabaseLock | undefined> => {
  const first = await take(options, wait, kind)
  if (first === undefined) return undefined
  let held: pg.Client | undefined
  let isReleased = false
  const hold = (client: pg.Client): void => {
    held = client
    client.once('end', () => void again())
  }
  /** Who takes it alone meanwhile keeps it: he is short, and what he writes is fenced. */
  const again = async (): Promise<void> => {
    held = undefined
    while (!isReleased) {
      await new Promise((resolve) => setTimeout(resolve, AGAIN).unref())
      const client = isReleased ? undefined : await take(options, 0, kind).catch(() => undefined)
      if (client !== undefined && isReleased) return void client.end()
      if (client !== undefined) return hold(client)
    }
  }
  hold(first)
  return {
    release: () => {
      isReleased = true
      void held?.end()
    },
  }
}

const take = async (
  { url, schema }: PostgresOptions,
  wait: number,
  kind: LockKind,
): Promise<pg.Client | undefined> => {
  const client = new pg.Client({ connectionString: url, application_name: 'ztask lock', keepAlive: true })
  client.on('error', () => {})
  await client.connect()
  const until = performance.now() + wait
  try {
    for (;;) {
      const { rows } = await client.query(`select ${TRY[kind]}(hashtextextended($1, 0)) as taken`, [
        `ztask ${schema}`,
      ])
      if (rows[0]?.taken === true) return client
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
