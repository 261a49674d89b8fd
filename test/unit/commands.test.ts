/** What the commands cost the daemon that answers them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { Commands, idleQueue } from '../../src/daemon/commands.ts'
import type { NewJob } from '../../src/model/job.ts'
import { migrate } from '../../src/store/migrate.ts'
import { SqliteStore } from '../../src/store/sqlite.ts'

let folder: string
let store: SqliteStore
let commands: Commands

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ztask-commands-'))
  store = new SqliteStore(join(folder, 'ztask.db'))
  await migrate(store.kysely)
  commands = new Commands({ store, clock: systemClock, queue: idleQueue, facts: () => ({}) })
})

afterEach(async () => {
  await store.close()
  rmSync(folder, { recursive: true })
})

const insert = (count: number, more: Partial<NewJob> = {}) => {
  const job: Omit<NewJob, 'id'> = { task: 't', args: '[]', due: 1, created: 1, state: 'queued', reason: null }
  const jobs = Array.from({ length: count }, (_, index) => ({ ...job, ...more, id: `${index}` }))
  return store.commit({ insert: jobs, save: [], remove: [] })
}

/** How often the event loop came round, and so would have served others, until a promise resolved. */
const turnsOf = async (work: Promise<unknown>): Promise<number> => {
  let turns = 0
  let going = true
  void work.finally(() => {
    going = false
  })
  while (going) {
    await setImmediate()
    turns++
  }
  await work
  return turns
}

test('of many jobs that are changed, others are served between one and the next', async () => {
  await insert(100)
  const ids = Array.from({ length: 100 }, (_, index) => `${index}`)
  for (const verb of ['retry', 'cancel', 'delete'] as const)
    expect(await turnsOf(commands.run(verb, { ids }))).toBeGreaterThanOrEqual(100)
})
