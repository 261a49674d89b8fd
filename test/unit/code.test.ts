/** What the daemon knows of the code: its files, its faults, what only a restart changes. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadProject } from '../../src/config.ts'
import { loadFault } from '../../src/daemon/code/fault.ts'
import { Graph } from '../../src/daemon/code/graph.ts'
import { needRestart } from '../../src/daemon/code/restart.ts'
import { Tickets } from '../../src/daemon/code/tickets.ts'

describe('a fault of code that does not load', () => {
  let root: string
  beforeEach(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'ztask-fault-')))
    mkdirSync(join(root, 'node_modules/dep'), { recursive: true })
    writeFileSync(join(root, 'a.ts'), 'first\n\tthird(x)\n')
    writeFileSync(join(root, 'node_modules/dep/index.js'), 'x\n')
  })
  afterEach(() => rmSync(root, { recursive: true }))

  const fault = (message: string, stack: string, name = 'TypeError') =>
    loadFault({ name, message, stack }, root)

  test('shows the first line that is the project’s own, and the way there', () => {
    const stack = `TypeError: x\n    at dep (${root}/node_modules/dep/index.js:1:1)\n    at load (file://${root}/a.ts?tsx=1:2:8)\n    at node:internal/modules/esm/loader:1:1`
    expect(fault('x', stack)).toBe(
      `a.ts:2:8: TypeError: x\n  2 | \tthird(x)\n    | \t      ^\n  at load (file://${root}/a.ts?tsx=1:2:8)`,
    )
  })

  test('says what esbuild says, at its place', () => {
    const message = `Transform failed with 1 error:\n${root}/a.ts:2:0: ERROR: Expected ")" but found end of file`
    expect(
      fault(
        message,
        `Error: ${message}\n    at failureErrorWithLog (${root}/node_modules/esbuild/main.js:1:1)`,
      ),
    ).toBe(`a.ts:2:1: SyntaxError: Expected ")" but found end of file\n  2 | \tthird(x)\n    | ^`)
  })

  test('knows the places of Node’s own parser, which have no column', () => {
    expect(
      fault(
        'Unexpected token',
        `file://${root}/a.ts:1\nfirst\n^\n\nSyntaxError: Unexpected token`,
        'SyntaxError',
      ),
    ).toBe('a.ts:1:1: SyntaxError: Unexpected token\n  1 | first\n    | ^')
  })

  test('is the stack where no line is the project’s, and a sentence where a module is missing', () => {
    expect(fault('x', 'TypeError: x\n    at node:fs:1:1')).toBe('TypeError: x\n    at node:fs:1:1')
    expect(fault('x', `TypeError: x\n    at ${root}/gone.ts:1:1`)).toContain('gone.ts:1:1')
    expect(fault("Cannot find package 'no' imported from /x.ts", 'Error', 'Error')).toMatch(
      /Put it back or install it/,
    )
  })
})

test('the graph knows the files of each generation that counts; of none that has spoken, any', () => {
  const graph = new Graph()
  expect(graph.has('/a')).toBe(true)
  graph.add(1, ['/a', '/b'])
  graph.add(2, ['/c'])
  expect(['/a', '/b', '/c', '/d'].map((file) => graph.has(file))).toEqual([true, true, true, false])
  graph.renewed(2)
  expect(['/a', '/c'].map((file) => graph.has(file))).toEqual([false, true])
})

test('settings that a daemon reads at its start only are told with the reason, the others are not', async () => {
  const settings = async (env: Record<string, string>) => (await loadProject(tmpdir(), env)).settings
  const before = await settings({})
  const live = { ZTASKD_RETRY_COUNT: '1', ZTASKD_ON_LOAD: './a.ts#b', ZTASKD_DISABLED: 'true' }
  expect(needRestart(before, await settings(live))).toEqual([])
  expect(
    needRestart(before, await settings({ ZTASKD_MAX_PAYLOAD: '7', ZTASKD_DATABASE: 'sqlite:x.db' })),
  ).toEqual([
    'database is now "sqlite:x.db", which needs a restart of the daemon: it holds the other database, with its jobs.',
    'maxPayload is now 7, which needs a restart of the daemon: its door was opened with the other bound.',
  ])
})

test('a reload that was asked for is told by its ticket: under way, ended, failed', async () => {
  const tickets = new Tickets()
  const work = Promise.withResolvers<number>()
  const slow = tickets.begin(work.promise)
  expect(await tickets.look(slow)).toEqual({ ticket: slow, state: 'reloading' })
  work.resolve(7)
  expect(await tickets.look(slow)).toEqual({ ticket: slow, state: 'reloaded', generation: 7 })
  const bad = tickets.begin(Promise.reject(new Error('broken')))
  expect(await tickets.look(bad)).toEqual({ ticket: bad, state: 'failed', message: 'broken' })
  await expect(tickets.look(99)).rejects.toThrow('There is no reload 99')
})
