/** The bench says what it measured and what was asked; how fast that is, no test asserts. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Contestant } from '../../bench/contestant.ts'
import { judge, type Line, type Participant, tableOf } from '../../bench/report.ts'
import type { Bar, Measure } from '../../bench/scenario.ts'
import { REPOSITORY } from '../harness/process.ts'

test('our own scenarios, small: a table with the bars, and the same as JSON', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ztask-bench-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const json = join(folder, 'found.json')
  const argv = ['bench/main.ts', '--small', '--only', 'S1,S2,S3,S4', '--json', json]
  const { stdout } = await promisify(execFile)(process.execPath, argv, { cwd: REPOSITORY })
  for (const title of ['S1 enqueue, /s', 'S2 bulk, /s', 'S3 drain, /s', 'S4 end to end, /s'])
    expect(stdout).toMatch(new RegExp(`^\\| ${title} \\| [\\d,]+ \\| ≥ [\\d,]+ \\(.*\\) \\| .*hold`, 'm'))
  const { found, contestants } = JSON.parse(readFileSync(json, 'utf8'))
  expect(contestants).toMatchObject([{ name: 'ztask', isDurable: true }])
  expect(found).toHaveLength(4)
  for (const { figures, verdict } of found) {
    expect(figures.ztask[0]).toBeGreaterThan(0)
    expect(verdict.found).toBe(figures.ztask[0])
  }
})

describe('a bar', () => {
  const participant = (name: string, isDurable: boolean): Participant => ({
    contestant: { name, isDurable } as Contestant,
    versions: '1',
  })
  const PEERS = [participant('slow', true), participant('quick', true), participant('careless', false)]
  const lineOf = (better: Measure['better'], bar: Bar, figures: Record<string, number[]>): Line => ({
    measure: { title: 'S', unit: '/s', better, digits: 0, bar },
    figures: new Map(Object.entries(figures)),
  })

  test('is taken from the best peer whose acknowledgements are durable', () => {
    const figures = { us: [390, 410, 200], slow: [50], quick: [90, 100, 110], careless: [1000] }
    expect(judge(lineOf('more', { times: 4 }, figures), PEERS, 'us')).toMatchObject({
      ...{ asked: 400, found: 390, holds: false, by: '4 × quick' },
    })
    expect(judge(lineOf('more', { times: 3.9 }, figures), PEERS, 'us')?.holds).toBe(true)
    const late = { us: [49], slow: [100], quick: [50], careless: [1] }
    expect(judge(lineOf('less', { times: 1 }, late), PEERS, 'us')).toMatchObject({ asked: 50, holds: true })
    expect(judge(lineOf('less', { absolute: 49 }, late), PEERS, 'us')?.holds).toBe(false)
  })

  test('is the reference where no peer takes part, and none where there is neither', () => {
    expect(judge(lineOf('more', { times: 2, reference: 10 }, { us: [20] }), [], 'us')).toMatchObject({
      ...{ asked: 20, holds: true, by: '2 × peers.md' },
    })
    expect(judge(lineOf('more', { times: 2 }, { us: [20] }), [], 'us')).toBeUndefined()
  })

  test('stands beside the medians and ranges of all', () => {
    const line = lineOf('more', { times: 2 }, { us: [1000, 3000, 2000], quick: [900] })
    const table = tableOf([line], [participant('us', true), ...PEERS.slice(1, 2)], 'us')
    expect(table.split('\n').at(-1)).toBe(
      '| S, /s | 2,000 (1,000–3,000) | 900 | ≥ 1,800 (2 × quick) | holds |',
    )
  })
})
