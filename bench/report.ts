/** What was measured, as a table and as data. */
import type { Contestant } from './contestant.ts'
import type { Bar, Measure, Scenario } from './scenario.ts'
import { median } from './statistics.ts'

export interface Participant {
  readonly contestant: Contestant
  readonly versions: string
}

/** One measure of one scenario: the figures of each run, by contestant. */
export interface Line {
  readonly measure: Measure
  readonly figures: ReadonlyMap<string, readonly number[]>
}

export interface Verdict {
  readonly asked: number
  readonly found: number
  readonly holds: boolean
  /** What the bar was taken from. */
  readonly by: string
}

/** @param ours the name of the contestant that the bars are for */
export const judge = (
  { measure, figures }: Line,
  peers: readonly Participant[],
  ours: string,
): Verdict | undefined => {
  const { bar, better } = measure
  const found = median(figures.get(ours) ?? [])
  if (bar === undefined || Number.isNaN(found)) return undefined
  const target = targetOf(bar, better, figures, peers)
  if (target === undefined) return undefined
  const { asked, by } = target
  return { asked, found, by, holds: better === 'more' ? found >= asked : found < asked }
}

const targetOf = (
  { times, absolute, reference }: Bar,
  better: Measure['better'],
  figures: Line['figures'],
  peers: readonly Participant[],
): { asked: number; by: string } | undefined => {
  if (absolute !== undefined) return { asked: absolute, by: 'the bar itself' }
  const durable = peers.flatMap(({ contestant: { name, isDurable } }) => {
    const value = median(figures.get(name) ?? [])
    return isDurable && !Number.isNaN(value) ? [{ name, value }] : []
  })
  const sorted = durable.toSorted((a, b) => (better === 'more' ? b.value - a.value : a.value - b.value))
  const best = sorted[0] ?? (reference === undefined ? undefined : { name: 'peers.md', value: reference })
  if (best === undefined) return undefined
  return { asked: best.value * (times ?? 1), by: `${times ?? 1} × ${best.name}` }
}

const shown = (values: readonly number[] | undefined, digits: number): string => {
  if (values === undefined || values.length === 0) return '–'
  const text = (value: number): string =>
    value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
  const middle = text(median(values))
  if (values.length === 1) return middle
  return `${middle} (${text(Math.min(...values))}–${text(Math.max(...values))})`
}

/** @returns a Markdown table: a row a measure, a column a contestant, and beside it what was asked */
export const tableOf = (
  lines: readonly Line[],
  participants: readonly Participant[],
  ours: string,
): string => {
  const names = participants.map(({ contestant }) => contestant.name)
  const peers = participants.filter(({ contestant }) => contestant.name !== ours)
  const rows = lines.map((line) => {
    const { title, unit, digits } = line.measure
    const verdict = judge(line, peers, ours)
    const asked =
      verdict === undefined
        ? ''
        : `${line.measure.better === 'more' ? '≥' : '<'} ${shown([verdict.asked], digits)} (${verdict.by})`
    const holds = verdict === undefined ? '' : verdict.holds ? 'holds' : '**does not hold**'
    return [`${title}, ${unit}`, ...names.map((name) => shown(line.figures.get(name), digits)), asked, holds]
  })
  const head = ['', ...names, 'asked', '']
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/** @returns what stands under the table: who took part, how they were set, what was measured */
export const notesOf = (
  participants: readonly Participant[],
  absent: ReadonlyMap<string, string>,
  scenarios: readonly Scenario[],
): string =>
  [
    ...participants.map(
      ({ contestant: { name, settings, isDurable }, versions }) =>
        `- ${name}: ${versions}; ${settings}${isDurable ? '' : '; **not durable**'}`,
    ),
    ...[...absent].map(([name, reason]) => `- ${name}: skipped, ${reason}`),
    '',
    ...scenarios.map(({ id, title }) => `- ${id}: ${title}`),
  ].join('\n')
