/** What the commands cost the daemon that answers them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { Commands, idleQueue, type JobView } from '../../src/daemon/commands.ts'
import type { Job, NewJob } from '../../src/model/job.ts'
import { migrate } from '../../src/store/migrate.ts'
import { SqliteStore } from '../../src/store/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import type { Page } from '../../src/wire/ask.ts'
import { newJobOf } from '../harness/jobs.ts'

const OTHERS = { facts: () => ({}), reload: () => Promise.reject(new Error('not here')) }

let folder: string
let store: SqliteStore
let commands: Commands
let running: readonly Job[]

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ztask-commands-'))
  store = new SqliteStore(join(folder, 'ztask.db'))
  await migrate(store)
  running = []
  const queue = { ...idleQueue, running: () => running }
  commands = new Commands({ store, clock: systemClock, queue, ...OTHERS })
})

afterEach(async () => {
  await store.close()
  rmSync(folder, { recursive: true })
})

const insert = async (count: number, more: Partial<NewJob> = {}) => {
  const jobs = Array.from({ length: count }, (_, at) => newJobOf(`${at}`, { due: 1, created: 1, ...more }))
  return (await store.commit({ insert: jobs, save: [], remove: [] })).inserted
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

test('of a list that looks through many jobs, others are served meanwhile', async () => {
  await insert(20_000)
  await insert(1, { id: 'one', task: 'rare', due: 2 })
  for (const params of [{ task: 'nothing' }, { since: 2 }, { task: 'nothing', state: 'waiting' }])
    expect(await turnsOf(commands.run('list', params))).toBeGreaterThanOrEqual(10)
  expect(await commands.run('list', { task: 'rare' })).toMatchObject([{ id: 'one' }])
})

test('jobs that are too large to be listed together are refused with the cure, before they fill the memory', async () => {
  await insert(5, { args: `["${'x'.repeat(2 ** 19)}"]` })
  await expect(commands.run('list', {})).rejects.toThrow(
    'These jobs are more than 1 MB together. List fewer (limit), or one (ztask show ID), or page by page as ztask list does: docs/wire.md.',
  )
  expect(await commands.run('list', { limit: 2 })).toHaveLength(2)
})

test('a cancel that cannot read the job a second time puts it back', async () => {
  await insert(1)
  let reads = 0
  const failing: Store = Object.create(store, {
    find: {
      value: async (id: string) => {
        if (++reads === 2) throw new Error('disk I/O error')
        return store.find(id)
      },
    },
  })
  const restored: string[] = []
  const queue = { ...idleQueue, restored: ({ id }: Job) => void restored.push(id) }
  const over = new Commands({ store: failing, clock: systemClock, queue, ...OTHERS })
  await expect(over.run('cancel', { ids: ['0'] })).rejects.toThrow('disk I/O error')
  expect(restored).toEqual(['0'])
})

describe('page by page', () => {
  const pagesOf = async (params: object): Promise<string[][]> => {
    const pages: string[][] = []
    for (let after: string | null | undefined; after !== null; ) {
      const page = (await commands.run('list', { ...params, page: true, after })) as Page<JobView>
      pages.push(page.jobs.map(({ id }) => id))
      after = page.next
    }
    return pages
  }

  test('a list has every job once, in its order, whatever the states, and no page is large', async () => {
    const args = `["${'x'.repeat(100_000)}"]`
    await insert(7, { args })
    for (const [state, count] of [
      ['held', 4],
      ['failed', 3],
    ] as const)
      await store.commit({
        ...{ save: [], remove: [] },
        insert: Array.from({ length: count }, (_, at) =>
          newJobOf(`${state}${at}`, { args, due: 1, created: 1, state }),
        ),
      })
    const pages = await pagesOf({ limit: 10_000 })
    expect(pages.flat()).toEqual([
      ...Array.from({ length: 7 }, (_, at) => `${at}`),
      ...Array.from({ length: 4 }, (_, at) => `held${at}`),
      ...Array.from({ length: 3 }, (_, at) => `failed${at}`),
    ])
    expect(Math.max(...pages.map(({ length }) => length))).toBe(3)
    expect((await pagesOf({ state: 'held' })).flat()).toEqual(['held0', 'held1', 'held2', 'held3'])
    expect(await pagesOf({ state: 'waiting', limit: 2 })).toEqual([['0', '1'], ['2', '3'], ['4', '5'], ['6']])
    running = [...(await store.list({ state: 'queued', limit: 3 }))].toReversed()
    expect(await pagesOf({ state: 'running', limit: 2 })).toEqual([['0', '1'], ['2']])
  })

  test('where the next page begins is refused where it is none', async () => {
    for (const after of ['', 'queued:1', 'queued:1:1', 'queued:0:1:x', 'queued:0:1:1:1', 'all:0:1:1', 7])
      await expect(commands.run('list', { page: true, after })).rejects.toThrow('The after of an ask must be')
  })
})
