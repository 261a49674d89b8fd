/** Every migration, in the order in which they are applied. A released one is never changed: a new one follows it. */
import type { Migration } from 'kysely/migration'
import * as jobs from './0001_jobs.ts'
import * as nodes from './0002_nodes.ts'
import * as runs from './0003_runs.ts'
import * as results from './0004_results.ts'
import * as priority from './0005_priority.ts'
import * as claims from './0006_claims.ts'

export const migrations: Readonly<Record<string, Migration>> = {
  '0001_jobs': jobs,
  '0002_nodes': nodes,
  '0003_runs': runs,
  '0004_results': results,
  '0005_priority': priority,
  '0006_claims': claims,
}
