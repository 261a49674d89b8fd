import { Pool } from './pool.js'

let pool: Pool | undefined

/** Runs in each worker before its first job, and again in the new workers after a reload: see ztask.config.ts. */
export const open = async (): Promise<void> => {
  pool = new Pool()
  await pool.connect()
}

/** Runs when a worker has ended its last job. */
export const close = async (): Promise<void> => {
  await pool?.end()
}

/** @returns the pool of this process */
export const database = (): Pool => {
  if (pool === undefined) throw new Error('There is no pool yet: open() has not run.')
  return pool
}
