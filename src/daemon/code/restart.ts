/** Settings that a daemon reads once, at its start: a change of one is told, with the reason. */
import { isDeepStrictEqual } from 'node:util'
import { masked } from '../../model/masked.ts'
import type { Settings } from '../../settings.ts'

const FIXED: Partial<Readonly<Record<keyof Settings, string>>> = {
  bind: 'its socket is bound',
  url: 'its socket is bound',
  keys: 'its socket has the keys of its start',
  database: 'it holds the other database, with its jobs',
  schema: 'it holds the other tables, with their jobs',
  lease: 'the others count it by the other, and it them',
  project: 'it keeps the jobs of the other project, whose clients it serves',
  maxPayload: 'its door was opened with the other bound',
  maxBatch: 'its door was opened with the other bound',
  callTimeout: 'it remembers ended jobs for twice the other',
}

/** @returns a sentence for each change that the daemon cannot follow */
export const needRestart = (before: Settings, now: Settings): string[] =>
  (Object.keys(FIXED) as (keyof Settings)[])
    .filter((key) => !isDeepStrictEqual(before[key], now[key]))
    .map(
      (key) =>
        `${key} is now ${masked(JSON.stringify(now[key]))}, which needs a restart of the daemon: ${FIXED[key]}.`,
    )
