/** The bare pipeline, a script that is given by its path, as a contestant of two scenarios. */
import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'

const CHECKOUT = resolve(import.meta.dirname, '..')
export const PIPELINE = 'bare pipeline'
/** The share of its speed that the whole system reaches. */
export const SHARE = 0.8

/** @returns jobs a second, end to end */
export const runPipeline = async (file: string, jobs: number, inFlight: number): Promise<number> => {
  const argv = [resolve(file), `${jobs}`, `${inFlight}`]
  const { stdout } = await promisify(execFile)(process.execPath, argv, { cwd: CHECKOUT })
  return (JSON.parse(stdout) as { e2e: number }).e2e
}
