/** Before all tests: what their processes share: a folder for what generate wrote for them, and a PostgreSQL server. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { PostgresServer } from './postgres.ts'

declare module 'vitest' {
  interface ProvidedContext {
    generated: string
    /** The address of a server. */
    postgres: string
  }
}

/** What tests have left on a server that stays. */
const dropSchemas = async (): Promise<void> => {
  const client = new pg.Client({ connectionString: process.env.ZTASK_TEST_POSTGRES_URL as string })
  await client.connect()
  const { rows } = await client.query(
    "select nspname from pg_namespace where nspname like 'ztask\\_test\\_%'",
  )
  for (const { nspname } of rows) await client.query(`drop schema ${pg.escapeIdentifier(nspname)} cascade`)
  await client.end()
}

export default async ({ provide }: TestProject): Promise<() => Promise<void>> => {
  const folder = mkdtempSync(`${tmpdir()}/ztask-generated-`)
  provide('generated', folder)
  const own = process.env.ZTASK_TEST_POSTGRES_URL === undefined ? await PostgresServer.start() : undefined
  provide('postgres', own?.url ?? (process.env.ZTASK_TEST_POSTGRES_URL as string))
  return async () => {
    if (own === undefined) await dropSchemas()
    else await own.stop()
    rmSync(folder, { recursive: true })
  }
}
