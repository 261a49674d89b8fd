/**
 * This commit against an earlier one: the bench's own scenarios in alternating runs, and the ratio of each pair.
 *
 * Run: npm run bench:pairs -- COMMIT [--only S1,S2,S3,S4,S5] [--pairs 15]
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { median } from './statistics.ts'

const CHECKOUT = resolve(import.meta.dirname, '..')
/** The lower end of the interval is not to be below it. */
const ASKED = 0.95

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', default: 'S1,S2,S3,S4,S5' },
    pairs: { type: 'string', default: '15' },
  },
})
const [commit] = positionals
if (commit === undefined) throw new Error('Name the commit to compare with: npm run bench:pairs -- COMMIT')

interface Found {
  readonly title: string
  readonly better: 'more' | 'less'
  readonly figures: Readonly<Record<string, readonly number[]>>
}

const top = mkdtempSync(join(tmpdir(), 'ztask-pairs-'))
const other = join(top, 'other')

/** @returns the figures of one run, by title; of those where less is better the inverse: more is always faster */
const run = (checkout: string): Map<string, number> => {
  const json = join(top, 'found.json')
  const argv = [
    'bench/main.ts',
    '--runs',
    '1',
    '--only',
    flags.only,
    '--contestants',
    'ztask',
    '--json',
    json,
  ]
  execFileSync(process.execPath, argv, { cwd: checkout, stdio: ['ignore', 'ignore', 'inherit'] })
  const { found } = JSON.parse(readFileSync(json, 'utf8')) as { found: readonly Found[] }
  return new Map(
    found.map(({ title, better, figures }) => {
      const figure = figures.ztask?.[0] ?? Number.NaN
      return [title, better === 'more' ? figure : 1 / figure]
    }),
  )
}

/**
 * The distribution-free interval of a median: the order statistics between which it lies with 95% (the sign test's).
 *
 * @returns its lower and upper end
 */
const interval = (values: readonly number[]): [number, number] => {
  const sorted = values.toSorted((a, b) => a - b)
  const n = sorted.length
  let tail = 0
  let choose = 1
  let out = 0
  for (; out < n / 2; out++) {
    tail += choose / 2 ** n
    if (tail > 0.025) break
    choose = (choose * (n - out)) / (out + 1)
  }
  const from = Math.max(0, out - 1)
  return [sorted[from] ?? Number.NaN, sorted[n - 1 - from] ?? Number.NaN]
}

try {
  execFileSync('git', ['clone', '-q', CHECKOUT, other])
  execFileSync('git', ['checkout', '-q', commit], { cwd: other })
  symlinkSync(join(CHECKOUT, 'node_modules'), join(other, 'node_modules'))
  execFileSync('npm', ['run', '-s', 'build'], { cwd: other, stdio: 'inherit' })
  const ratios = new Map<string, number[]>()
  for (let pair = 0; pair < Number(flags.pairs); pair++) {
    const order = pair % 2 === 0 ? [CHECKOUT, other] : [other, CHECKOUT]
    const runs = new Map(order.map((checkout) => [checkout, run(checkout)]))
    for (const [title, before] of runs.get(other) ?? []) {
      const now = runs.get(CHECKOUT)?.get(title) ?? Number.NaN
      ratios.set(title, [...(ratios.get(title) ?? []), now / before])
    }
  }
  console.log(
    `Speed of this commit over ${commit}'s, ${flags.pairs} alternating pairs; asked: the interval above ${ASKED}`,
  )
  for (const [title, values] of ratios) {
    const [low, high] = interval(values)
    const verdict = low > ASKED ? 'holds' : 'FALLS SHORT'
    console.log(
      `${title}: median ${median(values).toFixed(3)}, 95% ${low.toFixed(3)} to ${high.toFixed(3)}: ${verdict}`,
    )
  }
} finally {
  rmSync(top, { recursive: true, force: true })
}
